"""How often explain was right where it said certain, likely or possible.

Run: python benchmarks/calibration.py [folder of labelled logs]

The folder holds logs and an index.jsonl that says of each in words whether an upgrade happened and
why not. The table below says which causes those words are; what is in neither set is wrong.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console as Screen
from rich.table import Table

from pytest_nrf_fota.explain.case import blocks_of, case_of
from pytest_nrf_fota.explain.explanation import Explanation, explain
from pytest_nrf_fota.findings.finding import Confidence
from pytest_nrf_fota.verdict.ending import Upgraded

_DEFAULT = Path(__file__).parents[2] / "shared" / "logs" / "cases"
# By the label's id: the causes that its words name, and those that follow from them or are said
# in it beside the cause. A label that names no cause has no entry: every cause is wrong there.
_NAMED: dict[str, tuple[set[str], set[str]]] = {
    # "signed with a revoked key, so NSIB ... permanently invalidates S0"
    "03-nsib-revoked-key-s0-invalidated": ({"nsib_revoked_key"}, {"nsib_burnt_slot"}),
    # "driver or partition missing in the MCUboot build, or CONFIG_BOOT_MAX_IMG_SECTORS too small"
    "04-extflash-sectors-512": ({"too_few_sectors"}, set()),
    "17-nrfutil-list-uploaded-not-pending": ({"uploaded_not_pending"}, set()),
    "31-smpclient-list-pending": ({"pending_not_reset"}, set()),
    "33-nrf52840-usbdfu-revert": ({"not_confirmed"}, set()),
    "35-nrf91-main-stack-overflow": ({"stack_overflow"}, set()),
    "38-nrf52840-littlefs-main-stack": ({"stack_overflow"}, set()),
    # "signed with a key other than the one in the bootloader"; explain also names a damaged file,
    # which no line rules out.
    "41-nrf53-wrong-key-rejected": ({"secondary_image_invalid"}, set()),
    "44-nrf9160-extflash-revert": ({"not_confirmed"}, set()),
    "52-nrf5340-jedec-ff-app-runs": ({"external_flash_silent"}, set()),
    "54-nrf9160-secure-hardfault": ({"cpu_fault"}, set()),
    "56-nrf52840-mpsl-bus-fault": ({"cpu_fault"}, set()),
    "58-ncs-usage-fault-button": ({"cpu_fault"}, set()),
    "60-nrf54l15-crash-reset-coredump": ({"cpu_fault"}, set()),
    # "signed with the public MCUboot development key", which no line says.
    "62-wrong-key-devkey-smp": ({"secondary_image_invalid"}, set()),
    "65-downgrade-security-counter": ({"downgrade_prevented"}, set()),
    "68-test-then-revert-two-boots": ({"not_confirmed"}, set()),
    "69-sectors-128-no-boot": ({"too_few_sectors"}, {"nothing_to_start"}),
}
_HAPPENED = {True: Upgraded.YES, False: Upgraded.NO, "unknown": Upgraded.UNKNOWN}


def main() -> None:
    """Explain each labelled log and print two tables."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _DEFAULT
    index = folder / "index.jsonl"
    if not index.is_file():
        raise SystemExit(f"There are no labelled logs: {index}")
    labels = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines()]
    said: Counter[tuple[Confidence, bool]] = Counter()
    wrong: list[str] = []
    happened = named = with_cause = 0
    for label in labels:
        found = explain(case_of(blocks_of(folder / label["file"])))
        happened += found.happened is _HAPPENED[label["upgrade_happened"]]
        causes, beside = _NAMED.get(label["id"], (set(), set()))
        with_cause += bool(causes)
        named += bool(causes) and found.causes[:1] != () and found.causes[0].code in causes
        for cause in found.causes:
            is_right = cause.code in causes | beside
            said[cause.confidence, is_right] += 1
            if not is_right:
                wrong.append(f"{label['id']}: {cause.code} ({cause.confidence.value})")
        wrong += _misses(label["id"], found, causes)
    _print(said, wrong)
    print(f"what happened: {happened} of {len(labels)}; first cause: {named} of {with_cause}")


def _misses(name: str, found: Explanation, causes: set[str]) -> list[str]:
    missing = causes - {cause.code for cause in found.causes}
    return [f"{name}: {code} was not named" for code in sorted(missing)]


def _print(said: Counter[tuple[Confidence, bool]], wrong: list[str]) -> None:
    table = Table("said", "right", "wrong", "part right")
    for confidence in Confidence:
        right, false = said[confidence, True], said[confidence, False]
        part = f"{100 * right / (right + false):.0f} %" if right + false else "-"
        table.add_row(confidence.value, str(right), str(false), part)
    Screen().print(table)
    for line in wrong:
        print(line)


if __name__ == "__main__":
    main()

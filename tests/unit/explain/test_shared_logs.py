"""The explanation of complete logs: the support thread's, real firmware's, and published ones.

The logs are not part of this repository; they lie in a folder `shared` beside it.
"""

import json
from pathlib import Path

import pytest

from pytest_nrf_fota.explain.case import blocks_of, case_of
from pytest_nrf_fota.explain.explanation import Explanation, Status, explain
from pytest_nrf_fota.explain.text import explanation_text
from pytest_nrf_fota.findings.finding import Confidence
from pytest_nrf_fota.verdict.ending import Upgraded
from tests.unit.explain.width import fits

_LOGS = Path(__file__).parents[4] / "shared" / "logs"
_INDEX = _LOGS / "cases" / "index.jsonl"

# What the index says in words, as names of rules; no entry: nothing may be called a cause.
_EXPECTED_CAUSES = {
    "03-nsib-revoked-key-s0-invalidated": {"nsib_revoked_key", "nsib_burnt_slot"},
    "04-extflash-sectors-512": {"too_few_sectors"},
    "17-nrfutil-list-uploaded-not-pending": {"uploaded_not_pending"},
    "31-smpclient-list-pending": {"pending_not_reset"},
    "33-nrf52840-usbdfu-revert": {"not_confirmed"},
    "35-nrf91-main-stack-overflow": {"stack_overflow"},
    "38-nrf52840-littlefs-main-stack": {"stack_overflow"},
    "41-nrf53-wrong-key-rejected": {"secondary_image_invalid"},
    "44-nrf9160-extflash-revert": {"not_confirmed"},
    "52-nrf5340-jedec-ff-app-runs": {"external_flash_silent"},
    "54-nrf9160-secure-hardfault": {"cpu_fault"},
    "56-nrf52840-mpsl-bus-fault": {"cpu_fault"},
    "58-ncs-usage-fault-button": {"cpu_fault"},
    "60-nrf54l15-crash-reset-coredump": {"cpu_fault"},
    "62-wrong-key-devkey-smp": {"secondary_image_invalid"},
    "65-downgrade-security-counter": {"downgrade_prevented"},
    "68-test-then-revert-two-boots": {"not_confirmed"},
    "69-sectors-128-no-boot": {"too_few_sectors", "nothing_to_start"},
}
# Harmless, but explained: the index calls it expected.
_EXPECTED_NOTES = {"50-nrf52840-oldformat-noimage-then-ok": {"no_application_yet"}}
_HAPPENED = {True: Upgraded.YES, False: Upgraded.NO, "unknown": Upgraded.UNKNOWN}

pytestmark = pytest.mark.skipif(not _LOGS.is_dir(), reason="the shared logs are not there")


def _explain(name: str) -> Explanation:
    return explain(case_of(blocks_of(_LOGS / name)))


def _cases() -> list[dict[str, object]]:
    if not _INDEX.is_file():
        return []
    return [json.loads(line) for line in _INDEX.read_text().splitlines()]


def _names(explanation: Explanation) -> set[str]:
    return {cause.code for cause in explanation.causes}


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_published_log(case: dict[str, object]) -> None:
    """Whether an upgrade happened, and the cause that the index names; no other, no false one."""
    explanation = _explain(f"cases/{case['file']}")
    happened = case["upgrade_happened"]
    assert explanation.happened is _HAPPENED[happened if isinstance(happened, bool) else "unknown"]
    name = str(case["id"])
    assert _names(explanation) == _EXPECTED_CAUSES.get(name, set())
    notes = {note.code for note in (*explanation.notes, *explanation.advice)}
    assert notes == _EXPECTED_NOTES.get(name, set())
    if str(case["expected_cause"]).startswith("none"):
        assert explanation.status is not Status.CAUSE_FOUND


def test_every_case_with_a_cause_is_listed() -> None:
    """The table above is complete: a case that the index gives a cause has its rules in it."""
    given = {
        str(case["id"]) for case in _cases() if not str(case["expected_cause"]).startswith("none")
    }
    assert given == set(_EXPECTED_CAUSES) | set(_EXPECTED_NOTES)


@pytest.mark.parametrize(
    ("name", "erase_line"),
    [("thread-session-a-v11-to-v12.log", 32), ("thread-session-b-v14-to-v15.log", 35)],
)
def test_support_thread(name: str, erase_line: int) -> None:
    """Nothing was pending, an S image lies in the slot, two uploads; advice on all three."""
    explanation = _explain(name)
    assert explanation.answer.startswith("No upgrade: nothing was pending at the reset.")
    assert explanation.status is Status.CAUSE_FOUND
    causes = {cause.code: cause for cause in explanation.causes}
    assert set(causes) == {"both_s_files_uploaded", "nothing_pending", "s_image_in_secondary"}
    assert explanation.causes[0].code == "both_s_files_uploaded"
    assert "(two uploads)" in causes["both_s_files_uploaded"].cause
    assert "S0 runs here, so the s1 file" in causes["both_s_files_uploaded"].remedy
    assert erase_line in [shown.line_number for shown in causes["both_s_files_uploaded"].shown]
    assert [advice.code for advice in explanation.advice] == ["stale_external_flash"]
    assert "flash erase mx25r6435f@0 0 800000" in explanation.advice[0].remedy


def test_missing_swap_type_line_is_shown_with_the_one_that_is_there() -> None:
    """Session B: the trailers of image 0, and the decision that is image 1's."""
    explanation = _explain("thread-session-b-v14-to-v15.log")
    (cause,) = [c for c in explanation.causes if c.code == "s_image_in_secondary"]
    assert cause.confidence is Confidence.CERTAIN
    assert [shown.line_number for shown in cause.shown] == [46, 47, 52]


@pytest.mark.parametrize(
    ("name", "happened", "causes"),
    [
        ("real-m0-upgrade-test-confirm.log", Upgraded.YES, set()),
        ("real-m0-power-cut-resume.log", Upgraded.YES, set()),
        ("real-mps2-ram-load-boot.log", Upgraded.NO, set()),
        ("real-m0-corrupt-image-rejected.log", Upgraded.NO, {"secondary_image_invalid"}),
        ("real-m0-flash-filled-with-zeros.log", Upgraded.NO, {"not_confirmed"}),
    ],
)
def test_real_firmware(name: str, happened: Upgraded, causes: set[str]) -> None:
    """Successful upgrades raise no alarm; the others name their cause and nothing else."""
    explanation = _explain(name)
    assert explanation.happened is happened
    assert _names(explanation) == causes
    assert (explanation.status is Status.FINE) == (not causes)
    assert explanation.advice == ()


@pytest.mark.parametrize("name", sorted(path.name for path in _LOGS.glob("*.log")))
@pytest.mark.parametrize("width", [40, 80])
def test_text_fits(name: str, width: int) -> None:
    """No line is wider than asked for but a command, and the first says the answer."""
    explanation = _explain(name)
    lines = list(explanation_text(explanation, width))
    assert [line for line in lines if not fits(line, width)] == []
    assert explanation.answer.startswith(lines[0])

"""Boot reports of published logs: stages and outcome as their index says.

The logs are not part of this repository; they lie in a folder `shared` beside it.
"""

import json
import os
from pathlib import Path

import pytest

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.client_side import ClientSide, listings_of
from pytest_nrf_fota.bootlog.report import BootReport, SwapResult
from pytest_nrf_fota.verdict.facts import Facts
from pytest_nrf_fota.verdict.judge import judge
from tests.unit.boot_lines import report_of

_LOGS = Path(__file__).parents[4] / "shared" / "logs"
_STAGES = {
    "nsib": Stage.NSIB,
    "mcuboot": Stage.MCUBOOT,
    "mcuboot-banner-only": Stage.MCUBOOT,
    "tf-m": Stage.TFM,
    "app": Stage.APP,
}


def _report(name: str) -> BootReport:
    path = _LOGS / name
    if not path.is_file():
        message = f"the log is not here: {path}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return report_of(path.read_bytes())


def _entries() -> list[dict[str, str | bool | list[str]]]:
    index = _LOGS / "cases" / "index.jsonl"
    if not index.is_file():
        return []
    return [json.loads(line) for line in index.read_text().splitlines()]


@pytest.mark.parametrize("entry", _entries(), ids=lambda entry: str(entry["id"]))
def test_a_published_log_is_read_as_its_index_says(entry: dict[str, str | bool]) -> None:
    report = _report(f"cases/{entry['file']}")
    stages = [span.stage for boot in report.boots for span in boot.stages]
    assert stages == [_STAGES[name] for name in entry["stages_seen"] if name in _STAGES]  # type: ignore[union-attr]
    happened = {True: "yes", False: "no", "unknown": "unknown"}[entry["upgrade_happened"]]
    client = ClientSide((), listings_of(report.client))
    found = judge(Facts(boots=report.boots, client=client))
    assert found.ending.upgraded.value == happened, found.sign.why
    assert ("client" in entry["stages_seen"]) == (report.client is not None)  # type: ignore[operator]
    assert report.two_boards is None
    assert report.loops == ()


def test_nsib_tells_each_slot_and_key() -> None:
    (boot,) = _report("cases/03-nsib-revoked-key-s0-invalidated.log").boots
    assert boot.nsib is not None
    first, second = boot.nsib.attempts
    assert (first.slot, first.address, first.verified) == (0, 0x9000, None)
    assert [(key.number, key.hash_ends, key.result) for key in first.keys] == [
        (0, None, "revoked"),
        (1, None, "revoked"),
        (2, "19...73", "no match"),
    ]
    assert first.invalidated is not None
    assert first.invalidated.line_number == 10
    assert [error.line_number for error in first.errors] == [9, 10]
    assert (second.slot, second.firmware_version, second.revoked_keys) == (1, 2, (0, 1))
    assert boot.nsib.booted == second


def test_a_crash_is_put_together() -> None:
    report = _report("cases/54-nrf9160-secure-hardfault.log")
    (fault,) = report.faults
    assert (fault.kind, fault.secure, fault.then) == ("BUS FAULT", True, "unknown")
    assert fault.details == (
        "Fault escalation (see below)",
        "HARD FAULT",
        "Precise data bus error",
    )
    assert (fault.pc, fault.lr, fault.fault_address) == (0x47BA0, 0x3BA81, 0x50008158)
    assert fault.fatal_error == (0, "CPU exception")
    assert fault.thread == (0x20017D00, "unknown")
    (fault,) = _report("cases/58-ncs-usage-fault-button.log").faults
    assert fault.in_interrupt
    (fault,) = _report("cases/35-nrf91-main-stack-overflow.log").faults
    assert (fault.kind, fault.then, fault.thread) == ("USAGE FAULT", "halt", (0x200132B8, "main"))
    (fault,) = _report("cases/60-nrf54l15-crash-reset-coredump.log").faults
    assert (fault.kind, fault.then) == ("BUS FAULT", "reset")


def test_what_a_client_lists() -> None:
    client = _report("cases/31-smpclient-list-pending.log").client
    assert client is not None
    first, second = client.images
    assert (first.slot, first.active, first.pending) == (0, True, False)
    assert (second.slot, second.active, second.pending) == (1, False, True)
    client = _report("cases/17-nrfutil-list-uploaded-not-pending.log").client
    assert client is not None
    assert [(image.slot, image.pending, image.confirmed) for image in client.images] == [
        (0, False, True),
        (1, False, False),
    ]


def test_a_long_swap_has_a_duration() -> None:
    boot = _report("cases/21-nrf7002dk-mender-test-confirm.log").boots[1]
    assert boot.mcuboot is not None
    (swap,) = boot.mcuboot.swaps
    assert (swap.algorithm, swap.decided, swap.result) == ("move", "test", SwapResult.SWAPPED)
    assert swap.duration_s == pytest.approx(92.934, abs=0.01)
    assert boot.mcuboot.image_version == "0.2.0"


def test_the_thread_s_session_b() -> None:
    first, second = _report("thread-session-b-v14-to-v15.log").boots
    for boot in (first, second):
        assert boot.nsib is not None
        assert boot.nsib.booted is not None
        assert boot.nsib.booted.firmware_version == 14
        assert boot.mcuboot is not None
        assert (boot.mcuboot.marker, boot.mcuboot.chainload_address) == ("14", 0x28000)
        assert len(boot.mcuboot.rounds) == 2
        assert boot.app is not None
        assert boot.app.identity_address == "F2:7C:B6:5D:C3:74"
    # An image for the other S slot waits in the secondary: image 0 then prints no swap type.
    assert second.mcuboot is not None
    assert [round.decision is None for round in second.mcuboot.rounds] == [True, False]
    (erased,) = [line for line in first.lines if "Erased 0xa000 bytes" in line.text]
    assert erased.line_number == 35
    assert erased.uptime_s == pytest.approx(155.721282)


def test_frames_of_smp_are_taken_out_of_a_real_log() -> None:
    report = _report("real-m0-upgrade-test-confirm.log")
    assert report.unknown_count == 0
    swaps = [boot.mcuboot.swaps for boot in report.boots if boot.mcuboot is not None]
    assert [[swap.result for swap in of_boot] for of_boot in swaps] == [
        [],
        [SwapResult.SWAPPED],
        [],
        [],
    ]


def test_a_cut_swap_is_resumed_by_the_next_boot() -> None:
    cut, resumed = _report("real-m0-power-cut-resume.log").boots
    assert cut.mcuboot is not None
    assert [swap.result for swap in cut.mcuboot.swaps] == [SwapResult.CUT]
    assert resumed.mcuboot is not None
    (swap,) = resumed.mcuboot.swaps
    assert (swap.resumed, swap.decided, swap.result) == (True, None, SwapResult.SWAPPED)


def test_an_image_loaded_to_ram_names_its_slot() -> None:
    (boot,) = _report("real-mps2-ram-load-boot.log").boots
    assert boot.mcuboot is not None
    chosen = [loaded for loaded in boot.mcuboot.loaded if loaded.is_chosen]
    assert [(loaded.slot, loaded.version) for loaded in chosen] == [("primary", "0.0.0+0")]
    assert boot.mcuboot.chainload_address == 0x20240000

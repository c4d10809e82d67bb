"""Boot reports of complete logs: the support thread's, real firmware's, and published ones.

The logs are not part of this repository; they lie in a folder `shared` beside it.
"""

import json
import os
from pathlib import Path

import pytest

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.bootlog.report import Boot
from tests.unit.boot_lines import Patterns, stages_of

_LOGS = Path(__file__).parents[4] / "shared" / "logs"
_PATTERNS = Patterns(app_ready="Advertising successfully started|smp_sample: build time: ")
_STAGE_NAMES = {
    "nsib": Stage.NSIB,
    "mcuboot": Stage.MCUBOOT,
    "mcuboot-banner-only": Stage.MCUBOOT,
    "tf-m": Stage.TFM,
    "app": Stage.APP,
}
# Listings of a client, and crash dumps without any boot before them.
_NO_BOOT_IN_THE_LOG = {
    *("17-nrfutil-list-uploaded-not-pending", "31-smpclient-list-pending"),
    *("38-nrf52840-littlefs-main-stack", "54-nrf9160-secure-hardfault"),
    *("56-nrf52840-mpsl-bus-fault", "58-ncs-usage-fault-button"),
}
# The network core's update, and a swap by an MCUboot that prints no line for it.
_SWAP_WITHOUT_A_LINE = {"06-netcore-pcd-update-ok", "33-nrf52840-usbdfu-revert"}


def _boots(name: str) -> tuple[Boot, ...]:
    reader = BootReader(_PATTERNS)
    reader.feed(_file(name).read_bytes())
    return tuple(boot for boot in reader.finish().boots if not boot.start_is_missing)


def _file(name: str) -> Path:
    path = _LOGS / name
    if not path.is_file():
        message = f"the log is not here: {path}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def test_the_threads_first_session() -> None:
    programmed, first, after_upload = _boots("thread-session-a-v11-to-v12.log")
    assert stages_of(programmed) == [Stage.NSIB]
    assert programmed.counter_set_to == 11
    for boot in (first, after_upload):
        assert stages_of(boot) == [Stage.NSIB, Stage.APP]
        assert (boot.nsib_slot, boot.firmware_version, boot.key_hash) == (0, 11, "7f...07")
        assert boot.app_ready
        assert not boot.swapped


def test_the_threads_second_session() -> None:
    boots = _boots("thread-session-b-v14-to-v15.log")
    assert len(boots) == 2
    for boot in boots:
        assert stages_of(boot) == [Stage.NSIB, Stage.MCUBOOT, Stage.APP]
        assert (boot.nsib_slot, boot.firmware_version, boot.bootloader_version) == (0, 14, 14)
        assert boot.identity_address == "F2:7C:B6:5D:C3:74"
        assert boot.app_ready
        assert not boot.swapped
        assert boot.refusals == ()
    # An image for the other S slot waits in the secondary: image 0 then prints no swap type.
    assert [len(boot.mcuboot.decisions) for boot in boots if boot.mcuboot] == [2, 1]


@pytest.mark.parametrize(
    ("name", "swaps", "versions"),
    [
        ("upgrade-test-confirm", [None, "test", None, None], ["0.0.0", "1.2.3", "1.2.3", "1.2.3"]),
        ("corrupt-image-rejected", [None, None], ["0.0.0", "0.0.0"]),
        (
            "flash-filled-with-zeros",
            [None, "test", "revert", None],
            ["0.0.0", "1.2.3", "0.0.0", "0.0.0"],
        ),
        ("power-cut-resume", ["test", None], [None, "1.2.3"]),
    ],
)
def test_real_mcuboot_and_zephyr(
    name: str, swaps: list[str | None], versions: list[str | None]
) -> None:
    boots = _boots(f"real-m0-{name}.log")
    assert [boot.swap_type for boot in boots] == swaps
    assert [boot.image_version for boot in boots] == versions
    complete = [boot for boot in boots if boot.image_version is not None]
    assert all(stages_of(boot) == [Stage.MCUBOOT, Stage.APP] for boot in complete)
    assert all(boot.app_ready for boot in complete)
    resumed = [boot.swapped for boot in boots if boot.swap_type is None]
    assert any(resumed) == (name == "power-cut-resume")
    refused = [boot for boot in boots if boot.refusals]
    assert len(refused) == (name == "corrupt-image-rejected")


def test_real_mcuboot_that_loads_to_ram() -> None:
    (boot,) = _boots("real-mps2-ram-load-boot.log")
    assert stages_of(boot) == [Stage.MCUBOOT, Stage.APP]
    assert not boot.swapped


def test_published_logs_show_the_stages_that_their_index_names() -> None:
    entries = [json.loads(line) for line in _file("cases/index.jsonl").read_text().splitlines()]
    assert len(entries) >= 30
    for entry in entries:
        boots = _boots(f"cases/{entry['file']}")
        assert bool(boots) == (entry["id"] not in _NO_BOOT_IN_THE_LOG), entry["id"]
        if not boots:
            continue
        found = [stage for boot in boots for stage in stages_of(boot)]
        wanted = [_STAGE_NAMES[name] for name in entry["stages_seen"] if name in _STAGE_NAMES]
        if wanted[0] is Stage.APP and found[0] is not Stage.APP:
            wanted = wanted[1:]  # the log begins while the application already runs
        assert found == wanted, entry["id"]


def test_published_logs_show_the_swaps_that_their_index_names() -> None:
    entries = [json.loads(line) for line in _file("cases/index.jsonl").read_text().splitlines()]
    judged = 0
    for entry in entries:
        boots = _boots(f"cases/{entry['file']}")
        if entry["upgrade_happened"] == "unknown" or not boots:
            continue
        if entry["id"] in _SWAP_WITHOUT_A_LINE:
            assert not any(boot.swapped for boot in boots)
            continue
        swaps = [boot.swap_type for boot in boots if boot.swapped]
        stays_new = bool(swaps) and swaps[-1] != "revert"
        assert stays_new == entry["upgrade_happened"], entry["id"]
        judged += 1
    assert judged >= 15


@pytest.mark.parametrize(
    ("case", "refusal"),
    [
        ("41-nrf53-wrong-key-rejected", "E: Image in the secondary slot is not valid!"),
        ("62-wrong-key-devkey-smp", "E: Image in the secondary slot is not valid!"),
        (
            "65-downgrade-security-counter",
            "I: Image 0 in slot 1 erased due to downgrade prevention",
        ),
        ("69-sectors-128-no-boot", "E: Unable to find bootable image"),
        ("03-nsib-revoked-key-s0-invalidated", "Failed to validate, permanently invalidating!"),
    ],
)
def test_published_refusals_are_found(case: str, refusal: str) -> None:
    assert refusal in _boots(f"cases/{case}.log")[0].refusals

"""The application scenarios, unchanged, on real MCUboot and real Zephyr under QEMU."""

from pathlib import Path

import pytest

from pytest_nrf_fota.firmware.smpclient_dist import QemuCortexM0Firmware

pytestmark = pytest.mark.long_proof

SCENARIOS = Path(__file__).parents[1] / "hil" / "test_app_upgrade.py"
PASSED_SCENARIOS = 11
# Ten upgrades in a row are for the night; neither signatures nor downgrades mean anything there.
SKIPPED_SCENARIOS = 4


def test_app_upgrade_scenarios_pass_on_qemu_cortex_m0(
    user_folder: pytest.Pytester, qemu_firmware: QemuCortexM0Firmware
) -> None:
    """Swap, confirm, revert, refusal of a truncated image, seen on its own UART and flash."""
    del qemu_firmware  # asked for so that a machine without QEMU skips
    result = user_folder.runpytest_subprocess("--board", "qemu_cortex_m0", str(SCENARIOS), "-v")
    result.assert_outcomes(passed=PASSED_SCENARIOS, skipped=SKIPPED_SCENARIOS)
    result.stdout.fnmatch_lines(
        [
            "*application 0.0.0 (*) -> 1.2.3+4 (*): UPGRADED",
            "*UART: new * swap test, image v1.2.3, application runs",
            "*why: MCUboot reverted to the old application*",
            "*why: the bootloader refused the image: *Image in the secondary slot is not valid!*",
        ]
    )

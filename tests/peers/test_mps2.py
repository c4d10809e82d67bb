"""Real MCUboot in RAM_LOAD mode and real Zephyr under QEMU, through the plugin."""

from pathlib import Path

import pytest

HIL = Path(__file__).parents[1] / "hil"

pytestmark = [pytest.mark.long_proof, pytest.mark.usefixtures("qemu")]


def test_application_scenarios_on_mps2(user_folder: pytest.Pytester) -> None:
    """Upload and reset are enough; what such a bootloader has not is skipped with that reason."""
    result = user_folder.runpytest_subprocess(
        *("--board", "mps2_an385", "-rs"),
        f"{HIL}/test_app_upgrade.py",
        f"{HIL}/test_mcuboot_upgrade.py::test_mcuboot_upgrade_s0_to_s1",
    )
    result.assert_outcomes(passed=7, skipped=9)
    result.stdout.fnmatch_lines(
        [
            "*application 0.0.0 (*) -> 1.2.3+4 (*): UPGRADED",
            "*UART: new * image v1.2.3, application runs",
            "*SMP:  new * slot 1: 1.2.3.4 * active confirmed*",
            "*SWD:  new * RAM that it runs from holds 1.2.3+4 (*)",
        ]
    )
    result.stdout.fnmatch_lines(["*why: MCUboot took version 1.2.3: it takes the highest version*"])
    for missing in ("revert", "set_pending", "nsib"):
        result.stdout.fnmatch_lines([f"SKIPPED * mps2_an385 has no {missing}: *"])


def test_highest_version_and_serial_recovery_on_mps2(user_folder: pytest.Pytester) -> None:
    """The scenarios of this kind of bootloader."""
    result = user_folder.runpytest_subprocess(
        *("--board", "mps2_an385", "-rs"),
        f"{HIL}/test_highest_version.py",
        f"{HIL}/test_serial_recovery.py",
    )
    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(
        ["*why: the bootloader refused the image: *Image in the secondary slot is not valid!*"]
    )

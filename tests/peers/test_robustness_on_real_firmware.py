"""A sample of the robustness scenarios, unchanged, on real MCUboot and real Zephyr under QEMU."""

from pathlib import Path

import pytest

from pytest_nrf_fota.firmware.smpclient_dist import QemuCortexM0Firmware

pytestmark = pytest.mark.long_proof

SCENARIOS = Path(__file__).parents[1] / "hil" / "test_robustness.py"


def test_interrupted_uploads_and_swaps_recover_on_qemu_cortex_m0(
    user_folder: pytest.Pytester, qemu_firmware: QemuCortexM0Firmware
) -> None:
    """Its server resumes an upload; MCUboot finishes a swap that resets cut at flash erases."""
    del qemu_firmware  # asked for so that a machine without QEMU skips
    result = user_folder.runpytest_subprocess(
        *("--board", "qemu_cortex_m0", str(SCENARIOS), "-v"),
        *("-k", "upload_interrupted or reset_during or dirty"),
    )
    outcomes = result.parseoutcomes()
    # Resumed upload, reset in an upload, four swaps, dirty slot.
    assert outcomes["passed"] == 7
    assert {"failed", "errors", "error"}.isdisjoint(outcomes)

"""Programs that others wrote: on a user's machine a missing one is a skip, in CI a failure."""

import os
import shutil

import pytest

from pytest_nrf_fota.firmware.smpclient_dist import QemuCortexM0Firmware, qemu_cortex_m0_firmware


@pytest.fixture(scope="session")
def qemu_firmware() -> QemuCortexM0Firmware:
    """Real Zephyr and MCUboot for QEMU, and QEMU itself."""
    if shutil.which("qemu-system-arm") is None:
        reason = "qemu-system-arm is missing: install the Debian package qemu-system-arm"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return qemu_cortex_m0_firmware()

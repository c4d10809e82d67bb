"""A board that runs its baseline: flashed once for each module, reset for each test."""

import pytest

from pytest_nrf_fota.artifacts.source import FirmwareSource
from pytest_nrf_fota.dut.dut import Dut


@pytest.fixture(scope="module")
def flashed() -> set[str]:
    """Boards that hold their baseline already."""
    return set()


@pytest.fixture
def running(dut: Dut, firmware: FirmwareSource, flashed: set[str]) -> Dut:
    """The board, freshly booted."""
    # A board without bootloader is its firmware.
    if dut.name in flashed or dut.board.boot.bootloader_mode == "none":
        dut.reset()
    else:
        dut.prepare(firmware.baseline)
        flashed.add(dut.name)
    return dut

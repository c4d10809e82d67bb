"""Firmware that several tests read: demonstration artifacts, and small signed images."""

from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.dfu_package import PackageTarget, package_target
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot

_PAYLOAD_BYTES = 0x800
_PAD_BYTES = 0x200
_NETWORK_APP_ADDRESS = 0x01008800


@pytest.fixture(scope="session")
def board() -> BoardType:
    """The virtual nRF5340 DK."""
    return load_board("nrf5340dk_sim")


@pytest.fixture(scope="session")
def target(board: BoardType) -> PackageTarget:
    """What packages for that board must fit."""
    return package_target(board)


@pytest.fixture(scope="session")
def demo(board: BoardType, tmp_path_factory: pytest.TempPathFactory) -> DemoSource:
    """Demonstration firmware of that board."""
    return DemoSource(board, tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for tests that write many files one after the other."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="session")
def app_image(board: BoardType) -> bytes:
    """A small signed application."""
    return _image(board.slots.primary.address + _PAD_BYTES)


@pytest.fixture(scope="session")
def network_image() -> bytes:
    """A small signed application of the network core."""
    return _image(_NETWORK_APP_ADDRESS)


@pytest.fixture(scope="session")
def s0_image(board: BoardType) -> bytes:
    """A small signed MCUboot for S0, FW_INFO version 7."""
    return _bootloader(board.slots.s0)


@pytest.fixture(scope="session")
def s1_image(board: BoardType) -> bytes:
    """A small signed MCUboot for S1, FW_INFO version 7."""
    return _bootloader(board.slots.s1)


def _image(address: int) -> bytes:
    return _signed(build_payload(address, _PAYLOAD_BYTES, AppDescription()))


def _bootloader(slot: Slot | None) -> bytes:
    assert slot is not None
    address = slot.address + _PAD_BYTES
    return _signed(build_payload(address, _PAYLOAD_BYTES, McubootDescription(), fw_info_version=7))


def _signed(payload: bytes) -> bytes:
    return sign_for_mcuboot(
        payload, ImageVersion(1, 2, 3, 4), SlotLayout(0xD8000), signing_key_for_tests("mcuboot")
    )

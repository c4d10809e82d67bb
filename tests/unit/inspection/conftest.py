"""Firmware to look into: demonstration artifacts, and build folders laid out as NCS does."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.keys import signing_key_for_tests

PARTITIONS = """\
EMPTY_0:
  address: 0x14200
  end_address: 0x18000
  region: flash_primary
  size: 0x3e00
mcuboot_primary:
  address: 0x28000
  end_address: 0x100000
  orig_span: &id001
  - mcuboot_pad
  - app
  region: flash_primary
  size: 0xd8000
mcuboot_secondary:
  address: 0x0
  device: DT_CHOSEN(nordic_pm_ext_flash)
  end_address: 0xd8000
  region: external_flash
  size: 0xd8000
provision:
  address: 0xff8100
  end_address: 0xff8380
  region: otp
  size: 0x280
s0:
  address: 0x8000
  end_address: 0x14200
  region: flash_primary
  size: 0xc200
s1:
  address: 0x18000
  end_address: 0x24200
  region: flash_primary
  size: 0xc200
"""


@pytest.fixture(scope="session")
def board() -> BoardType:
    """The kit."""
    return load_board("nrf5340dk")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSource:
    """Demonstration firmware."""
    return DemoSource(load_board("nrf5340dk_sim"), tmp_path_factory.mktemp("demo"))


@pytest.fixture
def child_image_build(tmp_path: Path, demo: DemoSource) -> Path:
    """A build folder of NCS 2.6 and before."""
    build = tmp_path / "build"
    _write(
        build / "zephyr/.config",
        'CONFIG_BOARD="nrf5340dk_nrf5340_cpuapp"\nCONFIG_BT_DEVICE_NAME="My product"\n'
        'CONFIG_FW_INFO_FIRMWARE_VERSION=3\nCONFIG_SB_SIGNING_KEY_FILE=""\n'
        "CONFIG_BOOTLOADER_MCUBOOT=y\n# CONFIG_BOOT_UPGRADE_ONLY is not set\n"
        "CONFIG_HEAP_MEM_POOL_SIZE=2048\n",
    )
    _write(
        build / "mcuboot/zephyr/.config", "CONFIG_MCUBOOT=y\nCONFIG_FW_INFO_FIRMWARE_VERSION=15\n"
    )
    _write(build / "partitions.yml", PARTITIONS)
    for artifact in (demo.baseline, demo.app_update, demo.mcuboot_update):
        shutil.copy(artifact, build / "zephyr")
    return build


@pytest.fixture
def sysbuild_build(tmp_path: Path, demo: DemoSource) -> Path:
    """A build folder of NCS 2.7 and later."""
    build = tmp_path / "build"
    _write(build / "zephyr/.config", 'SB_CONFIG_SECURE_BOOT_SIGNING_KEY_FILE="/keys/nsib.pem"\n')
    _write(
        build / "myapp/zephyr/.config",
        'CONFIG_BOOTLOADER_MCUBOOT=y\nCONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION="1.1.0+0"\n',
    )
    for artifact in (demo.baseline, demo.app_update, demo.mcuboot_update):
        shutil.copy(artifact, build)
    return build


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file of that name and content."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def mcuboot_pem(tmp_path: Path) -> Path:
    """The demonstration key of MCUboot as a user would have it."""
    path = tmp_path / "mcuboot.pem"
    path.write_bytes(
        signing_key_for_tests("mcuboot").private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path

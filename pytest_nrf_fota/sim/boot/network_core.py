"""MCUboot's side of a network core update: a command in shared memory, a switch, and waiting.

Source: sdk-nrf subsys/pcd/src/pcd.c and
modules/mcuboot/hooks/nrf53_hooks.c.
"""

import math
import struct
from collections.abc import Callable

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.firmware.fw_info import find_fw_info
from pytest_nrf_fota.sim.boot.b0n import ERROR_FAULT, NetworkCore, run_b0n
from pytest_nrf_fota.sim.boot.image_check import read_header
from pytest_nrf_fota.sim.boot.pcd import PcdMagic
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, FlashError, MemoryLayout

# Where the linker places the flash simulator's memory is not known; anywhere in the SRAM does.
RAM_FLASH_ADDRESS = 0x20010000
RAM_FLASH_PAGE_BYTES = 0x1000
# On MCUboot's stack.
VERSION_BUFFER_ADDRESS = 0x20008000
VERSION_SIZE_BYTES = 4
POLL_S = 1.0
ERROR_INVALID = -22
# Where struct image_header has ih_hdr_size (u16) and ih_img_size (u32).
_HEADER_SIZES = struct.Struct("<8xHHI")


class NetworkCoreSilentError(Exception):
    """The network core never answers, and MCUboot asks on until the board is reset."""


def make_ram_flash(size_bytes: int, clock: VirtualClock) -> Flash:
    """The flash simulator behind `mcuboot_primary_1`: erased whenever a firmware starts.

    Args:
        size_bytes: CONFIG_NRF53_RAM_FLASH_SIZE.
        clock: the kit's.
    """
    layout = MemoryLayout(
        "RAM flash", RAM_FLASH_ADDRESS, size_bytes, RAM_FLASH_PAGE_BYTES, 4, 0.0, 0.0
    )
    return Flash((layout,), clock)


class NetworkCoreUpdate:
    """MCUboot's calls into PCD.

    Args:
        core: the network core.
        profile: the release of both cores' bootloaders.
        log: takes MCUboot's lines.
    """

    def __init__(self, core: NetworkCore, profile: Release, log: Callable[[str], None]) -> None:
        self._core = core
        self._profile = profile
        self._log = log

    def copy_from_ram_slot(self, primary: FlashArea) -> bool:
        """Have the image in `mcuboot_primary_1` taken over (nrf53_hooks.c, network_core_update).

        False where it was refused, or where the slot holds no image for the network core. Raises
        `NetworkCoreSilentError`.
        """
        header = read_header(primary)
        if header is None:
            return False
        start = primary.address + header.header_size_bytes
        (reset_vector,) = struct.unpack("<I", self._core.read(start + 4, 4))
        if reset_vector <= self._core.map.b0n_address:
            return False
        return self._request(PcdMagic.COPY, start, header.image_size_bytes)

    def copy_from_shared_slot(self, secondary: FlashArea) -> bool:
        """Have the image in the application's secondary slot taken over (loader.c).

        The slot's offset in its device serves as a memory address. That is right for the internal
        flash only: of a slot in the external flash, what is read for a header are the first words
        of the internal one. Raises `NetworkCoreSilentError`.
        """
        device = secondary.flash.layout_at(secondary.address)
        address = secondary.address - device.start
        header_size, _, image_size = _HEADER_SIZES.unpack(
            self._core.flash.read(address, _HEADER_SIZES.size)
        )
        self._log("I: Starting network core update")
        if not self._request(PcdMagic.COPY, address + header_size, image_size):
            return False
        self._log("I: Done updating network core")
        return True

    def compare_version(self, secondary: FlashArea) -> int:
        """FW_INFO version of the update minus that of the running firmware; negative for an error.

        nrf53_hooks.c, pcd_version_cmp_net. Raises `NetworkCoreSilentError`.
        """
        if not self._request(PcdMagic.READ_VERSION, VERSION_BUFFER_ADDRESS, VERSION_SIZE_BYTES):
            return ERROR_FAULT
        running = self._core.find_fw_info(self._core.map.app_address)
        running_version = 0 if running is None else running.version
        header = read_header(secondary)
        if header is None:
            return ERROR_FAULT
        start = header.header_size_bytes + header.protected_tlv_size_bytes
        try:
            update = find_fw_info(secondary.read, start)
        except FlashError:
            update = None
        return ERROR_FAULT if update is None else update.version - running_version

    def _request(self, magic: PcdMagic, data_address: int, size_bytes: int) -> bool:
        command = self._core.command
        if data_address == 0 or size_bytes == 0:
            self._log(f"I: Error while writing PCD cmd: {ERROR_INVALID}")
            return False
        command.magic = magic
        command.data_address = data_address
        command.size_bytes = size_bytes
        command.offset_bytes = self._core.map.app_offset_bytes
        self._log("I: Turned on network core")
        started_at_s = self._core.clock.now_s
        run_b0n(self._core, self._profile)
        spent_s = self._core.clock.now_s - started_at_s
        polls = max(1, math.ceil(spent_s / POLL_S))
        self._core.clock.advance(polls * POLL_S - spent_s)
        if command.magic == magic:
            raise NetworkCoreSilentError(
                "MCUboot waits for the network core, which never answers: is b0n programmed?"
            )
        if command.magic != PcdMagic.DONE:
            self._log("E: Network core update failed")
            return False
        self._log("I: Turned off network core")
        return True

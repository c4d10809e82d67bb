"""b0n, the network core's immutable bootloader: takes a new firmware over, starts the one it has.

Source: sdk-nrf samples/nrf5340/netboot/src/main.c and
subsys/bootloader/bl_validation/bl_validation.c. It asks for a hash only: who signed the firmware
is MCUboot's business.
"""

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.boards.nsib_release import NsibRelease
from pytest_nrf_fota.boards.soc import NRF5340_NETWORK_CORE as CORE
from pytest_nrf_fota.boards.soc import NRF5340_NETWORK_LAYOUT as LAYOUT
from pytest_nrf_fota.firmware.ext_api import (
    ext_apis_of_bootloader,
    requested_ext_apis,
    unmet,
)
from pytest_nrf_fota.firmware.fw_info import SEARCH_OFFSETS_BYTES, FwInfo, find_fw_info
from pytest_nrf_fota.firmware.provisioning import (
    CounterKind,
    ProvisioningData,
    parse_provisioning,
)
from pytest_nrf_fota.firmware.validation_info import find_validation_info
from pytest_nrf_fota.sim.boot.pcd import PcdCommand, PcdMagic
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import ERASED_BYTE, Flash, FlashError

# CONFIG_PCD_BUF_SIZE, its default (sdk-nrf subsys/pcd/Kconfig).
COPY_CHUNK_BYTES = 512
ERROR_HASH_INVALID = -101
ERROR_NO_COUNTER = -22
ERROR_FAULT = -14
ERROR_NO_MEMORY = -12


@dataclass(frozen=True)
class NetworkMap:
    """Where b0n and its firmware lie (partition manager of NCS 2.x).

    Left out, it is that of the nRF5340 (`boards.soc.NetworkLayout`). Without provisioning data
    there is no b0n: the firmware begins where it would lie.
    """

    b0n_address: int = CORE.flash.start
    provisioning_address: int | None = LAYOUT.provisioning_address
    app_address: int = LAYOUT.firmware_address
    end_address: int = CORE.flash.end

    @property
    def app_offset_bytes(self) -> int:
        """Size of b0n's container: how far into its flash the network core's firmware lies."""
        return self.app_address - self.b0n_address


@dataclass(frozen=True)
class NetworkCore:
    """The network core's hardware: memories, the block that it shares, its UART.

    `flash` holds both cores' memories, `ram` the application core's SRAM as far as MCUboot keeps
    firmware there (the flash simulator behind `mcuboot_primary_1`).
    """

    flash: Flash
    ram: Flash
    command: PcdCommand
    print_line: Callable[[str], None]
    clock: VirtualClock
    map: NetworkMap = NetworkMap()

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read any memory that the network core reaches. Raises `FlashError`."""
        if any(layout.start <= address < layout.end for layout in self.ram.layouts):
            return self.ram.read(address, size_bytes)
        return self.flash.read(address, size_bytes)

    @property
    def has_b0n(self) -> bool:
        """Whether there is a b0n with its provisioning data."""
        return _provisioning(self) is not None

    def find_fw_info(
        self, address: int, offsets_bytes: Sequence[int] = SEARCH_OFFSETS_BYTES
    ) -> FwInfo | None:
        """NSIB's struct of the firmware at `address`, None where there is none."""
        try:
            return find_fw_info(self.read, address, offsets_bytes)
        except FlashError:
            return None


class B0nEnd(Enum):
    """What the network core does in the end."""

    STARTED_FIRMWARE = "it starts its firmware"
    WAITS = "it waits to be switched off"
    GAVE_UP = "b0n gave up"
    NEVER_RAN = "there is no b0n that could run"


def run_b0n(core: NetworkCore, profile: Release) -> B0nEnd:
    """One run of b0n, from the moment in which the network core is switched on."""
    provisioning = _provisioning(core)
    if provisioning is None:
        return B0nEnd.NEVER_RAN
    match core.command.magic:
        case PcdMagic.COPY:
            return _B0n(core, profile, provisioning).take_over()
        case PcdMagic.READ_VERSION:
            return _read_version(core, provisioning, profile)
        case _:
            # No hash is asked for: what was taken over was checked then.
            return _start(core, provisioning.s0_address, profile.nsib)


def _start(core: NetworkCore, address: int, release: NsibRelease) -> B0nEnd:
    info = core.find_fw_info(address, release.fw_info_offsets_bytes)
    if info is None:
        return B0nEnd.GAVE_UP
    try:
        # samples/nrf5340/netboot/prj.conf offers nothing; where b0n says more, that counts.
        own = ext_apis_of_bootloader(core.read, core.map.b0n_address, release.fw_info_offsets_bytes)
        lacking = unmet(requested_ext_apis(core.read, info), own or ())
    except FlashError:
        return B0nEnd.GAVE_UP
    if not any(one.is_required for one in lacking):
        return B0nEnd.STARTED_FIRMWARE
    if release.survives_unmet_ext_api:
        core.print_line(f"Booting (0x{info.firmware_address:x}).")
        core.print_line("Failed to provide ext APIs to image, boot aborted.")
    return B0nEnd.GAVE_UP


def _provisioning(core: NetworkCore) -> ProvisioningData | None:
    if core.map.provisioning_address is None:
        return None
    page_bytes = core.flash.layout_at(core.map.b0n_address).page_size_bytes
    if core.flash.is_erased(core.map.b0n_address, page_bytes):
        return None
    return parse_provisioning(core.flash.read, core.map.provisioning_address)


def _read_version(core: NetworkCore, provisioning: ProvisioningData, profile: Release) -> B0nEnd:
    info = core.find_fw_info(provisioning.s0_address, profile.nsib.fw_info_offsets_bytes)
    if info is None:
        # MCUboot is answered all the same, and takes the version for 0.
        core.print_line(f"Unable to find valid firmware version {ERROR_FAULT}")
    core.command.magic = PcdMagic.DONE
    return B0nEnd.WAITS


@dataclass(frozen=True)
class _B0n:
    core: NetworkCore
    profile: Release
    provisioning: ProvisioningData

    def take_over(self) -> B0nEnd:
        """Check what the command names, copy it over the old firmware, check the copy."""
        command = self.core.command
        own_address = self.provisioning.s0_address
        if not self._is_valid(command.data_address):
            return self._give_up(f"Unable to find valid firmware inside 0x{command.data_address:x}")
        error = self._copy()
        if error:
            return self._give_up(f"Failed to transfer image: {error}")
        if not self._is_valid(own_address):
            return self._give_up(f"Unable to find valid firmware inside 0x{own_address:x}")
        command.magic = PcdMagic.DONE
        return B0nEnd.WAITS

    def _give_up(self, line: str) -> B0nEnd:
        self.core.print_line(line)
        self.core.command.magic = PcdMagic.FAIL
        return B0nEnd.GAVE_UP

    def _copy(self) -> int:
        # stream_flash.c: the size is checked first, pages are erased as the data reaches them.
        command, flash = self.core.command, self.core.flash
        layout = flash.layout_at(self.core.map.b0n_address)
        start = layout.start + command.offset_bytes
        if command.offset_bytes + command.size_bytes > layout.size_bytes:
            return ERROR_NO_MEMORY
        for offset in range(0, command.size_bytes, COPY_CHUNK_BYTES):
            address = start + offset
            if (address - layout.start) % layout.page_size_bytes == 0:
                flash.erase(address, layout.page_size_bytes)
            chunk_bytes = min(COPY_CHUNK_BYTES, command.size_bytes - offset)
            chunk = self.core.read(command.data_address + offset, chunk_bytes)
            padding_bytes = -chunk_bytes % layout.write_size_bytes
            flash.write(address, chunk + bytes([ERASED_BYTE]) * padding_bytes)
        return 0

    def _is_valid(self, source_address: int) -> bool:
        info = self.core.find_fw_info(source_address, self.profile.nsib.fw_info_offsets_bytes)
        try:
            problem = self._problem(source_address, info)
        except FlashError:
            problem = "Could not find valid firmware validation info."
        if problem is None:
            self._say("I: Firmware hash verified.")
        else:
            self._say(f"E: {problem}")
        return problem is None

    def _problem(self, source_address: int, info: FwInfo | None) -> str | None:
        if info is None:
            return "NULL parameter."
        own_address = self.provisioning.s0_address
        if info.firmware_address != own_address:
            return "The firmware doesn't belong at destination addr."
        if not info.is_valid:
            word = self.profile.nsib.invalidated_word
            return f"{word} has been invalidated: 0x{info.valid_word:x}."
        if self.profile.nsib.says_reading_version:
            self._say("I: Trying to get Firmware version")
        counter = self.provisioning.counter(CounterKind.NSIB_FIRMWARE)
        if counter is None:
            if self.profile.nsib.says_no_counter:
                # bl_storage.c prints it, which does not know on whose behalf it is asked.
                self.core.print_line("E: Error getting monotonic counter")
            self._say(f"E: Cannot read the firmware version. {ERROR_NO_COUNTER}")
            self._say("I: We assume this is due to the firmware version not being enabled.")
        elif info.version < counter.value >> 1:
            return (
                f"Firmware version ({info.version}) is smaller than monotonic counter "
                f"({counter.value >> 1})."
            )
        size_bytes = info.firmware_size_bytes
        if info.address + info.total_size_bytes > source_address + size_bytes:
            return "Firmware info is not within signed region."
        vectors_offset = info.boot_address - own_address
        if not 0 <= vectors_offset < size_bytes:
            return "Boot address is not within signed region."
        (reset,) = struct.unpack("<I", self.core.read(source_address + vectors_offset + 4, 4))
        if not own_address <= reset < own_address + size_bytes:
            return "Reset handler is not within signed region."
        validation = find_validation_info(self.core.read, source_address + size_bytes)
        if validation is None:
            return "Could not find valid firmware validation info."
        if validation.firmware_address != info.firmware_address:
            return "Validation info doesn't belong to this firmware."
        firmware = self.core.read(source_address, size_bytes)
        if hashlib.sha256(firmware).digest() != validation.firmware_hash:
            return f"Firmware validation failed with error {ERROR_HASH_INVALID}."
        return None

    def _say(self, line: str) -> None:
        if self.profile.nsib.b0n_says_why:
            self.core.print_line(line)

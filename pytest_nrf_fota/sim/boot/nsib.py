"""NSIB (B0), the immutable bootloader: picks S0 or S1, verifies it, starts it.

Flow and lines: sdk-nrf samples/bootloader/src/main.c, subsys/bootloader/bl_validation and
bl_storage; what differs by release: nsib_release.py.
"""

import struct
from dataclasses import dataclass, replace
from enum import Enum

from pytest_nrf_fota.boards.ext_api import NSIB_PROVIDES, ExtApi
from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.boards.nsib_release import KeyState, NsibRelease
from pytest_nrf_fota.firmware.description import NsibDescription, find_description
from pytest_nrf_fota.firmware.ext_api import (
    ExtApiRequest,
    ext_apis_of_bootloader,
    requested_ext_apis,
    unmet,
)
from pytest_nrf_fota.firmware.fw_info import (
    INVALIDATION_WORD,
    VALID,
    VALID_OFFSET_BYTES,
    FwInfo,
    find_fw_info,
)
from pytest_nrf_fota.firmware.provisioning import has_blank_halfword
from pytest_nrf_fota.firmware.validation_info import (
    PROVISIONED_HASH_BYTES,
    ValidationInfo,
    find_validation_info,
)
from pytest_nrf_fota.sim.boot.nsib_storage import NsibStorage
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, StageEnd
from pytest_nrf_fota.sim.flash import FlashError

ERROR_SIGNATURE_INVALID = -102
ERROR_BLANK_HALFWORD = -113
ERROR_NO_MEMORY = -12
ERROR_INVALID = -22
# Where a pointer to no fw_info finds its version: word 5 of what lies at address 0.
_VERSION_OF_NULL_ADDRESS = 20
_WORD = 0xFFFFFFFF
# Application core SRAM; nothing is left in it that NSIB would find.
_RAM = range(0x20000000, 0x20080000)


class _Level(Enum):
    """Prefix of minimal logging."""

    INFO = "I: "
    WARNING = "W: "
    ERROR = "E: "


class _PanicError(Exception):
    """NSIB called k_panic()."""


class _RefusedError(Exception):
    """The firmware of a slot was refused, and the line that says why is printed."""


def run_nsib(hardware: Hardware, profile: Release) -> StageEnd:
    """One run of NSIB, from its banner to its jump; for kits that have it.

    Raises `FlashError` where the CPU would take a bus fault.
    """
    slots = hardware.slots.nsib
    assert slots is not None
    if not _prints(hardware):
        hardware = replace(hardware, print_line=_keep_to_itself)
    for line in profile.nsib_banner:
        hardware.print_line(line)
    release = profile.nsib
    nsib = _Nsib(hardware, release)
    if nsib.storage.is_blank:
        # Without provisioning data the slot addresses in OTP read as blank: NSIB faults.
        return Halt(f"the kit is not provisioned: no slot addresses in UICR{_doubt(hardware)}")
    try:
        return nsib.run()
    except _PanicError:
        return Halt(
            "NSIB panicked: the word of a provisioned key is none of its release "
            f"(NCS {profile.ncs})",
            panicked=True,
        )


def _prints(hardware: Hardware) -> bool:
    place = hardware.slots.first_bootloader
    description = find_description(hardware.flash.read(place.address, place.size_bytes))
    is_silent = isinstance(description, NsibDescription) and not description.logs
    return hardware.reveals_all or not is_silent


def _keep_to_itself(_line: str) -> None:
    pass


def ext_apis_of_nsib(hardware: Hardware, release: NsibRelease) -> tuple[ExtApi, ...]:
    """What the NSIB in flash offers.

    Each real one says so; one that does not, as that of the demonstration firmware, is taken for a
    default build.
    """
    offered = ext_apis_of_bootloader(
        hardware.flash.read,
        hardware.slots.first_bootloader.address,
        release.fw_info_offsets_bytes,
    )
    return NSIB_PROVIDES if offered is None else offered


def _doubt(hardware: Hardware) -> str:
    slots = hardware.slots.nsib
    assert slots is not None
    try:
        found = [find_fw_info(hardware.flash.read, place.address) for place in slots.s_slots]
    except FlashError:
        return ""
    if any(info is not None for info in found):
        return ""
    return (
        ", and nothing for NSIB in S0 and S1; a build without NSIB is for the board "
        "nrf5340dk_mcuboot"
    )


@dataclass(frozen=True)
class _Nsib:
    hardware: Hardware
    release: NsibRelease

    @property
    def storage(self) -> NsibStorage:
        slots = self.hardware.slots.nsib
        assert slots is not None
        return NsibStorage(self.read, slots.provisioning_address, self.release.key_words)

    def read(self, address: int, size_bytes: int) -> bytes:
        if address in _RAM:
            return bytes(size_bytes)
        return self.hardware.flash.read(address, size_bytes)

    def say(self, text: str) -> None:
        """Lines of the slot choice (main.c) are plain in every release."""
        self.hardware.print_line(text)

    def log(self, level: _Level, text: str) -> None:
        """Those of the validation and of the counter carry a level in releases that have one."""
        self.hardware.print_line(f"{level.value if self.release.has_log_levels else ''}{text}")

    def refuse(self, text: str) -> None:
        self.log(_Level.ERROR, text)
        raise _RefusedError

    def run(self) -> StageEnd:
        infos = [self.find(address) for address in self.storage.slot_addresses]
        for slot in self.order(infos):
            end = self.try_slot(slot, infos[slot])
            if end is not None:
                return end
        self.say("No bootable image found. Aborting boot.")
        return Halt("NSIB found no bootable image")

    def order(self, infos: list[FwInfo | None]) -> tuple[int, int]:
        """S0 first, unless S1 is newer.

        Up to 3.2 an S0 without fw_info is compared all the same, through a pointer to address 0.
        """
        s0, s1 = infos
        if s1 is None:
            return 0, 1
        if s0 is None:
            (version,) = struct.unpack("<I", self.read(_VERSION_OF_NULL_ADDRESS, 4))
        else:
            version = s0.version
        return (0, 1) if version >= s1.version else (1, 0)

    def find(self, slot_address: int) -> FwInfo | None:
        return find_fw_info(self.read, slot_address, self.release.fw_info_offsets_bytes)

    def try_slot(self, slot: int, info: FwInfo | None) -> StageEnd | None:
        self.say(f"Attempting to boot slot {slot}.")
        if info is None:
            self.say("No fw_info struct found.")
            return None
        self.say(f"Attempting to boot from address 0x{info.firmware_address:x}.")
        try:
            self.validate(info)
        except _RefusedError:
            self.say("Failed to validate, permanently invalidating!")
            if info.valid_word == VALID:
                word = struct.pack("<I", INVALIDATION_WORD)
                self.hardware.flash.write(info.address + VALID_OFFSET_BYTES, word)
            return None
        self.say(f"Firmware version {_signed(info.version)}")
        if self.release.counts_versions and not self.count_version(slot, info.version):
            return None
        return self.start(info)

    def start(self, info: FwInfo) -> StageEnd | None:
        """bl_boot(): by now the version is counted, and nothing is invalidated any more."""
        booting = f"Booting (0x{info.firmware_address:x})."
        lacking = self.unmet_ext_apis(info)
        if not any(one.is_required for one in lacking):
            self.hardware.print_last_line(booting)
            return Jump(info.firmware_address, missing_options=len(lacking))
        if self.release.survives_unmet_ext_api:
            self.say(booting)
            self.say("Failed to provide ext APIs to image, boot aborted.")
            return None
        self.hardware.print_last_line(booting)
        names = ", ".join(one.least.name for one in lacking if one.is_required)
        return Halt(f"NSIB crashed: the firmware requires {names}, which NSIB does not offer")

    def unmet_ext_apis(self, info: FwInfo) -> tuple[ExtApiRequest, ...]:
        requests = requested_ext_apis(self.read, info)
        return unmet(requests, ext_apis_of_nsib(self.hardware, self.release)) if requests else ()

    def validate(self, info: FwInfo) -> None:
        """Print the lines of a validation. Raises `_RefusedError`, `_PanicError`."""
        self.check_place(info)
        self.check_version(info)
        self.check_region(info)
        firmware_end = info.firmware_address + info.firmware_size_bytes & _WORD
        validation = find_validation_info(self.read, firmware_end)
        if validation is None:
            self.refuse("Could not find valid firmware validation info.")
            return
        if validation.firmware_address != info.firmware_address:
            self.refuse("Validation info doesn't belong to this firmware.")
        self.check_signature(info, validation)

    def check_place(self, info: FwInfo) -> None:
        found = self.find(info.firmware_address)
        if found is None or found.address != info.address:
            self.refuse("Firmware info doesn't point to itself.")
        if not info.is_valid:
            word = self.release.invalidated_word
            self.refuse(f"{word} has been invalidated: 0x{info.valid_word:x}.")

    def check_version(self, info: FwInfo) -> None:
        if self.release.says_reading_version:
            self.log(_Level.INFO, "Trying to get Firmware version")
        if not self.release.counts_versions:
            return
        stored = self.stored_version()
        if stored is None:
            self.log(_Level.ERROR, f"Cannot read the firmware version. {ERROR_INVALID}")
            if self.release.counter_errors_are_fatal:
                raise _RefusedError
            self.log(
                _Level.INFO, "We assume this is due to the firmware version not being enabled."
            )
        elif info.version < stored:
            self.refuse(
                f"Firmware version ({info.version}) is smaller than monotonic counter ({stored})."
            )

    def check_region(self, info: FwInfo) -> None:
        start = info.firmware_address
        end = start + info.firmware_size_bytes & _WORD
        slots = self.hardware.slots.nsib
        assert slots is not None
        # The size of S0, whichever slot it is (PM_S0_SIZE).
        if not info.total_size_bytes <= info.firmware_size_bytes <= slots.s0.size_bytes:
            self.refuse("Invalid size or total_size in firmware info.")
        # Compared is the last byte, which an empty struct has in front of it.
        last = info.address + info.total_size_bytes - 1 & _WORD
        if not (start <= info.address and start <= last < end):
            self.refuse("Firmware info is not within signed region.")
        if not start <= info.boot_address < end:
            self.refuse("Boot address is not within signed region.")
        (reset_handler,) = struct.unpack("<I", self.read(info.boot_address + 4, 4))
        if not start <= reset_handler < end:
            self.refuse("Reset handler is not within signed region.")

    def check_signature(self, info: FwInfo, validation: ValidationInfo) -> None:
        self.check_keys()
        storage = self.storage
        firmware = self.read(info.firmware_address, info.firmware_size_bytes)
        for index in range(storage.key_count):
            if storage.key_state(index) is KeyState.REVOKED:
                self.log(_Level.INFO, f"Key {index} has been invalidated, try next.")
                continue
            key_hash = storage.key_hash(index)
            self.log(_Level.INFO, f"Verifying signature against key {index}.")
            first, last = key_hash[0], key_hash[PROVISIONED_HASH_BYTES - 1]
            self.log(_Level.INFO, f"Hash: 0x{first:02x}...{last:02x}")
            if validation.key_hash != key_hash:
                self.log(_Level.WARNING, "Public key didn't match, try next.")
                continue
            if not validation.signature_is_right(firmware):
                self.refuse(f"Firmware validation failed with error {ERROR_SIGNATURE_INVALID}.")
            self.revoke_keys_before(index)
            self.log(_Level.INFO, "Firmware signature verified.")
            return
        self.refuse("Failed to validate signature.")

    def check_keys(self) -> None:
        """verify_public_keys(): refuses every firmware where one key cannot be used."""
        storage, most = self.storage, self.release.most_keys
        if most is not None and storage.key_count > most:
            self.refuse(f"verify_public_keys() returned {ERROR_INVALID}.")
        for index in range(storage.key_count):
            state = storage.key_state(index)
            if state is KeyState.UNKNOWN:
                raise _PanicError
            if state is KeyState.VALID and has_blank_halfword(storage.key_hash(index)):
                self.log(_Level.ERROR, f"verify_public_keys() returned {ERROR_BLANK_HALFWORD}.")
                self.log(_Level.INFO, "A public key contains 0xFFFF, which is unsupported")
                raise _RefusedError

    def revoke_keys_before(self, index: int) -> None:
        for lower in range(index):
            # The line appears on every boot, the word is written once.
            self.log(_Level.INFO, f"Invalidating key {lower}.")
            if self.storage.key_state(lower) is not KeyState.REVOKED:
                word = struct.pack("<I", self.release.key_words.revoked(lower))
                self.hardware.flash.write(self.storage.key_word_address(lower), word)

    def stored_version(self) -> int | None:
        counter = self.storage.counter()
        if counter is None:
            if self.release.says_no_counter:
                self.log(_Level.ERROR, "Error getting monotonic counter")
            return None
        return self.storage.counter_value(counter) >> 1

    def count_version(self, slot: int, version: int) -> bool:
        """Raise the counter to a version; False where this release does not start it otherwise."""
        stored = self.stored_version()
        if stored is None:
            self.say("Failed to read the monotonic counter!")
            self.say("We assume this is due to the firmware version not being enabled.")
        if version <= (stored or 0):
            return True
        counted = version & 0xFFFF
        self.log(_Level.INFO, f"Setting monotonic counter (version: {counted}, slot: {slot})")
        if self.release.ends_counter_line_twice:
            self.say("")
        problem = self.raise_counter((counted << 1 | (slot == 0)) & 0xFFFF)
        if not problem:
            return True
        self.log(_Level.ERROR, problem)
        return not self.release.counter_errors_are_fatal

    def raise_counter(self, value: int) -> str:
        """Store a value in the first free slot; why not, where it cannot be."""
        counter = self.storage.counter()
        if counter is None or counter.is_blank:
            return (
                f"Failed during reading of the number of the counter slots, error: {ERROR_INVALID}"
            )
        if counter.slot_count == 0:
            return "Monotonic version counter is disabled."
        error = 0
        address = self.storage.free_slot_address(counter)
        if value <= self.storage.counter_value(counter):
            error = ERROR_INVALID
        elif address is None:
            error = ERROR_NO_MEMORY
        if error or address is None:
            return f"Failed during setting the monotonic counter, error: {error}"
        self.write_halfword(address, ~value & 0xFFFF)
        return ""

    def write_halfword(self, address: int, halfword: int) -> None:
        # OTP is written in words; the other half keeps what it has.
        blank = b"\xff\xff"
        half = struct.pack("<H", halfword)
        self.hardware.flash.write(address & ~3, half + blank if address % 4 == 0 else blank + half)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word

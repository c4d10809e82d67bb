"""NSIB (B0), the immutable bootloader: picks S0 or S1, verifies it, starts it.

Flow and log lines: sdk-nrf samples/bootloader, bl_validation, bl_storage; what a release words
otherwise is in boards/ncs.py.
"""

import struct
from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.firmware.fw_info import (
    INVALIDATION_WORD,
    VALID_OFFSET_BYTES,
    FwInfo,
    find_fw_info,
)
from pytest_nrf_fota.firmware.provisioning import (
    KEY_INVALID_WORD,
    CounterArea,
    CounterKind,
    ProvisioningData,
    parse_provisioning,
)
from pytest_nrf_fota.firmware.validation_info import (
    PROVISIONED_HASH_BYTES,
    ValidationInfo,
    find_validation_info,
)
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, StageEnd
from pytest_nrf_fota.sim.flash import FlashError

ERROR_SIGNATURE_INVALID = -102
ERROR_NO_FREE_COUNTER_SLOT = -12
ERROR_NO_COUNTER = -22


class _Level(Enum):
    """Prefix of minimal logging."""

    INFO = "I: "
    WARNING = "W: "
    ERROR = "E: "


@dataclass(frozen=True)
class _Log:
    """Where NSIB prints.

    Lines of the slot choice (main.c) are plain in every release; those of the validation and of
    setting the counter (bl_validation.c) carry a level in releases that have one.
    """

    hardware: Hardware
    profile: Release

    def say(self, text: str) -> None:
        self.hardware.print_line(text)

    def validation(self, text: str, level: _Level) -> None:
        prefix = level.value if self.profile.nsib_validation_has_levels else ""
        self.hardware.print_line(f"{prefix}{text}")


def run_nsib(hardware: Hardware, profile: Release) -> StageEnd:
    """One run of NSIB, from its banner to its jump; for kits that have it."""
    slots = hardware.slots.nsib
    assert slots is not None
    for line in profile.nsib_banner:
        hardware.print_line(line)
    log = _Log(hardware, profile)
    provisioning = parse_provisioning(hardware.flash.read, slots.provisioning_address)
    if provisioning is None:
        # Without provisioning data the slot addresses in OTP read as blank: NSIB faults.
        return Halt(f"the kit is not provisioned: no slot addresses in UICR{_doubt(hardware)}")
    infos = [
        _find(hardware, provisioning.s0_address),
        _find(hardware, provisioning.s1_address),
    ]
    s0, s1 = infos
    s0_first = s1 is None or (s0 is not None and s0.version >= s1.version)
    for slot in (0, 1) if s0_first else (1, 0):
        end = _try_slot(log, provisioning, slot, infos[slot])
        if end is not None:
            return end
    hardware.print_line("No bootable image found. Aborting boot.")
    return Halt("NSIB found no bootable image")


def _doubt(hardware: Hardware) -> str:
    slots = hardware.slots.nsib
    assert slots is not None
    if any(_find(hardware, place.address) is not None for place in slots.s_slots):
        return ""
    return (
        ", and nothing for NSIB in S0 and S1; a build without NSIB is for the board "
        "nrf5340dk_mcuboot"
    )


def _find(hardware: Hardware, slot_address: int) -> FwInfo | None:
    try:
        return find_fw_info(hardware.flash.read, slot_address)
    except FlashError:
        return None


def _try_slot(
    log: _Log, provisioning: ProvisioningData, slot: int, info: FwInfo | None
) -> StageEnd | None:
    hardware, say = log.hardware, log.say
    say(f"Attempting to boot slot {slot}.")
    if info is None:
        say("No fw_info struct found.")
        return None
    say(f"Attempting to boot from address 0x{info.firmware_address:x}.")
    if not _validate(log, provisioning, info):
        say("Failed to validate, permanently invalidating!")
        hardware.flash.write(
            info.address + VALID_OFFSET_BYTES, struct.pack("<I", INVALIDATION_WORD)
        )
        return None
    say(f"Firmware version {info.version}")
    _raise_counter(log, provisioning.counter(CounterKind.NSIB_FIRMWARE), slot, info.version)
    hardware.print_last_line(f"Booting (0x{info.firmware_address:x}).")
    return Jump(info.boot_address)


def _validate(log: _Log, provisioning: ProvisioningData, info: FwInfo) -> bool:
    hardware = log.hardware
    problem = _structure_problem(log, provisioning, info)
    if problem is not None:
        log.validation(problem, _Level.ERROR)
        return False
    firmware_end = info.firmware_address + info.firmware_size_bytes
    validation = find_validation_info(hardware.flash.read, firmware_end)
    if validation is None:
        log.validation("Could not find valid firmware validation info.", _Level.ERROR)
        return False
    if validation.firmware_address != info.firmware_address:
        log.validation("Validation info doesn't belong to this firmware.", _Level.ERROR)
        return False
    firmware = hardware.flash.read(info.firmware_address, info.firmware_size_bytes)
    return _check_signature(log, provisioning, validation, firmware)


def _structure_problem(log: _Log, provisioning: ProvisioningData, info: FwInfo) -> str | None:
    hardware = log.hardware
    start = info.firmware_address
    end = start + info.firmware_size_bytes
    found = _find(hardware, start)
    if found is None or found.address != info.address:
        return "Firmware info doesn't point to itself."
    if not info.is_valid:
        return f"{log.profile.nsib_invalidated_word} has been invalidated: 0x{info.valid_word:x}."
    if log.profile.nsib_says_reading_version:
        log.validation("Trying to get Firmware version", _Level.INFO)
    counter = provisioning.counter(CounterKind.NSIB_FIRMWARE)
    if counter is None:
        log.validation(f"Cannot read the firmware version. {ERROR_NO_COUNTER}", _Level.ERROR)
        log.validation(
            "We assume this is due to the firmware version not being enabled.", _Level.INFO
        )
    elif info.version < counter.value >> 1:
        return (
            f"Firmware version ({info.version}) is smaller than monotonic counter "
            f"({counter.value >> 1})."
        )
    assert hardware.slots.nsib is not None
    # The size of S0, whichever slot it is (PM_S0_SIZE).
    slot_size_bytes = hardware.slots.nsib.s0.size_bytes
    if not info.total_size_bytes <= info.firmware_size_bytes <= slot_size_bytes:
        return "Invalid size or total_size in firmware info."
    if not start <= info.address or info.address + info.total_size_bytes > end:
        return "Firmware info is not within signed region."
    if not start <= info.boot_address < end:
        return "Boot address is not within signed region."
    (reset_handler,) = struct.unpack("<I", hardware.flash.read(info.boot_address + 4, 4))
    if not start <= reset_handler < end:
        return "Reset handler is not within signed region."
    return None


def _check_signature(
    log: _Log,
    provisioning: ProvisioningData,
    validation: ValidationInfo,
    firmware: bytes,
) -> bool:
    hardware, say = log.hardware, log.validation
    for index, key in enumerate(provisioning.keys):
        if key.invalidated:
            say(f"Key {index} has been invalidated, try next.", _Level.INFO)
            continue
        say(f"Verifying signature against key {index}.", _Level.INFO)
        first, last = key.key_hash[0], key.key_hash[PROVISIONED_HASH_BYTES - 1]
        say(f"Hash: 0x{first:02x}...{last:02x}", _Level.INFO)
        if validation.key_hash != key.key_hash:
            say("Public key didn't match, try next.", _Level.WARNING)
            continue
        if not validation.signature_is_right(firmware):
            say(f"Firmware validation failed with error {ERROR_SIGNATURE_INVALID}.", _Level.ERROR)
            return False
        for lower in range(index):
            # The line appears on every boot, the word is written once.
            say(f"Invalidating key {lower}.", _Level.INFO)
            if not provisioning.keys[lower].invalidated:
                hardware.flash.write(
                    provisioning.keys[lower].entry_address, struct.pack("<I", KEY_INVALID_WORD)
                )
        say("Firmware signature verified.", _Level.INFO)
        return True
    say("Failed to validate signature.", _Level.ERROR)
    return False


def _raise_counter(log: _Log, counter: CounterArea | None, slot: int, version: int) -> None:
    say = log.validation
    if counter is None:
        log.say("Failed to read the monotonic counter!")
        log.say("We assume this is due to the firmware version not being enabled.")
    stored_version = 0 if counter is None else counter.value >> 1
    if version <= stored_version:
        return
    say(f"Setting monotonic counter (version: {version}, slot: {slot})", _Level.INFO)
    if counter is None:
        say(
            f"Failed during reading of the number of the counter slots, error: {ERROR_NO_COUNTER}",
            _Level.ERROR,
        )
        return
    if counter.free_slot_address is None:
        say(
            f"Failed during setting the monotonic counter, error: {ERROR_NO_FREE_COUNTER_SLOT}",
            _Level.ERROR,
        )
        return
    value = (version << 1) | (slot == 0)
    _write_halfword(log.hardware, counter.free_slot_address, ~value & 0xFFFF)


def _write_halfword(hardware: Hardware, address: int, halfword: int) -> None:
    # OTP is written in words; the other half keeps what it has.
    word_address = address & ~3
    other_half = b"\xff\xff"
    data = struct.pack("<H", halfword)
    hardware.flash.write(word_address, data + other_half if address % 4 == 0 else other_half + data)

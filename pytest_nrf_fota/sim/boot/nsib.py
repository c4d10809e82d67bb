"""NSIB (B0), the immutable bootloader: picks S0 or S1, verifies it, starts it.

Flow and log lines: facts/dual-stage-boot.md, 2.3 to 2.5, wording of NCS 2.3.
"""

import struct

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


def run_nsib(hardware: Hardware, banner: str) -> StageEnd:
    """One run of NSIB, from its banner to its jump."""
    hardware.print_line(banner)
    provisioning = parse_provisioning(hardware.flash.read, hardware.slots.provisioning_address)
    if provisioning is None:
        # Without provisioning data the slot addresses in OTP read as blank: NSIB faults.
        return Halt("the kit is not provisioned: no slot addresses in UICR")
    infos = [
        _find(hardware, provisioning.s0_address),
        _find(hardware, provisioning.s1_address),
    ]
    s0, s1 = infos
    s0_first = s1 is None or (s0 is not None and s0.version >= s1.version)
    for slot in (0, 1) if s0_first else (1, 0):
        end = _try_slot(hardware, provisioning, slot, infos[slot])
        if end is not None:
            return end
    hardware.print_line("No bootable image found. Aborting boot.")
    return Halt("NSIB found no bootable image")


def _find(hardware: Hardware, slot_address: int) -> FwInfo | None:
    try:
        return find_fw_info(hardware.flash.read, slot_address)
    except FlashError:
        return None


def _try_slot(
    hardware: Hardware, provisioning: ProvisioningData, slot: int, info: FwInfo | None
) -> StageEnd | None:
    say = hardware.print_line
    say(f"Attempting to boot slot {slot}.")
    if info is None:
        say("No fw_info struct found.")
        return None
    say(f"Attempting to boot from address 0x{info.firmware_address:x}.")
    if not _validate(hardware, provisioning, info):
        say("Failed to validate, permanently invalidating!")
        hardware.flash.write(
            info.address + VALID_OFFSET_BYTES, struct.pack("<I", INVALIDATION_WORD)
        )
        return None
    say(f"Firmware version {info.version}")
    _raise_counter(hardware, provisioning.counter(CounterKind.NSIB_FIRMWARE), slot, info.version)
    hardware.print_last_line(f"Booting (0x{info.firmware_address:x}).")
    return Jump(info.boot_address)


def _validate(hardware: Hardware, provisioning: ProvisioningData, info: FwInfo) -> bool:
    problem = _structure_problem(hardware, provisioning, info)
    if problem is not None:
        hardware.print_line(problem)
        return False
    firmware_end = info.firmware_address + info.firmware_size_bytes
    validation = find_validation_info(hardware.flash.read, firmware_end)
    if validation is None:
        hardware.print_line("Could not find valid firmware validation info.")
        return False
    if validation.firmware_address != info.firmware_address:
        hardware.print_line("Validation info doesn't belong to this firmware.")
        return False
    firmware = hardware.flash.read(info.firmware_address, info.firmware_size_bytes)
    return _check_signature(hardware, provisioning, validation, firmware)


def _structure_problem(
    hardware: Hardware, provisioning: ProvisioningData, info: FwInfo
) -> str | None:
    start = info.firmware_address
    end = start + info.firmware_size_bytes
    found = _find(hardware, start)
    if found is None or found.address != info.address:
        return "Firmware info doesn't point to itself."
    if not info.is_valid:
        return f"Firwmare has been invalidated: 0x{info.valid_word:x}."
    counter = provisioning.counter(CounterKind.NSIB_FIRMWARE)
    if counter is None:
        hardware.print_line(f"Cannot read the firmware version. {ERROR_NO_COUNTER}")
        hardware.print_line("We assume this is due to the firmware version not being enabled.")
    elif info.version < counter.value >> 1:
        return (
            f"Firmware version ({info.version}) is smaller than monotonic counter "
            f"({counter.value >> 1})."
        )
    slot_size_bytes = hardware.slots.s_slot_size_bytes
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
    hardware: Hardware,
    provisioning: ProvisioningData,
    validation: ValidationInfo,
    firmware: bytes,
) -> bool:
    say = hardware.print_line
    for index, key in enumerate(provisioning.keys):
        if key.invalidated:
            say(f"Key {index} has been invalidated, try next.")
            continue
        say(f"Verifying signature against key {index}.")
        say(f"Hash: 0x{key.key_hash[0]:02x}...{key.key_hash[PROVISIONED_HASH_BYTES - 1]:02x}")
        if validation.key_hash != key.key_hash:
            say("Public key didn't match, try next.")
            continue
        if not validation.signature_is_right(firmware):
            say(f"Firmware validation failed with error {ERROR_SIGNATURE_INVALID}.")
            return False
        for lower in range(index):
            # The line appears on every boot, the word is written once.
            say(f"Invalidating key {lower}.")
            if not provisioning.keys[lower].invalidated:
                hardware.flash.write(
                    provisioning.keys[lower].entry_address, struct.pack("<I", KEY_INVALID_WORD)
                )
        say("Firmware signature verified.")
        return True
    say("Failed to validate signature.")
    return False


def _raise_counter(
    hardware: Hardware, counter: CounterArea | None, slot: int, version: int
) -> None:
    say = hardware.print_line
    if counter is None:
        say("Failed to read the monotonic counter!")
        say("We assume this is due to the firmware version not being enabled.")
    stored_version = 0 if counter is None else counter.value >> 1
    if version <= stored_version:
        return
    say(f"Setting monotonic counter (version: {version}, slot: {slot})")
    if counter is None:
        say(f"Failed during reading of the number of the counter slots, error: {ERROR_NO_COUNTER}")
        return
    if counter.free_slot_address is None:
        say(f"Failed during setting the monotonic counter, error: {ERROR_NO_FREE_COUNTER_SLOT}")
        return
    value = (version << 1) | (slot == 0)
    _write_halfword(hardware, counter.free_slot_address, ~value & 0xFFFF)


def _write_halfword(hardware: Hardware, address: int, halfword: int) -> None:
    # OTP is written in words; the other half keeps what it has.
    word_address = address & ~3
    other_half = b"\xff\xff"
    data = struct.pack("<H", halfword)
    hardware.flash.write(word_address, data + other_half if address % 4 == 0 else other_half + data)

"""Flash with NSIB's provisioning data and firmware in S0 and S1, booted by the model of NSIB."""

import functools
import itertools
import struct
from collections.abc import Callable

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.boards.soc import NSIB_SOC
from pytest_nrf_fota.firmware.description import McubootDescription
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.payload import FW_INFO_OFFSET_BYTES, build_payload
from pytest_nrf_fota.firmware.provisioning import (
    ADDRESSES_OFFSET_BYTES,
    build_provisioning,
)
from pytest_nrf_fota.firmware.validation_info import (
    provisioned_key_hash,
    raw_public_key,
    sign_for_nsib,
)
from pytest_nrf_fota.sim.boot.nsib import run_nsib
from pytest_nrf_fota.sim.boot.stage import Hardware, NsibSlots, Place, SlotMap, StageEnd
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import CutMoment, Flash
from pytest_nrf_fota.sim.memories import memories_of
from tests.unit.sim.cut_boot import boot_is_cut

BANNER = "*** Booting Zephyr OS build v3.2.99-ncs2 ***"
SLOT_ADDRESSES = (0x8000, 0x18000)
SLOT_BYTES = 0xC200
PROVISIONING = 0xFF8100
FIRMWARE_BYTES = 0x800

SLOTS = SlotMap(
    primary=Place(0x28000, 0xD8000),
    secondary=Place(0x10000000, 0xD8000),
    nsib=NsibSlots(
        Place(SLOT_ADDRESSES[0], SLOT_BYTES), Place(SLOT_ADDRESSES[1], SLOT_BYTES), PROVISIONING
    ),
)

# Offsets of the struct's fields (fw_info_bare.h).
TOTAL_SIZE, SIZE, ADDRESS, BOOT_ADDRESS, VALID = 12, 16, 24, 28, 32
VALID_WORD = 0x9102FFFF
BURNT_VALID_WORD = 0x91020000

Edit = Callable[[bytearray], None]


@functools.cache
def key_hash(name: str) -> bytes:
    return provisioned_key_hash(raw_public_key(signing_key_for_tests(name).public_key()))


def set_fw_info(field: int, value: int) -> Edit:
    return lambda data: struct.pack_into("<I", data, FW_INFO_OFFSET_BYTES + field, value)


def set_reset_handler(address: int) -> Edit:
    return lambda data: struct.pack_into("<I", data, 4, address)


def no_edit(data: bytearray) -> None:
    pass


class Board:
    """Flash of a kit and what NSIB prints about it."""

    def __init__(
        self,
        *keys: str,
        counter_slots: int = 240,
        keep_last_line: bool = False,
        ncs: str = "2.3",
        rollback_protection: bool | None = True,
    ) -> None:
        self._profile = RELEASES[ncs].with_rollback_protection(rollback_protection)
        self.flash = Flash(memories_of(NSIB_SOC, None), VirtualClock())
        self.lines: list[str] = []
        self._hardware = Hardware(
            self.flash, SLOTS, self.lines.append, keep_last_line=keep_last_line
        )
        if keys:
            hashes = tuple(key_hash(name) for name in keys)
            words = self._profile.nsib.key_words
            data = build_provisioning(*SLOT_ADDRESSES, hashes, counter_slots, words)
            self._write(PROVISIONING + ADDRESSES_OFFSET_BYTES, data)

    def put(
        self,
        slot: int,
        version: int,
        *,
        key: str = "nsib",
        edit: Edit = no_edit,
        vouched_address: int | None = None,
        gap_bytes: int = 0,
    ) -> None:
        """Program a firmware; `edit` changes it before it is signed."""
        address = SLOT_ADDRESSES[slot] + 0x200
        firmware = bytearray(
            build_payload(address, FIRMWARE_BYTES, McubootDescription(), fw_info_version=version)
        )
        edit(firmware)
        vouched = address if vouched_address is None else vouched_address
        validation = sign_for_nsib(bytes(firmware), vouched, signing_key_for_tests(key))
        self.flash.erase(SLOT_ADDRESSES[slot], 0xD000)
        self._write(address, bytes(firmware) + b"\xff" * gap_bytes + validation.pack())

    def put_nsib(self, binary: bytes) -> None:
        self._write(0, binary)

    def remove(self, slot: int) -> None:
        self.flash.erase(SLOT_ADDRESSES[slot], 0xD000)

    def valid_word(self, slot: int) -> int:
        return self.word(SLOT_ADDRESSES[slot] + 0x400 + VALID)

    def word(self, address: int) -> int:
        return int.from_bytes(self.flash.read(address, 4), "little")

    def halfwords(self, num_keys: int, count: int) -> list[int]:
        """The first slots of the monotonic counter."""
        address = PROVISIONING + 0x34 + 20 * num_keys + 8
        return list(struct.unpack(f"<{count}H", self.flash.read(address, 2 * count)))

    def counter_version(self) -> int:
        """As NSIB reads it: the highest value before the first free slot."""
        used = itertools.takewhile(lambda value: value != 0xFFFF, self.halfwords(1, 240))
        return max((~value & 0xFFFF) >> 1 for value in used)

    def boot_and_cut_after(self, operations: int, moment: CutMoment) -> bool:
        """Cut at the operation behind so many; False where the boot needs no more than that."""
        return boot_is_cut(self.flash, self.boot, operations, moment)

    def boot(self) -> StageEnd:
        self.lines.clear()
        return run_nsib(self._hardware, self._profile)

    def _write(self, address: int, data: bytes) -> None:
        self.flash.write(address, data + b"\xff" * (-len(data) % 4))


def attempt(slot: int) -> list[str]:
    return [
        f"Attempting to boot slot {slot}.",
        f"Attempting to boot from address 0x{SLOT_ADDRESSES[slot] + 0x200:x}.",
    ]


def verifying(index: int, key: str) -> list[str]:
    first, last = key_hash(key)[0], key_hash(key)[15]
    return [f"Verifying signature against key {index}.", f"Hash: 0x{first:02x}...{last:02x}"]


def booted(slot: int, version: int) -> list[str]:
    return [
        *attempt(slot),
        *verifying(0, "nsib"),
        "Firmware signature verified.",
        f"Firmware version {version}",
    ]


INVALIDATING = "Failed to validate, permanently invalidating!"
NOTHING_IN_S1 = ["Attempting to boot slot 1.", "No fw_info struct found."]
NOTHING = "No bootable image found. Aborting boot."

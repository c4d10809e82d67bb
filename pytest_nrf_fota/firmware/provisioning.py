"""NSIB's provisioning data in UICR OTP (sdk-nrf include/bl_storage.h)."""

import struct
from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.boards.nsib_release import NSIB_RELEASES, KeyWords
from pytest_nrf_fota.boards.soc import NSIB_SOC
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.validation_info import PROVISIONED_HASH_BYTES

# Behind life cycle state and implementation id (sdk-nrf include/bl_storage.h). In builds of NCS
# 2.1.0 the addresses come first.
ADDRESSES_OFFSET_BYTES = 0x28
OLD_ADDRESSES_OFFSET_BYTES = 0
_ADDRESSES = struct.Struct("<III")
ERASED_WORD = 0xFFFFFFFF
_SMALLEST_PAGE_BYTES = min(core.flash.page_size_bytes for core in NSIB_SOC.cores)
KEY_ENTRY = struct.Struct(f"<I{PROVISIONED_HASH_BYTES}s")
COUNTERS_TYPE = 1
COUNTER_SLOTS_DEFAULT = 240
FREE_SLOT = 0xFFFF
MOST_KEYS = 64
MOST_COUNTERS = 16
OTP_SIZE_BYTES = len(NSIB_SOC.application.otp)


class CounterKind(Enum):
    """Whose monotonic counter it is."""

    NSIB_FIRMWARE = 1
    MCUBOOT_IMAGE_0 = 2


@dataclass(frozen=True)
class ProvisionedKey:
    """One public key that NSIB may accept.

    `entry_address` is where its valid word lies, `word` what is there: by its own release's words
    NSIB takes the key, skips it as revoked, or panics.
    """

    entry_address: int
    key_hash: bytes
    invalidated: bool
    word: int


@dataclass(frozen=True)
class CounterArea:
    """One monotonic counter: where its slots lie and what they hold."""

    description: int
    slots_address: int
    slots: tuple[int, ...]

    @property
    def value(self) -> int:
        """The greatest stored value; slots hold it bitwise inverted, 0xFFFF is free."""
        used: list[int] = []
        for slot in self.slots:
            if slot == FREE_SLOT:
                break
            used.append(~slot & 0xFFFF)
        return max(used, default=0)

    @property
    def free_slot_address(self) -> int | None:
        """Address of the first free slot, or None when all are used up."""
        for index, slot in enumerate(self.slots):
            if slot == FREE_SLOT:
                return self.slots_address + 2 * index
        return None


@dataclass(frozen=True)
class ProvisioningData:
    """The parsed data; every address is absolute."""

    s0_address: int
    s1_address: int
    keys: tuple[ProvisionedKey, ...]
    counters: tuple[CounterArea, ...]

    def counter(self, kind: CounterKind) -> CounterArea | None:
        """The counter of that kind, or None where it was not provisioned."""
        return next((c for c in self.counters if c.description == kind.value), None)

    def slot_address(self, slot: int) -> int:
        """Address of S0 or S1."""
        return (self.s0_address, self.s1_address)[slot]


def parse_provisioning(read: ReadMemory, address: int) -> ProvisioningData | None:
    """Read the data at `address`, or None where the region is blank or not provisioning data."""
    start = address + ADDRESSES_OFFSET_BYTES
    s0, s1, num_keys = _ADDRESSES.unpack(read(start, _ADDRESSES.size))
    if num_keys > MOST_KEYS or s0 == ERASED_WORD:
        start = address + OLD_ADDRESSES_OFFSET_BYTES
        s0, s1, num_keys = _ADDRESSES.unpack(read(start, _ADDRESSES.size))
        # Of the newer layout a life cycle state lies here, which is no address of a page.
        if num_keys > MOST_KEYS or s0 == ERASED_WORD or s0 % _SMALLEST_PAGE_BYTES:
            return None
    keys: list[ProvisionedKey] = []
    entry_address = start + _ADDRESSES.size
    for index in range(num_keys):
        word, key_hash = KEY_ENTRY.unpack(read(entry_address, KEY_ENTRY.size))
        revoked = {release.key_words.revoked(index) for release in NSIB_RELEASES}
        keys.append(ProvisionedKey(entry_address, key_hash, word in revoked, word))
        entry_address += KEY_ENTRY.size
    return ProvisioningData(
        s0, s1, tuple(keys), _parse_counters(read, entry_address, address + OTP_SIZE_BYTES)
    )


def build_provisioning(
    s0_address: int,
    s1_address: int,
    key_hashes: tuple[bytes, ...],
    counter_slots: int = COUNTER_SLOTS_DEFAULT,
    key_words: KeyWords = NSIB_RELEASES[0].key_words,
    *,
    has_empty_counters: bool = False,
) -> bytes:
    """The bytes that provision.py would place at provision address + 0x28.

    `has_empty_counters`: see `NsibRelease.provisions_empty_counters`.

    Raises `ValueError` for a key hash with an aligned 0xFFFF halfword, which OTP cannot tell from
    an unwritten one.
    """
    data = struct.pack("<III", s0_address, s1_address, len(key_hashes))
    for index, key_hash in enumerate(key_hashes):
        if has_blank_halfword(key_hash):
            raise ValueError(f"key hash {key_hash.hex()} contains an aligned 0xFFFF halfword")
        data += KEY_ENTRY.pack(key_words.provisioned(index), key_hash)
    if counter_slots:
        data += struct.pack("<HH", COUNTERS_TYPE, 1)
        data += struct.pack("<HH", CounterKind.NSIB_FIRMWARE.value, counter_slots)
        data += b"\xff\xff" * counter_slots
    elif has_empty_counters:
        data += struct.pack("<HH", COUNTERS_TYPE, 0)
    return data


def has_blank_halfword(key_hash: bytes) -> bool:
    """Whether an aligned halfword is 0xFFFF."""
    return any(key_hash[i : i + 2] == b"\xff\xff" for i in range(0, len(key_hash), 2))


def _parse_counters(read: ReadMemory, address: int, end: int) -> tuple[CounterArea, ...]:
    kind, num_counters = struct.unpack("<HH", read(address, 4))
    if kind != COUNTERS_TYPE or num_counters > MOST_COUNTERS:
        return ()
    counters: list[CounterArea] = []
    address += 4
    for _ in range(num_counters):
        description, num_slots = struct.unpack("<HH", read(address, 4))
        address += 4
        if address + 2 * num_slots > end:
            break
        slots = struct.unpack(f"<{num_slots}H", read(address, 2 * num_slots))
        counters.append(CounterArea(description, address, slots))
        address += 2 * num_slots
    return tuple(counters)

"""The provisioning data as NSIB reads it (sdk-nrf subsys/bootloader/bl_storage/bl_storage.c).

It takes the words as they are: no address, number or key is checked before it is used.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_nrf_fota.boards.nsib_release import KeyState, KeyWords
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.provisioning import (
    ADDRESSES_OFFSET_BYTES,
    COUNTERS_TYPE,
    ERASED_WORD,
    FREE_SLOT,
    KEY_ENTRY,
    CounterKind,
)

_ADDRESSES_BYTES = 12


@dataclass(frozen=True)
class Counter:
    """The monotonic counter of the firmware version: where its slots lie, and how many.

    `is_blank` is whether the number of its slots was never written; it has none then.
    """

    slots_address: int
    slot_count: int
    is_blank: bool = False


@dataclass(frozen=True)
class NsibStorage:
    """NSIB's view of its one-time programmable memory.

    Args:
        read: reads the board's memories; its errors come through.
        address: of the provisioning data.
        key_words: of the release.
    """

    read: ReadMemory
    address: int
    key_words: KeyWords

    @property
    def slot_addresses(self) -> tuple[int, int]:
        """Addresses of S0 and S1."""
        return self._word(0), self._word(4)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was provisioned."""
        return self._word(0) == ERASED_WORD

    @property
    def key_count(self) -> int:
        """How many keys were provisioned, whatever became of them since."""
        return self._word(8)

    def key_state(self, index: int) -> KeyState:
        """What NSIB makes of a key's word."""
        return self.key_words.state(index, self._word(self._key_offset_bytes(index)))

    def key_word_address(self, index: int) -> int:
        """Where a key's word lies."""
        return self.address + ADDRESSES_OFFSET_BYTES + self._key_offset_bytes(index)

    def key_hash(self, index: int) -> bytes:
        """A key's hash."""
        _, key_hash = KEY_ENTRY.unpack(self.read(self.key_word_address(index), KEY_ENTRY.size))
        return bytes(key_hash)

    def counter(self) -> Counter | None:
        """The counter, None where none was provisioned."""
        address = self.key_word_address(self.key_count)
        if self._halfword(address) != COUNTERS_TYPE:
            return None
        count = self._halfword(address + 2)
        address += 4
        for _ in range(count):
            slot_count = self._halfword(address + 2)
            if self._halfword(address) == CounterKind.NSIB_FIRMWARE.value:
                is_blank = slot_count == FREE_SLOT
                return Counter(address + 4, 0 if is_blank else slot_count, is_blank)
            address += 4 + 2 * slot_count
        return None

    def counter_value(self, counter: Counter) -> int:
        """The greatest value before the first free slot; slots hold it inverted."""
        return max((~slot & 0xFFFF for _, slot in self._used(counter)), default=0)

    def free_slot_address(self, counter: Counter) -> int | None:
        """The first free slot's address, None where all are used up."""
        used = len(list(self._used(counter)))
        return None if used >= counter.slot_count else counter.slots_address + 2 * used

    def _used(self, counter: Counter) -> Iterator[tuple[int, int]]:
        for index in range(counter.slot_count):
            slot = self._halfword(counter.slots_address + 2 * index)
            if slot == FREE_SLOT:
                return
            yield index, slot

    @staticmethod
    def _key_offset_bytes(index: int) -> int:
        return _ADDRESSES_BYTES + index * KEY_ENTRY.size

    def _word(self, offset_bytes: int) -> int:
        address = self.address + ADDRESSES_OFFSET_BYTES + offset_bytes
        (word,) = struct.unpack("<I", self.read(address, 4))
        return int(word)

    def _halfword(self, address: int) -> int:
        (halfword,) = struct.unpack("<H", self.read(address, 2))
        return int(halfword)

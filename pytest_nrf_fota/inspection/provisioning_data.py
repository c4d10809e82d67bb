"""Provisioning data of both cores, where a hex file has it."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.firmware.mcuboot_strings import release_that_built
from pytest_nrf_fota.firmware.provisioning import (
    ADDRESSES_OFFSET_BYTES,
    FREE_SLOT,
    ProvisioningData,
    parse_provisioning,
)
from pytest_nrf_fota.inspection.contents import (
    FoundCounter,
    FoundProvisionedKey,
    FoundProvisioning,
)
from pytest_nrf_fota.inspection.known_keys import KeysAtHand
from pytest_nrf_fota.inspection.sparse_memory import SparseMemory

# In NCS 2.1.0 it does not lie right before the firmware (seen in public builds: right behind b0n's
# own code, no larger).
_SEARCHED_BYTES = 0x400
_FIELDS_BYTES = 12
_WORD = struct.Struct("<I")


def provisioning_of_app_core(memory: SparseMemory, board: BoardType) -> ProvisioningData | None:
    """NSIB's data, None where the file has none at the board's address."""
    address = board.slots.provisioning_address
    if address is None or not memory.holds(address + ADDRESSES_OFFSET_BYTES, _FIELDS_BYTES):
        return None
    return parse_provisioning(memory.read, address)


def release_of_nsib(memory: SparseMemory, board: BoardType) -> Release | None:
    """The release that the banner of the NSIB in it shows, None without one."""
    if board.slots.s0 is None:
        return None
    end = board.slots.s0.address
    parts = (s.data[: end - s.address] for s in memory.segments if s.address < end)
    return next(filter(None, map(release_that_built, parts)), None)


def provisioning_of_network_core(
    memory: SparseMemory, board: BoardType, firmware_addresses: Iterable[int], keys: KeysAtHand
) -> FoundProvisioning | None:
    """What b0n, the network core's bootloader, was provisioned with.

    It names the firmware that it is for, and lies before it; where there is none in the file, it
    lies where the board file says or where NCS puts it, and must name a place in that core's flash.

    Args:
        memory: the hex file.
        board: says where the network core's flash is.
        firmware_addresses: where firmware of the network core was found.
        keys: to name its keys.
    """
    places = [
        *(place for address in firmware_addresses for place in _naming(memory, address)),
        board.network_provisioning,
        None if board.soc.network_layout is None else board.soc.network_layout.provisioning_address,
    ]
    for address in places:
        if address is None or not memory.holds(address + ADDRESSES_OFFSET_BYTES, _FIELDS_BYTES):
            continue
        data = parse_provisioning(memory.read, address)
        if data is not None and board.soc.is_network_flash(data.s0_address):
            return describe_provisioning(_without_code(data), address, keys)
    return None


def _without_code(data: ProvisioningData) -> ProvisioningData:
    """The data without counters that would reach into the firmware behind them."""
    counters = tuple(
        one for one in data.counters if one.slots_address + 2 * len(one.slots) <= data.s0_address
    )
    return replace(data, counters=counters)


def _naming(memory: SparseMemory, firmware_address: int) -> Iterator[int]:
    """Where data may begin that names this firmware."""
    start = max(0, firmware_address - _SEARCHED_BYTES)
    wanted = _WORD.pack(firmware_address)
    before = memory.read(start, firmware_address - start)
    for offset in range(0, len(before), _WORD.size):
        if before[offset : offset + _WORD.size] == wanted:
            yield start + offset - ADDRESSES_OFFSET_BYTES


def describe_provisioning(
    data: ProvisioningData, address: int, keys: KeysAtHand, release: Release | None = None
) -> FoundProvisioning:
    """All of it, for people and programs; `release` is that of the NSIB that reads it."""
    return FoundProvisioning(
        address=address,
        s0_address=data.s0_address,
        s1_address=data.s1_address,
        keys=tuple(
            FoundProvisionedKey(
                key=keys.name(one.key_hash),
                invalidated=one.invalidated,
                word=one.word,
                read_as=None if release is None else release.nsib.key_words.state(index, one.word),
            )
            for index, one in enumerate(data.keys)
        ),
        ncs=None if release is None else release.ncs,
        counters=tuple(
            FoundCounter(
                description=one.description,
                value=one.value,
                slots=len(one.slots),
                used_slots=sum(1 for slot in one.slots if slot != FREE_SLOT),
            )
            for one in data.counters
        ),
    )

"""Provisioning data of both cores, where a hex file has it."""

from collections.abc import Iterable

from pytest_nrf_fota.board import BoardType
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

# Partition `provision` before the firmware in the network core's flash: partition manager of NCS
# 2.x, where b0n's container ends at 0x01008800 (sdk-nrf, PM_STATIC of nrf5340_audio).
_NETWORK_PROVISIONING_ADDRESS = 0x01008580
_NETWORK_PROVISIONING_BYTES = 0x280
_FIELDS_BYTES = 12


def provisioning_of_app_core(memory: SparseMemory, board: BoardType) -> ProvisioningData | None:
    """NSIB's data, None where the file has none at the board's address."""
    address = board.slots.provisioning_address
    if address is None or not memory.holds(address + ADDRESSES_OFFSET_BYTES, _FIELDS_BYTES):
        return None
    return parse_provisioning(memory.read, address)


def provisioning_of_network_core(
    memory: SparseMemory, board: BoardType, firmware_addresses: Iterable[int], keys: KeysAtHand
) -> FoundProvisioning | None:
    """What b0n, the network core's bootloader, was provisioned with.

    It lies where the board file says, where NCS puts it, or right before the firmware that it
    names; only data that names a firmware in the network core's flash is believed.

    Args:
        memory: the hex file.
        board: says where the network core's flash is.
        firmware_addresses: where firmware of the network core was found.
        keys: to name its keys.
    """
    places = [
        board.slots.network_provisioning_address,
        _NETWORK_PROVISIONING_ADDRESS,
        *(address - _NETWORK_PROVISIONING_BYTES for address in firmware_addresses),
    ]
    for address in places:
        if address is None or not memory.holds(address + ADDRESSES_OFFSET_BYTES, _FIELDS_BYTES):
            continue
        data = parse_provisioning(memory.read, address)
        region = None if data is None else board.region_of(data.s0_address, 1)
        if data is not None and region is not None and region.name.startswith("network"):
            return describe_provisioning(data, address, keys)
    return None


def describe_provisioning(
    data: ProvisioningData, address: int, keys: KeysAtHand
) -> FoundProvisioning:
    """All of it, for people and programs."""
    return FoundProvisioning(
        address=address,
        s0_address=data.s0_address,
        s1_address=data.s1_address,
        keys=tuple(
            FoundProvisionedKey(key=keys.name(one.key_hash), invalidated=one.invalidated)
            for one in data.keys
        ),
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

"""The slots of a board type, as the virtual kit's boot code wants them."""

from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.sim.boot.b0n import NetworkMap
from pytest_nrf_fota.sim.boot.stage import NsibSlots, Place, SlotMap


def slot_map_of(board: BoardType) -> SlotMap:
    """Where the firmware of a board lies: behind NSIB, or behind MCUboot alone.

    Raises `BoardFileError` for a board with some of NSIB's slots and not all of them.
    """
    slots = board.slots
    return SlotMap(
        primary=_place(slots.primary),
        secondary=_place(slots.secondary),
        nsib=_nsib_slots(board),
        scratch=None if slots.scratch is None else _place(slots.scratch),
        refuses_partial_pages=board.sim is not None and board.sim.refuses_partial_pages,
        network_secondary=None
        if slots.secondary_network is None
        else _place(slots.secondary_network),
        network=_network_map(board),
        network_is_in_build=board.slots.network is not None,
    )


def _network_map(board: BoardType) -> NetworkMap | None:
    core, firmware = board.soc.network, board.network_firmware
    if core is None or firmware is None:
        return None
    return NetworkMap(
        b0n_address=core.flash.start,
        app_address=firmware.address,
        end_address=firmware.address + firmware.size,
        provisioning_address=board.network_provisioning,
    )


def _nsib_slots(board: BoardType) -> NsibSlots | None:
    slots = board.slots
    named = {
        "slots.s0": slots.s0,
        "slots.s1": slots.s1,
        "slots.provisioning_address": slots.provisioning_address,
    }
    missing = [name for name, value in named.items() if value is None]
    if len(missing) == len(named):
        return None
    if slots.s0 is None or slots.s1 is None or slots.provisioning_address is None:
        raise BoardFileError(
            f"The board has a part of what NSIB needs, and not {' and '.join(missing)}.",
            where=board.name,
            next_step="Name all of slots.s0, slots.s1 and slots.provisioning_address for a board "
            "with NSIB, or none of them for MCUboot alone.",
        )
    return NsibSlots(_place(slots.s0), _place(slots.s1), slots.provisioning_address)


def _place(slot: Slot) -> Place:
    return Place(slot.address, slot.size)

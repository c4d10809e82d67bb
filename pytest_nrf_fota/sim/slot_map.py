"""The slots of a board type, as the virtual kit's boot code wants them."""

from pytest_nrf_fota.board import BoardType
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.sim.boot.stage import RAM_FLASH_SIZE_BYTES, ScratchPlace, SlotMap


def slot_map_of(board: BoardType) -> SlotMap:
    """Where the firmware of a dual-stage board lies.

    Raises `BoardFileError` for a board without NSIB's slots.
    """
    slots = board.slots
    if slots.s0 is None or slots.s1 is None or slots.provisioning_address is None:
        raise BoardFileError(
            "The board has no dual-stage boot: slots s0, s1 and slots.provisioning_address.",
            where=board.name,
            next_step="Give a board with NSIB, such as nrf5340dk.",
        )
    network, scratch = slots.secondary_network, slots.scratch
    return SlotMap(
        s0_address=slots.s0.address,
        s1_address=slots.s1.address,
        s_slot_size_bytes=slots.s0.size,
        primary_address=slots.primary.address,
        secondary_address=slots.secondary.address,
        slot_size_bytes=slots.primary.size,
        provisioning_address=slots.provisioning_address,
        scratch=None if scratch is None else ScratchPlace(scratch.address, scratch.size),
        refuses_partial_pages=board.sim is not None and board.sim.refuses_partial_pages,
        network_secondary_address=None if network is None else network.address,
        network_slot_size_bytes=RAM_FLASH_SIZE_BYTES if network is None else network.size,
    )

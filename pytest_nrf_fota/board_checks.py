"""What in a board file cannot be true, although each value is of its type."""

from collections.abc import Iterator
from itertools import combinations

from typing_extensions import assert_never

from pytest_nrf_fota.board import BoardType, Slot

EXTERNAL_MEMORY = "external flash"
_NSIB_KEYS = ("s0", "s1", "provisioning_address")


def contradictions(board: BoardType) -> list[str]:
    """All of them, each with the keys and the addresses that it is about."""
    return [
        *_slots_in_no_memory(board),
        *_overlapping_slots(board),
        *_half_of_nsib(board),
        *_wrong_external_flash(board),
        *_impossible_radio(board),
    ]


def _named_slots(board: BoardType) -> list[tuple[str, Slot]]:
    slots = board.slots
    named = (
        *(("primary", slots.primary), ("secondary", slots.secondary)),
        *(("s0", slots.s0), ("s1", slots.s1), ("scratch", slots.scratch)),
        *(("secondary_network", slots.secondary_network), ("network", slots.network)),
    )
    return [(f"slots.{name}", slot) for name, slot in named if slot is not None]


def _slots_in_no_memory(board: BoardType) -> Iterator[str]:
    memories = ", ".join(f"{r.name} 0x{r.start:x}-0x{r.start + r.size:x}" for r in board.memory)
    for name, slot in _named_slots(board):
        if board.region_of(slot.address, slot.size) is None:
            yield f"{name}: {_range(slot)} lies in no memory of the board ({memories})"
    for name in ("provisioning_address", "network_provisioning_address"):
        address: int | None = getattr(board.slots, name)
        if address is not None and board.region_of(address, 1) is None:
            yield f"slots.{name}: 0x{address:x} lies in no memory of the board ({memories})"


def _overlapping_slots(board: BoardType) -> Iterator[str]:
    for (first, one), (second, other) in combinations(_named_slots(board), 2):
        if one.address < other.address + other.size and other.address < one.address + one.size:
            yield f"{first}: {_range(one)} overlaps {second}, {_range(other)}"


def _half_of_nsib(board: BoardType) -> Iterator[str]:
    present = [name for name in _NSIB_KEYS if getattr(board.slots, name) is not None]
    missing = [f"slots.{name}" for name in _NSIB_KEYS if name not in present]
    if present and missing:
        yield (
            f"slots.{present[0]}: NSIB needs {' and '.join(missing)} as well; a board with MCUboot "
            "alone has none of them"
        )


def _wrong_external_flash(board: BoardType) -> Iterator[str]:
    flash = board.external_flash
    if flash is None:
        return
    memory = next((region for region in board.memory if region.name == EXTERNAL_MEMORY), None)
    if memory is None:
        yield f"external_flash: there is no memory named {EXTERNAL_MEMORY!r}"
    elif flash.size > memory.size:
        yield (
            f"external_flash.size: 0x{flash.size:x} is more than the memory {EXTERNAL_MEMORY!r} "
            f"has, 0x{memory.size:x}"
        )


def _impossible_radio(board: BoardType) -> Iterator[str]:
    kind = board.radio.kind
    match board.provider:
        case "usb" | "sim":
            possible: tuple[str, ...] = ("ble", "serial_over_console")
        case "qemu":
            possible = ("serial", "serial_over_console")
        case "native_sim":
            possible = ("serial", "serial_over_console", "udp")
        case _:
            assert_never(board.provider)
    if kind not in possible:
        yield (
            f"radio.kind: provider {board.provider!r} reaches no board by {kind!r}, but by "
            f"{' or '.join(map(repr, possible))}"
        )


def _range(slot: Slot) -> str:
    return f"0x{slot.address:x}-0x{slot.address + slot.size:x}"

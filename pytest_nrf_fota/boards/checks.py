"""What in a board file cannot be true, although each value is of its type."""

from collections.abc import Collection, Iterator
from itertools import combinations

from typing_extensions import assert_never

from pytest_nrf_fota.boards.board import BoardType, MemoryRegion, Slot
from pytest_nrf_fota.boards.soc import EXTERNAL_MEMORY
from pytest_nrf_fota.boards.traits import transports

_NSIB_KEYS = ("s0", "s1", "provisioning_address")


def contradictions(board: BoardType, known_boards: Collection[str]) -> list[str]:
    """All of them, each with the keys and the addresses that it is about.

    Args:
        board: the board type, as its file and those of its bases say.
        known_boards: names of all boards.
    """
    return [
        *_overlapping_memories(board),
        *_slots_in_no_memory(board),
        *_overlapping_slots(board),
        *_half_of_nsib(board),
        *_provisioning_in_slot(board),
        *_wrong_external_flash(board),
        *_impossible_radio(board),
        *_other_uart_than_said(board),
        *_bluetooth_keys_without_it(board),
        *_firmware_of_other_provider(board),
        *_unknown_twin(board, known_boards),
    ]


def _named_slots(board: BoardType) -> list[tuple[str, Slot]]:
    slots = board.slots
    named = (
        *(("primary", slots.primary), ("secondary", slots.secondary)),
        *(("s0", slots.s0), ("s1", slots.s1), ("scratch", slots.scratch)),
        *(("secondary_network", slots.secondary_network), ("network", slots.network)),
    )
    return [(f"slots.{name}", slot) for name, slot in named if slot is not None]


def _overlapping_memories(board: BoardType) -> Iterator[str]:
    for one, other in combinations(board.memory, 2):
        if one.start < other.start + other.size and other.start < one.start + one.size:
            yield f"memory: {_memory(one)} overlaps {_memory(other)}"


def _slots_in_no_memory(board: BoardType) -> Iterator[str]:
    memories = ", ".join(map(_memory, board.memory))
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


def _provisioning_in_slot(board: BoardType) -> Iterator[str]:
    for key in ("provisioning_address", "network_provisioning_address"):
        address: int | None = getattr(board.slots, key)
        if address is None:
            continue
        for name, slot in _named_slots(board):
            if slot.address <= address < slot.address + slot.size:
                yield f"slots.{key}: 0x{address:x} lies in {name}, {_range(slot)}"


def _wrong_external_flash(board: BoardType) -> Iterator[str]:
    flash = board.external_flash
    if flash is None:
        return
    memory = next((region for region in board.memory if region.name == EXTERNAL_MEMORY), None)
    if memory is None:
        yield f"external_flash: there is no memory named {EXTERNAL_MEMORY!r}"
    elif board.soc.cores and flash.size > len(board.soc.external_window):
        yield (
            f"external_flash.size: 0x{flash.size:x} is more than an {board.soc.title} maps, "
            f"0x{len(board.soc.external_window):x}"
        )
    elif flash.size > memory.size:
        yield (
            f"external_flash.size: 0x{flash.size:x} is more than the memory {EXTERNAL_MEMORY!r} "
            f"has, 0x{memory.size:x}"
        )


def _impossible_radio(board: BoardType) -> Iterator[str]:
    kind = board.radio.kind
    interfaces = board.provided_by.interfaces
    possible = [t.name for t in transports().values() if t.needs is None or t.needs in interfaces]
    if kind not in possible:
        yield (
            f"radio.kind: provider {board.provider!r} reaches no board by {kind!r}, but by "
            f"{' or '.join(map(repr, possible))}"
        )
    is_kits_port = kind == "serial" and board.provided_by.is_kit
    if is_kits_port and board.radio.vcom is None:
        yield (
            "radio.vcom: missing; which of the kit's serial ports carries SMP, from 0 in the order "
            "of its USB interfaces (nrf-fota doctor lists them)"
        )
    elif board.radio.vcom is not None and not is_kits_port:
        yield f"radio.vcom: is for a kit with radio.kind = 'serial', not {kind!r}"


def _other_uart_than_said(board: BoardType) -> Iterator[str]:
    if board.qemu is None or board.radio.kind not in ("serial", "serial_over_console"):
        return
    log_uart, smp_uart = board.qemu.log_uart, board.qemu.smp_uart
    if (log_uart == smp_uart) != (board.radio.kind == "serial_over_console"):
        yield (
            f"radio.kind: {board.radio.kind!r} does not fit qemu.log_uart = {log_uart} and "
            f"qemu.smp_uart = {smp_uart}; 'serial_over_console' is one UART for both"
        )


def _bluetooth_keys_without_it(board: BoardType) -> Iterator[str]:
    radio = board.radio
    if radio.kind == "ble":
        if radio.bluetooth is False:
            yield "radio.bluetooth: false is for another radio.kind than 'ble'"
        return
    if radio.pairing != "none":
        yield f"radio.pairing: {radio.pairing!r} is for radio.kind = 'ble', not {radio.kind!r}"
    if radio.private_address:
        yield f"radio.private_address: is for radio.kind = 'ble', not {radio.kind!r}"
    if radio.host is not None:
        yield f"radio.host: {radio.host!r} is for radio.kind = 'ble', not {radio.kind!r}"


def _firmware_of_other_provider(board: BoardType) -> Iterator[str]:
    match board.firmware.source:
        case "files":
            return
        case "demo":
            fits = board.provided_by.needs_section == "sim"
            what = "the demonstration firmware is no machine code; only the virtual kit boots it"
        case "smpclient_dist":
            fits = board.provider in ("qemu", "native_sim")
            what = "smpclient's source distribution has firmware for QEMU and native_sim only"
        case _:
            assert_never(board.firmware.source)
    if not fits:
        yield f"firmware.source: {what}; provider is {board.provider!r}"


def _unknown_twin(board: BoardType, known_boards: Collection[str]) -> Iterator[str]:
    twin = board.simulated_twin
    if twin is not None and twin not in known_boards:
        yield (
            f"simulated_twin: there is no board named {twin!r}; known: "
            f"{', '.join(sorted(known_boards))}"
        )


def _memory(region: MemoryRegion) -> str:
    return f"{region.name} 0x{region.start:x}-0x{region.start + region.size:x}"


def _range(slot: Slot) -> str:
    return f"0x{slot.address:x}-0x{slot.address + slot.size:x}"

"""Whether a board holds a hex file already: read back and compared, never taken on trust."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.boards.board import BoardType, MemoryRegion
from pytest_nrf_fota.firmware.fw_info import ReadMemory, find_fw_info, preferred_s_slot
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader
from pytest_nrf_fota.firmware.provisioning import CounterKind, parse_provisioning

# A call of a probe's tool takes longer than what it reads.
_CHUNK_BYTES = 1024 * 1024
_ERASED = 0xFF


@dataclass(frozen=True)
class Difference:
    """The first address where board and file differ, and the two bytes."""

    address: int
    on_board: int
    in_file: int

    def __str__(self) -> str:
        return (
            f"0x{self.address:08x} holds 0x{self.on_board:02x}, the file has 0x{self.in_file:02x}"
        )


def difference_from_file(
    read: ReadMemory, segments: Sequence[Segment], board: BoardType
) -> Difference | None:
    """The first byte of the file that the board does not hold, or None.

    The rest of the flash is not looked at, nor the monotonic counter that the file's
    own first boot sets. Errors of `read` pass through.
    """
    ranges = [(segment.address, segment.end) for segment in segments]
    return _first_difference(_before_the_boot(read, segments, board), segments, ranges)


def difference_from_flashing(
    read: ReadMemory, segments: Sequence[Segment], board: BoardType
) -> Difference | None:
    """The first byte that recovering and programming would change, or None.

    Apart from the file's data every memory that a recovery erases has to be erased. External flash
    is not recovered: of it only the file's data counts. A monotonic counter counts as erased where
    it holds what the file's own first boot writes there.
    """
    external = [(s.address, s.end) for s in segments if _survives_recovery(s.address, board)]
    recovered = [r for r in board.memory if not _survives_recovery(r.start, board)]
    ranges = [piece for region in recovered for piece in _ranges_of(region, segments, board)]
    before = _before_the_boot(read, segments, board)
    return _first_difference(before, segments, [*ranges, *external])


def counter_after_first_boot(segments: Sequence[Segment], board: BoardType) -> Segment | None:
    """The halfword of OTP that NSIB writes when it boots this file for the first time, or None.

    NSIB stores version and slot of what it starts inverted in the first free slot of its counter
    (sdk-nrf bl_storage.c, bl_validation.c).
    """
    slots, read = board.slots, memory_reader(segments)
    if slots.provisioning_address is None or slots.s0 is None or slots.s1 is None:
        return None
    provisioning = parse_provisioning(read, slots.provisioning_address)
    counter = provisioning.counter(CounterKind.NSIB_FIRMWARE) if provisioning else None
    infos = (find_fw_info(read, slots.s0.address), find_fw_info(read, slots.s1.address))
    slot = preferred_s_slot([info.version if info else None for info in infos])
    started = infos[slot] if slot is not None else None
    if counter is None or counter.free_slot_address is None or started is None:
        return None
    value = ~((started.version << 1) | (slot == 0)) & 0xFFFF
    return Segment(counter.free_slot_address, value.to_bytes(2, "little"))


def _before_the_boot(read: ReadMemory, segments: Sequence[Segment], board: BoardType) -> ReadMemory:
    """Reads memory with that counter as the file has it, where it holds just that."""
    counter = counter_after_first_boot(segments, board)
    if counter is None or read(counter.address, len(counter.data)) != counter.data:
        return read
    written = counter

    def read_before(address: int, size_bytes: int) -> bytes:
        memory = bytearray(read(address, size_bytes))
        for place in range(written.address, written.end):
            if address <= place < address + len(memory):
                memory[place - address] = _ERASED
        return bytes(memory)

    return read_before


def _survives_recovery(address: int, board: BoardType) -> bool:
    return board.soc.is_external(address)


def _ranges_of(
    region: MemoryRegion, segments: Sequence[Segment], board: BoardType
) -> Iterator[tuple[int, int]]:
    """What of a memory counts. Registers do only where the file holds them: a recovery may leave
    access protection open by writing some.
    """
    end = region.start + region.size
    registers = next((c.registers for c in board.soc.cores if region.start in c.registers), None)
    if registers is None:
        yield region.start, end
        return
    for segment in segments:
        if segment.address < registers.stop and registers.start < segment.end:
            yield max(segment.address, registers.start), min(segment.end, registers.stop)
    if registers.stop < end:
        yield registers.stop, end


def _first_difference(
    read: ReadMemory, segments: Sequence[Segment], ranges: Sequence[tuple[int, int]]
) -> Difference | None:
    expected = memory_reader(segments)
    for start, end in ranges:
        for address in range(start, end, _CHUNK_BYTES):
            size_bytes = min(_CHUNK_BYTES, end - address)
            on_board, in_file = read(address, size_bytes), expected(address, size_bytes)
            if on_board == in_file:
                continue
            offset = next(
                (i for i, (a, b) in enumerate(zip(on_board, in_file, strict=False)) if a != b),
                min(len(on_board), size_bytes - 1),
            )
            byte_on_board = on_board[offset] if offset < len(on_board) else _ERASED
            return Difference(address + offset, byte_on_board, in_file[offset])
    return None

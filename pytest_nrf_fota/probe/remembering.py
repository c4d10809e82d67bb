"""A probe that reads by words, remembers what it read, and knows which cores may be halted."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board import MemoryRegion
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.wires.probe import Core, Probe, ProbeInfo, ResetKind

WORD_BYTES = 4
"""OTP and UICR are read by aligned words only (sdk-nrf subsys/bootloader/bl_storage)."""

# A call of a tool takes as long as reading so much: smaller gaps are read along.
_GAP_BYTES = 64 * 1024


class RememberingProbe:
    """A `Probe` around another one.

    `read` always asks the other one, `recall` only for what is not remembered. Writing through the
    probe makes it forget everything. What the firmware writes it cannot see: whoever uses `recall`
    says when to `forget`.

    Args:
        inner: does the work.
        regions: the board's flash and UICR. Nothing else is remembered.
        soc: which core an address is reached through.
    """

    def __init__(self, inner: Probe, regions: Sequence[MemoryRegion], soc: Soc) -> None:
        self._inner = inner
        self._regions = tuple(regions)
        self._soc = soc
        self._known: tuple[Segment, ...] = ()
        self._read_through: set[Core] = set()
        self._is_held = False
        self.resets = 0

    @property
    def halted(self) -> frozenset[Core]:
        """The cores that a read may have halted: none where they were held before it."""
        return frozenset(self._read_through)

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify probe and target."""
        return self._inner.info(deadline)

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Erase and unlock one core; both are held afterwards."""
        self._write_begins()
        self._inner.recover(core, deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Program and verify a hex file; the cores are held afterwards."""
        self._write_begins()
        self._inner.program(hex_file, deadline)

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the external flash; the cores are held afterwards."""
        self._write_begins()
        self._inner.erase_external(deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory as it is now, by whole words."""
        start = address - address % WORD_BYTES
        end = address + size_bytes
        end += -end % WORD_BYTES
        if not self._is_held:
            self._read_through.add(self._soc.core_of(address))
        data = self._inner.read(start, end - start, deadline)
        self._known = _overlaid(self._known, Segment(start, data))
        return data[address - start : address - start + size_bytes]

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Let a core go on."""
        self._inner.resume(core, deadline)
        self._read_through.discard(core)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the board: all cores run."""
        self.resets += 1
        self._inner.reset(kind, deadline)
        self._is_held = False
        self._read_through.clear()

    def close(self) -> None:
        """Let go of the probe."""
        self._inner.close()

    def recall(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Memory as it is remembered; what is not is read, with the rest of its pages."""
        region = self._region_of(address, size_bytes)
        if region is None:
            return self.read(address, size_bytes, deadline)
        remembered = self._remembered(address, size_bytes)
        if remembered is None:
            page = region.page_size
            start = max(address - address % page, region.start)
            end = address + size_bytes
            end = min(end + -end % page, region.start + region.size)
            self.read(start, end - start, deadline)
            remembered = self._remembered(address, size_bytes)
        assert remembered is not None, "it was read just now"
        return remembered

    def is_remembered(self, address: int, size_bytes: int) -> bool:
        """Whether `recall` needs no read for it."""
        return self._remembered(address, size_bytes) is not None

    def fetch(self, ranges: Iterable[tuple[int, int]], deadline: Deadline) -> None:
        """Remember these ranges (start, end), with as few reads as possible."""
        missing = [r for r in ranges if not self.is_remembered(r[0], r[1] - r[0])]
        for start, end in self._merged(missing):
            self.read(start, end - start, deadline)

    def forget(self) -> None:
        """What comes next is read anew."""
        self._known = ()

    def let_run(self) -> None:
        """Reads are known to halt nothing."""
        self._read_through.clear()

    def _write_begins(self) -> None:
        self.forget()
        self._is_held = True
        self._read_through.clear()

    def _remembered(self, address: int, size_bytes: int) -> bytes | None:
        for one in self._known:
            if one.address <= address and address + size_bytes <= one.end:
                return one.data[address - one.address : address - one.address + size_bytes]
        return None

    def _region_of(self, address: int, size_bytes: int) -> MemoryRegion | None:
        for one in self._regions:
            if one.start <= address and address + size_bytes <= one.start + one.size:
                return one
        return None

    def _merged(self, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        merged: list[tuple[int, int]] = []
        for start, end in sorted(ranges):
            if merged and start - merged[-1][1] <= _GAP_BYTES:
                whole = merged[-1][0], max(end, merged[-1][1])
                if self._region_of(whole[0], whole[1] - whole[0]) is not None:
                    merged[-1] = whole
                    continue
            merged.append((start, end))
        return merged


def _overlaid(known: Sequence[Segment], new: Segment) -> tuple[Segment, ...]:
    """What was known, and the new bytes in place of older ones; neighbours become one."""
    before = after = b""
    kept: list[Segment] = []
    for one in known:
        if one.end < new.address or one.address > new.end:
            kept.append(one)
            continue
        if one.address < new.address:
            before = one.data[: new.address - one.address]
        if one.end > new.end:
            after = one.data[new.end - one.address :]
    return (*kept, Segment(new.address - len(before), before + new.data + after))

"""The probe that reads by words and remembers: around one that notes how it is called."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.remembering import RememberingProbe
from pytest_nrf_fota.wires.probe import Core, ProbeInfo, ResetKind

_BOARD = load_board("nrf5340dk")
_UICR, _NETWORK, _RAM = 0xFF8000, 0x0100_0000, 0x2000_0000


class NotingProbe:
    """Each byte is the low byte of its address, plus `age`."""

    def __init__(self) -> None:
        self.reads: list[tuple[int, int]] = []
        self.resumed: list[Core] = []
        self.age = 0

    def info(self, deadline: Deadline) -> ProbeInfo:
        raise AssertionError

    def recover(self, core: Core, deadline: Deadline) -> None: ...

    def program(self, hex_file: Path, deadline: Deadline) -> None: ...

    def erase_external(self, deadline: Deadline) -> None: ...

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        self.reads.append((address, size_bytes))
        return self.bytes_at(address, size_bytes)

    def bytes_at(self, address: int, size_bytes: int) -> bytes:
        return bytes((at + self.age) % 256 for at in range(address, address + size_bytes))

    def resume(self, core: Core, deadline: Deadline) -> None:
        self.resumed.append(core)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def inner() -> NotingProbe:
    return NotingProbe()


@pytest.fixture
def probe(inner: NotingProbe) -> RememberingProbe:
    return RememberingProbe(inner, _BOARD.memory, _BOARD.soc)


def soon() -> Deadline:
    return Deadline.after(10)


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("size_bytes", [1, 2, 3, 4, 5, 8])
def test_reads_are_widened_to_words(
    inner: NotingProbe, probe: RememberingProbe, offset: int, size_bytes: int
) -> None:
    """OTP gives nothing else."""
    address = 0xFF8150 + offset
    assert probe.read(address, size_bytes, soon()) == inner.bytes_at(address, size_bytes)
    ((start, size),) = inner.reads
    assert start % 4 == size % 4 == 0
    assert start <= address and address + size_bytes <= start + size


def test_a_read_is_always_of_now(inner: NotingProbe, probe: RememberingProbe) -> None:
    """And what is recalled afterwards is as new."""
    probe.recall(0x8000, 16, soon())
    inner.age = 1
    assert probe.recall(0x8000, 16, soon()) == bytes(range(16))
    assert probe.read(0x8004, 4, soon()) == bytes(range(5, 9))
    assert probe.recall(0x8000, 10, soon()) == bytes([0, 1, 2, 3, 5, 6, 7, 8, 8, 9])


def test_pages_are_read_once(inner: NotingProbe, probe: RememberingProbe) -> None:
    for address in (0x28000, 0x28020, 0x28FF0):
        assert probe.recall(address, 16, soon()) == inner.bytes_at(address, 16)
    assert probe.recall(0x28FF0, 32, soon()) == inner.bytes_at(0x28FF0, 32)
    assert inner.reads == [(0x28000, 0x1000), (0x28000, 0x2000)]


def test_ranges_near_each_other_are_one_read(inner: NotingProbe, probe: RememberingProbe) -> None:
    """Not across memories, nor over a gap that takes longer than a call."""
    probe.fetch([(0x18000, 0x24200), (0x8000, 0x14200), (0x80000, 0x80100)], soon())
    probe.fetch([(0x8000, 0x9000), (0xFF8100, 0xFF83FC), (_NETWORK, _NETWORK + 4)], soon())
    assert inner.reads == [
        (0x8000, 0x24200 - 0x8000),
        (0x80000, 0x100),
        (0xFF8100, 0x2FC),
        (_NETWORK, 4),
    ]
    assert probe.recall(0x14000, 0x4800, soon()) == inner.bytes_at(0x14000, 0x4800)
    assert len(inner.reads) == 4


def test_ram_is_not_remembered(inner: NotingProbe, probe: RememberingProbe) -> None:
    """It changes by itself; nor is more of it read than was asked for."""
    for _ in range(2):
        probe.recall(_RAM, 8, soon())
    assert inner.reads == [(_RAM, 8), (_RAM, 8)]


@pytest.mark.parametrize("write", ["recover", "program", "erase_external"])
def test_writing_makes_it_forget(inner: NotingProbe, probe: RememberingProbe, write: str) -> None:
    probe.recall(0, 4, soon())
    match write:
        case "recover":
            probe.recover(Core.NETWORK, soon())
        case "program":
            probe.program(Path("x.hex"), soon())
        case _:
            probe.erase_external(soon())
    inner.age = 1
    assert probe.recall(0, 4, soon()) == bytes([1, 2, 3, 4])


def test_knows_which_cores_it_may_have_halted(probe: RememberingProbe) -> None:
    """Each by the memory that it read; a reset lets all of them run."""
    probe.read(0, 4, soon())
    probe.read(_NETWORK, 4, soon())
    assert probe.halted == {Core.APPLICATION, Core.NETWORK}
    probe.resume(Core.NETWORK, soon())
    assert probe.halted == {Core.APPLICATION}
    probe.reset(ResetKind.PIN, soon())
    assert probe.halted == frozenset()


def test_what_is_held_after_programming_is_not_to_be_resumed(probe: RememberingProbe) -> None:
    """It would start new firmware where the old one stood."""
    probe.program(Path("x.hex"), soon())
    probe.read(0, 4, soon())
    assert probe.halted == frozenset()
    probe.reset(ResetKind.PIN, soon())
    probe.read(0, 4, soon())
    assert probe.halted == {Core.APPLICATION}

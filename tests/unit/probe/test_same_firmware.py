"""Reading back: when flashing would change nothing, and where it would change something first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader, read_hex
from pytest_nrf_fota.probe.same_firmware import (
    Difference,
    counter_after_first_boot,
    difference_from_file,
    difference_from_flashing,
)

_FILE = (
    Segment(0x0, b"nsib" * 1000),
    Segment(0x28200, b"application" * 100),
    Segment(0xFF8100, b"provisioned"),
    Segment(0x0100_0000, b"network"),
    Segment(0x1000_0000, b"external"),
)
_SETTINGS = 0xFE000


@pytest.fixture(scope="module")
def board() -> BoardType:
    return load_board("nrf5340dk")


def _with(address: int, data: bytes) -> Callable[[int, int], bytes]:
    """The file's memory with other bytes at one place."""
    memory = memory_reader(_FILE)

    def read(start: int, size_bytes: int) -> bytes:
        content = bytearray(memory(start, size_bytes))
        for offset, byte in enumerate(data, address - start):
            if 0 <= offset < size_bytes:
                content[offset] = byte
        return bytes(content)

    return read


def test_board_as_flashed(board: BoardType) -> None:
    """No difference, by both measures."""
    read = memory_reader(_FILE)
    assert difference_from_file(read, _FILE, board) is None
    assert difference_from_flashing(read, _FILE, board) is None


@pytest.mark.parametrize(
    "address", [0x0, 0x3 * 1000, 0x28200 + 1099, 0xFF810A, 0x0100_0006, 0x1000_0007]
)
def test_one_wrong_byte_of_the_file(board: BoardType, address: int) -> None:
    """Found anywhere, by both measures."""
    read = _with(address, b"\x01")
    in_file = memory_reader(_FILE)(address, 1)[0]
    expected = Difference(address, 1, in_file)
    assert difference_from_file(read, _FILE, board) == expected
    assert difference_from_flashing(read, _FILE, board) == expected


@pytest.mark.parametrize(
    "address", [_SETTINGS, 0xFFFFF, 0xFF8180, 0xFF87FF, 0x0103_FFFF, 0x01FF_8100]
)
def test_leftovers_beside_the_file(board: BoardType, address: int) -> None:
    """Settings, counters in OTP, another network core's end: a recovery would remove them."""
    read = _with(address, b"\x00")
    assert difference_from_file(read, _FILE, board) is None
    assert difference_from_flashing(read, _FILE, board) == Difference(address, 0, 0xFF)


@pytest.mark.parametrize("address", [0xFF8000, 0xFF801C, 0x01FF_8000, 0x1010_0000])
def test_what_a_recovery_leaves(board: BoardType, address: int) -> None:
    """External flash, and access protection registers, which a recovery may write itself."""
    assert difference_from_flashing(_with(address, b"\x5a"), _FILE, board) is None


def test_registers_count_where_the_file_has_them(board: BoardType) -> None:
    """A build that sets access protection in UICR."""
    file = (*_FILE, Segment(0xFF8000, b"\x00\x00\x00\x00"))
    difference = difference_from_flashing(memory_reader(_FILE), file, board)
    assert difference == Difference(0xFF8000, 0xFF, 0)


def test_short_read_is_no_match(board: BoardType) -> None:
    """Bytes that were not read are not taken for equal."""

    def read(address: int, size_bytes: int) -> bytes:
        return memory_reader(_FILE)(address, size_bytes)[:-1]

    assert difference_from_file(read, _FILE, board) is not None
    assert difference_from_flashing(read, _FILE, board) is not None


def test_counter_of_the_first_boot(tmp_path: Path) -> None:
    """NSIB raises its counter at the baseline's boot; holding that value it counts as untouched."""
    board = load_board("nrf5340dk_sim")
    file = read_hex(DemoSource(board, tmp_path).baseline)
    counter = counter_after_first_boot(file, board)
    assert counter is not None
    assert counter == Segment(0xFF8150, b"\xe2\xff"), "version 14 in S0"
    booted = memory_reader([*file, counter])
    for difference in (difference_from_file, difference_from_flashing):
        assert difference(booted, file, board) is None
        raised = memory_reader([*file, Segment(counter.address, b"\xe0\xff")])
        assert difference(raised, file, board) == Difference(0xFF8150, 0xE0, 0xFF)
        twice = memory_reader([*file, counter, Segment(counter.end, b"\xe0\xff")])
        assert difference(twice, file, board) == Difference(0xFF8152, 0xE0, 0xFF)


def test_message() -> None:
    """Says where and what."""
    assert str(Difference(0x28200, 1, 0x61)) == "0x00028200 holds 0x01, the file has 0x61"

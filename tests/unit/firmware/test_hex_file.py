"""Intel hex files: good ones, and every way in which a user's file can be wrong."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.board_memories import check_against_map
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex

END_RECORD = ":00000001FF\n"
SEGMENTS = (
    Segment(0, bytes(range(64))),
    Segment(0x8000, b"mcuboot" * 5),
    Segment(0xFF8128, b"\x00\x80\x00\x00"),
    Segment(0x01000000, b"network"),
)


def record(address: int, data: bytes, kind: int = 0) -> str:
    """One line of a hex file with its checksum."""
    body = bytes([len(data), address >> 8, address & 0xFF, kind]) + data
    return ":" + (body + bytes([-sum(body) & 0xFF])).hex().upper() + "\n"


def refusal(path: Path) -> PackageError:
    """The error that reading this file gives; it says what, where and what next."""
    with pytest.raises(PackageError) as caught:
        read_hex(path)
    error = caught.value
    assert error.what
    assert error.next_step
    assert str(path) in error.where
    return error


def hex_file(folder: Path, content: str | bytes) -> Path:
    path = folder / "merged.hex"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_written_file_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "merged.hex"
    write_hex(path, SEGMENTS)
    assert read_hex(path) == SEGMENTS


def test_segments_come_by_rising_address_with_neighbours_joined(tmp_path: Path) -> None:
    path = tmp_path / "merged.hex"
    write_hex(path, [Segment(0x200, b"cd"), Segment(0x202, b"ef"), Segment(0x100, b"ab")])
    assert read_hex(path) == (Segment(0x100, b"ab"), Segment(0x200, b"cdef"))


@settings(deadline=None, max_examples=50)
@given(address=st.integers(0, 2**32 - 400), data=st.binary(min_size=1, max_size=300))
def test_round_trip_at_any_address(scratch: Path, address: int, data: bytes) -> None:
    path = scratch / "round_trip.hex"
    write_hex(path, [Segment(address, data)])
    assert read_hex(path) == (Segment(address, data),)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_ends_of_both_systems_and_small_letters_are_read(
    tmp_path: Path, line_end: str
) -> None:
    text = (record(0x100, b"\xab\xcd") + END_RECORD).lower().replace("\n", line_end)
    assert read_hex(hex_file(tmp_path, text)) == (Segment(0x100, b"\xab\xcd"),)


def test_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere.hex").what


def test_folder_is_no_file(tmp_path: Path) -> None:
    refusal(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    assert "is empty" in refusal(hex_file(tmp_path, "")).what


@pytest.mark.parametrize("content", ["\n\n", END_RECORD])
def test_file_without_data(tmp_path: Path, content: str) -> None:
    assert "no data" in refusal(hex_file(tmp_path, content)).what


@pytest.mark.parametrize(
    "content",
    [
        b"this is no hex file\n",
        b"\x7fELF\x01\x01\x01" + bytes(range(256)),
        b"PK\x03\x04" + bytes(100),
        bytes(4096),
        b"\xff" * 4096,
        b"\xef\xbb\xbf" + (record(0, b"ab") + END_RECORD).encode(),
        (record(0, b"ab")[:-3] + "00\n" + END_RECORD).encode(),
        (record(0, b"ab") + ":10" + END_RECORD).encode(),
    ],
    ids=["text", "elf", "zip", "zeros", "blank", "byte order mark", "checksum", "short record"],
)
def test_file_that_is_no_hex_file(tmp_path: Path, content: bytes) -> None:
    error = refusal(hex_file(tmp_path, content))
    assert re.search("not a readable Intel hex file|not an Intel hex file", error.what)


def test_overlapping_records(tmp_path: Path) -> None:
    content = record(0x100, b"abcd") + record(0x102, b"xy") + END_RECORD
    error = refusal(hex_file(tmp_path, content))
    assert "same address twice" in error.what
    assert "0x102" in error.what


def test_every_cut_off_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "merged.hex"
    write_hex(path, SEGMENTS)
    content = path.read_bytes()
    for size_bytes in range(len(content.rstrip())):
        refusal(hex_file(tmp_path, content[:size_bytes]))
    read_hex(hex_file(tmp_path, content.rstrip()))


def test_file_cut_off_between_two_records_says_so(tmp_path: Path) -> None:
    error = refusal(hex_file(tmp_path, record(0, b"ab") + record(0x100, b"cd")))
    assert "cut off" in error.what


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.builds(
                record,
                st.integers(0, 0xFFFF),
                st.binary(max_size=20),
                st.integers(0, 6),
            ),
            st.just(END_RECORD),
            st.text(alphabet=":0123456789ABCDEF\n\x00é", max_size=30),
        ),
        max_size=6,
    ).map("".join)
)
def test_any_text_is_read_or_refused(scratch: Path, content: str) -> None:
    with contextlib.suppress(PackageError):
        assert read_hex(hex_file(scratch, content))


def test_data_in_all_memories_fits_the_map(tmp_path: Path, board: BoardType) -> None:
    whole = [Segment(region.start, bytes(region.size)) for region in board.memory]
    check_against_map(tmp_path / "merged.hex", whole, board)


@pytest.mark.parametrize(
    "segment",
    [
        Segment(0x100000, b"x"),
        Segment(0xFFFFF, b"xy"),
        Segment(0xFF7FFF, b"xy"),
        Segment(0x20000000, b"x"),
        Segment(0x0, bytes(0x100001)),
    ],
)
def test_data_outside_the_map_is_refused(
    tmp_path: Path, board: BoardType, segment: Segment
) -> None:
    path = tmp_path / "merged.hex"
    with pytest.raises(PackageError) as caught:
        check_against_map(path, [SEGMENTS[0], segment], board)
    error = caught.value
    assert f"0x{segment.address:x}-0x{segment.end:x}" in error.what
    assert board.name in error.what
    assert error.where == str(path)
    for region in board.memory:
        assert region.name in error.next_step
        assert f"0x{region.start:x}-0x{region.start + region.size:x}" in error.next_step

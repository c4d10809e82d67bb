"""Events of a recorder that is whole, cut off, damaged, or none."""

from pathlib import Path

import pytest

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.record.events import UartBytes, UartLine
from pytest_nrf_fota.timeline.read import ReadingLosses, read_events
from tests.unit.timeline.recorded import refused_update, uart, write_recorder


def test_events_have_the_numbers_of_their_lines_and_raw_bytes_are_left_out(tmp_path: Path) -> None:
    raw = UartBytes(port="/dev/ttyACM0", base64="QQ==")
    path = write_recorder(tmp_path / "r", [raw, *uart(["one"]), raw, *uart(["two"])])
    losses = ReadingLosses()
    found = list(read_events(path, losses))
    assert [one.number for one in found] == [1, 3, 5]
    assert [one.event.text for one in found if isinstance(one.event, UartLine)] == ["one", "two"]
    assert losses == ReadingLosses()


def test_a_last_line_that_a_kill_cut_is_told(tmp_path: Path) -> None:
    path = write_recorder(tmp_path / "r", uart(["one", "two"]))
    path.write_bytes(path.read_bytes()[:-20])
    losses = ReadingLosses()
    assert [one.number for one in read_events(path, losses)] == [1, 2]
    assert losses == ReadingLosses(is_cut_off=True)


def test_damaged_lines_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write_recorder(tmp_path / "r", uart(["one", "two", "three"]))
    lines = path.read_bytes().splitlines(keepends=True)
    # A block of a disk that was never written, a line of no format, one that is far too long.
    lines[2:2] = [b"\0" * 512 + b"\n", b'{"t_s": 1}\n', b"x" * (9 * 1024 * 1024) + b"\n"]
    path.write_bytes(b"".join(lines))
    losses = ReadingLosses()
    assert [one.number for one in read_events(path, losses)] == [1, 2, 6, 7]
    assert losses == ReadingLosses(unreadable=3)


@pytest.mark.parametrize("content", [b"", b"*** Booting ***\n", b'{"t_s": 0.0, "ev', b"\xff\xfe\n"])
def test_what_is_no_recorder_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no flight recorder"):
        list(read_events(path, ReadingLosses()))


def test_only_the_lines_that_are_asked_for_are_parsed(tmp_path: Path) -> None:
    path = write_recorder(tmp_path / "r", refused_update())
    whole = {one.number: one for one in read_events(path, ReadingLosses())}
    assert list(read_events(path, ReadingLosses(), {2, 5})) == [whole[2], whole[5]]

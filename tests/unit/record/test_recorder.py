"""The flight recorder: every event once, in order, whatever happens to the process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from pytest_nrf_fota.errors import (
    BoardError,
    ConnectionBrokeError,
    NotSeenError,
    RadioLostError,
)
from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.record import recorder as recorder_module
from pytest_nrf_fota.record.events import (
    ConsoleState,
    Event,
    Measurement,
    Moment,
    ProbeOperation,
    RadioState,
    RunStarted,
    SmpMessage,
    StepEnded,
    StepStarted,
    UartLine,
    UartWrite,
    UnitTaken,
    VerdictReached,
)
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording

_ONE_OF_EACH: tuple[Event, ...] = (
    UnitTaken(unit="1050012345", board="nrf5340dk", detail="usb"),
    StepStarted(step="flash", detail="merged.hex"),
    StepEnded(step="flash", duration_s=1.5, end="broken off", error="ProbeError: no"),
    ProbeOperation(operation="reset", duration_s=0.1),
    UartLine(port="/dev/ttyACM1", text='"quotes" \\ é 漢 \ufffd \u2028 end'),
    UartWrite(port="/dev/ttyACM1", text="kernel reboot\r"),
    ConsoleState(port="/dev/ttyACM1", state="lost", detail="gone"),
    RadioState(state="connected", detail="F2:7C:B6:5D:C3:74"),
    SmpMessage(
        direction="answer",
        name="image state",
        sequence=7,
        size_bytes=120,
        payload={"images": [{"slot": 0, "hash": "ab", "active": True}]},
    ),
    Moment(name="set pending"),
    VerdictReached(
        outcome="upgraded",
        subject="application",
        reason="",
        evidence=(Evidence(Source.UART, Says.NEW, "v1.2.3"),),
    ),
    Measurement(name="boot time", value=1.25, unit="s"),
)


@pytest.fixture
def recorder() -> Iterator[FlightRecorder]:
    recorder = FlightRecorder()
    yield recorder
    recorder.close()


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads take turns as often as the interpreter can, so that a missing lock shows."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before_s)


def _events(path: Path) -> list[Event]:
    return [recorded.event for recorded in read_recording(path)]


def _moments(path: Path) -> list[str]:
    return [event.name for event in _events(path) if isinstance(event, Moment)]


def test_every_kind_of_event_comes_back_as_it_was(recorder: FlightRecorder, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "recorder.jsonl"
    recorder.open(path, "test_a", {"pytest": "8"})
    for event in _ONE_OF_EACH:
        recorder.record(event)
    first, *others = _events(path)
    assert isinstance(first, RunStarted)
    assert (first.title, first.versions) == ("test_a", {"pytest": "8"})
    assert tuple(others) == _ONE_OF_EACH


def test_times_never_go_back_and_begin_with_the_file(
    recorder: FlightRecorder, tmp_path: Path
) -> None:
    path = tmp_path / "recorder.jsonl"
    recorder.open(path, "test_a")
    for number in range(50):
        recorder.record(Moment(name=str(number)))
    times = [recorded.t_s for recorded in read_recording(path)]
    assert times[0] == 0.0
    assert times == sorted(times)


def test_events_before_the_first_file_become_its_first_events(
    recorder: FlightRecorder, tmp_path: Path
) -> None:
    recorder.record(Moment(name="early"))
    recorder.record(Moment(name="later"))
    path = tmp_path / "recorder.jsonl"
    recorder.open(path, "test_a")
    recorder.record(Moment(name="inside"))
    assert isinstance(_events(path)[0], RunStarted)
    assert _moments(path) == ["early", "later", "inside"]
    early = read_recording(path)[1]
    assert early.t_s <= 0.0, "it happened before the file was opened"


def test_events_between_two_files_belong_to_the_second(
    recorder: FlightRecorder, tmp_path: Path
) -> None:
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    recorder.open(first, "test_a")
    recorder.record(Moment(name="a"))
    recorder.close()
    recorder.record(Moment(name="between"))
    assert recorder.path == first
    recorder.open(second, "test_b")
    recorder.record(Moment(name="b"))
    assert _moments(first) == ["a"]
    assert _moments(second) == ["between", "b"]
    assert recorder.path == second


def test_opening_the_next_file_closes_the_one_before(
    recorder: FlightRecorder, tmp_path: Path
) -> None:
    recorder.open(tmp_path / "1.jsonl", "test_a")
    recorder.open(tmp_path / "2.jsonl", "test_b")
    recorder.record(Moment(name="b"))
    assert _moments(tmp_path / "1.jsonl") == []
    assert _moments(tmp_path / "2.jsonl") == ["b"]


@pytest.mark.usefixtures("eager_threads")
def test_events_of_several_threads_are_whole_lines(
    recorder: FlightRecorder, tmp_path: Path
) -> None:
    path = tmp_path / "recorder.jsonl"
    recorder.open(path, "test_a")

    def record(name: str) -> None:
        for number in range(300):
            recorder.record(Moment(name=f"{name}{number}"))

    with ThreadPoolExecutor(4) as pool:
        for finished in [pool.submit(record, name) for name in "abcd"]:
            finished.result()
    for name in "abcd":
        own = [moment for moment in _moments(path) if moment.startswith(name)]
        assert own == [f"{name}{number}" for number in range(300)]


@pytest.mark.usefixtures("eager_threads")
def test_threads_lose_nothing_while_files_change(recorder: FlightRecorder, tmp_path: Path) -> None:
    def record(name: str) -> None:
        for number in range(300):
            recorder.record(Moment(name=f"{name}{number}"))

    paths = [tmp_path / f"{number}.jsonl" for number in range(20)]
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(record, name) for name in "ab"]
        for path in paths:
            recorder.open(path, "a test")
        for writer in writers:
            writer.result()
    recorder.open(tmp_path / "last.jsonl", "a test")
    moments = [moment for path in [*paths, tmp_path / "last.jsonl"] for moment in _moments(path)]
    for name in "ab":
        own = [moment for moment in moments if moment.startswith(name)]
        assert own == [f"{name}{number}" for number in range(300)]


def test_a_step_records_begin_and_end(recorder: FlightRecorder, tmp_path: Path) -> None:
    path = tmp_path / "recorder.jsonl"
    recorder.open(path, "test_a")
    with recorder.step("flash", "merged.hex"), recorder.step("recover"):
        recorder.record(Moment(name="inside"))
    _, flash, recover, inside, recovered, flashed = _events(path)
    assert flash == StepStarted(step="flash", detail="merged.hex")
    assert recover == StepStarted(step="recover")
    assert inside == Moment(name="inside")
    assert isinstance(recovered, StepEnded)
    assert isinstance(flashed, StepEnded)
    assert (recovered.step, flashed.step) == ("recover", "flash")
    assert flashed.duration_s >= recovered.duration_s >= 0.0
    assert (recovered.error, flashed.error) == ("", "")


@pytest.mark.parametrize("error", [ValueError("no such slot"), KeyboardInterrupt("stop")])
def test_a_step_records_its_error_and_passes_it_on(
    error: BaseException, recorder: FlightRecorder, tmp_path: Path
) -> None:
    path = tmp_path / "recorder.jsonl"
    recorder.open(path, "test_a")
    with pytest.raises(type(error)), recorder.step("set pending"):
        raise error
    ended = _events(path)[-1]
    assert isinstance(ended, StepEnded)
    assert ended.error == f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (ConnectionBrokeError("The connection broke."), "connection lost"),
        (RadioLostError("The adapter hci0 is gone."), "connection lost"),
        (NotSeenError("No answer within 120 s."), "no answer"),
        (TimeoutError(), "no answer"),
        (BoardError("The board refused to upload: rc 1"), "refused"),
        (ValueError("The connection broke."), "broken off"),
        (KeyboardInterrupt("stop"), "broken off"),
    ],
)
def test_how_a_step_ended_is_told_by_the_error_s_class(
    error: BaseException, end: str, recorder: FlightRecorder, tmp_path: Path
) -> None:
    path = tmp_path / "recorder.jsonl"
    recorder.open(path, "test_a")
    with pytest.raises(type(error)), recorder.step("upload"):
        raise error
    ended = _events(path)[-1]
    assert isinstance(ended, StepEnded)
    assert ended.end == end


def test_observers_surround_each_step(recorder: FlightRecorder, tmp_path: Path) -> None:
    seen: list[str] = []

    @contextmanager
    def observe(name: str, detail: str) -> Iterator[None]:
        seen.append(f"begin {name} {detail}")
        try:
            yield
        finally:
            seen.append(f"end {name}")

    recorder.step_observers.append(observe)
    recorder.open(tmp_path / "recorder.jsonl", "test_a")
    with pytest.raises(ValueError, match="no"), recorder.step("upload", "app.bin"):
        raise ValueError("no")
    assert seen == ["begin upload app.bin", "end upload"]


_WRITER = """
import sys, time
from pathlib import Path
from pytest_nrf_fota.record.events import Moment
from pytest_nrf_fota.record.recorder import FlightRecorder
recorder = FlightRecorder()
recorder.open(Path(sys.argv[1]), "killed")
for number in range(100):
    recorder.record(Moment(name=str(number)))
print("written", flush=True)
time.sleep(1000)
"""


def test_a_killed_process_has_written_every_event(tmp_path: Path) -> None:
    path = tmp_path / "recorder.jsonl"
    package = Path(recorder_module.__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(package)},
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"written\n"
        finally:
            process.kill()
    assert _moments(path) == [str(number) for number in range(100)]


def test_a_last_line_that_was_cut_off_anywhere_is_left_out(
    recorder: FlightRecorder, tmp_path: Path
) -> None:
    path = tmp_path / "recorder.jsonl"
    recorder.open(path, "test_a")
    recorder.record(Moment(name="whole"))
    recorder.close()
    whole = path.read_bytes()
    recorder.record(UartLine(port="p", text="é 漢"))
    recorder.open(tmp_path / "other.jsonl", "other")
    line = (tmp_path / "other.jsonl").read_bytes().splitlines()[-1]
    assert "漢".encode() in line
    for cut in range(len(line) + 1):
        path.write_bytes(whole + line[:cut])
        assert _moments(path) == ["whole"]
        assert len(read_recording(path)) == 2


@pytest.mark.parametrize("damage", [b'{"t_s":1.0,"event"\n', b"\xff\n", b'{"t_s":1.0}\n'])
def test_a_damaged_line_in_the_middle_is_an_error(
    damage: bytes, recorder: FlightRecorder, tmp_path: Path
) -> None:
    path = tmp_path / "recorder.jsonl"
    recorder.open(path, "test_a")
    recorder.close()
    line = path.read_bytes()
    path.write_bytes(line + damage + line)
    with pytest.raises(ValidationError):
        read_recording(path)

"""The flight recorder keeps each call of a tool: what it was given, what it said, what it wrote."""

import gzip
import os
from pathlib import Path

import pytest

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.probe.recording import tool_recorder
from pytest_nrf_fota.probe.tool_call import ToolCall
from pytest_nrf_fota.record import recorder as recorder_module
from pytest_nrf_fota.record.events import ToolCalled
from pytest_nrf_fota.record.recorder import KEPT_FOLDER, FlightRecorder, read_recording

from .fake_tool import FakeTool, Replay, deadline

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the fake tool is a script")
LONG = "long output\n" * 1000


def _calls(recorder: FlightRecorder) -> list[ToolCalled]:
    recorder.close()
    assert recorder.path is not None
    events = [one.event for one in read_recording(recorder.path)]
    return [event for event in events if isinstance(event, ToolCalled)]


@pytest.fixture
def recorder(tmp_path: Path) -> FlightRecorder:
    opened = FlightRecorder()
    opened.open(tmp_path / "run" / "recorder.jsonl", "tool calls")
    return opened


def test_command_exit_code_and_output(tmp_path: Path, recorder: FlightRecorder) -> None:
    """Short output is in the event, long output in a file beside it, once for all that is equal."""
    fake = FakeTool(
        tmp_path / "bin",
        "tool",
        Replay(("short",), "words", "and errors", 3),
        Replay(("long",), LONG),
    )
    tool = fake.tool("--json")
    tool.observe(tool_recorder(recorder))
    for argument in ("short", "long", "long"):
        tool.run((argument,), deadline())
    short, long, again = _calls(recorder)
    assert short.command == (str(fake.path), "--json", "short")
    assert (short.exit_code, short.stdout.text, short.stderr.text) == (3, "words", "and errors")
    assert short.duration_s > 0
    assert long.stdout == again.stdout
    assert (long.stdout.text, long.stdout.size_bytes) == (None, len(LONG))
    kept = [*(tmp_path / "run" / KEPT_FOLDER).iterdir()]
    assert [path.name for path in kept] == [long.stdout.file]
    assert gzip.decompress(kept[0].read_bytes()).decode() == LONG


def test_files_that_it_was_given_and_wrote(tmp_path: Path, recorder: FlightRecorder) -> None:
    """Of a firmware the hash alone, of what was read all of it; also where JSON names them."""
    given, written = tmp_path / "app.hex", tmp_path / "memory.hex"
    given.write_text("a firmware")
    then = f"open({str(written)!r}, 'w').write('what was read')"
    fake = FakeTool(tmp_path / "bin", "tool", Replay((), then=then))
    tool = fake.tool()
    tool.observe(tool_recorder(recorder))
    tool.run(("--firmware", str(given), "--to-file", str(written)), deadline())
    tool.run((f'{{"hex_file": "{given}"}}',), deadline())
    first, second = _calls(recorder)
    assert [(file.path, file.use, file.content.text) for file in first.files] == [
        (str(given), "read", None),
        (str(written), "written", "what was read"),
    ]
    assert [(file.path, file.use) for file in second.files] == [(str(given), "read")]


def test_calls_before_anybody_records(tmp_path: Path, recorder: FlightRecorder) -> None:
    """Version and list are asked first: they are told late, with their own time."""
    tool = FakeTool(tmp_path / "bin", "tool", Replay((), "2.11.0")).tool()
    tool.run(("--version",), deadline())
    tool.observe(tool_recorder(recorder))
    tool.run(("list",), deadline())
    assert [call.command[-1] for call in _calls(recorder)] == ["--version", "list"]


def test_call_that_does_not_end(tmp_path: Path, recorder: FlightRecorder) -> None:
    """Too slow, killed, or missing: there is no exit code, and the fault says why."""
    fake = FakeTool(
        tmp_path / "bin",
        "tool",
        Replay(("slow",), then="time.sleep(1000)"),
        Replay(("killed",), then="os.kill(os.getpid(), 9)"),
    )
    tool = fake.tool()
    tool.observe(tool_recorder(recorder))
    for argument, limit in (("slow", Deadline.after(2.0)), ("killed", deadline())):
        with pytest.raises(ProbeFaultError):
            tool.run((argument,), limit)
    assert [(call.exit_code, call.fault) for call in _calls(recorder)] == [
        (None, ProbeFault.TIMED_OUT.value),
        (None, ProbeFault.KILLED.value),
    ]


def test_room_is_bounded(
    tmp_path: Path, recorder: FlightRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a test's folder is full, size and hash remain."""
    monkeypatch.setattr(recorder_module, "_MOST_KEPT_BYTES", 200)
    first = recorder.keep(LONG.encode())
    second = recorder.keep(os.urandom(5000))
    assert first.file is not None
    assert (second.file, second.text, second.size_bytes) == (None, None, 5000)
    recorder.close()
    assert recorder.keep(LONG.encode()).file is None


def test_observer_is_told_a_value(tmp_path: Path) -> None:
    """Whoever observes gets the call as it was, without a recorder."""
    seen: list[ToolCall] = []
    tool = FakeTool(tmp_path / "bin", "tool", Replay((), "said")).tool()
    tool.observe(seen.append)
    tool.run(("x",), deadline())
    assert (seen[0].tool, seen[0].exit_code, seen[0].stdout, seen[0].fault) == (
        "tool",
        0,
        "said",
        "",
    )

"""What plays a recording: it answers, hangs and vanishes as then, and says what is amiss."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.probe.recording import tool_recorder
from pytest_nrf_fota.probe.tool_call import ToolCall
from pytest_nrf_fota.record.events import (
    ConsoleState,
    Event,
    ProbeOperation,
    RadioState,
    SmpMessage,
    UartBytes,
    UartLine,
    UnitTaken,
)
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.recordings.pack import pack_recording
from pytest_nrf_fota.recordings.read import read_packed
from pytest_nrf_fota.recordings.schema import Expected, OperationEnd

from .played_tool import UnexpectedCallError
from .replay import replay

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ports are played by ptys")
_PORT = "/dev/ttyACM1"
_SN = "683999535"


def _reset(fault: str = "", *, kind: str = "RESET_PIN", said: str = "") -> Sequence[object]:
    """One reset: the call and the operation."""
    command = ("/usr/bin/nrfutil", "--json", "device", "reset", "--serial-number", _SN)
    call = ToolCall(
        tool="nrfutil",
        command=(*command, "--reset-kind", kind),
        exit_code=None if fault else 0,
        stdout=said or '{"type":"task_end","data":{"result":"success"}}\n',
        stderr="",
        fault=fault,
        files=(),
        ended_at_s=0.0,
        duration_s=0.1,
    )
    return call, ProbeOperation(operation="reset", detail="pin", duration_s=9e9, fault=fault)


def _line(text: str) -> Sequence[Event]:
    data = base64.b64encode(f"{text}\r\n".encode()).decode()
    return UartBytes(port=_PORT, base64=data), UartLine(port=_PORT, text=text)


def _replayed(folder: Path, *events: object) -> tuple[Expected, Expected]:
    """What was expected and what was found of a run with these events."""
    recorder = FlightRecorder()
    recorder.open(folder / "run" / "recorder.jsonl", "a part")
    board = load_board("nrf5340dk")
    settings = board.model_dump(mode="json")
    recorder.record(UnitTaken(unit=_SN, board=board.name, settings=settings))
    record = tool_recorder(recorder)
    for event in events:
        if isinstance(event, ToolCall):
            record(event)
        else:
            recorder.record(event)  # type: ignore[arg-type]
    recorder.close()
    recording = read_packed(pack_recording(folder / "run", folder / "out.zip").path)
    (part,) = recording.parts
    return part.expected, replay(recording, part, folder / "replay")


def test_call_that_was_not_recorded(tmp_path: Path) -> None:
    """One error, with the nearest call that was."""
    with pytest.raises(UnexpectedCallError) as raised:
        _replayed(tmp_path, *_reset(kind="RESET_HARD"))
    assert str(raised.value).splitlines()[1:] == [
        "  now:     --json device reset --serial-number 100000001 --reset-kind RESET_PIN",
        "  nearest: --json device reset --serial-number 100000001 --reset-kind RESET_HARD",
    ]


def test_each_call_is_answered_once(tmp_path: Path) -> None:
    """A second operation needs a second recorded call."""
    (call, operation) = _reset()
    again = ProbeOperation(operation="reset", detail="pin", duration_s=9e9)
    expected, found = _replayed(tmp_path / "one", call, operation, again)
    assert found == expected
    assert len(found.operations) == 1, "the second called no tool"


@pytest.mark.parametrize("fault", ["timed out", "tool killed"])
def test_tool_that_did_not_end(tmp_path: Path, fault: str) -> None:
    expected, found = _replayed(tmp_path, *_reset(fault))
    assert found == expected
    assert found.operations == (OperationEnd(operation="reset", detail="pin", fault=fault),)


def test_answer_that_means_something_else_now_is_found(tmp_path: Path) -> None:
    """A tool's words that the code took for a success then, and for a failure now."""
    failed = '{"type":"task_end","data":{"result":"fail","message":"Low voltage"}}\n'
    expected, found = _replayed(tmp_path, *_reset(said=failed))
    assert [one.fault for one in expected.operations] == [""]
    assert [one.fault for one in found.operations] == ["low voltage"]


def test_port_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    """In the middle of a boot; the console has the lines before and behind."""
    boot = (
        "*** Booting Zephyr OS build v3.2.99-ncs2 ***",
        "I: Starting bootloader",
    )
    expected, found = _replayed(
        tmp_path,
        *(event for text in boot for event in _line(text)),
        ConsoleState(port=_PORT, state="lost"),
        ConsoleState(port=_PORT, state="reopened"),
        *(event for text in boot for event in _line(text)),
    )
    assert found == expected
    assert len(found.boots) == 2


def test_line_that_is_read_otherwise_now_is_found(tmp_path: Path) -> None:
    """Bytes that made two lines then and make one now."""
    data = base64.b64encode(b"one line\n").decode()
    with pytest.raises(AssertionError, match="1 of 2 lines"):
        _replayed(
            tmp_path,
            UartBytes(port=_PORT, base64=data),
            UartLine(port=_PORT, text="one"),
            UartLine(port=_PORT, text="line"),
        )


def test_request_that_was_not_recorded(tmp_path: Path) -> None:
    """An echo is asked for; the recording goes on with a reset."""
    echo = SmpMessage(
        direction="request", name="os echo", sequence=1, size_bytes=9, payload={"d": "x"}
    )
    connected = RadioState(state="connected", mtu_bytes=100, message_bytes=100)
    with pytest.raises(AssertionError, match="now 'os mcumgr_parameters', then 'os echo'"):
        _replayed(tmp_path, RadioState(state="connecting", detail="to x"), connected, echo)

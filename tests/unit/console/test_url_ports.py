"""Consoles that are no device of this machine: raw TCP, RFC 2217, and a search for an adapter."""

import os
import socket
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.expect import expect
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError
from pytest_nrf_fota.record.events import ConsoleState
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording

from .serial_servers import RawServer, Rfc2217Server, free_port

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ptys are POSIX only")

START = LogPosition(0)
LONG_S = 20.0


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[FlightRecorder]:
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "console")
    yield recorder
    recorder.close()


@pytest.fixture
def opened(recorder: FlightRecorder, tmp_path: Path) -> Iterator[Callable[..., Console]]:
    with ExitStack() as stack:

        def open_console(url: str, reopen_s: float = LONG_S, baudrate: int = 115200) -> Console:
            console = Console(
                url,
                baudrate=baudrate,
                raw_log_path=tmp_path / "raw.log",
                recorder=recorder,
                reopen_timeout_s=reopen_s,
            )
            stack.callback(console.close)
            return console

        yield open_console


@pytest.fixture(params=[RawServer, Rfc2217Server])
def kind(request: pytest.FixtureRequest) -> type[RawServer] | type[Rfc2217Server]:
    kind: type[RawServer] | type[Rfc2217Server] = request.param
    return kind


def _wait_for(console: Console, text: str, since: LogPosition = START) -> None:
    expect(console, text, since=since, deadline=Deadline.after(LONG_S))


def _states(recorder: FlightRecorder) -> list[str]:
    assert recorder.path is not None
    events = [line.event for line in read_recording(recorder.path)]
    return [event.state for event in events if isinstance(event, ConsoleState)]


def test_lines_come_over_tcp(
    kind: type[RawServer] | type[Rfc2217Server], opened: Callable[..., Console]
) -> None:
    """Every byte as it was sent, telnet's escape included."""
    server = kind()
    console = opened(server.url)
    sent = b"".join(b"line %d\n" % number for number in range(5000)) + b"\xff\xff\xfe\nlast\n"
    server.print(sent)
    _wait_for(console, "^last$")
    assert console.raw_log_path.read_bytes() == sent
    console.close()
    server.stop()


def test_typing_reaches_the_board_over_raw_tcp(opened: Callable[..., Console]) -> None:
    server = RawServer()
    console = opened(server.url)
    console.type_text("kernel uptime\r")
    console.close()
    server.stop()
    assert server.typed == b"kernel uptime\r"


def test_typing_and_baud_rate_reach_an_rfc2217_server(opened: Callable[..., Console]) -> None:
    server = Rfc2217Server()
    console = opened(server.url, baudrate=230400)
    console.type_text("kernel uptime\r")
    assert server.read_typed(14) == b"kernel uptime\r"
    assert 230400 in server.baudrates()
    console.close()
    server.stop()


def test_server_that_restarts_is_connected_to_again(
    kind: type[RawServer] | type[Rfc2217Server],
    opened: Callable[..., Console],
    recorder: FlightRecorder,
) -> None:
    """The log goes on in a line of its own."""
    server = kind()
    console = opened(server.url)
    server.print(b"half a li")
    expect(console, "half a li", since=START, deadline=Deadline.after(LONG_S), partial_lines=True)
    server.stop()
    console.wait_for_port(LONG_S, present=False)
    again = kind(server.port)
    console.wait_for_port(LONG_S, present=True)
    again.print(b"new line\n")
    _wait_for(console, "^new line$")
    console.type_text("typed")
    console.close()
    again.stop()
    assert _states(recorder) == ["opened", "lost", "reopened", "closed"]


def test_server_that_stays_away_ends_the_wait(opened: Callable[..., Console]) -> None:
    server = RawServer()
    console = opened(server.url, 0.3)
    server.stop()
    with pytest.raises(ConsoleLostError, match="vanished"):
        console.expect("anything", since=START, within_s=LONG_S)


@pytest.mark.parametrize(("scheme", "server"), [("socket", "ser2net"), ("rfc2217", "telnet mode")])
def test_server_that_is_not_there(opened: Callable[..., Console], scheme: str, server: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}"
    with pytest.raises(ConsoleLostError, match="cannot be opened") as refusal:
        opened(url)
    assert refusal.value.where == url
    assert server in refusal.value.next_step


def test_server_that_speaks_no_rfc2217(opened: Callable[..., Console]) -> None:
    """A raw server, or one that has another client: it takes the connection and is silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ConsoleLostError, match="RFC2217") as refusal:
            opened(f"rfc2217://127.0.0.1:{port}?timeout=0.2")
    assert "another client" in refusal.value.next_step


def test_adapter_is_found_by_what_it_is(
    opened: Callable[..., Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each opening anew: it comes back under another number."""
    ends = [os.openpty() for _ in range(2)]
    for _, uart in ends:
        tty.setraw(uart)
    attached = [ListPortInfo(os.ttyname(ends[0][1]))]
    attached[0].hwid = "USB VID:PID=0403:6001 SER=FT1"
    monkeypatch.setattr(list_ports, "comports", lambda include_links=False: list(attached))
    console = opened("hwgrep://0403:6001")
    os.write(ends[0][0], b"one\n")
    _wait_for(console, "^one$")
    gone, attached[:] = attached[0], []
    for end in ends[0]:
        os.close(end)
    console.wait_for_port(LONG_S, present=False)
    back = ListPortInfo(os.ttyname(ends[1][1]))
    back.hwid = gone.hwid
    attached.append(back)
    console.wait_for_port(LONG_S, present=True)
    os.write(ends[1][0], b"two\n")
    _wait_for(console, "^two$")
    console.close()
    for end in ends[1]:
        os.close(end)


@pytest.mark.parametrize("url", ["hwgrep://no such adapter", "hwgrep://x&n=1"])
def test_adapter_that_is_not_there(opened: Callable[..., Console], url: str) -> None:
    with pytest.raises(ConsoleLostError) as refusal:
        opened(url)
    assert "list_ports" in refusal.value.next_step

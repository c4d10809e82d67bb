"""Which tool, which probe: what --runner and --device-id come to."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.choose import choose_tool, describe_tool, make_probe, pick_probe
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.wires.probe import Core

from .fake_tool import LONG_S, FakeTool, Replay, deadline

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the fake tools are POSIX scripts")

_DEVICES = '{"devices":[{"serialNumber":"001050047412","traits":{"jlink":true}}]}'
_NRFUTIL: tuple[Replay, ...] = (
    # pc-nrfconnect-shared, src: `nrfutil device --version --json` is one info message.
    Replay(
        when=("--version",),
        stdout='{"type":"info","data":{"name":"nrfutil-device","version":"2.11.0"}}\n',
    ),
    Replay(when=("list",), stdout=f'{{"type":"info","data":{_DEVICES}}}\n'),
    Replay(when=("recover",), stdout='{"type":"task_end","data":{"result":"success"}}\n'),
)
_NRFJPROG = (
    Replay(
        when=("--version",),
        stdout="nrfjprog version: 10.24.2 external\nJLinkARM.dll version: 7.94i\n",
    ),
    Replay(when=("--ids",), stdout="683999535\n960130361\n"),
    Replay(),
)
InstallTools = Callable[[bool], None]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> InstallTools:
    """Whether pynrfjprog is there to be found."""

    def install(installed: bool) -> None:
        if installed:
            (tmp_path / "packages" / "pynrfjprog").mkdir(parents=True)
            monkeypatch.syspath_prepend(tmp_path / "packages")
        else:
            # Python's own way to say that a module cannot be imported.
            monkeypatch.setitem(sys.modules, "pynrfjprog", None)

    return install


@pytest.fixture
def board() -> BoardType:
    return load_board("nrf5340dk")


def test_auto_takes_nrfutil_first(path: Path) -> None:
    """And says which version it is."""
    FakeTool(path, "nrfutil", *_NRFUTIL)
    FakeTool(path, "nrfjprog", *_NRFJPROG)
    assert describe_tool("auto", LONG_S) == "probe tool nrfutil (nrfutil device 2.11.0)"


def test_auto_says_why_not_the_tool_before(path: Path) -> None:
    """nrfutil without its command `device` is no tool; nrfjprog is next."""
    broken = Replay(stderr="error: command 'device' not found\n", exit_code=1)
    FakeTool(path, "nrfutil", broken)
    FakeTool(path, "nrfjprog", *_NRFJPROG)
    said = describe_tool("auto", LONG_S)
    assert said.startswith("probe tool nrfjprog (nrfjprog version: 10.24.2 external")
    assert "nrfutil: nrfutil has no command `device`: error: command 'device' not found" in said


_HANGS = Replay(then="time.sleep(1000)")


def test_auto_passes_over_a_tool_that_hangs(path: Path) -> None:
    """It gets its share of the time; the header says so, and the next one is taken."""
    FakeTool(path, "nrfutil", _HANGS)
    FakeTool(path, "nrfjprog", *_NRFJPROG)
    chosen = choose_tool("auto", Deadline.after(24.0))
    assert chosen.name == "nrfjprog"
    assert re.search(r"nrfutil: The tool was not done after [78](\.\d+)? s", chosen.reason)


def test_nothing_but_a_tool_that_hangs(path: Path, package: InstallTools) -> None:
    """It is tried with all the time that is left, and then it is not said to be missing."""
    package(False)
    FakeTool(path, "nrfutil", _HANGS)
    with pytest.raises(ProbeFaultError) as raised:
        choose_tool("auto", Deadline.after(4.0))
    assert raised.value.fault is ProbeFault.TIMED_OUT
    assert "--flash-timeout" in raised.value.next_step
    assert "nrfutil install device" not in str(raised.value)


def test_slow_tool_gets_the_time_that_is_left(path: Path, package: InstallTools) -> None:
    """A first start that downloads: slower than its share, and the only one there is."""
    package(False)
    slow = path / "was_started"
    then = f"""
from pathlib import Path
if not Path({str(slow)!r}).exists():
    Path({str(slow)!r}).touch()
    time.sleep(1000)
"""
    FakeTool(path, "nrfutil", replace(_NRFUTIL[0], then=then), *_NRFUTIL[1:])
    assert choose_tool("auto", Deadline.after(24.0)).name == "nrfutil"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (
            Replay(when=("--version",), stdout="nrfjprog version: 10.24.2 external\n"),
            "nrfjprog finds no J-Link library",
        ),
        # NordicPlayground/nrf-docker#70
        (
            Replay(
                when=("--version",),
                stderr="ERROR: JLinkARM DLL load failed. Try again.\n",
                exit_code=32,
            ),
            "JLinkARMDllFailedToOpenError",
        ),
        # thomasstenersen/pyrtt-viewer#9
        (
            Replay(stdout="ERROR: An internal error has occurred, please try again.", exit_code=63),
            "its last words: ERROR: An internal error has occurred",
        ),
    ],
)
def test_auto_takes_no_nrfjprog_that_does_not_work(
    path: Path, package: InstallTools, broken: Replay, why: str
) -> None:
    """Before, one that told its own version was taken, and failed at the first operation."""
    package(True)
    FakeTool(path, "nrfjprog", broken)
    chosen = choose_tool("auto", deadline())
    assert chosen.name == "pynrfjprog"
    assert why in chosen.reason


def test_auto_passes_over_a_tool_that_cannot_list(path: Path) -> None:
    """nrfutil that sees the kit on USB, and has no J-Link software to talk to it."""
    on_usb = '{"devices":[{"serialNumber":"1","traits":{"seggerUsb":true}}]}'
    listed = Replay(when=("list",), stdout=f'{{"type":"info","data":{on_usb}}}\n')
    FakeTool(path, "nrfutil", _NRFUTIL[0], listed)
    FakeTool(path, "nrfjprog", *_NRFJPROG)
    assert "nrfutil: On USB there is a J-Link (1)" in describe_tool("auto", LONG_S)
    assert choose_tool("auto", deadline()).name == "nrfjprog"


def test_probe_that_is_busy_is_no_reason_for_another_tool(
    path: Path, board: BoardType, tmp_path: Path
) -> None:
    """It would be busy for that one, too."""
    FakeTool(path, "nrfjprog", _NRFJPROG[0], Replay(when=("--ids",), stdout="0\n"))
    assert choose_tool("auto", deadline()).name == "nrfjprog"
    with pytest.raises(ProbeFaultError) as raised:
        make_probe(board, None, tmp_path)
    assert raised.value.fault is ProbeFault.BUSY


def test_pips_nrfutil_is_told_apart(path: Path, package: InstallTools) -> None:
    """It has another `nrfutil` on the PATH than is meant; `install device` would not help."""
    package(False)
    FakeTool(path, "nrfutil", Replay(stderr="Error: no such option: --json\n", exit_code=2))
    with pytest.raises(ProbeFaultError) as raised:
        choose_tool("auto", deadline())
    assert raised.value.fault is ProbeFault.OTHER_NRFUTIL
    assert "old Python program" in raised.value.where
    assert "has the same name" in raised.value.next_step
    with pytest.raises(ProbeFaultError, match="old Python program"):
        choose_tool("nrfutil", deadline())


def test_list_that_fails_once(path: Path, tmp_path: Path) -> None:
    """It is asked once more, and the header says so."""
    failed = tmp_path / "failed"
    then = f"""
from pathlib import Path
if not Path({str(failed)!r}).exists():
    Path({str(failed)!r}).touch()
    os.write(2, b"Timed out waiting for response from worker.")
    sys.exit(1)
print({_NRFUTIL[1].stdout!r})
"""
    FakeTool(path, "nrfutil", _NRFUTIL[0], Replay(when=("list",), then=then))
    chosen = choose_tool("auto", deadline())
    assert chosen.listed == ("001050047412",)
    assert "asked once more, because nrfutil failed with status 1: Timed out" in chosen.reason


def test_auto_takes_the_package_last(path: Path, package: InstallTools) -> None:
    """Without the two programs."""
    package(True)
    said = describe_tool("auto", LONG_S)
    assert said == (
        f"probe tool pynrfjprog (pynrfjprog {version('pynrfjprog')}; nrfutil: not on the PATH; "
        "nrfjprog: not on the PATH)"
    )
    assert not list(path.iterdir())


def test_no_tool_at_all(path: Path, package: InstallTools) -> None:
    """All three reasons, and what to install."""
    del path
    package(False)
    with pytest.raises(ProbeFaultError) as raised:
        choose_tool("auto", deadline())
    assert raised.value.fault is ProbeFault.TOOL_MISSING
    for name in ("nrfutil:", "nrfjprog:", "pynrfjprog:"):
        assert name in raised.value.where
    assert describe_tool("auto", LONG_S).startswith(
        "no working probe tool (nrfutil: not on the PATH; nrfjprog: "
    )
    assert describe_tool("nrfjprog", LONG_S) == "no working probe tool (nrfjprog: not on the PATH)"


def test_tool_that_was_asked_for(path: Path, board: BoardType) -> None:
    """It is taken though another comes first, and not replaced where it does not work."""
    FakeTool(path, "nrfutil", *_NRFUTIL)
    with pytest.raises(ProbeFaultError, match=r"^nrfjprog: not on the PATH") as missing:
        choose_tool("nrfjprog", deadline())
    assert "Install nRF Command Line Tools" in missing.value.next_step
    FakeTool(path, "nrfjprog", *_NRFJPROG)
    assert choose_tool(board.with_runner("nrfjprog").probe.runner, deadline()).name == "nrfjprog"
    assert board.with_runner(None).probe.runner == "auto"


def test_make_probe(path: Path, board: BoardType, tmp_path: Path) -> None:
    """The serial number goes to the tool as the tool lists it, however it was given."""
    tool = FakeTool(path, "nrfutil", *_NRFUTIL)
    for device_id in ("1050047412", "001050047412", None):
        make_probe(board, device_id, tmp_path / "work").recover(Core.NETWORK, deadline())
        assert tool.calls[-1][3:5] == ["--serial-number", "001050047412"]


def test_several_probes(path: Path, board: BoardType, tmp_path: Path) -> None:
    """Never one of them by chance."""
    FakeTool(path, "nrfjprog", *_NRFJPROG)
    wanted = board.with_runner("nrfjprog")
    with pytest.raises(ProbeFaultError, match="683999535, 960130361") as raised:
        make_probe(wanted, None, tmp_path)
    assert raised.value.fault is ProbeFault.SEVERAL
    assert "--device-id" in raised.value.next_step


@pytest.mark.parametrize(
    ("listed", "device_id", "fault"),
    [
        ((), None, ProbeFault.NOT_FOUND),
        ((), "1", ProbeFault.NOT_FOUND),
        (("10", "20"), None, ProbeFault.SEVERAL),
        (("10", "20"), "1", ProbeFault.NOT_FOUND),
        (("10",), "100", ProbeFault.NOT_FOUND),
    ],
)
def test_probe_that_cannot_be_picked(
    listed: tuple[str, ...], device_id: str | None, fault: ProbeFault
) -> None:
    """Each with its own fault."""
    with pytest.raises(ProbeFaultError) as raised:
        pick_probe(listed, device_id, "here")
    assert raised.value.fault is fault


def test_probe_that_is_picked() -> None:
    """Leading zeros do not count, neither way."""
    assert pick_probe(("000683999535", "0010"), "683999535", "here") == "000683999535"
    assert pick_probe(("683999535", "10"), "000683999535", "here") == "683999535"
    assert pick_probe(("7",), None, "here") == "7"

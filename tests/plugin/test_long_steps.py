"""Long steps in pytest's own output: on a terminal, in a pipe, and where nobody wants them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pexpect
import pyte
import pytest

COLUMNS, LINES = 110, 80
# The chip erase takes 52 s of the kit's time.
_SLOW_KIT = """
name = "slow"
title = "Virtual kit that takes its time"
base = "nrf5340dk_sim"
[sim]
speed = {speed}
"""
_TESTS = """
def test_first(dut):
    print("captured")


def test_prepared(dut, firmware):
    print("also captured")
    dut.prepare(firmware.baseline)
    dut.reset()


def test_last(dut):
    print("captured, too")
"""
_ERASING = r"erase external flash.*?0:0\d of about 0:52"
_PYTEST = ("-m", "pytest", "--board", "slow", "--board-dir=.", "-p", "no:cacheprovider")


@pytest.fixture
def slow_folder(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> pytest.Pytester:
    """A user's tests on a kit that erases for 2.6 s, or as the parameter says."""
    speed: float = getattr(request, "param", 20.0)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    pytester.makepyfile(test_mine=_TESTS)
    (pytester.path / "slow.toml").write_text(_SLOW_KIT.format(speed=speed))
    return pytester


class _Run:
    """pytest on a terminal; `screen` is what a person sees at last."""

    def __init__(self, child: "pexpect.spawn[str]", written: StringIO) -> None:
        self.child = child
        self.is_cursor_hidden = False
        self._written = written

    def screen(self) -> list[str]:
        screen = pyte.Screen(COLUMNS, LINES)
        pyte.Stream(screen).feed(self._written.getvalue())
        self.is_cursor_hidden = screen.cursor.hidden
        return [line.rstrip() for line in screen.display]

    def finish(self) -> list[str]:
        self.child.expect(pexpect.EOF)
        after = self.screen()
        assert not self.is_cursor_hidden
        return after


@contextmanager
def _on_terminal(folder: pytest.Pytester, *arguments: str) -> Iterator[_Run]:
    written = StringIO()
    child = pexpect.spawn(
        sys.executable,
        [*_PYTEST, *arguments],
        cwd=str(folder.path),
        dimensions=(LINES, COLUMNS),
        timeout=60,
        encoding="utf-8",
    )
    child.logfile_read = written
    try:
        yield _Run(child, written)
    finally:
        child.close(force=True)


def _about_tests(screen: list[str]) -> list[str]:
    """Pytest's lines from the first test to the results, without what is counted in them."""
    begin = next(number for number, line in enumerate(screen) if "collected" in line)
    end = next(
        number for number, line in enumerate(screen) if "nRF FOTA" in line or "logs and" in line
    )
    return [re.sub(r"\s+", " ", line) for line in screen[begin + 1 : end] if line]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ("-v",),
            [
                "test_mine.py::test_first PASSED [ 33%]",
                "test_mine.py::test_prepared PASSED [ 66%]",
                "test_mine.py::test_last PASSED [100%]",
            ],
        ),
        ((), ["test_mine.py ... [100%]"]),
        pytest.param(("--capture=sys",), ["test_mine.py ... [100%]"], marks=pytest.mark.long_proof),
    ],
    ids=["verbose", "dots", "capture_sys"],
)
def test_line_moves_on_a_terminal_and_leaves_nothing(
    slow_folder: pytest.Pytester, arguments: tuple[str, ...], lines: list[str]
) -> None:
    """What remains is what pytest prints without it."""
    with _on_terminal(slow_folder, *arguments) as run:
        run.child.expect(_ERASING)
        shown = [line for line in run.screen() if line]
        after = run.finish()

    assert shown[-1].startswith("erase external flash")
    assert "test_mine.py" in shown[-2]
    assert _about_tests(after) == lines


def test_interrupt_leaves_no_half_line(slow_folder: pytest.Pytester) -> None:
    with _on_terminal(slow_folder, "-v") as run:
        run.child.expect(_ERASING)
        run.child.sendintr()
        after = run.finish()

    assert not any("of about" in line for line in after)
    assert any("KeyboardInterrupt" in line for line in after)
    assert "interrupted in: test_mine.py::test_prepared" in after


@pytest.mark.parametrize(
    "arguments",
    [
        ("-n", "1"),
        *(
            pytest.param((argument,), marks=pytest.mark.long_proof)
            for argument in ("-q", "-s", "--log-cli-level=INFO")
        ),
    ],
    ids=" ".join,
)
def test_no_line_moves_where_others_write_or_nobody_asks(
    slow_folder: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """Of steps that last longer than 10 s these have plain lines, but for -q and -n."""
    with _on_terminal(slow_folder, *arguments) as run:
        after = run.finish()

    assert not any("erase external flash" in line for line in after)
    assert any("3 passed" in line for line in after)


def _in_pipe(folder: pytest.Pytester, *arguments: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, *_PYTEST, *arguments],
        cwd=folder.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout.splitlines()


def test_pipe_gets_no_escape_and_no_line_of_short_steps(slow_folder: pytest.Pytester) -> None:
    lines = _in_pipe(slow_folder, "-v")

    assert not any("\x1b" in line or "erase external flash" in line for line in lines)
    assert _about_tests(lines)[1] == "test_mine.py::test_prepared PASSED [ 66%]"


@pytest.mark.long_proof
@pytest.mark.parametrize("slow_folder", [4.0], indirect=True)
@pytest.mark.parametrize("arguments", [("-v",), (), ("-s", "-v")], ids=" ".join)
def test_ci_log_shows_life(slow_folder: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    """A whole line of its own, when the step has lasted 10 s of its 13."""
    lines = _in_pipe(slow_folder, *arguments)

    (number,) = (n for n, line in enumerate(lines) if "erase external flash" in line)
    assert re.fullmatch(r"nrf-fota: erase external flash: 0:1\d of about 0:52", lines[number])
    if "-s" not in arguments:
        assert _about_tests(lines)[-1].endswith("[100%]")


@pytest.mark.long_proof
@pytest.mark.parametrize("slow_folder", [4.0], indirect=True)
def test_quiet_log_stays_quiet(slow_folder: pytest.Pytester) -> None:
    assert not any("erase external" in line for line in _in_pipe(slow_folder, "-q"))

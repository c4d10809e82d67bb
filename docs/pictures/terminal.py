"""What a terminal shows of a run, as text: without colours, and without names of this machine."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pyte

ROOT = Path(__file__).parents[2]
SESSION = "session.txt"
COMMAND = "pytest --board nrf5340dk_sim -k mcuboot_upgrade_s0_to_s1"

# What is said of this machine, and of a repository where the scenarios are the project's own.
_LEFT_OUT = re.compile(r"(platform |rootdir: |configfile: |plugins: |no path is given: )")
_RUN = ".../nrf_fota_runs/20260102-030405-678"
_COLUMNS, _LINES = 100, 200
# Lines that are longer than the terminal are not folded.
_WIDEST_COLUMNS = 1000
_WITHIN_S = 300
# What changes pytest's output: of a session around this one, of CI, of the user.
_NOT_INHERITED = re.compile(r"PYTEST_|COLUMNS$|LINES$|CI$|BUILD_NUMBER$|GITHUB_|.*COLOR")


def record_session(output: Path) -> None:
    """Run the command on a terminal, and write what remains on it. Exits where the run failed."""
    output.write_text("\n".join(session_lines()) + "\n", encoding="utf-8")


def session_lines() -> list[str]:
    """The command, and what its terminal shows when it has ended. Exits where the run failed."""
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        kept = {name: value for name, value in os.environ.items() if not _NOT_INHERITED.match(name)}
        process = pexpect.spawn(
            sys.executable,
            ["-m", *COMMAND.split()],
            cwd=str(ROOT),
            env={**kept, "TERM": "xterm", "PYTEST_ADDOPTS": f"--run-dir={run}"},
            # Long enough, so that no line leaves it.
            dimensions=(_LINES, _COLUMNS),
            timeout=_WITHIN_S,
        )
        written = process.read()
        process.close()
    assert isinstance(written, bytes)
    screen = pyte.Screen(_WIDEST_COLUMNS, _LINES)
    pyte.ByteStream(screen).feed(written)
    shown = [line.rstrip() for line in screen.display]
    if process.exitstatus != 0:
        sys.exit("The recorded run failed:\n" + "\n".join(line for line in shown if line))
    return [f"$ {COMMAND}", *_without_this_machine(shown, run)]


def _without_this_machine(lines: list[str], run: str) -> Iterator[str]:
    for line in lines:
        if line and not _LEFT_OUT.match(line):
            yield re.sub(rf"\S*{re.escape(run)}", _RUN, line)


def without_times(text: str) -> str:
    """A recording without what differs from run to run: durations, and counts of other tests."""
    timeless = re.sub(r"(?m)^collected .*", "collected", text)
    return re.sub(r"(?m)^=+ (1 passed), .*", r"\1", timeless)

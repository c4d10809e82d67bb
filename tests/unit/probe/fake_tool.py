"""Executables that stand for a probe's tool: they note how they were called and replay an output.

Where an output's source is named beside it, it was printed by the real tool; the others follow the
tools' documentation.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.command import Tool

LONG_S = 30.0


@dataclass(frozen=True)
class Replay:
    """What the executable does when its arguments contain all of `when`: the first that fits."""

    when: tuple[str, ...] = ()
    stdout: str | bytes = ""
    stderr: str = ""
    exit_code: int = 0
    # Python run at the end, with `arguments` at hand.
    then: str = ""


_SCRIPT = """#!{python}
import json, os, sys, time
arguments = sys.argv[1:]
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
for when, stdout, stderr, exit_code, then in {replays!r}:
    if all(word in arguments for word in when):
        os.write(1, stdout)
        os.write(2, stderr)
        exec(then)
        sys.exit(exit_code)
os.write(2, b"fake tool: not expected: " + repr(arguments).encode())
sys.exit(99)
"""


class FakeTool:
    """One executable in a folder of its own."""

    def __init__(self, folder: Path, name: str, *replays: Replay) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / name
        self._calls = folder / f"{name}.calls"
        rows = [
            (
                replay.when,
                replay.stdout if isinstance(replay.stdout, bytes) else replay.stdout.encode(),
                replay.stderr.encode(),
                replay.exit_code,
                replay.then,
            )
            for replay in replays
        ]
        text = _SCRIPT.format(python=sys.executable, calls=str(self._calls), replays=rows)
        self.path.write_text(text)
        self.path.chmod(0o755)

    def tool(self, *prefix: str) -> Tool:
        """The executable, as a backend gets it."""
        return Tool(self.path.name, (str(self.path), *prefix))

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call so far."""
        if not self._calls.exists():
            return []
        return [json.loads(line) for line in self._calls.read_text().splitlines()]

    @property
    def call_lines(self) -> list[str]:
        """The same, joined."""
        return [" ".join(call) for call in self.calls]


def deadline() -> Deadline:
    """Long enough for an executable that does its work."""
    return Deadline.after(LONG_S)


def is_alive(pid: int) -> bool:
    """Whether a process exists that has not ended."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"

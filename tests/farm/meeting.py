"""Where a test and the processes that it started wait for each other: two named pipes."""

import os
import select
import subprocess
import time
from pathlib import Path
from types import TracebackType

# What a test of the user does there.
MEET = """
import os
from pathlib import Path

def meet(text):
    with open(os.environ["MEETING"] + "/here", "w") as file:
        file.write(text + chr(10))
    with open(os.environ["MEETING"] + "/go") as file:
        os.read(file.fileno(), 1)
"""


class Meeting:
    """The place, as long as the `with` lasts; who waits there then, goes on.

    `expected` are the processes that may come; when all have ended, nobody does.

    Args:
        folder: a new folder.
    """

    def __init__(self, folder: Path) -> None:
        self.expected: list[subprocess.Popen[str]] = []
        folder.mkdir()
        self.folder = folder
        os.mkfifo(folder / "here")
        os.mkfifo(folder / "go")
        # For reading and writing, so that neither side waits for the other to open its end.
        self._here = os.open(folder / "here", os.O_RDWR)
        self._go = os.open(folder / "go", os.O_RDWR)
        self._read = b""

    def __enter__(self) -> "Meeting":
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._here)
        os.close(self._go)

    def wait(self, within_s: float = 60.0) -> str:
        """What the next one said that came."""
        ends = time.monotonic() + within_s
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._here], [], [], 0.2)
            if ready:
                self._read += os.read(self._here, 4096)
                continue
            assert time.monotonic() < ends, "nobody came"
            # What it printed says why; a pipe holds what little that is.
            running = [process for process in self.expected if process.poll() is None]
            assert running, [process.stdout and process.stdout.read() for process in self.expected]
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def let_go(self, count: int = 1) -> None:
        """So many of those who wait go on, or who will."""
        os.write(self._go, b"." * count)

"""Who holds a kit: a note beside its lock, for those who would like to have it.

The lock alone says that a kit is held; the note says by whom. It may be missing or stale, and lies
in a folder that everybody can write to: whoever reads it opens no link, and believes no control
character.
"""

import contextlib
import getpass
import os
import platform
import shlex
import stat
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_nrf_fota.farm.shared_file import open_to_read, open_to_write
from pytest_nrf_fota.farm.told_moment import told_moment

_MAX_BYTES = 4096
_COMMAND_CHARS = 300
COMMAND_VARIABLE = "NRF_FOTA_SESSION_COMMAND"
"""In workers of xdist: the command that started their session."""


class Holder(BaseModel):
    """Who holds a kit: `since` with its time zone, `host` as that calls itself."""

    model_config = ConfigDict(frozen=True)

    user: str
    pid: int
    host: str
    since: datetime
    command: str

    def __str__(self) -> str:
        """For messages."""
        elsewhere = f" on {self.host}" if self.host != platform.node() else ""
        ended = "" if self.may_live else ", which has ended: a process of its session uses it yet"
        return (
            f"{self.user} (pid {self.pid}{elsewhere}{ended}) since {told_moment(self.since)}: "
            f"{self.command}"
        )

    @property
    def may_live(self) -> bool:
        """Whether the process is there; True where that cannot be told."""
        # On Windows signal 0 is Ctrl-C.
        if sys.platform == "win32" or self.host != platform.node():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):
            return True
        return True


def command_text(arguments: Sequence[str]) -> str:
    """A command as its user would write it."""
    program = Path(arguments[0] if arguments else "?")
    # `python -m pytest` is .../pytest/__main__.py.
    name = program.parent.name if program.name == "__main__.py" else program.name
    return shlex.join((name, *arguments[1:]))


def this_process() -> Holder:
    """The note of this process."""
    command = command_text(sys.argv)
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        command = f"{os.environ.get(COMMAND_VARIABLE, command)} ({worker})"
    return Holder(
        user=_user(),
        pid=os.getpid(),
        host=platform.node(),
        since=datetime.now().astimezone(),
        command=command[:_COMMAND_CHARS],
    )


def write_holder(path: Path, holder: Holder | None) -> None:
    """Write the note, or empty it: only who has the lock may. One that cannot be written is left.

    Written in place: in a sticky folder nobody may replace another user's file.
    """
    text = holder.model_dump_json().encode() if holder else b""
    with contextlib.suppress(OSError):
        descriptor = open_to_write(path)
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, text)
        finally:
            os.close(descriptor)


def read_holder(path: Path) -> Holder | None:
    """The note; None where there is none, or none that can be read."""
    try:
        descriptor = open_to_read(path)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        read = Holder.model_validate_json(os.read(descriptor, _MAX_BYTES))
    except (OSError, ValidationError):
        return None
    finally:
        os.close(descriptor)
    words = {name: _printable(getattr(read, name)) for name in ("user", "host", "command")}
    return read.model_copy(update=words)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container's user often has a number only.
        if sys.platform == "win32":
            return "?"
        return str(os.getuid())

"""Why a serial port does not open: which process holds it. Elsewhere than on Linux, nobody is."""

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.console.serial_port import is_url
from pytest_nrf_fota.errors import ConsoleLostError

_PROC = Path("/proc")
_PTS = Path("/dev/pts")
_MODEM_MANAGER_ADVICE = (
    "ModemManager probes new serial ports for modems: wait until it is done, or keep it off the "
    'kit with a udev rule for vendor 1366 that sets ENV{ID_MM_DEVICE_IGNORE}="1".'
)

_SERVER_ADVICE = (
    "Does a server run there that gives the serial port away ({servers}), and is it free: has it "
    "another client? From this machine: `nc -vz HOST PORT`."
)
_URL_ADVICE = {
    "socket": _SERVER_ADVICE.format(servers="ser2net in raw mode, socat"),
    "rfc2217": _SERVER_ADVICE.format(servers="ser2net in telnet mode, pyserial's rfc2217_server"),
    "hwgrep": "Is the adapter plugged in? `python -m serial.tools.list_ports -v` shows what the "
    "regular expression is compared with.",
}


@dataclass(frozen=True)
class PortHolder:
    """A process that has the port open, or has locked it."""

    pid: int
    command: str

    def __str__(self) -> str:
        """For messages."""
        who = "this process itself" if self.pid == os.getpid() else self.command
        return f"{who} (pid {self.pid})"


def port_holders(port: str) -> tuple[PortHolder, ...]:
    """Who holds the port: those who locked it, else those who have it open.

    Open files of other users' processes are seen by root only, locks by everybody. The process
    behind a pty (a virtual kit, QEMU, socat) is its board and does not count.
    """
    try:
        path = Path(port).resolve(strict=True)
        status = path.stat()
    except OSError:
        return ()
    opened = (pid for pid in _open_in(status) if not _is_behind(pid, path))
    pids = list(_locked_by(status)) or list(opened)
    return tuple(PortHolder(pid, _command(pid)) for pid in sorted(set(pids)))


def other_holders(port: str) -> tuple[PortHolder, ...]:
    """As `port_holders`, without this process."""
    return tuple(holder for holder in port_holders(port) if holder.pid != os.getpid())


class PortHeldError(ConsoleLostError):
    """Another process has the port: the kit is well."""


def port_refused(port: str, error: Exception) -> ConsoleLostError:
    """The error for a port that could not be opened, with who holds it."""
    holders = port_holders(port)
    held = f" It is held by {_listed(holders)}." if holders else ""
    kind = PortHeldError if holders else ConsoleLostError
    return kind(
        f"The console port cannot be opened: {error}.{held}",
        where=port,
        next_step=_advice(port, error, holders),
    )


def require_free(port: str) -> None:
    """Raise `ConsoleLostError` where another process has the port open, even without a lock.

    It would take bytes away without a word.
    """
    holders = other_holders(port)
    if holders:
        raise PortHeldError(
            f"The console port is in use by {_listed(holders)}.",
            where=port,
            next_step=_advice(port, None, holders),
        )


def _listed(holders: tuple[PortHolder, ...]) -> str:
    return ", ".join(str(holder) for holder in holders)


def _advice(port: str, error: Exception | None, holders: tuple[PortHolder, ...]) -> str:
    if any("ModemManager" in holder.command for holder in holders):
        return _MODEM_MANAGER_ADVICE
    if holders:
        return "Let that program close the port, or end it."
    if is_url(port):
        return _URL_ADVICE.get(port.partition(":")[0].lower(), "Is the URL one of pyserial's?")
    match error.errno if isinstance(error, OSError) else None:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV:
            return "Is the kit plugged in and switched on?"
        case errno.EACCES | errno.EPERM:
            return "Let your user use serial ports: on Debian and Ubuntu the group `dialout`."
        case _:
            return f"Does a program of another user hold the port? As root: `fuser -v {port}`."


def _locked_by(status: os.stat_result) -> Iterator[int]:
    """Processes with a lock on the file, from lines such as `1: FLOCK ADVISORY WRITE 77 00:05:9`.

    Documented in proc(5), /proc/locks.
    """
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with contextlib.suppress(OSError):
        for line in (_PROC / "locks").read_text().splitlines():
            fields = line.split()
            if "->" not in fields and len(fields) > 5 and fields[5] == wanted:
                yield int(fields[4])


def _open_in(status: os.stat_result) -> Iterator[int]:
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            for descriptor in (folder / "fd").iterdir():
                with contextlib.suppress(OSError):
                    opened = descriptor.stat()
                    if (opened.st_dev, opened.st_ino) == (status.st_dev, status.st_ino):
                        yield int(folder.name)


def _is_behind(pid: int, port: Path) -> bool:
    """Whether the process has the pty's other end: `tty-index` in proc(5), fdinfo."""
    if port.parent != _PTS:
        return False
    wanted = f"tty-index:\t{port.name}"
    for info in (_PROC / str(pid) / "fdinfo").glob("*"):
        with contextlib.suppress(OSError):
            if wanted in info.read_text().splitlines():
                return True
    return False


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        return b" ".join(word for word in words if word).decode(errors="replace") or "?"
    return "a process that is gone"

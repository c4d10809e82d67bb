"""One kit for one run at a time: locks of the operating system, free once their process is gone.

Each kit has two. The claim is a session's right to it: pytest's process holds it, under xdist the
controller, so that no other run takes the kit while a worker that was killed is replaced. Who
touches the kit - this process, or the session's worker - also holds its use: a worker that outlives
its killed controller for a moment still has it. Neither survives its process, and neither is given
to a child process (PEP 446); a fork would keep both, so nothing here forks.
"""

import contextlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.holder import Holder, read_holder, this_process, write_holder
from pytest_nrf_fota.farm.lock_folder import (
    FOLDER_VARIABLE,
    is_lock_folder_made,
    lock_folder,
    make_lock_folder,
)
from pytest_nrf_fota.farm.shared_lock import SharedLock

_INTERVAL_S = 0.05
# Whoever only looks holds a lock for some microseconds; whoever takes one soon says who he is.
_LOOK_S = 0.5
# A worker without its controller ends by itself.
_ORPHAN_S = 15.0


@dataclass(frozen=True)
class KitState:
    """Whether somebody holds a kit, and who, where that is known."""

    is_held: bool
    holder: Holder | None = None

    def __str__(self) -> str:
        """For messages."""
        if not self.is_held:
            return "free"
        return f"held by {self.holder or 'somebody who left no note'}"


class KitClaim:
    """The right to one kit. `try_claim` makes it; it ends with `release`, or with this process."""

    def __init__(self, serial_number: str, lock: SharedLock, note: Path) -> None:
        self.serial_number = serial_number
        self._lock = lock
        self._note = note

    def announce(self) -> None:
        """Note for others who has it."""
        write_holder(self._note, this_process())

    def release(self) -> None:
        """Give it back."""
        write_holder(self._note, None)
        self._lock.release()


class KitUse:
    """A kit in use by this process, until `release` or its end."""

    def __init__(self, lock: SharedLock) -> None:
        self._lock = lock

    def release(self) -> None:
        """Others may use it."""
        self._lock.release()


def try_claim(
    serial_number: str, folder: Path | None = None, look_s: float = _LOOK_S
) -> KitClaim | None:
    """The claim on a kit, not announced yet; None where another process holds it.

    Args:
        serial_number: without leading zeros.
        folder: of the locks; None takes this host's.
        look_s: how long somebody may hold it who has left no note: who only looks at its state.

    Raises:
        RigError: the folder of the locks cannot be used.
    """
    folder = folder or lock_folder()
    make_lock_folder(folder)
    lock = _lock(folder, serial_number, "claim")
    note = _note(folder, serial_number)
    deadline = Deadline.after(look_s)
    while True:
        if _try(lock):
            return KitClaim(serial_number, lock, note)
        holder = read_holder(note)
        if deadline.expired or (holder is not None and holder.may_live):
            return None
        time.sleep(_INTERVAL_S)


def use_kit(serial_number: str, folder: Path | None = None) -> KitUse:
    """Use a kit that this session has claimed.

    Raises:
        RigError: a worker of an earlier session still uses it, after seconds.
    """
    folder = folder or lock_folder()
    make_lock_folder(folder)
    lock = _lock(folder, serial_number, "use")
    deadline = Deadline.after(_ORPHAN_S)
    while not _try(lock):
        if deadline.expired:
            raise RigError(
                f"The kit {serial_number} is still used by a process whose session is gone.",
                where=str(lock.path),
                next_step="Find and end it: `fuser -v` with this file; or use another kit.",
            )
        time.sleep(_INTERVAL_S)
    return KitUse(lock)


def state_of(serial_number: str, folder: Path | None = None) -> KitState:
    """Whether a kit is held now. Makes no file.

    Raises:
        RigError: the folder of the locks cannot be used, so that nobody knows.
    """
    folder = folder or lock_folder()
    if not is_lock_folder_made(folder):
        return KitState(is_held=False)
    for kind in ("claim", "use"):
        lock = _lock(folder, serial_number, kind)
        if not lock.path.exists():
            continue
        try:
            is_free = _try(lock)
        except RigError:
            # Nothing is known of a lock that this user may not open; its note may be readable.
            is_free = False
        if not is_free:
            return KitState(is_held=True, holder=read_holder(_note(folder, serial_number)))
        lock.release()
    return KitState(is_held=False)


def _try(lock: SharedLock) -> bool:
    try:
        if not lock.try_acquire():
            return False
    except OSError as error:
        raise RigError(
            f"The lock of a kit cannot be used: {error.strerror or error}.",
            where=str(lock.path),
            next_step="Remove the file while nobody uses the kit; or name another folder for all "
            f"who share it: {FOLDER_VARIABLE}=FOLDER",
        ) from error
    # Cleaners of /tmp look for files that were not touched for long.
    with contextlib.suppress(OSError):
        os.utime(lock.path)
    return True


def _lock(folder: Path, serial_number: str, kind: str) -> SharedLock:
    return SharedLock(folder / f"{_file_name(serial_number)}.{kind}.lock")


def _note(folder: Path, serial_number: str) -> Path:
    return folder / f"{_file_name(serial_number)}.holder.json"


def _file_name(serial_number: str) -> str:
    # It comes from USB, or from a file.
    return re.sub(r"[^A-Za-z0-9-]", "_", serial_number) or "_"

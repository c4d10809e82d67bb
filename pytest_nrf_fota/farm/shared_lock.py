"""Locks of the operating system on files that all users of this host share.

The file is opened here and locked with portalocker's `lock`. Its `Lock`, like filelock since 4.2,
decides more: filelock refuses a file of another user in a sticky folder, and on a shared host most
lock files are another user's.
"""

import errno
import os
import stat
from pathlib import Path

from portalocker import LockFlags, lock, unlock
from portalocker.exceptions import AlreadyLocked, LockException

from pytest_nrf_fota.farm.shared_file import open_to_write


class SharedLock:
    """Held by one process at a time, whichever user's, until `release` or that process's end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Whether it is held by this object now. Raises `OSError` where the file is of no use."""
        while True:
            try:
                descriptor = open_to_write(self.path)
            except FileExistsError:
                # Another user has made it this moment.
                continue
            is_kept = False
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "it is no file", str(self.path))
                if not _locks(descriptor, self.path):
                    return False
                if _is_at(descriptor, self.path):
                    self._descriptor, is_kept = descriptor, True
                    return True
                # A cleaner has removed it meanwhile: others lock the next file of this name.
            finally:
                if not is_kept:
                    os.close(descriptor)

    def release(self) -> None:
        """Others may have it; no error where it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                unlock(descriptor)
            finally:
                os.close(descriptor)


def _locks(descriptor: int, path: Path) -> bool:
    try:
        lock(descriptor, LockFlags.EXCLUSIVE | LockFlags.NON_BLOCKING)
    except AlreadyLocked:
        return False
    except LockException as error:
        # As on a network's file system without locks.
        raise OSError(errno.ENOLCK, f"it cannot be locked: {error}", str(path)) from error
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False

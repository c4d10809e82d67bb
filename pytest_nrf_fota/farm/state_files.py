"""What this host remembers of its kits beyond one run: small files that all of its users share.

A file is changed in place, under a lock of the operating system: in a sticky folder nobody may
replace another user's file. An empty file says as much as none.
"""

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from pytest_nrf_fota.console.ports import plain_serial_number
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.lock_folder import FOLDER_VARIABLE
from pytest_nrf_fota.farm.shared_file import open_to_read, open_to_write
from pytest_nrf_fota.farm.shared_folder import is_made, make_shared_folder, named_folder
from pytest_nrf_fota.farm.shared_lock import SharedLock

STATE_VARIABLE = "NRF_FOTA_STATE_DIR"
_NAME = "nrf-fota-state"
_OF_WHAT = "what is known of the kits"
# Whoever holds a lock reads or writes a few kilobytes.
_LOCK_S = 10.0
_INTERVAL_S = 0.02
_MAX_BYTES = 1024 * 1024


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder: `NRF_FOTA_STATE_DIR`, or beside the locks where `NRF_FOTA_LOCK_DIR` names them.

    Else /var/tmp, which is kept when the host is started again, as /tmp need not be (Filesystem
    Hierarchy Standard 3.0, 5.15).

    Raises:
        RigError: a variable has no absolute path.
    """
    given = named_folder(STATE_VARIABLE, environment)
    if given is not None:
        return given
    locks = named_folder(FOLDER_VARIABLE, environment)
    if locks is not None:
        return locks / "state"
    return _default_folder(environment)


def _default_folder(environment: Mapping[str, str]) -> Path:
    if sys.platform == "win32":
        return Path(environment.get("PROGRAMDATA", "C:\\ProgramData")) / _NAME
    return Path("/var/tmp") / _NAME


def kit_name(text: str) -> str:
    """What a kit is called here: its serial number without leading zeros, or its place's name."""
    text = text.strip()
    return plain_serial_number(text) if text.isdecimal() else text


def state_file(folder: Path, kit: str, kind: str) -> Path:
    """The file of one kit; `kind` is what it is about."""
    return folder / f"{quote(kit_name(kit), safe='')}.{kind}.json"


def kits_with(folder: Path, kind: str) -> tuple[str, ...]:
    """Kits that have such a file, by name; the file may be empty.

    Raises `RigError` where the folder cannot be used.
    """
    if not _is_made(folder):
        return ()
    ending = f".{kind}.json"
    names = (path.name.removesuffix(ending) for path in folder.glob(f"*{ending}"))
    return tuple(sorted(map(unquote, names)))


def read_state(path: Path) -> bytes:
    """What is in the file; nothing where there is none. Makes no file.

    Raises `RigError` where it or its folder cannot be read, or another process keeps it for long.
    """
    if not (_is_made(path.parent) and path.exists()):
        return b""
    with _locked(path):
        return _read(path)


def change_state(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Write what `change` makes of what is in the file; nobody writes in between.

    Raises `RigError` where it cannot be written, or another process keeps it for long.
    """
    make_shared_folder(path.parent, _OF_WHAT, STATE_VARIABLE)
    with _locked(path):
        before = _read(path)
        changed = change(before)
        if changed == before:
            return
        try:
            with os.fdopen(open_to_write(path), "wb") as file:
                # Never empty in between: an empty note says that nothing is wrong with the kit.
                file.write(changed)
                file.truncate()
                # It is there to be read when the host is on again.
                os.fsync(file.fileno())
        except OSError as error:
            raise _unusable(path, str(error.strerror or error)) from error


def _is_made(folder: Path) -> bool:
    """Nobody has asked for the default folder: a host that can have none has no notes."""
    is_asked_for = folder != _default_folder(os.environ)
    return is_made(folder, _OF_WHAT, STATE_VARIABLE, must_be_possible=is_asked_for)


def _read(path: Path) -> bytes:
    try:
        descriptor = open_to_read(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _unusable(path, str(error.strerror or error)) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unusable(path, "it is no file")
        # Cleaners of /var/tmp look for files that were not touched for long.
        with contextlib.suppress(OSError):
            os.utime(path)
        return os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = SharedLock(Path(f"{path}.lock"))
    deadline = Deadline.after(_LOCK_S)
    try:
        while not lock.try_acquire():
            if deadline.expired:
                raise _unusable(path, f"another process keeps it for {_LOCK_S:g} s")
            time.sleep(_INTERVAL_S)
    except OSError as error:
        raise _unusable(path, str(error.strerror or error)) from error
    try:
        yield
    finally:
        lock.release()


def _unusable(path: Path, why: str) -> RigError:
    return RigError(
        f"What is known of a kit cannot be used: {why}.",
        where=str(path),
        next_step="Remove the file, or let everybody write to it; or name another folder for all "
        f"who share the kits: {STATE_VARIABLE}=FOLDER",
    )

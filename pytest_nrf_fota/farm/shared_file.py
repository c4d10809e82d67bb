"""Files that several users of this host read and write, in a folder that is sticky."""

import os
import sys
from pathlib import Path

# In such a folder anybody may have put a link or a pipe in the file's place; neither flag exists on
# Windows.
_SAFE_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def open_to_read(path: Path) -> int:
    """A descriptor, without following a link or waiting for a pipe. Raises `OSError`."""
    return os.open(path, os.O_RDONLY | _SAFE_FLAGS)


def open_to_write(path: Path) -> int:
    """A descriptor of the file, which is made for everybody where it is missing.

    Raises `OSError`, also where another user has made it meanwhile.
    """
    try:
        return os.open(path, os.O_WRONLY | _SAFE_FLAGS)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE_FLAGS, 0o666)
        if sys.platform != "win32":
            # The next one may be another user, whatever this one's umask is.
            os.fchmod(descriptor, 0o666)
        return descriptor

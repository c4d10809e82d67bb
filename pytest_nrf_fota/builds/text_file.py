"""Text files of a build, read without trust."""

from pathlib import Path

from pytest_nrf_fota.firmware.given_file import read_at_most

LARGEST_TEXT_BYTES = 4 * 1024 * 1024


def read_text(path: Path) -> str:
    """The whole file, undecodable bytes replaced. Raises `PackageError`: unreadable, too large."""
    data = read_at_most(
        path,
        LARGEST_TEXT_BYTES,
        why="no build writes one that large",
        next_step="Is it the build's own?",
    )
    return data.decode("utf-8", errors="replace")

"""Text files of a build, read without trust."""

from pathlib import Path

from pytest_nrf_fota.errors import PackageError

LARGEST_TEXT_BYTES = 4 * 1024 * 1024


def read_text(path: Path) -> str:
    """The whole file, undecodable bytes replaced. Raises `PackageError`: unreadable, too large."""
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_TEXT_BYTES + 1)
    except OSError as error:
        raise PackageError(
            f"The file cannot be read: {error.strerror}.",
            where=str(path),
            next_step="Check its permissions.",
        ) from error
    if len(data) > LARGEST_TEXT_BYTES:
        raise PackageError(
            f"The file has more than {LARGEST_TEXT_BYTES} bytes; no build writes one that large.",
            where=str(path),
            next_step="Is it the build's own?",
        )
    return data.decode("utf-8", errors="replace")

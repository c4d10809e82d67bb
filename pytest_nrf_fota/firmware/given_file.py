"""A file that the user named: is it there at all?"""

from pathlib import Path

from pytest_nrf_fota.errors import PackageError


def require_file(path: Path, what: str) -> None:
    """Raise `PackageError` where `path` is no file with content.

    Args:
        path: as the user gave it.
        what: what it should be, with its article: `The hex file`.
    """
    if path.is_dir():
        problem = f"{what} is a folder."
    elif path.is_symlink() and not path.exists():
        problem = f"{what} is a link that leads nowhere."
    elif not path.exists():
        problem = f"{what} does not exist."
    elif not path.is_file():
        problem = f"{what} is no regular file."
    elif path.stat().st_size == 0:
        problem = f"{what} is empty."
    else:
        return
    raise PackageError(problem, where=str(path), next_step="Check the path.")


def read_at_most(path: Path, largest_bytes: int, *, why: str, next_step: str) -> bytes:
    """The whole content of a file of any size.

    Args:
        path: as the user gave it.
        largest_bytes: what is taken at most.
        why: what speaks against more, as a sentence of its own.
        next_step: what to give instead.

    Raises `PackageError` where it cannot be read, or has more.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(largest_bytes + 1)
    except OSError as error:
        raise PackageError(
            f"The file cannot be read: {error.strerror}.",
            where=str(path),
            next_step="Check its permissions.",
        ) from error
    if len(data) > largest_bytes:
        raise PackageError(
            f"The file has {path.stat().st_size} bytes, of {largest_bytes} at most: {why}.",
            where=str(path),
            next_step=next_step,
        )
    return data

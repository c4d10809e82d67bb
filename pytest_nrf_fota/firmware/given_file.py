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

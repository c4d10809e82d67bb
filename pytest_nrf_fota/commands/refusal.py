"""How a command refuses: what, where, what next on standard error, and exit code 2."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.inspection.printable_text import printable_text

_CHECK_PATH = "Check the path."


@contextmanager
def refusing() -> Iterator[None]:
    """Turn errors that a user can do something about into a message and exit code 2."""
    try:
        yield
    except FotaError as error:
        print_error(error)
        raise typer.Exit(2) from error
    except BrokenPipeError:
        # The reader of a pipe has seen enough (`| head`); typer ends quietly.
        raise
    except FileNotFoundError as error:
        print_error(FotaError("No such file or folder.", where=_path(error), next_step=_CHECK_PATH))
        raise typer.Exit(2) from error
    except IsADirectoryError as error:
        print_error(FotaError("A folder, not a file.", where=_path(error), next_step=_CHECK_PATH))
        raise typer.Exit(2) from error
    except OSError as error:
        refusal = FotaError(
            f"The operating system refused: {error.strerror or error}.",
            where=_path(error),
            next_step="Check the path, its permissions and the space on the disk.",
        )
        print_error(refusal)
        raise typer.Exit(2) from error


def print_error(error: FotaError) -> None:
    """What, where and what next, on standard error."""
    typer.echo(printable_text(str(error)), err=True)


def _path(error: OSError) -> str:
    return str(error.filename or "")

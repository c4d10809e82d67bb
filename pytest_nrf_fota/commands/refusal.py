"""How a command refuses: what, where, what next on standard error, and exit code 2."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.inspection.printable_text import printable_text


@contextmanager
def refusing() -> Iterator[None]:
    """Turn errors that a user can do something about into a message and exit code 2."""
    try:
        yield
    except FotaError as error:
        typer.echo(printable_text(str(error)), err=True)
        raise typer.Exit(2) from error
    except BrokenPipeError:
        # The reader of a pipe has seen enough (`| head`); typer ends quietly.
        raise
    except OSError as error:
        refusal = FotaError(
            f"The operating system refused: {error.strerror or error}.",
            where=str(error.filename or ""),
            next_step="Check the path, its permissions and the space on the disk.",
        )
        typer.echo(printable_text(str(refusal)), err=True)
        raise typer.Exit(2) from error

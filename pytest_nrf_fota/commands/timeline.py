"""nrf-fota timeline."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption


def timeline(
    test: Annotated[
        Path,
        typer.Argument(
            help="a test's folder in nrf_fota_runs/RUN or its recorder.jsonl, or the folder of a "
            "run: each of its tests gets a page"
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="page to write, of one test (default: timeline.html beside its recorder)",
        ),
    ] = None,
    version: VersionOption = False,
) -> None:
    """Draw what happened in a test, from its flight recorder, as one HTML page.

    The page loads nothing, and can be sent and printed. A run that was killed has one, too.

    Exit codes: 0 written; 2 an input cannot be used.
    """
    from pytest_nrf_fota.timeline.diagnosis import diagnosis
    from pytest_nrf_fota.timeline.write import PAGE_NAME, write_page

    with refusing():
        recorders = _recorders(test, output)
        for recorder in recorders:
            page = output or recorder.with_name(PAGE_NAME)
            write_page(recorder, page, diagnose=diagnosis)
            typer.echo(str(page))


def _recorders(given: Path, output: Path | None) -> tuple[Path, ...]:
    """The flight recorders in what was given. Raises `InputError`."""
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.explain.given_log import RECORDING, tests_in

    if not given.is_dir():
        return (given,)
    if (given / RECORDING).is_file():
        return (given / RECORDING,)
    found = tuple(folder / RECORDING for folder in tests_in(given))
    if not found:
        raise InputError(
            f"The folder holds no {RECORDING}.",
            where=str(given),
            next_step="Give a folder in nrf_fota_runs/: of a run, or of one test.",
        )
    if output is not None:
        raise InputError(
            f"A run of {len(found)} tests does not fit into one page.",
            where="--output",
            next_step=f"Give the folder of one test, such as {found[0].parent}.",
        )
    return found

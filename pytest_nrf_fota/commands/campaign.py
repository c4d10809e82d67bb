"""nrf-fota campaign."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption
from pytest_nrf_fota.inspection.printable_text import printable_text

CAMPAIGN = "Run random upgrades on the virtual kit, and hold each verdict against what really ran."

campaign = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@campaign.callback(help=CAMPAIGN)
def _campaign(version: VersionOption = False) -> None:
    """See `CAMPAIGN`, which is what the help shows."""


@campaign.command("run")
def run(
    count: Annotated[int, typer.Option(min=1, help="how many cases")] = 300,
    seed: Annotated[int, typer.Option(help="what the cases are drawn with")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="save each miss and the summary in this folder"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes (default: five for each core)")
    ] = None,
) -> None:
    """Run a campaign and print its tables.

    Exit code: 0 no verdict was false, 1 at least one was, or a case hung or crashed.
    """
    from pytest_nrf_fota.campaign.campaign import Settings, run_campaign

    with refusing():
        settings = Settings(count, seed, output, workers)
        tally = run_campaign(settings, lambda line: typer.echo(line, err=True))
    typer.echo("\n".join(tally.lines()))
    raise typer.Exit(1 if tally.lies else 0)


@campaign.command("replay")
def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="saved misses")],
) -> None:
    """Run saved misses again, and print everything about them.

    Exit code: 0 all are right now, 1 one is still a miss.
    """
    from pytest_nrf_fota.campaign.campaign import CASE_WITHIN_S, run_once
    from pytest_nrf_fota.campaign.grade import miss_of
    from pytest_nrf_fota.campaign.result import read_result

    misses = 0
    with refusing():
        for file in files:
            result = run_once(read_result(file).case, CASE_WITHIN_S)
            miss = miss_of(result)
            misses += miss is not None
            typer.echo(printable_text(str(result)))
            typer.echo(f"  grade: {'right' if miss is None else miss.value}")
    raise typer.Exit(1 if misses else 0)

"""nrf-fota scenarios."""

from pathlib import Path
from typing import Annotated

import typer

from pytest_nrf_fota.commands.refusal import refusing
from pytest_nrf_fota.commands.version import VersionOption


def scenarios(
    copy: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="copy them to this folder; nothing is overwritten"),
    ] = None,
    version: VersionOption = False,
) -> None:
    """List the upgrade scenarios and what each needs of a board, or copy them to a project.

    They run from any folder: pytest --pyargs pytest_nrf_fota.scenarios --board=NAME -k SCENARIO
    """
    from pytest_nrf_fota.scenarios.listing import copy_scenarios, packaged_scenarios

    with refusing():
        if copy is not None:
            for path in copy_scenarios(copy):
                typer.echo(str(path))
            return
        for scenario in packaged_scenarios():
            typer.echo(f"{scenario.name}{' (nightly)' if scenario.is_nightly else ''}")
            typer.echo(f"    {scenario.proves}")
            typer.echo(f"    needs: {', '.join(scenario.needs) or 'nothing'}")

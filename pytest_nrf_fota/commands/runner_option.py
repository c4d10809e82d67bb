"""`--runner` of the commands: the values that pytest's `--runner` takes."""

from typing import TYPE_CHECKING, cast, get_args

import typer

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import ProbeRunner


def given_runner(text: str | None) -> "ProbeRunner | None":
    """The tool that was named, None where none was. Raises `typer.BadParameter`."""
    from pytest_nrf_fota.boards.board import ProbeRunner

    if text is not None and text not in get_args(ProbeRunner):
        known = ", ".join(get_args(ProbeRunner))
        raise typer.BadParameter(f"known tools: {known}", param_hint="--runner")
    return cast("ProbeRunner | None", text)

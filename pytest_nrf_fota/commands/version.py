"""--version, of nrf-fota and of its commands."""

from typing import Annotated, TypeAlias

import typer


def print_version(is_wanted: bool) -> None:
    """Print the installed version, and end."""
    if is_wanted:
        from importlib.metadata import version

        typer.echo(f"pytest-nrf-fota {version('pytest-nrf-fota')}")
        raise typer.Exit


VersionOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--version", callback=print_version, is_eager=True, help="Show the version and exit."
    ),
]
"""Ends the command; for all but resign, whose --version is an image's."""

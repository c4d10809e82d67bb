"""nrf-fota --version."""

import typer

VERSION_HELP = "Show the version and exit."


def print_version(is_wanted: bool) -> None:
    """Print the installed version, and end."""
    if is_wanted:
        from importlib.metadata import version

        typer.echo(f"pytest-nrf-fota {version('pytest-nrf-fota')}")
        raise typer.Exit

"""What all commands have, and what they refuse before they do anything."""

from importlib.metadata import version

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app

COMMANDS = sorted(getattr(get_command(app), "commands"))  # noqa: B009 - untyped by click


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)], ids="/".join)
def test_short_option_shows_the_help(arguments: list[str]) -> None:
    """Of the command itself, too."""
    answered = CliRunner().invoke(app, [*arguments, "-h"])

    assert answered.exit_code == 0
    assert answered.output == CliRunner().invoke(app, [*arguments, "--help"]).output
    assert "Usage:" in answered.output


@pytest.mark.parametrize(
    "arguments", [[], *([name] for name in COMMANDS if name != "resign")], ids="/".join
)
def test_version_is_that_of_the_installed_package(arguments: list[str]) -> None:
    """Of resign it is the next image's."""
    answered = CliRunner().invoke(app, [*arguments, "--version"])

    assert (answered.exit_code, answered.output) == (
        0,
        f"pytest-nrf-fota {version('pytest-nrf-fota')}\n",
    )


@pytest.mark.parametrize("speed", ["fast", "0", "-1", "nan", "inf"])
def test_speed_that_is_none_is_refused(speed: str) -> None:
    """Before a kit runs."""
    answered = CliRunner().invoke(app, ["sim", f"--speed={speed}"])

    assert answered.exit_code == 2
    assert "is no speed" in answered.output

"""The board type that this run's options name, before any firmware is read."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.session_extensions import register_session_plugins

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType

BOARD_INPUT_KEY = "nrf_fota_board"
"""Tells a worker of which type its kit is, in a session with several."""

_board_key: "pytest.StashKey[BoardType]" = pytest.StashKey()


def board_name(config: pytest.Config) -> str:
    """What `--board` or the pytest configuration names, or the worker's own; else empty."""
    own: str | None = getattr(config, "workerinput", {}).get(BOARD_INPUT_KEY)
    return own or main_board_name(config)


def main_board_name(config: pytest.Config) -> str:
    """What `--board` or the pytest configuration names; empty without a board."""
    name: str = config.getoption("nrf_fota_board") or config.getini("nrf_fota_board") or ""
    return name


def board_folders(config: pytest.Config) -> tuple[Path, ...]:
    """The user's folders of board files."""
    given: list[Path] = config.getoption("nrf_fota_board_dir")
    configured: list[Path] = config.getini("nrf_fota_board_dir")
    return (*given, *configured)


def also_boards(config: pytest.Config) -> list[str]:
    """Names of further board types of this session."""
    names: list[str] = config.getoption("nrf_fota_also_board")
    return names


def is_main_board(config: pytest.Config) -> bool:
    """Whether this process tests on the board that `--board` names."""
    return board_name(config) == main_board_name(config)


def given_builds(config: pytest.Config, option: str, board: str) -> list[Path]:
    """What `--baseline` or `--update` name for a board of this session.

    `NAME=BUILD` is for the board NAME of this session; without a name it is for `--board`.
    """
    given: list[Path] = config.getoption(f"nrf_fota_{option}")
    names = {main_board_name(config), *also_boards(config)}
    builds: list[Path] = []
    for path in given:
        name, equals, build = str(path).partition("=")
        is_named = bool(equals) and name in names
        if (name if is_named else main_board_name(config)) == board:
            builds.append(Path(build) if is_named else path)
    return builds


def require_usable_builds(config: pytest.Config, folder: Path) -> None:
    """Read the further boards' builds where it can be said: a worker's words drown in its crash.

    Raises:
        InputError: there is no such board, or a build is not for it.
    """
    if hasattr(config, "workerinput"):
        return
    from pytest_nrf_fota.boards.board_file import own_settings
    from pytest_nrf_fota.builds.given import read_given_firmware

    for name in also_boards(config):
        read_given_firmware(
            other_board(config, name),
            own_settings(name, board_folders(config)),
            given_builds(config, "baseline", name),
            given_builds(config, "update", name),
            folder / name,
            [],
        )


def session_board(config: pytest.Config) -> "BoardType":
    """The board type with this run's settings, read once.

    Where `-n auto` has to know how many kits there are, that is before pytest is configured.

    Raises:
        InputError: there is no such board, or a setting is not for it.
    """
    board = config.stash.get(_board_key, None)
    if board is None:
        register_session_plugins(config)
        board = config.stash[_board_key] = _read(config, board_name(config))
    return board


def other_board(config: pytest.Config, name: str) -> "BoardType":
    """Another board type, with the settings of this run that are no choice of a console.

    Raises `InputError`.
    """
    from pytest_nrf_fota.boards.board_file import load_board
    from pytest_nrf_fota.probe.choose import given_tool

    return (
        load_board(name, board_folders(config))
        .with_timeouts(
            probe_s=config.getoption("nrf_fota_flash_timeout"),
            boot_s=config.getoption("nrf_fota_base_timeout"),
        )
        .with_runner(given_tool(config.getoption("nrf_fota_runner")))
    )


def _read(config: pytest.Config, name: str) -> "BoardType":
    board = other_board(config, name)
    if name != main_board_name(config):
        return board
    return board.with_console(
        port=config.getoption("nrf_fota_console_port"),
        baudrate=config.getoption("nrf_fota_console_baudrate"),
    )

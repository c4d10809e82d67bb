"""The board type that this run's options name, before any firmware is read."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.session_extensions import register_session_plugins

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType

_board_key: "pytest.StashKey[BoardType]" = pytest.StashKey()


def board_name(config: pytest.Config) -> str:
    """What `--board` or the pytest configuration names; empty without a board."""
    name: str = config.getoption("nrf_fota_board") or config.getini("nrf_fota_board") or ""
    return name


def board_folders(config: pytest.Config) -> tuple[Path, ...]:
    """The user's folders of board files."""
    given: list[Path] = config.getoption("nrf_fota_board_dir")
    configured: list[Path] = config.getini("nrf_fota_board_dir")
    return (*given, *configured)


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
    return board.with_console(
        port=config.getoption("nrf_fota_console_port"),
        baudrate=config.getoption("nrf_fota_console_baudrate"),
    )

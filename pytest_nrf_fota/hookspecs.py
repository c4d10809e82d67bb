"""Hooks for other packages: what can be added without a change to this one.

A function of one of these names is found in a module that an entry point of the group `nrf_fota`
names (seen by pytest and by the commands of `nrf-fota`), in a pytest plugin, and in a conftest.py
of the test session (seen by that session). It may leave out arguments, and returns a list; what it
imports for that is best imported inside it. `packaged.py` has this package's own.

docs/extending.md shows each with an example. No two things of one kind may have the same name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pluggy import HookspecMarker

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.bootlog.catalogue import LogPattern
    from pytest_nrf_fota.doctor.check import Check
    from pytest_nrf_fota.doctor.requirements import Options
    from pytest_nrf_fota.explain.rule import Rule
    from pytest_nrf_fota.probe.tool import ProbeTool
    from pytest_nrf_fota.providers.provider import Provider
    from pytest_nrf_fota.smp.transport import Transport

# Spelt as pytest spells it, without importing it: the commands do without.
hookspec = HookspecMarker("pytest")


@hookspec
def pytest_nrf_fota_board_folders() -> "Sequence[Path]":
    """Folders of board files. A user's --board-dir comes before them, the packaged one after."""
    raise NotImplementedError


@hookspec
def pytest_nrf_fota_providers() -> "Sequence[Provider]":
    """Who gives boards: `provider` in a board file."""
    raise NotImplementedError


@hookspec
def pytest_nrf_fota_probe_tools() -> "Sequence[ProbeTool]":
    """Tools that drive a kit's probe: `--runner`. `auto` tries them in their order."""
    raise NotImplementedError


@hookspec
def pytest_nrf_fota_transports() -> "Sequence[Transport]":
    """What carries SMP: `radio.kind` in a board file."""
    raise NotImplementedError


@hookspec
def pytest_nrf_fota_log_patterns() -> "Sequence[LogPattern]":
    """Log lines with a meaning; rules refer to them by name."""
    raise NotImplementedError


@hookspec
def pytest_nrf_fota_rules() -> "Sequence[Rule]":
    """Causes that `nrf-fota explain` knows, and what to do about them."""
    raise NotImplementedError


@hookspec
def pytest_nrf_fota_doctor_checks(board: "BoardType", options: "Options") -> "Sequence[Check]":
    """What a board needs of this machine.

    Args:
        board: the board type.
        options: pytest's other options for the board, such as `--device-id` and `--radio`.
    """
    raise NotImplementedError

"""This package's own boards, tools, lines and rules, through the hooks that others use."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.bootlog.catalogue import LogPattern
    from pytest_nrf_fota.doctor.check import Check
    from pytest_nrf_fota.doctor.requirements import Options
    from pytest_nrf_fota.explain.rule import Rule
    from pytest_nrf_fota.probe.tool import ProbeTool
    from pytest_nrf_fota.providers.provider import Provider
    from pytest_nrf_fota.smp.transport import Transport


def pytest_nrf_fota_board_folders() -> Sequence[Path]:
    """The folder of board files in this package."""
    from pytest_nrf_fota.boards.board_file import packaged_boards

    return [packaged_boards()]


def pytest_nrf_fota_providers() -> "Sequence[Provider]":
    """USB, the virtual kit, QEMU, native_sim."""
    from pytest_nrf_fota.providers.packaged_providers import PROVIDERS

    return PROVIDERS


def pytest_nrf_fota_probe_tools() -> "Sequence[ProbeTool]":
    """Nordic's three: the present one first, its archived predecessor, the Python package."""
    from pytest_nrf_fota.probe.nrfjprog import NRFJPROG
    from pytest_nrf_fota.probe.nrfutil import NRFUTIL
    from pytest_nrf_fota.probe.pynrfjprog import PYNRFJPROG

    return NRFUTIL, NRFJPROG, PYNRFJPROG


def pytest_nrf_fota_transports() -> "Sequence[Transport]":
    """BLE, the console's UART, a UART for SMP alone, UDP."""
    from pytest_nrf_fota.smp.packaged_transports import TRANSPORTS

    return TRANSPORTS


def pytest_nrf_fota_log_patterns() -> "Sequence[LogPattern]":
    """The catalogue."""
    from pytest_nrf_fota.bootlog.catalogue import CATALOGUE

    return CATALOGUE


def pytest_nrf_fota_rules() -> "Sequence[Rule]":
    """The rules of docs/diagnosis.md."""
    from pytest_nrf_fota.explain.rules import RULES

    return RULES


def pytest_nrf_fota_doctor_checks(board: "BoardType", options: "Options") -> "Sequence[Check]":
    """What the packaged providers and transports need."""
    from pytest_nrf_fota.doctor.requirements import packaged_checks

    return packaged_checks(board, options)

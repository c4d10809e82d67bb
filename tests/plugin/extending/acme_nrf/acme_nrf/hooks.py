"""What Acme registers. Imports stand in the functions: who uses none of it pays for none."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_nrf_fota.bootlog.catalogue import LogPattern
    from pytest_nrf_fota.explain.rule import Rule
    from pytest_nrf_fota.probe.tool import ProbeTool
    from pytest_nrf_fota.providers.provider import Provider


def pytest_nrf_fota_board_folders() -> Sequence[Path]:
    """The folder of Acme's board files."""
    return [Path(__file__).parent / "boards"]


def pytest_nrf_fota_probe_tools() -> "Sequence[ProbeTool]":
    """Acme's own programmer."""
    from acme_nrf.acmeprog import ACMEPROG

    return [ACMEPROG]


def pytest_nrf_fota_providers() -> "Sequence[Provider]":
    """A virtual kit behind Acme's own programmer."""
    from acme_nrf.bench import BENCH

    return [BENCH]


def pytest_nrf_fota_log_patterns() -> "Sequence[LogPattern]":
    """What Acme's application prints."""
    from acme_nrf.modem import PATTERNS

    return PATTERNS


def pytest_nrf_fota_rules() -> "Sequence[Rule]":
    """What Acme's lines mean for an upgrade."""
    from acme_nrf.modem import RULES

    return RULES

"""What this run's options came to: the board, its firmware, its radio."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.shared_options import BOARD, LeftToOthers

if TYPE_CHECKING:
    from pytest_nrf_fota.artifacts.source import FirmwareSource
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.builds.given import GivenFirmware
    from pytest_nrf_fota.record.run import TestFiles
    from pytest_nrf_fota.smp.host_radio import HostRadio

BOARD_KEY: "pytest.StashKey[BoardType]" = pytest.StashKey()
GIVEN_KEY: "pytest.StashKey[GivenFirmware]" = pytest.StashKey()
SOURCE_KEY: "pytest.StashKey[FirmwareSource]" = pytest.StashKey()
FILES_KEY: "pytest.StashKey[TestFiles]" = pytest.StashKey()
LEFT_TO_OTHERS_KEY: pytest.StashKey[tuple[LeftToOthers, ...]] = pytest.StashKey()


@dataclass(frozen=True)
class KitPower:
    """How a kit's power is switched off and on; `cycle` raises `RigError`."""

    how: str
    cycle: Callable[[], None]


def board_option(config: pytest.Config) -> str:
    """What `--board` is called in this session: it may be another plugin's."""
    left = config.stash.get(LEFT_TO_OTHERS_KEY, ())
    return next((one.instead for one in left if one.name == BOARD.names[0]), BOARD.names[0])


def host_radio_of(config: pytest.Config) -> "HostRadio | None":
    """This process's radio, where one was given. Raises `InputError`."""
    from pytest_nrf_fota.report.session import worker_count, worker_name
    from pytest_nrf_fota.smp.host_radio import host_radio, radio_of_worker, require_radios

    given: list[str] = config.getoption("nrf_fota_radio")
    radios = [host_radio(text) for text in given]
    # Said by the controller: what a worker says drowns in its crash, and the run counts as passed.
    require_radios(radios, worker_count(config))
    return radio_of_worker(radios, worker_name())

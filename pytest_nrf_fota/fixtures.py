"""The fixtures. No logic."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.run_settings import (
    BOARD_KEY,
    GIVEN_KEY,
    SOURCE_KEY,
    board_option,
)
from pytest_nrf_fota.shared_options import DutScope

if TYPE_CHECKING:
    from pytest_nrf_fota.artifacts.source import FirmwareSource
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.console.shell import ZephyrShell
    from pytest_nrf_fota.dut.dut import Dut
    from pytest_nrf_fota.dut_factory import DutFactory
    from pytest_nrf_fota.providers.provider import Unit
    from pytest_nrf_fota.smp.mcumgr import Mcumgr
    from pytest_nrf_fota.wires.faults import Faults


@pytest.fixture(scope="session")
def board(pytestconfig: pytest.Config) -> "BoardType":
    """The board type of this session."""
    board_type = pytestconfig.stash.get(BOARD_KEY, None)
    if board_type is None:
        pytest.fail(
            "This test needs a board.\n  next:  give one: "
            f"{board_option(pytestconfig)} nrf5340dk_sim (no hardware), or set "
            "nrf_fota_board in the pytest configuration",
            pytrace=False,
        )
    return board_type


@pytest.fixture(scope="session")
def firmware(pytestconfig: pytest.Config, board: "BoardType") -> "FirmwareSource":
    """The firmware to test with: baseline and updates, as paths."""
    del board  # asked for so that a missing --board is reported first
    return pytestconfig.stash[SOURCE_KEY]


@pytest.fixture(scope="session")
def unit(pytestconfig: pytest.Config, board: "BoardType") -> "Iterator[Unit]":
    """The kit (or virtual kit) of this session, taken until its end."""
    from pytest_nrf_fota.session_units import usable_unit

    with usable_unit(pytestconfig, board) as taken:
        yield taken


def _dut_scope(fixture_name: str, config: pytest.Config) -> DutScope:
    del fixture_name
    scope: DutScope = config.getoption("nrf_fota_dut_scope")
    return scope


@pytest.fixture(scope=_dut_scope)
def dut(pytestconfig: pytest.Config, board: "BoardType", unit: "Unit") -> "Iterator[Dut]":
    """The board under test, with UART, SMP and SWD open."""
    from pytest_nrf_fota.builds.uart_settings import built_uart
    from pytest_nrf_fota.dut.dut import Dut
    from pytest_nrf_fota.report.session import run_folder

    baseline = pytestconfig.stash[GIVEN_KEY].baseline
    build = baseline.build if baseline else None
    recorder = run_folder(pytestconfig).recorder
    opened = Dut(
        board,
        unit.name,
        unit.open_wires(recorder),
        recorder,
        runs_preflight=not pytestconfig.getoption("nrf_fota_no_preflight"),
        skips_flash=pytestconfig.getoption("nrf_fota_skip_flash"),
        built_uart=lambda: built_uart(build) if build else None,
    )
    yield opened
    opened.close()


@pytest.fixture
def dut_factory(
    pytestconfig: pytest.Config, board: "BoardType", unit: "Unit"
) -> "Iterator[DutFactory]":
    """Further boards for a test that needs more than one: `dut_factory(board=..., tag=...)`."""
    from pytest_nrf_fota.dut_factory import DutFactory

    del unit  # The session's own board comes first.
    factory = DutFactory(pytestconfig, board)
    yield factory
    factory.close()


@pytest.fixture
def faults(dut: "Dut") -> "Iterator[Faults]":
    """Fault injection: what a test makes fail; undone when the test is over."""
    yield dut.faults
    dut.faults.end()


@pytest.fixture
def shell(dut: "Dut") -> "ZephyrShell":
    """The Zephyr shell of the board under test."""
    return dut.shell


@pytest.fixture
def mcumgr(dut: "Dut") -> "Mcumgr":
    """The SMP session of the board under test; `dut.connect()` connects it."""
    return dut.mcumgr

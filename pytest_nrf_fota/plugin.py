"""pytest's side of the harness: options, fixtures, hooks. No logic."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import pytest

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_nrf_fota.board import BoardType
    from pytest_nrf_fota.console.shell import ZephyrShell
    from pytest_nrf_fota.dut import Dut
    from pytest_nrf_fota.firmware.source import FirmwareSource
    from pytest_nrf_fota.report.run import TestFiles
    from pytest_nrf_fota.report.session import VerdictCollector
    from pytest_nrf_fota.smp.mcumgr import Mcumgr
    from pytest_nrf_fota.units.protocol import Unit

DutScope: TypeAlias = Literal["function", "class", "module", "package", "session"]

_board_key: "pytest.StashKey[BoardType]" = pytest.StashKey()
_source_key: "pytest.StashKey[FirmwareSource]" = pytest.StashKey()
_files_key: "pytest.StashKey[TestFiles]" = pytest.StashKey()
_collector_key: "pytest.StashKey[VerdictCollector]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, named as Zephyr's twister harness names them where it has them."""
    group = parser.getgroup("nrf-fota", "firmware upgrades on Nordic kits")
    group.addoption(
        "--board",
        "--platform",
        dest="nrf_fota_board",
        metavar="NAME",
        help="board to test on: nrf5340dk, nrf5340dk_sim (no hardware), qemu_cortex_m0, "
        "or a west platform such as nrf5340dk/nrf5340/cpuapp",
    )
    group.addoption(
        "--board-dir",
        dest="nrf_fota_board_dir",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="folder with your own board files (repeatable; before the packaged ones)",
    )
    group.addoption(
        "--baseline",
        dest="nrf_fota_baseline",
        type=Path,
        metavar="HEX",
        help="firmware to start from: the build's merged.hex",
    )
    group.addoption(
        "--update",
        dest="nrf_fota_update",
        action="append",
        default=[],
        type=Path,
        metavar="ZIP",
        help="DFU package to upgrade to: dfu_application.zip, dfu_mcuboot.zip (repeatable)",
    )
    group.addoption(
        "--device-id",
        dest="nrf_fota_device_id",
        metavar="SERIAL",
        help="J-Link serial number of the kit to use",
    )
    group.addoption(
        "--flash-timeout",
        dest="nrf_fota_flash_timeout",
        type=float,
        metavar="SECONDS",
        help="longest time for recovering and programming (default: the board file's)",
    )
    group.addoption(
        "--base-timeout",
        dest="nrf_fota_base_timeout",
        type=float,
        metavar="SECONDS",
        help="longest time for a boot (default: the board file's)",
    )
    group.addoption(
        "--dut-scope",
        dest="nrf_fota_dut_scope",
        choices=get_args(DutScope),
        default="function",
        help="how long the wires to the board stay open (default: function)",
    )
    group.addoption(
        "--run-dir",
        dest="nrf_fota_run_dir",
        type=Path,
        metavar="DIR",
        help="folder for logs and flight recorders (default: nrf_fota_runs/TIME-PID)",
    )
    parser.addini("nrf_fota_board", "board to use when --board is not given")
    parser.addini("nrf_fota_board_dir", "folders with your own board files", type="paths")


def pytest_configure(config: pytest.Config) -> None:
    """Check what the user gave, before anything is collected or flashed."""
    name = config.getoption("nrf_fota_board") or config.getini("nrf_fota_board")
    if not name:
        if config.getoption("nrf_fota_baseline") or config.getoption("nrf_fota_update"):
            raise pytest.UsageError("--baseline and --update need a board: --board=NAME")
        return
    from pytest_nrf_fota.board import load_board
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.firmware.choose import firmware_source
    from pytest_nrf_fota.report.session import require_writable, worker_path

    baseline: Path | None = config.getoption("nrf_fota_baseline")
    updates: list[Path] = config.getoption("nrf_fota_update")
    try:
        board = load_board(name, _board_folders(config)).with_timeouts(
            probe_s=config.getoption("nrf_fota_flash_timeout"),
            boot_s=config.getoption("nrf_fota_base_timeout"),
        )
        if config.getoption("nrf_fota_device_id") and board.provider != "usb":
            raise pytest.UsageError(f"--device-id names a kit on USB; {board.name} has none")
        require_writable(config)
        config.stash[_board_key] = board
        config.stash[_source_key] = firmware_source(
            board, baseline, tuple(updates), worker_path(config) / "firmware"
        )
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the board."""
    board = config.stash.get(_board_key, None)
    return f"nrf-fota: board {board.name} ({board.title})" if board else None


@pytest.fixture(scope="session")
def board(pytestconfig: pytest.Config) -> "BoardType":
    """The board type of this session."""
    board_type = pytestconfig.stash.get(_board_key, None)
    if board_type is None:
        pytest.fail(
            "This test needs a board.\n  next:  give one: --board nrf5340dk_sim (no hardware), "
            "or set nrf_fota_board in the pytest configuration",
            pytrace=False,
        )
    return board_type


@pytest.fixture(scope="session")
def firmware(pytestconfig: pytest.Config, board: "BoardType") -> "FirmwareSource":
    """The firmware to test with: baseline and updates, as paths."""
    del board  # asked for so that a missing --board is reported first
    return pytestconfig.stash[_source_key]


@pytest.fixture(scope="session")
def unit(pytestconfig: pytest.Config, board: "BoardType") -> "Iterator[Unit]":
    """The individual board, taken for the whole session."""
    from pytest_nrf_fota.report.session import worker_name, worker_path
    from pytest_nrf_fota.units.choose import take_unit

    device_id: str | None = pytestconfig.getoption("nrf_fota_device_id")
    taken = take_unit(board, worker_name(), worker_path(pytestconfig) / "unit", device_id)
    yield taken
    taken.release()


def _dut_scope(fixture_name: str, config: pytest.Config) -> DutScope:
    del fixture_name
    scope: DutScope = config.getoption("nrf_fota_dut_scope")
    return scope


@pytest.fixture(scope=_dut_scope)
def dut(pytestconfig: pytest.Config, board: "BoardType", unit: "Unit") -> "Iterator[Dut]":
    """The board under test, its wires open."""
    from pytest_nrf_fota.dut import Dut
    from pytest_nrf_fota.report.session import run_folder

    recorder = run_folder(pytestconfig).recorder
    opened = Dut(board, unit.name, unit.open_wires(recorder), recorder)
    yield opened
    opened.close()


@pytest.fixture
def shell(dut: "Dut") -> "ZephyrShell":
    """The Zephyr shell of the board under test."""
    return dut.shell


@pytest.fixture
def mcumgr(dut: "Dut") -> "Mcumgr":
    """The SMP session of the board under test; `dut.connect()` connects it."""
    return dut.mcumgr


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Give each test that uses a board a flight recorder of its own."""
    if not _uses_board(item):
        return (yield)
    from pytest_nrf_fota.report.session import run_folder

    run = run_folder(item.config)
    run.start_test(item.nodeid)
    try:
        return (yield)
    finally:
        run.recorder.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Close the test's files once its fixtures are gone, and attach them."""
    try:
        yield
    finally:
        if _uses_board(item):
            from pytest_nrf_fota.report.session import allure_is_on, run_folder

            files = run_folder(item.config).finish_test()
            if files is not None:
                item.stash[_files_key] = files
                if allure_is_on(item.config):
                    from pytest_nrf_fota.report.allure_report import attach_files

                    attach_files(files)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Skip a test whose firmware this session's source cannot provide, with the reason."""
    if not _uses_board(pyfuncitem):
        return (yield)
    from pytest_nrf_fota.firmware.source import ArtifactUnavailableError
    from pytest_nrf_fota.report.session import MISSING_PROPERTY

    try:
        return (yield)
    except ArtifactUnavailableError as error:
        reason = f"{error.what} {error.next_step}"
        pyfuncitem.user_properties.append((MISSING_PROPERTY, reason))
        raise pytest.skip.Exception(reason, _use_item_location=True) from error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A broken rig is an ERROR; verdicts and files travel with the report."""
    report = yield
    if not _uses_board(item):
        return report
    if report.failed and call.excinfo is not None:
        from pytest_nrf_fota.report import failure
        from pytest_nrf_fota.report.session import run_folder

        short = failure.short_report(call.excinfo, item.path)
        if short is not None and not item.config.getoption("fulltrace"):
            report.longrepr = short
        if failure.is_rig_error(call.excinfo):
            # pytest counts a failure outside the call phase as an error in every format.
            report.when = "setup"
        recording = run_folder(item.config).recorder.path
        tail = failure.uart_tail(recording, call.excinfo) if recording is not None else None
        if tail is not None:
            report.sections.append(tail)
    if report.when == "teardown" and _files_key in item.stash:
        from pytest_nrf_fota.report.session import properties_of

        report.user_properties += properties_of(item.stash[_files_key])
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Collect results for the summary."""
    if _board_key not in session.config.stash:
        return
    from pytest_nrf_fota.report.session import VerdictCollector

    session.config.stash[_collector_key] = VerdictCollector()
    session.config.pluginmanager.register(session.config.stash[_collector_key])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was proven, by which evidence, and where the logs are."""
    from pytest_nrf_fota.report.session import session_path
    from pytest_nrf_fota.report.summary import summary_lines

    collector = config.stash.get(_collector_key, None)
    if collector is None:
        return
    if collector.tests or collector.missing:
        terminalreporter.section("nRF FOTA: what was proven")
    for line in summary_lines(collector.tests, collector.missing):
        terminalreporter.write_line(line)
    if session_path(config).is_dir():
        terminalreporter.write_line(f"logs and flight recorders: {session_path(config)}")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "WorkerController") -> None:
    """Under xdist all workers write below the controller's run folder."""
    from pytest_nrf_fota.report.session import WORKER_INPUT_KEY, session_path

    node.workerinput[WORKER_INPUT_KEY] = str(session_path(node.config))


def _uses_board(item: pytest.Item) -> bool:
    return "unit" in getattr(item, "fixturenames", ())


def _board_folders(config: pytest.Config) -> tuple[Path, ...]:
    given: list[Path] = config.getoption("nrf_fota_board_dir")
    configured: list[Path] = config.getini("nrf_fota_board_dir")
    return (*given, *configured)

"""pytest's side of the harness: options, fixtures, hooks. No logic."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota import (
    hookspecs,
    session_farm,
    session_kit_header,
    session_kit_results,
    session_kits,
    session_lost_kits,
    session_results,
    session_rig_summary,
)
from pytest_nrf_fota.board_needs import missing_capability, write_unfit
from pytest_nrf_fota.run_settings import (
    BOARD_KEY,
    FILES_KEY,
    GIVEN_KEY,
    LEFT_TO_OTHERS_KEY,
    SOURCE_KEY,
    board_option,
    host_radio_of,
)
from pytest_nrf_fota.session_board import (
    also_boards,
    board_folders,
    board_name,
    given_builds,
    is_main_board,
    require_usable_builds,
    session_board,
)
from pytest_nrf_fota.session_lost_kits import uses_board
from pytest_nrf_fota.shared_options import add_shared_options, take_values_from_paths

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_nrf_fota.firmware.resign import SigningKeys
    from pytest_nrf_fota.report.session import VerdictCollector

_interrupted_key: pytest.StashKey[str] = pytest.StashKey()
_collector_key: "pytest.StashKey[VerdictCollector]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The settings; the options come last, in the hook below."""
    parser.addini("nrf_fota_board", "board to use when --board is not given")
    parser.addini("nrf_fota_board_dir", "folders with your own board files", type="paths")
    parser.addini("nrf_fota_timeline", "which tests get a time line: failed, all, none", default="")
    if any(name.endswith("conftest.py") for name, _ in pluginmanager.list_name_plugin()):
        # Loaded by a conftest.py: the hook below has passed.
        add_shared_options(parser, ())


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Add the options, once all others have theirs."""
    take_values_from_paths(early_config.known_args_namespace.file_or_dir, args)
    try:
        yield
    finally:
        # Also where a conftest.py is wrong: pytest shows its help even then.
        early_config.stash[LEFT_TO_OTHERS_KEY] = add_shared_options(parser, args)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """The doors for other packages."""
    pluginmanager.add_hookspecs(hookspecs)
    pluginmanager.register(session_farm, "nrf_fota_farm")
    pluginmanager.register(session_lost_kits, "nrf_fota_lost_kits")
    pluginmanager.register(session_kit_results, "nrf_fota_kit_results")
    pluginmanager.register(session_rig_summary, "nrf_fota_rig_summary")


def pytest_configure(config: pytest.Config) -> None:
    """Check what the user gave, before anything is collected or flashed."""
    from pytest_nrf_fota.boards.capabilities import Capability

    known = "".join(f"\n    {capability.value}: {capability.meaning}" for capability in Capability)
    config.addinivalue_line(
        "markers", f"needs(capability, ...): skip the test on boards that lack one of them.{known}"
    )
    config.addinivalue_line(
        "markers",
        "nightly: in a session with a board, skip the test unless --nightly or -m nightly is given",
    )
    name = board_name(config)
    _register_fixtures(config, has_board=bool(name))
    if not name:
        if any(config.getoption(f"nrf_fota_{n}") for n in ("baseline", "update", "variant")):
            raise pytest.UsageError(
                "--baseline, --update and --firmware-variant need a board: "
                f"{board_option(config)}=NAME"
            )
        return
    from pytest_nrf_fota import reporting
    from pytest_nrf_fota.artifacts.choose import firmware_source
    from pytest_nrf_fota.artifacts.given_variants import read_given_variants
    from pytest_nrf_fota.boards.board_file import own_settings
    from pytest_nrf_fota.builds.given import read_given_firmware
    from pytest_nrf_fota.errors import InputError
    from pytest_nrf_fota.report.session import require_writable, worker_path
    from pytest_nrf_fota.report.time_line import wanted_pages

    wanted_pages(config)  # A misspelt setting is said at once.
    baselines = given_builds(config, "baseline", name)
    updates = given_builds(config, "update", name)
    folder = worker_path(config) / "firmware"
    try:
        board = session_board(config)
        for option, value in (
            ("--device-id", "device_id"),
            ("--hardware-map", "hardware_map"),
            ("--board-tag", "board_tag"),
            ("--runner", "runner"),
            ("--console-port", "console_port"),
            ("--console-baudrate", "console_baudrate"),
        ):
            if config.getoption(f"nrf_fota_{value}") and not board.provided_by.has_probe_tool:
                raise pytest.UsageError(f"{option} is for a kit on USB; {board.name} has none")
        if host_radio_of(config) is not None and board.radio.kind != "ble":
            raise pytest.UsageError(f"--radio is for boards on BLE; {board.name} is not")
        require_writable(config)
        own = own_settings(name, board_folders(config))
        require_usable_builds(config, folder)
        variants: list[str] = config.getoption("nrf_fota_variant") if is_main_board(config) else []
        if not baselines:
            read_given_variants(variants, board)  # A misspelt name is the first thing to say.
        given = read_given_firmware(board, own, baselines, updates, folder, variants)
        config.stash[BOARD_KEY] = given.board
        config.stash[GIVEN_KEY] = given
        reporting.begin(config)
        config.stash[SOURCE_KEY] = firmware_source(
            given.board,
            given.baseline.hex_file if given.baseline else None,
            given.updates.packages,
            folder,
            _signing_keys(config),
            read_given_variants(variants, given.board),
            given.own_build,
        )
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the board; of a kit, also the tool that drives its probe, and why this one."""
    board = config.stash.get(BOARD_KEY, None)
    if board is None:
        return []
    from pytest_nrf_fota.session_extensions import extension_lines

    lines = [f"nrf-fota: board {board.name} ({board.title})"]
    if board.provided_by.has_probe_tool:
        from pytest_nrf_fota.probe.choose import describe_tool

        tool = describe_tool(
            board.probe.runner, board.timeouts.probe_s, board.soc, board.probe.ssh_host
        )
        lines.append(f"nrf-fota: {tool}")
    for left in config.stash.get(LEFT_TO_OTHERS_KEY, ()):
        lines.append(f"nrf-fota: {left.name} is another plugin's here; use {left.instead}")
    said = [
        *session_kit_header.kit_lines(config),
        *extension_lines(),
        *config.stash[GIVEN_KEY].lines,
    ]
    return [*lines, *(f"nrf-fota: {line}" for line in said)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse misspelt capabilities: such a test would be skipped everywhere, or nowhere."""
    from pytest_nrf_fota.boards.capabilities import capability_named

    for item in items:
        for marker in item.iter_markers("needs"):
            if marker.kwargs or not marker.args:
                raise pytest.UsageError(
                    f"{item.nodeid}: needs() takes names of capabilities and nothing else, as in "
                    'needs("nsib", "ble")'
                )
            try:
                for name in marker.args:
                    capability_named(name)
            except ValueError as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from error


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs what this session's board has not, before a board is taken.

    A test that is run again (pytest-rerunfailures) gets a flight recorder for each execution.
    """
    if uses_board(item):
        from pytest_nrf_fota.report.session import run_folder

        run = run_folder(item.config)
        # One that is not run, because no kit is left, is no execution.
        if not run.has_test and session_lost_kits.will_run(item, None):
            run.start_test(item.nodeid)
    board_type = item.config.stash.get(BOARD_KEY, None)
    if board_type is not None and _is_left_for_the_night(item):
        reason = "nightly: runs with --nightly or -m nightly"
        raise pytest.skip.Exception(reason, _use_item_location=True)
    if board_type is None:
        return
    capability = missing_capability(item, board_type)
    if capability is not None:
        reason = f"{board_type.name} has no {capability.value}: {capability.meaning}"
        raise pytest.skip.Exception(reason, _use_item_location=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """With boards of several types a worker's controller has to know which tests it can run."""
    config = session.config
    if also_boards(config) and hasattr(config, "workerinput") and BOARD_KEY in config.stash:
        from pytest_nrf_fota.report.session import worker_path

        write_unfit(worker_path(config), session.items, config.stash[BOARD_KEY])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Give each test that uses a board a flight recorder of its own."""
    if not uses_board(item) or not session_lost_kits.will_run(item, nextitem):
        return (yield)
    from pytest_nrf_fota.report.session import run_folder

    run = run_folder(item.config)
    run.start_test(item.nodeid)
    try:
        return (yield)
    except (KeyboardInterrupt, pytest.exit.Exception):
        item.config.stash[_interrupted_key] = item.nodeid
        # There is no teardown that would derive the files.
        run.finish_test()
        raise
    finally:
        run.recorder.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Close the test's files once its fixtures are gone, and attach them."""
    try:
        yield
    finally:
        if uses_board(item):
            from pytest_nrf_fota.report.session import allure_is_on, run_folder

            run = run_folder(item.config)
            # One that was not run has none.
            files = run.finish_test() if run.has_test else None
            if FILES_KEY in item.stash:
                # Of the execution before this one.
                del item.stash[FILES_KEY]
            if files is not None:
                item.stash[FILES_KEY] = files
                if allure_is_on(item.config):
                    from pytest_nrf_fota.report.allure_report import attach_files

                    attach_files(files)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test setup problem is an ERROR; verdicts, facts and files travel with the report.

    The last to be called, so the first that gets the report: nobody sees one with secrets.
    """
    report = yield
    if BOARD_KEY not in item.config.stash:
        return report
    from pytest_nrf_fota import reporting

    if uses_board(item):
        if call.when == "setup":
            reporting.begin_execution(item)
        if report.failed and call.excinfo is not None:
            from pytest_nrf_fota.failure_report import tell_failure

            tell_failure(item, call, call.excinfo, report)
        from pytest_nrf_fota.report.time_line import record_phase

        record_phase(item, call, report)
        session_results.note_phase(item, call, report)
        if call.when == "teardown":
            _tell_what_is_left(item, report)
    reporting.hide(item.config, report)
    return report


def _tell_what_is_left(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put into the last report, and into the test's folder, what is known when all is over."""
    from pytest_nrf_fota import reporting
    from pytest_nrf_fota.report.session import properties_of
    from pytest_nrf_fota.report.time_line import write_time_line
    from pytest_nrf_fota.report.tries import repeated_properties

    files = item.stash.get(FILES_KEY, None)
    if files is not None and report.when == "teardown":
        report.user_properties += properties_of(files)
    report.user_properties += reporting.facts_at_end(item, files).properties()
    if files is not None:
        report.user_properties += write_time_line(item, files, report)
        report.user_properties += repeated_properties(item)
        session_results.keep(item, files)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto`: one worker for each free kit. Other boards leave it to xdist."""
    with _usage_errors():
        return session_kits.worker_count_for_kits(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> Generator[None, None, None]:
    """Claim the kits before a worker starts or anything is collected; show and collect results."""
    with _usage_errors():
        session_kits.claim_before_collection(session.config)
    yield
    _collect_results(session)


def _collect_results(session: pytest.Session) -> None:
    """Show steps while they run, and collect results for the summary."""
    if BOARD_KEY not in session.config.stash:
        return
    from pytest_nrf_fota import missing_firmware, proof
    from pytest_nrf_fota.report.long_steps import begin_showing
    from pytest_nrf_fota.report.session import VerdictCollector, session_path

    begin_showing(session.config)
    # Tries are numbered where all are heard of: under xdist not in a worker.
    if not hasattr(session.config, "workerinput"):
        session.config.stash[_collector_key] = VerdictCollector(session_path(session.config))
        session.config.pluginmanager.register(session.config.stash[_collector_key])
    session.config.pluginmanager.register(missing_firmware, "nrf_fota_missing_firmware")
    session.config.pluginmanager.register(proof, "nrf_fota_proof")


def pytest_terminal_summary(
    terminalreporter: "pytest.TerminalReporter", config: pytest.Config
) -> None:
    """Show the results, their evidence, and where the logs are."""
    collector = config.stash.get(_collector_key, None)
    if collector is None:
        return
    from pytest_nrf_fota.report.session import session_path
    from pytest_nrf_fota.report.summary import summary_lines

    if collector.tests or collector.missing or collector.retries:
        terminalreporter.section("nRF FOTA: results")
    for line in summary_lines(collector.tests, collector.missing, collector.retries):
        terminalreporter.write_line(line)
    if collector.has_proven_nothing and _was_asked_for_upgrades(config):
        terminalreporter.write_line(
            "Nothing was proven: the firmware for every test that would have tried something "
            "cannot be made, for the reasons above. The run fails.",
            red=True,
        )
    for said in collector.probe_reads:
        terminalreporter.write_line(f"probe: {said}")
    if (interrupted := config.stash.get(_interrupted_key, None)) is not None:
        terminalreporter.write_line(f"interrupted in: {interrupted}")
    if session_path(config).is_dir():
        terminalreporter.write_line(f"logs and flight recorders: {session_path(config)}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that was asked for upgrades and could make none is not green."""
    collector = session.config.stash.get(_collector_key, None)
    if collector is None:
        return
    collector.link_tries(session_results.allure_attachments(session.config))
    session_results.write_step_summary(session.config)
    if not collector.has_proven_nothing:
        return
    if session.exitstatus == pytest.ExitCode.OK and _was_asked_for_upgrades(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _was_asked_for_upgrades(config: pytest.Config) -> bool:
    """Whether this very run was: a board in the pytest configuration counts for every run."""
    names = ("nrf_fota_board", "nrf_fota_baseline", "nrf_fota_update")
    return any(config.getoption(name) for name in names)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "WorkerController") -> None:
    """Under xdist all workers write below the controller's run folder."""
    from pytest_nrf_fota.report.session import WORKER_INPUT_KEY, session_path

    node.workerinput[WORKER_INPUT_KEY] = str(session_path(node.config))
    session_kits.seat_worker(node)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: "WorkerController") -> None:
    """The kit of a worker that ended is its replacement's."""
    session_kits.unseat_worker(node)


@contextmanager
def _usage_errors() -> Generator[None, None, None]:
    """What ends the run before it begins is said in pytest's way."""
    from pytest_nrf_fota.errors import FotaError

    try:
        yield
    except FotaError as error:
        raise pytest.UsageError(str(error)) from error


def _register_fixtures(config: pytest.Config, *, has_board: bool) -> None:
    """Registered last, so that of several installed plugins with a `dut` this one's is used.

    Not where no board is given and another plugin has a `dut`: its tests mean that one.
    """
    from pytest_nrf_fota import fixtures, neighbours

    if has_board or not neighbours.brings_dut(config):
        config.pluginmanager.register(fixtures, "nrf_fota_fixtures")
    if neighbours.would_skip_every_test(config):
        config.pluginmanager.register(neighbours, "nrf_fota_neighbours")


def _signing_keys(config: pytest.Config) -> "SigningKeys | None":
    """The keys that were given. Raises `InputError`, `pytest.UsageError`."""
    nsib: Path | None = config.getoption("nrf_fota_nsib_key")
    mcuboot: Path | None = config.getoption("nrf_fota_mcuboot_key")
    if (nsib is None and mcuboot is None) or not is_main_board(config):
        return None
    if not given_builds(config, "baseline", board_name(config)):
        raise pytest.UsageError("--nsib-key and --mcuboot-key need what they signed: --baseline")
    from pytest_nrf_fota.firmware.keys import read_signing_key
    from pytest_nrf_fota.firmware.resign import SigningKeys

    return SigningKeys(
        nsib=read_signing_key(nsib) if nsib else None,
        mcuboot=read_signing_key(mcuboot) if mcuboot else None,
    )


def _is_left_for_the_night(item: pytest.Item) -> bool:
    if item.get_closest_marker("nightly") is None:
        return False
    asked_for = re.search(r"\bnightly\b", item.config.getoption("markexpr") or "")
    return not (asked_for or item.config.getoption("nrf_fota_nightly"))

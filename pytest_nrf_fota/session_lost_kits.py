"""pytest hooks: a kit that is lost in a test is no failure of the firmware.

The test is an error that is marked `infrastructure`. Its kit is examined, switched off and on where
somebody said how, else quarantined; and the test is run again, once: here on a spare kit, under
xdist also by another worker. What has no kit left is not run, which is said once.
"""

from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.report.tries import AGAIN_PROPERTY
from pytest_nrf_fota.run_settings import BOARD_KEY
from pytest_nrf_fota.session_durations import DurationKeeper
from pytest_nrf_fota.session_farm import LeaseLostError
from pytest_nrf_fota.session_kit_results import note_result
from pytest_nrf_fota.session_kits import (
    SessionKit,
    gives_tests_out,
    mixed_scheduling,
    take_spare,
)
from pytest_nrf_fota.session_units import (
    is_of_kit,
    kit_watch,
    look_at_kit,
    may_be_lost,
    set_aside,
    told_kits,
)

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.farm.usability import Found
    from pytest_nrf_fota.mixed_scheduling import MixedScheduling
    from pytest_nrf_fota.record.result import RunAgain

INFRASTRUCTURE_PROPERTY = "nrf_fota_infrastructure"
NOT_RUN_PROPERTY = "nrf_fota_not_run"
LOST_PROPERTY = "nrf_fota_lost_kit"
QUARANTINED_PROPERTY = "nrf_fota_quarantined_kit"
OVER_PROPERTY = "nrf_fota_no_kit_left"
GIVEN_BACK_PROPERTY = "nrf_fota_given_back"
NEWS_PROPERTY = "nrf_fota_kit_news"

_HANDS_OVER_KEY = "nrf_fota_hands_over"
_BY_ANOTHER_WORKER = "by another worker"

_Again: TypeAlias = Literal["wanted", "running", "done"]
_again_key: "pytest.StashKey[_Again]" = pytest.StashKey()
_why_key: pytest.StashKey[str] = pytest.StashKey()
_handed_over_key: pytest.StashKey[bool] = pytest.StashKey()
_has_run_key: pytest.StashKey[bool] = pytest.StashKey()
_scheduling_key: "pytest.StashKey[MixedScheduling]" = pytest.StashKey()


def uses_board(item: pytest.Item) -> bool:
    """Whether a test asks for a board."""
    return "unit" in getattr(item, "fixturenames", ())


def will_run(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Whether a test's own code will run in this call, and not in another one, or not at all."""
    return not (nextitem is item or _is_placeholder(item) or kit_watch(item.config).over)


def property_of(report: pytest.TestReport, name: str) -> str | None:
    """The value of a property of a report, which may have come from a worker."""
    return next((str(value) for key, value in report.user_properties if key == name), None)


def lost_kit_of(item: pytest.Item) -> "tuple[str, RunAgain]":
    """Why the kit of a test that is ending was lost, if it was, and who runs the test again."""
    why = item.stash.get(_why_key, "")
    if not why:
        return "", ""
    if item.stash.get(_again_key, None) == "wanted":
        return why, "here"
    return why, "by others" if item.stash.get(_handed_over_key, False) else ""


def _is_placeholder(item: pytest.Item) -> bool:
    """Whether it came a second time so that the first could begin: see `mixed_scheduling.py`."""
    has_run = item.stash.get(_has_run_key, False)
    return has_run and item.stash.get(_again_key, None) != "running" and _is_worker(item.config)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


class _RunAgain:
    """Around all that other plugins do with a test; a module has one hook of each name."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Run a test once more whose kit was lost, on another."""
        result = yield
        item.stash[_has_run_key] = True
        if item.stash.get(_again_key, None) != "wanted":
            return result
        item.stash[_again_key] = "running"
        result = item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        item.stash[_again_key] = "done"
        return result


def pytest_configure(config: pytest.Config) -> None:
    """The part that must be around everything else."""
    config.pluginmanager.register(_RunAgain(), "nrf_fota_run_again")


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> "MixedScheduling | None":
    """On kits tests are given out one by one, so that those of a lost one go to others."""
    scheduling = mixed_scheduling(config)
    if scheduling is not None:
        config.stash[_scheduling_key] = scheduling
        config.pluginmanager.register(DurationKeeper(config), "nrf_fota_durations")
    return scheduling


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "WorkerController") -> None:
    """Tell a worker whether others take what it leaves."""
    node.workerinput[_HANDS_OVER_KEY] = gives_tests_out(node.config)


class _Whatever(pytest.Item):
    """Stands for the next test where nobody knows it yet: all but session fixtures end."""

    def runtest(self) -> None:
        """It is never run."""
        raise NotImplementedError


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Pass over a placeholder; a test whose placeholder is the next one ends as for any other."""
    if _is_placeholder(item):
        return True
    if nextitem is not item:
        return None
    other = _Whatever.from_parent(item.session, name="whatever")
    item.ihook.pytest_runtest_protocol(item=item, nextitem=other)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Run nothing on a kit that is gone."""
    watch = kit_watch(item.config)
    if watch.over and uses_board(item):
        raise pytest.skip.Exception(f"not run: {watch.over}", _use_item_location=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge whether a failure is the kit's; tell what happened to kits."""
    report = yield
    if not uses_board(item) or BOARD_KEY not in item.config.stash:
        return report
    watch = kit_watch(item.config)
    number = watch.number
    if call.when == "teardown" and _why_key in item.stash:
        # JUnit XML takes a test's properties from here.
        report.user_properties.append((INFRASTRUCTURE_PROPERTY, item.stash[_why_key]))
        del item.stash[_why_key]
    elif report.failed and call.excinfo is not None:
        try:
            _judge(item, call.when, call.excinfo.value, report)
        except FotaError as error:
            watch.news.append(f"it is not known whether a kit was lost: {error}")
    elif report.skipped and call.when == "setup" and watch.over:
        report.user_properties.append((NOT_RUN_PROPERTY, watch.over))
    if number:
        is_rig_s = property_of(report, INFRASTRUCTURE_PROPERTY) is not None
        note_result(item, number, report, is_rig_s=is_rig_s)
    while watch.news:
        report.user_properties.append((NEWS_PROPERTY, watch.news.pop(0)))
    from pytest_nrf_fota.reporting import hide

    # What was added here nobody has masked yet.
    hide(item.config, report)
    return report


def _judge(item: pytest.Item, when: str, error: BaseException, report: pytest.TestReport) -> None:
    """Find out whether the kit is lost, and what becomes of the test then."""
    config = item.config
    watch, board = kit_watch(config), config.stash[BOARD_KEY]
    may_run_again = when != "teardown" and item.stash.get(_again_key, None) is None
    if watch.over:
        _mark(item, report, f"no kit is left: {watch.over}")
        _leave_to_others(item, report, may_run_again=may_run_again)
        return
    others = _other_kits(item)
    if isinstance(error, LeaseLostError):
        _let_go(item)
        set_aside(config, error.serial_number, error.where, is_lost=False)
        _mark(item, report, error.what)
        _go_on_without(item, report, may_run_again=may_run_again)
        return
    kit = watch.in_use
    if kit is not None and may_be_lost(config, board, error):
        _let_go(item)
        found = _judge_kit(item, board, kit, error, report)
        if found == "came back" and may_run_again:
            _run_again(item, report, f"on the kit {kit.serial_number}, which came back")
        if found == "lost":
            _go_on_without(item, report, may_run_again=may_run_again)
        if found != "well":
            return
    if _judge_others(item, others, error, report):
        if may_run_again:
            _run_again(item, report, "with what there is instead")
        return
    is_second_try = item.stash.get(_again_key, None) == "running"
    if is_second_try and watch.gone and _wants_another(error):
        _mark(item, report, f"no other kit in its place: {told_kits(watch)}")


def _other_kits(item: pytest.Item) -> "Sequence[tuple[BoardType, SessionKit]]":
    """Those that the test has taken besides the session's own."""
    from pytest_nrf_fota.dut_factory import DutFactory

    factory = getattr(item, "funcargs", {}).get("dut_factory")
    return tuple(factory.kits) if isinstance(factory, DutFactory) else ()


def _wants_another(error: BaseException) -> bool:
    """Whether no kit fitted, or none that did was free."""
    from pytest_nrf_fota.farm.claims import KitsTakenError
    from pytest_nrf_fota.farm.desk import NoKitError

    return isinstance(error, KitsTakenError | NoKitError)


def _judge_others(
    item: pytest.Item,
    others: "Sequence[tuple[BoardType, SessionKit]]",
    error: BaseException,
    report: pytest.TestReport,
) -> bool:
    """Whether one of the test's further kits is lost, or was away."""
    from pytest_nrf_fota.farm.claims import KitsTakenError
    from pytest_nrf_fota.farm.one_kit import kit_alone

    for board, kit in others:
        if not is_of_kit(board, kit, error):
            continue
        _let_go(item)
        # Given back by that, it may be somebody else's by now.
        with suppress(KitsTakenError), kit_alone(kit.serial_number):
            if _judge_kit(item, board, kit, error, report) != "well":
                return True
    return False


def _judge_kit(
    item: pytest.Item,
    board: "BoardType",
    kit: SessionKit,
    error: BaseException,
    report: pytest.TestReport,
) -> "Found":
    """Examine a kit that nothing has open; one that is lost is quarantined."""
    number, headline = kit.serial_number or "", str(error).partition("\n")[0]
    found = look_at_kit(item.config, board, kit)
    if found.found == "came back":
        _mark(item, report, f"the kit {number} was away: {headline}")
    elif found.found == "lost":
        why = found.why if found.why in headline else f"{found.why} The test: {headline}"
        if set_aside(item.config, number, why, is_lost=True):
            report.user_properties.append((QUARANTINED_PROPERTY, number))
        report.user_properties.append((LOST_PROPERTY, number))
        _mark(item, report, f"the kit {number} was lost: {why}")
    return found.found


def _go_on_without(item: pytest.Item, report: pytest.TestReport, *, may_run_again: bool) -> None:
    """This process's kit is gone: take a spare, or leave its tests to others."""
    config = item.config
    watch = kit_watch(config)
    spare = take_spare(config, config.stash[BOARD_KEY], watch.gone)
    if spare is None:
        watch.over = told_kits(watch)
        _leave_to_others(item, report, may_run_again=may_run_again)
    elif may_run_again:
        _run_again(item, report, f"on the kit {spare}")


def _let_go(item: pytest.Item) -> None:
    """End the unit's fixture, and all that depends on it: who wants it next takes it anew."""
    if not isinstance(item, pytest.Function):
        return
    for definition in item._fixtureinfo.name2fixturedefs.get("unit", ()):
        try:
            definition.finish(item._request)  # type: ignore[arg-type]
        except Exception as error:
            # What is lost cannot be put in order either.
            told = str(error).partition("\n")[0]
            kit_watch(item.config).news.append(f"after that: {type(error).__name__}: {told}")


def _mark(item: pytest.Item, report: pytest.TestReport, why: str) -> None:
    """Make it an error of the infrastructure; pytest counts one outside the call phase as such."""
    report.when = "setup"
    item.stash[_why_key] = why
    report.user_properties.append((INFRASTRUCTURE_PROPERTY, why))
    report.sections.append(("Infrastructure", f"Not the firmware: {why}"))


def _leave_to_others(item: pytest.Item, report: pytest.TestReport, *, may_run_again: bool) -> None:
    """This process has no kit any more; under xdist others may have."""
    report.user_properties.append((OVER_PROPERTY, kit_watch(item.config).over))
    given: dict[str, object] = getattr(item.config, "workerinput", {})
    if may_run_again and given.get(_HANDS_OVER_KEY):
        item.stash[_handed_over_key] = True
        _as_run_again(report, _BY_ANOTHER_WORKER)


def _run_again(item: pytest.Item, report: pytest.TestReport, where: str) -> None:
    item.stash[_again_key] = "wanted"
    _as_run_again(report, where)


def _as_run_again(report: pytest.TestReport, where: str) -> None:
    """It has another chance, so it is no failure. In JUnit XML that is a skip, with why."""
    why = property_of(report, INFRASTRUCTURE_PROPERTY) or ""
    file, line, _ = report.location
    text = f"infrastructure: {why}; run again {where}"
    report.outcome = "skipped"
    report.longrepr = (file, (line or 0) + 1, text)
    report.user_properties.append((AGAIN_PROPERTY, text))


def hand_over(config: pytest.Config, report: pytest.TestReport) -> None:
    """In xdist's controller, before anybody counts a report: give what is left to other workers."""
    scheduling = config.stash.get(_scheduling_key, None)
    node: WorkerController | None = getattr(report, "node", None)
    if scheduling is None or node is None:
        return
    if report.skipped and property_of(report, NOT_RUN_PROPERTY) is not None:
        scheduling.give_back(node, report.nodeid)
        report.user_properties.append((GIVEN_BACK_PROPERTY, ""))
    elif property_of(report, OVER_PROPERTY) is not None:
        wants = report.skipped
        runs = scheduling.lose(node, report.nodeid, may_run_again=wants)
        if wants and not runs:
            _as_error(report)


def not_given_out(config: pytest.Config) -> list[str]:
    """Tests that no worker with a kit was left for."""
    scheduling = config.stash.get(_scheduling_key, None)
    return scheduling.not_run if scheduling is not None else []


def _as_error(report: pytest.TestReport) -> None:
    """Nobody can run it again."""
    report.outcome = "failed"
    report.longrepr = property_of(report, INFRASTRUCTURE_PROPERTY) or ""
    kept = [one for one in report.user_properties if one[0] != AGAIN_PROPERTY]
    report.user_properties[:] = kept

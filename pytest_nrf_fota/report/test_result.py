"""Write each test's `result.json`: how its phases ended, and what the flight recorder adds."""

import platform
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pytest_nrf_fota.errors import (
    BoardError,
    ConnectionBrokeError,
    ConsoleLostError,
    FaultNotStruckError,
    FotaError,
    IgnoredVerdictError,
    LineNotSeenError,
    NotSeenError,
    ProbeError,
    RadioLostError,
    RigError,
)
from pytest_nrf_fota.record.recorded_facts import RecordedFacts
from pytest_nrf_fota.record.result import (
    RESULT_NAME,
    VERDICT_CODE,
    CauseOfFailure,
    Phase,
    RunAgain,
    Side,
    TestOutcome,
    TestResult,
    write_result,
)
from pytest_nrf_fota.report.masking import Mask, masked_json
from pytest_nrf_fota.report.session import worker_name
from pytest_nrf_fota.verdict.evidence import UpgradeNotProvenError

_LONGEST_TEXT = 2000


@dataclass(frozen=True)
class Failing:
    """The first phase of a test that went wrong."""

    outcome: TestOutcome
    phase: Phase
    side: Side
    cause: CauseOfFailure


@dataclass
class Execution:
    """One execution of a test, phase by phase."""

    duration_s: float = 0.0
    failing: Failing | None = None
    is_skipped: bool = False


@dataclass
class Executions:
    """How often each test of this process was run, and what the running one came to."""

    tries: Counter[str] = field(default_factory=Counter)
    now: Execution = field(default_factory=Execution)

    def note(self, phase: Phase, report: pytest.TestReport, error: BaseException | None) -> None:
        """Take one phase; `report` is as it is shown: an error is outside of the test's call."""
        self.now.duration_s += report.duration
        if report.skipped:
            self.now.is_skipped = True
        elif report.failed and self.now.failing is None:
            outcome: TestOutcome = "failed" if report.when == "call" else "error"
            self.now.failing = Failing(outcome, phase, side_of(error), cause_of(error))

    def finish(self, node_id: str) -> tuple[Execution, int]:
        """The execution that is over, and which try of its test it was."""
        done, self.now = self.now, Execution()
        self.tries[node_id] += 1
        return done, self.tries[node_id]


EXECUTIONS_KEY: pytest.StashKey[Executions] = pytest.StashKey()


@dataclass(frozen=True)
class Given:
    """What the session knows of a test beside its recorder.

    `kit` is the one that it had, or was to get; `firmware_id` tells firmware apart; `kit_lost` is
    why its kit was lost, `repeats` the test that it is a repetition of; both are mostly empty.
    """

    board: str
    kit: str
    ncs: str
    firmware_id: str
    session: str
    kit_lost: str = ""
    run_again: RunAgain = ""
    repeats: str = ""


def keep_result(
    folder: Path,
    node_id: str,
    executions: Executions,
    facts: RecordedFacts,
    given: Given,
    mask: Mask,
) -> None:
    """Write the result of a test that is over. A disk that refuses costs the result alone.

    `mask` takes secrets out of what an error says.
    """
    done, try_number = executions.finish(node_id)
    result = _result(node_id, done, facts, given).model_copy(update={"try_number": try_number})
    result = TestResult.model_validate(masked_json(result.model_dump(mode="json"), mask))
    try:
        write_result(folder / RESULT_NAME, result)
    except OSError:
        # The recorder tells most of it, and a report must never fail a test.
        return


def _result(node_id: str, done: Execution, facts: RecordedFacts, given: Given) -> TestResult:
    failing, run = done.failing, facts.started
    outcome: TestOutcome = "skipped" if done.is_skipped else "passed"
    causes: tuple[CauseOfFailure, ...] = ()
    if failing is not None and given.kit_lost and failing.side != "rig":
        # Whatever the error was that came of it.
        cause = CauseOfFailure(code="kit_lost", text=_cut(given.kit_lost))
        failing = Failing("error", failing.phase, "rig", cause)
    if failing is not None:
        outcome = failing.outcome
        causes = _causes(failing, facts)
    return TestResult(
        node_id=node_id,
        board=facts.unit.board if facts.unit is not None else given.board,
        kit=facts.unit.unit if facts.unit is not None else given.kit,
        outcome=outcome,
        phase="" if failing is None else failing.phase,
        side="" if failing is None else failing.side,
        run_again=given.run_again,
        repeats=given.repeats,
        failure="" if failing is None else failing.cause.text.partition("\n")[0],
        causes=causes,
        verdicts=tuple(facts.verdicts),
        measurements=facts.all_measurements(),
        steps_s=facts.steps_s,
        firmware=facts.firmware,
        firmware_id=given.firmware_id,
        ncs=facts.ncs or given.ncs,
        started=_started(facts),
        duration_s=round(done.duration_s, 3),
        host=platform.node(),
        worker=worker_name(),
        session=given.session,
        versions={} if run is None else run.versions,
    )


def _started(facts: RecordedFacts) -> datetime:
    if facts.started is None:
        return datetime.now(timezone.utc).astimezone()
    return datetime.fromisoformat(facts.started.wall_clock)


def _causes(failing: Failing, facts: RecordedFacts) -> tuple[CauseOfFailure, ...]:
    """The board's own words come before the name of an error, but not before a test setup's."""
    own = failing.cause
    if failing.side == "rig":
        if own.code == "probe_failed" and facts.probe_fault:
            own = own.model_copy(update={"code": f"probe_{code_of(facts.probe_fault)}"})
        return (own,)
    return (*facts.causes(), own)


def side_of(error: BaseException | None) -> Side:
    """Whose doing a failure is."""
    match error:
        case RigError():
            return "rig"
        case BoardError() | NotSeenError() | AssertionError() | pytest.fail.Exception():
            return "firmware"
        case _:
            # An exception that nobody meant, a fault that never struck, a verdict nobody read.
            return "test"


def cause_of(error: BaseException | None) -> CauseOfFailure:
    """A failure's code by its exception, and its words."""
    match error:
        case FotaError(what=what, next_step=remedy):
            return CauseOfFailure(code=_code(error), text=_cut(what), remedy=_cut(remedy))
        case UpgradeNotProvenError(verdict=verdict):
            return CauseOfFailure(
                code=f"{VERDICT_CODE}{code_of(verdict.ending.value)}",
                text=_cut(f"{verdict.outcome.value}: {verdict.reason or verdict.subject}"),
            )
        case None:
            return CauseOfFailure(code="unknown")
        case _:
            return CauseOfFailure(code=_code(error), text=_cut(_words(error)))


def _code(error: BaseException) -> str:
    match error:
        case ProbeError():
            return "probe_failed"
        case ConsoleLostError():
            return "console_lost"
        case RadioLostError():
            return "radio_lost"
        case ConnectionBrokeError():
            return "connection_broke"
        case LineNotSeenError():
            return "line_not_seen"
        case NotSeenError():
            return "not_seen"
        case BoardError():
            return "board_refused"
        case FaultNotStruckError():
            return "fault_not_struck"
        case IgnoredVerdictError():
            return "verdict_ignored"
        case AssertionError():
            return "assertion_failed"
        case _:
            return code_of(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(error).__name__))


def _words(error: BaseException) -> str:
    # An assertion's first line is what was expected; of others the class is half of the message.
    match error:
        case AssertionError() if str(error):
            return str(error)
        case _:
            return f"{type(error).__name__}: {error}"


def code_of(words: str) -> str:
    """Words as a code: `probe not found` is `probe_not_found`."""
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:100]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."

"""What one execution of a test came to, in one small file beside its flight recorder.

The report of a night reads only this, so whatever it needs must be in here. Later versions add
fields; a reader leaves out what it does not know.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pytest_nrf_fota.errors import InputError

RESULT_NAME = "result.json"
FORMAT = 1

TestOutcome: TypeAlias = Literal["passed", "failed", "error", "skipped", "unknown"]
"""`unknown`: the run was ended before the test was, or it left no result behind."""
Side: TypeAlias = Literal["", "firmware", "rig", "test"]
"""Whose doing a failure is: the firmware's (the board's), the test setup's, the test's own."""
RunAgain: TypeAlias = Literal["", "here", "by others"]
"""Whether a test whose kit was lost was to run again: in the same process, or by another worker."""
Phase: TypeAlias = Literal["", "setup", "call", "teardown"]

CODES_OF_ERRORS = frozenset(
    {
        *("connection_broke", "line_not_seen", "not_seen", "board_refused", "assertion_failed"),
        *("console_lost", "radio_lost", "probe_failed", "unknown"),
    }
)
"""Cause codes that name what the harness met, not what is behind it: several failures may have one
of them by chance. Others are those of the explanation, of a verdict or of an exception."""
VERDICT_CODE = "verdict_"
"""What the code of a verdict's ending begins with."""

Text: TypeAlias = Annotated[str, Field(max_length=4000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class CauseOfFailure(_Part):
    """Why a test failed: a code that does not change, and words for people."""

    code: str
    text: Text = ""
    remedy: Text = ""


class Measured(_Part):
    """A measured value with its unit; of several in a test each is one."""

    name: str
    value: Annotated[float, Field(allow_inf_nan=False)]
    unit: str


class VerdictInBrief(_Part):
    """A verdict without its evidence, which is in the flight recorder."""

    outcome: str
    subject: Text = ""
    reason: Text = ""


class TestResult(_Part):
    """One execution of a test.

    Args:
        node_id: pytest's name of the test.
        board: board type; empty where none is known.
        kit: serial number or name of the kit; empty where the test got none.
        outcome, phase, side: how it ended, in which phase it went wrong, whose doing it is.
        try_number: 1, or more where the test was run again in its process.
        run_again: its kit was lost, and it was to run again.
        repeats: the test that this is a repetition of (pytest-repeat); else empty.
        failure: why it failed, in one line.
        causes: the first counts.
        verdicts: in their order.
        measurements: in their order.
        steps_s: how long each step took, by its name, all of a name together.
        firmware: what ran on the board, by the name of the image; as far as it was seen.
        firmware_id: the same for the same firmware; empty where it is not known.
        ncs: the release of the nRF Connect SDK that the board's boot code is of.
        started: with the host's offset from UTC.
        worker: `main`, or xdist's name.
        session: the same for all tests of a pytest session, its workers included.
    """

    __test__ = False

    format: Annotated[int, Field(ge=1)] = FORMAT
    node_id: str
    board: str = ""
    kit: str = ""
    outcome: TestOutcome
    phase: Phase = ""
    side: Side = ""
    try_number: Annotated[int, Field(ge=1)] = 1
    run_again: RunAgain = ""
    repeats: str = ""
    failure: Text = ""
    causes: tuple[CauseOfFailure, ...] = ()
    verdicts: tuple[VerdictInBrief, ...] = ()
    measurements: tuple[Measured, ...] = ()
    steps_s: dict[str, float] = Field(default_factory=dict)
    firmware: dict[str, str] = Field(default_factory=dict)
    firmware_id: str = ""
    ncs: str = ""
    started: datetime
    duration_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    host: str = ""
    worker: str = ""
    session: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def scenario(self) -> str:
        """The test without the folder it was collected from, which differs between hosts.

        All repetitions of a test are one scenario.
        """
        return _without_folder(self.repeats or self.node_id)

    @property
    def node(self) -> str:
        """The same, each repetition on its own."""
        return _without_folder(self.node_id)


def _without_folder(node_id: str) -> str:
    path, colons, name = node_id.partition("::")
    return f"{path.replace(os.sep, '/').rpartition('/')[2]}{colons}{name}"


def write_result(path: Path, result: TestResult) -> None:
    """Write a result; who reads meanwhile sees all of it or nothing. Raises `OSError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        values = {"format": result.format, **result.model_dump(mode="json", exclude_defaults=True)}
        temporary.write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_result(path: Path) -> TestResult:
    """Read a result. Raises `InputError` where it is damaged, `OSError`."""
    try:
        return TestResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"The result of a test cannot be read: {place or 'JSON'}: {first['msg']}.",
            where=str(path),
            next_step="The rest of the run is used; look into this test's folder.",
        ) from error

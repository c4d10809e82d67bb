"""What a flight recorder holds of a test's result, read in one pass."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.findings.finding import Finding, Weight
from pytest_nrf_fota.record.events import (
    RECORDED_LINE,
    Event,
    FailureExplained,
    Measurement,
    ProbeOperation,
    Recorded,
    RunStarted,
    SmpMessage,
    StepEnded,
    UnitTaken,
    VerdictReached,
)
from pytest_nrf_fota.record.result import CauseOfFailure, Measured, TestResult, VerdictInBrief

_KIND = re.compile(rb'"event":\{"kind":"(\w+)"')
_READ_KINDS = frozenset(
    {b"run", b"unit", b"step_ended", b"probe", b"verdict", b"explanation", b"measurement"}
)
# Image lists are short; what is long is an upload's.
_LONGEST_SMP_LINE = 8192
_ERASE_STEP, _ERASE_TIME = "erase external flash", "erase time"
_LONGEST_TEXT = 2000
# A test that was run again has a folder with a number behind its name.
_TRY = re.compile(r"--(\d{1,3})$")


@dataclass
class RecordedFacts:
    """What the events of one test tell, as far as they were recorded.

    `probe_fault` is the last failure of the probe, by its kind; `last_t_s` the last event's time.
    """

    started: RunStarted | None = None
    unit: UnitTaken | None = None
    verdicts: list[VerdictInBrief] = field(default_factory=list)
    explained: FailureExplained | None = None
    measurements: list[Measured] = field(default_factory=list)
    steps_s: dict[str, float] = field(default_factory=dict)
    firmware: dict[str, str] = field(default_factory=dict)
    probe_fault: str = ""
    last_t_s: float = 0.0

    @property
    def ncs(self) -> str:
        """The release that the board's boot code is of; empty where it is not known."""
        boot = self.unit.settings.get("boot") if self.unit is not None else None
        return str(boot.get("ncs") or "") if isinstance(boot, dict) else ""

    def all_measurements(self) -> tuple[Measured, ...]:
        """What was measured, with the erase time from its step where nothing measured it."""
        if any(one.name == _ERASE_TIME for one in self.measurements):
            return tuple(self.measurements)
        erase_s = self.steps_s.get(_ERASE_STEP)
        more = () if erase_s is None else (Measured(name=_ERASE_TIME, value=erase_s, unit="s"),)
        return (*self.measurements, *more)

    def causes(self) -> tuple[CauseOfFailure, ...]:
        """What the explanation found, causes before their consequences; no advice, no notes."""
        if self.explained is None:
            return ()
        found = [one for one in self.explained.causes if one.weight is Weight.CAUSE]
        follows = [one for one in self.explained.causes if one.weight is Weight.CONSEQUENCE]
        return tuple(_cause(one) for one in (*found, *follows))


def facts_of(recorded: Iterable[Recorded]) -> RecordedFacts:
    """The facts of a test's events."""
    facts = RecordedFacts()
    for one in recorded:
        facts.last_t_s = max(facts.last_t_s, one.t_s)
        _take(facts, one.event)
    return facts


def _take(facts: RecordedFacts, event: Event) -> None:
    match event:
        case RunStarted():
            facts.started = event
        case UnitTaken():
            facts.unit = facts.unit or event
        case VerdictReached(outcome=outcome, subject=subject, reason=reason):
            brief = VerdictInBrief(outcome=outcome, subject=_cut(subject), reason=_cut(reason))
            facts.verdicts.append(brief)
        case FailureExplained():
            facts.explained = facts.explained or event
        case Measurement(name=name, value=value, unit=unit) if math.isfinite(value):
            facts.measurements.append(Measured(name=name, value=value, unit=unit))
        case StepEnded(step=step, duration_s=duration_s):
            facts.steps_s[step] = round(facts.steps_s.get(step, 0.0) + duration_s, 3)
        case ProbeOperation(fault=fault) if fault:
            facts.probe_fault = fault
        case SmpMessage(direction="answer", payload={"images": list(images)}):
            facts.firmware.update(_running(images))
        case _:
            pass


def _running(images: Sequence[object]) -> Iterator[tuple[str, str]]:
    """The images that run, of an image list."""
    for image in images:
        if isinstance(image, dict) and image.get("active"):
            number = image.get("image") or 0
            yield f"image {number}", _cut(str(image.get("version", "")))


def _cause(finding: Finding) -> CauseOfFailure:
    return CauseOfFailure(code=finding.code, text=_cut(finding.cause), remedy=_cut(finding.remedy))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."


def result_of_recorder(path: Path) -> TestResult:
    """What can be known of a test that left no result behind: its run was ended, or is older.

    Reads line by line, whatever the size. Raises `InputError`, `OSError`.
    """
    facts = facts_of(_lines_that_count(path))
    if facts.started is None:
        raise InputError(
            "The flight recorder does not begin with a run.",
            where=str(path),
            next_step="The rest of the run is used; look into this test's folder.",
        )
    causes = facts.causes()
    return TestResult(
        node_id=facts.started.title,
        board=facts.unit.board if facts.unit is not None else "",
        kit=facts.unit.unit if facts.unit is not None else "",
        outcome="unknown" if facts.explained is None else "failed",
        side="" if facts.explained is None else "firmware",
        try_number=int(again[1]) if (again := _TRY.search(path.parent.name)) else 1,
        causes=causes,
        failure="" if not causes else causes[0].text,
        verdicts=tuple(facts.verdicts),
        measurements=facts.all_measurements(),
        steps_s=facts.steps_s,
        firmware=facts.firmware,
        ncs=facts.ncs,
        started=_started(facts.started, path),
        duration_s=facts.last_t_s,
        host=facts.started.whose.get("host", ""),
        versions=facts.started.versions,
    )


def _started(run: RunStarted, path: Path) -> datetime:
    try:
        return datetime.fromisoformat(run.wall_clock)
    except ValueError as error:
        raise InputError(
            f"The flight recorder's time is none: {run.wall_clock[:40]!r}.",
            where=str(path),
            next_step="The rest of the run is used; look into this test's folder.",
        ) from error


def _lines_that_count(path: Path) -> Iterator[Recorded]:
    # Most lines are of the UART and of uploads; a recorder may have a hundred megabytes of them.
    with path.open("rb") as stream:
        for line in stream:
            kind = _KIND.search(line, 0, 80)
            is_image_list = (
                kind is not None
                and kind[1] == b"smp"
                and len(line) <= _LONGEST_SMP_LINE
                and b'"images"' in line
            )
            if kind is None or not (kind[1] in _READ_KINDS or is_image_list):
                continue
            try:
                yield RECORDED_LINE.validate_json(line)
            except ValidationError:
                # Cut by a kill, damaged, or of another version: what else is there is used.
                continue

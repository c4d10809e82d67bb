"""What the doctor found, as a value: for `--json` and for the text."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.doctor.check import Check, Look, Outcome
from pytest_nrf_fota.doctor.host import Host
from pytest_nrf_fota.doctor.requirements import Options, checks_of

OutcomeWord: TypeAlias = Literal["ok", "missing", "warning", "not looked"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckReport(_Model):
    """One check. `remedy` and `command` are empty where nothing is to be done, or none can do it.

    Only the outcome `missing` keeps the boards in `boards` from starting.
    """

    name: str
    looks_at: str
    outcome: OutcomeWord
    found: str
    prevents: str
    remedy: str
    command: str
    boards: tuple[str, ...]


class BoardReport(_Model):
    """Whether `pytest --board NAME` would start; `because` has the reasons why not.

    `needs_files` is true where the firmware must be given: --baseline, --update.
    """

    name: str
    title: str
    would_start: bool
    because: tuple[str, ...]
    needs_files: bool


class DoctorReport(_Model):
    """The whole report. `would_start` is the answer that the exit code gives."""

    format_version: Literal[1] = 1
    package_version: str
    system: str
    would_start: bool
    boards: tuple[BoardReport, ...]
    checks: tuple[CheckReport, ...]


def examine(
    boards: Sequence[BoardType], options: Options, host: Host, *, all_must_start: bool
) -> DoctorReport:
    """Look at everything that these boards need, each thing once.

    Args:
        boards: the board types.
        options: pytest's other options for the board.
        host: the machine.
        all_must_start: whether the answer is yes only when every board would start; else one of
            them is enough.
    """
    needs = {board.name: checks_of(board, options, host.system) for board in boards}
    checks = {check.name: check for each in needs.values() for check in each}
    looks = {name: check.look(host) for name, check in checks.items()}
    board_reports = tuple(_board(board, needs[board.name], looks) for board in boards)
    starts = [board.would_start for board in board_reports]
    return DoctorReport(
        package_version=version("pytest-nrf-fota"),
        system=host.kernel,
        would_start=all(starts) if all_must_start else any(starts),
        boards=board_reports,
        checks=tuple(
            _check(check, looks[name], [b.name for b in boards if check in needs[b.name]])
            for name, check in checks.items()
        ),
    )


def _board(board: BoardType, needed: Sequence[Check], looks: dict[str, Look]) -> BoardReport:
    missing = [looks[one.name] for one in needed if looks[one.name].outcome is Outcome.MISSING]
    return BoardReport(
        name=board.name,
        title=board.title,
        would_start=not missing,
        because=tuple(look.found for look in missing),
        needs_files=board.firmware.source == "files",
    )


def _check(check: Check, look: Look, boards: Sequence[str]) -> CheckReport:
    return CheckReport(
        name=check.name,
        looks_at=check.looks_at,
        outcome=look.outcome.value,
        found=look.found,
        prevents=check.prevents,
        remedy=look.remedy,
        command=look.command,
        boards=tuple(boards),
    )

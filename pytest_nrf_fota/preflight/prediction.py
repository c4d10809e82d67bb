"""What a board will do with an update: the rehearsal in the form that is shown and stored."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.explain.case import case_of
from pytest_nrf_fota.explain.explanation import explain
from pytest_nrf_fota.explain.rule import Confidence
from pytest_nrf_fota.firmware.dfu_package import (
    DfuPackage,
    ForeignPackageError,
    package_target,
    read_package,
    read_single_image,
)
from pytest_nrf_fota.firmware.hex_file import Segment, check_against_map, read_hex
from pytest_nrf_fota.preflight.bench import Bench
from pytest_nrf_fota.preflight.checks import Check, Result, checks_of
from pytest_nrf_fota.preflight.not_predictable import why_not_predictable
from pytest_nrf_fota.preflight.rehearsal import rehearse


class PredictedCheck(BaseModel):
    """One row of the table; `result` is `ok`, `NO`, `note` or `-` (not reached)."""

    model_config = ConfigDict(frozen=True)

    name: str
    result: str
    detail: str


class PredictedBoot(BaseModel):
    """One boot: what it says in short, and its lines on the UART."""

    model_config = ConfigDict(frozen=True)

    summary: str
    lines: tuple[str, ...]


class PredictedCause(BaseModel):
    """What `nrf-fota explain` makes of the predicted log; `rule` is its name there."""

    model_config = ConfigDict(frozen=True)

    rule: str
    confidence: str
    cause: str
    remedy: str


class Prediction(BaseModel):
    """The answer of a preflight.

    Args:
        package: name of the package.
        will_upgrade: whether the update will run.
        reason: why not; empty where it will.
        remedy: what to do about it; empty where nothing more is known than the reason.
        checks: the gates it has to pass, in order.
        resets: how many resets were done after the mark.
        boots: the board as it is, then the boots after the mark.
        causes: where it will not, what the rules for real logs say of the predicted one, the most
            telling first.
        ncs: the release that the board was taken for.
        ncs_is_guess: whether that is the board file's default, which nothing confirms.
    """

    model_config = ConfigDict(frozen=True)

    package: str
    will_upgrade: bool
    reason: str
    remedy: str
    checks: tuple[PredictedCheck, ...]
    resets: int
    boots: tuple[PredictedBoot, ...]
    causes: tuple[PredictedCause, ...]
    ncs: str
    ncs_is_guess: bool = False

    @property
    def first_failure(self) -> PredictedCheck | None:
        """The first gate that the update does not pass."""
        return next((check for check in self.checks if check.result == Result.NO.value), None)


def predict(
    board: BoardType,
    memories: Sequence[Segment],
    package: DfuPackage,
    ncs: str | None = None,
    running: Boot | None = None,
    *,
    network_core_file: str = "",
    ncs_is_guess: bool = False,
) -> Prediction:
    """Do the update on a copy of a board that holds these memories.

    Args:
        board: its type.
        memories: what it holds.
        package: the update.
        ncs: the release that it was built with; None to read it from the bootloader.
        running: the last boot of a board that runs; without it the copy is booted first.
        network_core_file: what to do where nothing was given for the network core.
        ncs_is_guess: whether neither the firmware nor the user tells its release.

    Raises `BoardFileError` for a board with a part of NSIB's slots, `PackageError` for data outside
    its memories.
    """
    rehearsal = rehearse(Bench(board, memories, ncs), package, running)
    checks = checks_of(rehearsal, network_core_file)
    boots = tuple(
        PredictedBoot(summary=boot.summary(), lines=tuple(line.text for line in boot.lines))
        for boot in (rehearsal.installed.boot, *rehearsal.boots)
    )
    causes: tuple[PredictedCause, ...] = ()
    reason = remedy = ""
    if not rehearsal.will_upgrade:
        causes = _causes_in(boots, package)
        reason, remedy = _why_not(checks, causes)
    return Prediction(
        package=package.path.name,
        will_upgrade=rehearsal.will_upgrade,
        reason=reason,
        remedy=remedy,
        checks=tuple(
            PredictedCheck(name=check.name, result=check.result.value, detail=check.detail)
            for check in checks
        ),
        resets=rehearsal.resets,
        boots=boots,
        causes=causes,
        ncs=rehearsal.installed.ncs,
        ncs_is_guess=ncs_is_guess,
    )


def predict_foreign(package: Path, error: ForeignPackageError) -> Prediction:
    """The prediction for a package that says itself that it is for another board."""
    check = PredictedCheck(name="board", result=Result.NO.value, detail=error.what)
    return Prediction(
        package=package.name,
        will_upgrade=False,
        reason=error.what.rstrip("."),
        remedy=error.next_step,
        checks=(check,),
        resets=0,
        boots=(),
        causes=(),
        ncs="",
    )


def with_board_state(
    installed: Sequence[Segment], board: BoardType, board_state: Path | None
) -> list[Segment]:
    """The memories of a board that was flashed with `installed`.

    `board_state` is a hex file of what was read back from the board since; it wins where it has
    data. Raises `PackageError`.
    """
    if board_state is None:
        return list(installed)
    state = read_hex(board_state)
    check_against_map(board_state, state, board)
    return overlay(installed, state)


def overlay(below: Sequence[Segment], above: Sequence[Segment]) -> list[Segment]:
    """Both, with the bytes of `above` where both have some."""
    pieces = list(below)
    for cover in above:
        pieces = [rest for piece in pieces for rest in _without(piece, cover.address, cover.end)]
    return [*pieces, *above]


def read_update(path: Path, board: BoardType, given: Path | None = None) -> DfuPackage:
    """A DFU zip, or a single signed image as its only file.

    Args:
        path: the file.
        board: what it must fit.
        given: the file by which the user knows it, where it was made of that.

    Raises `PackageError`, also where nothing can be predicted of it.
    """
    target = package_target(board)
    is_image = path.suffix.lower() == ".bin"
    package = read_single_image(path, target) if is_image else read_package(path, target)
    why_not = why_not_predictable(package)
    if why_not:
        raise PackageError(
            f"Nothing can be predicted of this update: {why_not}.",
            where=str(given or path),
            next_step="Give the same image as it was before imgtool encrypted or compressed it, or "
            "try it on a board.",
        )
    return package if given is None else replace(package, path=given)


def _without(piece: Segment, start: int, end: int) -> list[Segment]:
    if end <= piece.address or start >= piece.end:
        return [piece]
    front = piece.data[: max(start - piece.address, 0)]
    back = piece.data[max(end - piece.address, 0) :]
    rests = (Segment(piece.address, front), Segment(end, back))
    return [rest for rest in rests if rest.data]


def _causes_in(boots: Sequence[PredictedBoot], package: DfuPackage) -> tuple[PredictedCause, ...]:
    log = "".join(f"{line}\n" for boot in boots for line in boot.lines)
    explanation = explain(case_of([log.encode("utf-8", "replace")], package=package))
    return tuple(
        PredictedCause(
            rule=found.rule,
            confidence=found.confidence.value,
            cause=found.cause,
            remedy=found.remedy,
        )
        for found in explanation.causes
    )


def _why_not(checks: Sequence[Check], causes: Sequence[PredictedCause]) -> tuple[str, str]:
    """Cause and remedy of the first gate that was not passed."""
    failed = next((check for check in checks if check.result is Result.NO), None)
    likely = [cause.remedy for cause in causes if cause.confidence == Confidence.CERTAIN.value]
    remedy = likely[0] if likely else ""
    if failed is None:
        return "the copy of the board does not tell", remedy
    return failed.cause or f"{failed.name}: {failed.detail}", failed.remedy or remedy

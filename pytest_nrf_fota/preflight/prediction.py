"""What a board will do with an update: the simulation in the form that is shown and stored."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.explain.case import case_of
from pytest_nrf_fota.explain.explanation import explain
from pytest_nrf_fota.findings.finding import Confidence, Finding
from pytest_nrf_fota.findings.gate import Gate, Result
from pytest_nrf_fota.findings.gate_causes import GATE_CAUSES
from pytest_nrf_fota.firmware.board_memories import check_against_map
from pytest_nrf_fota.firmware.dfu_package import (
    DfuPackage,
    ForeignPackageError,
    package_target,
    read_package,
    read_single_image,
)
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex
from pytest_nrf_fota.preflight.checks import checks_of
from pytest_nrf_fota.preflight.not_predictable import why_not_predictable
from pytest_nrf_fota.preflight.simulated_board import SimulatedBoard
from pytest_nrf_fota.preflight.simulation import Simulation, simulate


class PredictedBoot(BaseModel):
    """One boot: what it says in short, and its lines on the UART."""

    model_config = ConfigDict(frozen=True)

    summary: str
    lines: tuple[str, ...]


class Disagreement(BaseModel):
    """The model of the bootloaders answers otherwise than their machine code.

    Args:
        differences: each as a sentence.
        model_will_upgrade, model_reason: what the model says.
        saved: name of the file that holds the case; empty where it could not be written.
    """

    model_config = ConfigDict(frozen=True)

    differences: tuple[str, ...]
    model_will_upgrade: bool
    model_reason: str
    saved: str


class Executed(BaseModel):
    """That the answer comes from machine code.

    Args:
        bootloaders: what was executed.
        duration_s: how long that took.
        disagreement: where the model says otherwise.
    """

    model_config = ConfigDict(frozen=True)

    bootloaders: tuple[str, ...]
    duration_s: float
    disagreement: Disagreement | None = None


class Prediction(BaseModel):
    """The answer of a preflight.

    Args:
        package: name of the package.
        will_upgrade: whether the update will run.
        reason: why not; empty where it will.
        remedy: what to do about it; empty where nothing more is known than the reason.
        checks: the gates it has to pass, in order.
        resets: how many resets were done with the image pending.
        boots: the board as it is, then the boots with the image pending.
        causes: where it will not, what `nrf-fota explain` makes of the predicted log.
        ncs: the release that the board was taken for.
        ncs_is_guess: whether that is the board file's default, which nothing confirms.
        executed: that the bootloaders were executed; None for the answer of their model.
        not_executed: why that was given up, and the model answers; empty where it was not tried.
    """

    model_config = ConfigDict(frozen=True)

    package: str
    will_upgrade: bool
    reason: str
    remedy: str
    checks: tuple[Gate, ...]
    resets: int
    boots: tuple[PredictedBoot, ...]
    causes: tuple[Finding, ...]
    ncs: str
    ncs_is_guess: bool = False
    executed: Executed | None = None
    not_executed: str = ""

    @property
    def first_failure(self) -> Gate | None:
        """The first gate that the update does not pass."""
        return next((check for check in self.checks if check.result is Result.NO), None)


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
    simulation = simulate(SimulatedBoard(board, memories, ncs), package, running)
    return prediction_of(simulation, network_core_file=network_core_file, ncs_is_guess=ncs_is_guess)


def prediction_of(
    simulation: Simulation,
    *,
    network_core_file: str,
    ncs_is_guess: bool,
    application_lacks: str = "",
) -> Prediction:
    """What a simulation showed; arguments as of `predict`.

    `application_lacks` is what the installed application would need to be updated at all.
    """
    package, board = simulation.package, simulation.installed.board
    checks = checks_of(simulation, network_core_file, application_lacks)
    boots = tuple(
        PredictedBoot(summary=boot.summary(), lines=tuple(line.text for line in boot.lines))
        for boot in (simulation.installed.boot, *simulation.boots)
    )
    causes: tuple[Finding, ...] = ()
    reason = remedy = ""
    if not simulation.will_upgrade:
        causes = _causes_in(boots, package, board)
        reason, remedy = _why_not(checks, causes)
    return Prediction(
        package=package.path.name,
        will_upgrade=simulation.will_upgrade,
        reason=reason,
        remedy=remedy,
        checks=checks,
        resets=simulation.resets,
        boots=boots,
        causes=causes,
        ncs=simulation.installed.ncs,
        ncs_is_guess=ncs_is_guess,
    )


def predict_foreign(package: Path, error: ForeignPackageError) -> Prediction:
    """The prediction for a package that says itself that it is for another board."""
    what, next_step = error.what.rstrip("."), error.next_step
    finding = GATE_CAUSES["another_board"].found({"what": what, "next_step": next_step})
    gate = Gate("board", "board", Result.NO, error.what, finding)
    return Prediction(
        package=package.name,
        will_upgrade=False,
        reason=finding.cause,
        remedy=finding.remedy,
        checks=(gate,),
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


def _causes_in(
    boots: Sequence[PredictedBoot], package: DfuPackage, board: BoardType
) -> tuple[Finding, ...]:
    log = "".join(f"{line}\n" for boot in boots for line in boot.lines)
    case = case_of([log.encode("utf-8", "replace")], package=package)
    return explain(case, board=board).causes


def _why_not(checks: Sequence[Gate], causes: Sequence[Finding]) -> tuple[str, str]:
    """Cause and remedy of the first gate that was not passed."""
    remedies = [cause.remedy for cause in causes if cause.confidence is Confidence.CERTAIN]
    remedy = remedies[0] if remedies else ""
    finding = next((check.finding for check in checks if check.finding is not None), None)
    if finding is None:
        return "the copy of the board does not show why", remedy
    return finding.cause, finding.remedy or remedy

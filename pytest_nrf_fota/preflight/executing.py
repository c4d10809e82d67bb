"""A preflight whose boots are the machine code of the board's bootloaders, held against the model.

The application stays a model: it takes the upload and sets it pending. The model of the bootloaders
costs little beside the execution, so each preflight is a check on it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.execution import EXTRA, Execution, has_unicorn
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.firmware.description import AppDescription, find_description
from pytest_nrf_fota.firmware.dfu_package import DfuPackage
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader
from pytest_nrf_fota.preflight.disagreement_file import save_disagreement
from pytest_nrf_fota.preflight.prediction import (
    Disagreement,
    Executed,
    Prediction,
    prediction_of,
)
from pytest_nrf_fota.preflight.simulated_board import Booter, SimulatedBoard
from pytest_nrf_fota.preflight.simulation import Simulation, simulate
from pytest_nrf_fota.sim.boot.chain import BootChain
from pytest_nrf_fota.sim.boot.stage import Halt
from pytest_nrf_fota.sim.execution.chips import CHIPS
from pytest_nrf_fota.sim.execution.ends import NotModelledError
from pytest_nrf_fota.sim.execution.ram import Ram
from pytest_nrf_fota.sim.flash import Flash, Operation, OperationKind
from pytest_nrf_fota.sim.slot_map import slot_map_of


@dataclass(frozen=True)
class Installation:
    """A board to predict for; arguments as of `prediction.predict`."""

    board: BoardType
    memories: Sequence[Segment]
    ncs: str | None
    network_core_file: str = ""
    application_lacks: str = ""
    ncs_is_guess: bool = False


MOST_ERASES = 3
"""Of one page in one boot, which is more than swaps need: who erases it again never ends."""


class _NeverEndsError(Exception):
    """The bootloaders do the same again and again."""


class ExecutingBooter:
    """Boots a copy of a board by executing; its RAM keeps its content between the boots."""

    def __init__(self, soc: Soc) -> None:
        self._soc = soc
        self._rams: tuple[Ram, ...] | None = None
        self.bootloaders: tuple[str, ...] = ()

    def __call__(self, chain: BootChain, send: Callable[[bytes], None]) -> AppDescription | Halt:
        """Boot once. Raises `NotModelledError`, and what the flash raises."""
        # These load Unicorn.
        from pytest_nrf_fota.sim.execution.boot import (
            ExecutedBoot,
            NotModelled,
            Started,
            make_rams,
        )
        from pytest_nrf_fota.sim.execution.machine import Wires

        missing = chain.missing_bootloader()
        if missing is not None:
            return missing
        if self._rams is None:
            self._rams = make_rams(self._soc)
        hardware = chain.hardware
        wires = Wires(application=send, network=lambda data: None)
        boot = ExecutedBoot(self._soc, hardware.flash, self._rams, hardware.slots, wires)
        try:
            with _ends_repetition(hardware.flash, hardware.slots.primary.address):
                end = boot.run()
        except _NeverEndsError as repetition:
            end = Halt(str(repetition))
        self._note(has_nsib=hardware.slots.nsib is not None, has_b0n=boot.has_run_network)
        match end:
            case Started():
                return chain.application
            case NotModelled(error):
                raise error
            case Halt():
                return end

    def _note(self, *, has_nsib: bool, has_b0n: bool) -> None:
        has_b0n |= "b0n" in self.bootloaders
        ran = (("NSIB", has_nsib), ("MCUboot", True), ("b0n", has_b0n))
        self.bootloaders = tuple(name for name, has_run in ran if has_run)


@contextmanager
def _ends_repetition(flash: Flash, page: int) -> Iterator[None]:
    """Raises `_NeverEndsError` where this page is erased too often."""
    before, erases = flash.on_operation, 0

    def count(operation: Operation) -> None:
        nonlocal erases
        before(operation)
        erases += operation.kind is OperationKind.ERASE and operation.touches(page)
        if erases > MOST_ERASES:
            raise _NeverEndsError(
                f"a bootloader erases the primary slot again and again, {erases} times in one boot"
            )

    flash.on_operation = count
    try:
        yield
    finally:
        flash.on_operation = before


def predict_by(
    execution: Execution, installation: Installation, package: DfuPackage, folder: Path
) -> Prediction:
    """Do the update on a copy of the board, by execution or by the model.

    Args:
        execution: `ELSE_MODEL` executes what can be executed.
        installation: the board.
        package: the update.
        folder: gets a file where both differ.

    Raises `InputError` where `ON` was asked for and is not possible, and what `predict` raises.
    """
    model, modelled = _simulate(installation, package)
    answer = _prediction(installation, modelled)
    if execution is Execution.OFF:
        return answer
    why_not = _why_not_executable(installation)
    if why_not:
        if execution is Execution.ON:
            raise _refusal(why_not)
        return answer
    booter = ExecutingBooter(installation.board.soc)
    began_at_s = time.monotonic()
    try:
        machine, executed = _simulate(installation, package, booter)
    except NotModelledError as error:
        if execution is Execution.ON:
            raise _refusal(str(error)) from error
        return answer.model_copy(update={"not_executed": str(error)})
    if not booter.bootloaders:
        return answer
    note = Executed(
        bootloaders=booter.bootloaders, duration_s=round(time.monotonic() - began_at_s, 1)
    )
    found = _prediction(installation, executed).model_copy(update={"executed": note})
    # Where the ends differ, so do memories; that says nothing more.
    differences = tuple(_answers(modelled, executed)) or tuple(_memories(model, machine))
    if not differences:
        return found
    # What to do about a missing file names the user's folders.
    nameless = replace(installation, network_core_file="")
    saved = save_disagreement(
        folder,
        installation.board,
        installation.memories,
        package,
        differences,
        {"model": _prediction(nameless, modelled), "execution": _prediction(nameless, executed)},
    )
    disagreement = Disagreement(
        differences=differences,
        model_will_upgrade=answer.will_upgrade,
        model_reason=answer.reason,
        saved=saved,
    )
    return found.model_copy(
        update={"executed": note.model_copy(update={"disagreement": disagreement})}
    )


def _simulate(
    installation: Installation, package: DfuPackage, booter: Booter | None = None
) -> tuple[SimulatedBoard, Simulation]:
    board = SimulatedBoard(
        installation.board, installation.memories, installation.ncs, booter=booter
    )
    return board, simulate(board, package)


def _prediction(installation: Installation, simulation: Simulation) -> Prediction:
    return prediction_of(
        simulation,
        network_core_file=installation.network_core_file,
        application_lacks=installation.application_lacks,
        ncs_is_guess=installation.ncs_is_guess,
    )


def _why_not_executable(installation: Installation) -> str:
    soc = installation.board.soc
    if not has_unicorn():
        return f'unicorn is not installed (pip install "pytest-nrf-fota[{EXTRA}]")'
    if soc.name not in CHIPS:
        return f"of the chip {soc.title} nothing is executed"
    place = slot_map_of(installation.board).first_bootloader
    read = memory_reader(installation.memories)
    if find_description(read(place.address, place.size_bytes)) is not None:
        return "demonstration firmware is no machine code"
    return ""


def _refusal(why: str) -> InputError:
    return InputError(
        f"The bootloaders cannot be executed: {why}.",
        where="--exec",
        next_step="Give --no-exec: then a model of the bootloaders answers.",
    )


def _answers(model: Simulation, machine: Simulation) -> Iterator[str]:
    if model.will_upgrade != machine.will_upgrade:
        says = [f"will{'' if one.will_upgrade else ' not'} run" for one in (model, machine)]
        yield f"by the model the update {says[0]}, by the machine code it {says[1]}"
    ends = [one.halted or one.installed.halted for one in (model, machine)]
    if bool(ends[0]) != bool(ends[1]):
        runs = [f"nothing ({end})" if end else "the application" for end in ends]
        yield f"by the model {runs[0]} runs in the end, by the machine code {runs[1]}"


def _memories(model: SimulatedBoard, machine: SimulatedBoard) -> Iterator[str]:
    """What lies otherwise in slots and network core after the last boot."""
    slots, soc = model.slots, model.board.soc
    places = [
        ("S0", slots.nsib and slots.nsib.s0),
        ("S1", slots.nsib and slots.nsib.s1),
        ("the primary slot", slots.primary),
        ("the secondary slot", slots.secondary),
        ("the scratch area", slots.scratch),
        ("the network core's secondary slot", slots.network_secondary),
    ]
    ranges = [(name, place.address, place.size_bytes) for name, place in places if place]
    if soc.network is not None:
        flash = soc.network.flash
        ranges.append(("the network core's flash", flash.start, flash.size_bytes))
    for name, address, size_bytes in ranges:
        pair = model.read(address, size_bytes), machine.read(address, size_bytes)
        unequal = [number for number, (a, b) in enumerate(zip(*pair, strict=True)) if a != b]
        if unequal:
            where = (
                f"{len(unequal)} bytes of {name} differ, the first at 0x{address + unequal[0]:x}"
            )
            yield f"{where}: 0x{pair[0][unequal[0]]:02x} by the model"

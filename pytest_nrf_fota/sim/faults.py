"""Faults that strike once, at a given moment."""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass

from typing_extensions import assert_never

from pytest_nrf_fota.bounded_regex import BoundedRegex
from pytest_nrf_fota.sim.control import (
    AtErase,
    AtLogLine,
    AtOperation,
    InjectFault,
    Moment,
    Now,
)
from pytest_nrf_fota.sim.flash import (
    CutMoment,
    Flash,
    Operation,
    OperationKind,
    PowerCut,
    PowerLostError,
)

_LONGEST_LINE_BYTES = 4096


@dataclass
class _Progress:
    """What has happened since the last fault was armed."""

    operations_before: int = 0
    erases_before: int = 0
    lines: int = 0
    furthest_end: int | None = None


class FaultInjector:
    """Waits for the moment of each fault.

    Args:
        flash: its operations are watched, and its power is cut.
        reset, lose_connection, print_noise: what the other faults do.
    """

    def __init__(
        self,
        flash: Flash,
        *,
        reset: Callable[[], None],
        lose_connection: Callable[[], None],
        print_noise: Callable[[bytes], None],
    ) -> None:
        self._flash = flash
        self._reset = reset
        self._lose_connection = lose_connection
        self._print_noise = print_noise
        self._waiting: list[InjectFault] = []
        self._power_cut: InjectFault | None = None
        self._open_line = b""
        self._erases = 0
        self._progress = _Progress()
        flash.on_operation = self._see_operation

    @property
    def waiting(self) -> tuple[str, ...]:
        """The faults that have not struck, by name."""
        armed = list(self._waiting)
        if self._power_cut is not None and self._flash.power_cut is not None:
            armed.append(self._power_cut)
        return tuple(
            f"{fault.name or fault.fault} ({self._came_to(fault.when)})" for fault in armed
        )

    def _came_to(self, when: Moment) -> str:
        """How far it was from the moment that a fault waits for."""
        match when:
            case Now():
                return "at once"
            case AtOperation(number=int()):
                since = len(self._flash.operations) - self._progress.operations_before
                return f"{since} flash operations since"
            case AtOperation(base=base):
                end = self._progress.furthest_end
                written = 0 if end is None or base is None else end - base
                return f"{written} bytes were written there" if written else "no byte was written"
            case AtErase():
                return f"{self._erases - self._progress.erases_before} flash erases since"
            case AtLogLine():
                return f"{self._progress.lines} log lines since, none of them fits"
            case _:
                assert_never(when)

    async def inject(self, fault: InjectFault) -> None:
        """Arm a fault, or let it strike now."""
        self._progress = _Progress(len(self._flash.operations), self._erases)
        match fault.when:
            case Now():
                # Nobody is in the middle of anything that the loss of power would end.
                with contextlib.suppress(PowerLostError):
                    self._strike(fault)
            case AtOperation(number=number, address=address, moment=moment):
                if fault.fault == "cut_power":
                    self._flash.power_cut = PowerCut(number, CutMoment(moment), address)
                    self._power_cut = fault
                else:
                    self._waiting.append(fault)
            case AtErase(number=number):
                due = AtErase(number=self._erases + number)
                self._waiting.append(fault.model_copy(update={"when": due}))
            case AtLogLine():
                self._waiting.append(fault)
            case _:
                assert_never(fault.when)

    def disarm(self) -> None:
        """Forget every fault that still waits for its moment."""
        self._waiting.clear()
        self._flash.power_cut = None

    def see_output(self, data: bytes) -> None:
        """Take what the application core prints.

        Raises `PowerLostError` out of the stage that prints, where its line was waited for.
        """
        *lines, rest = (self._open_line + data).split(b"\n")
        self._open_line = rest[-_LONGEST_LINE_BYTES:]
        self._progress.lines += len(lines)
        for line in lines:
            text = line.decode(errors="replace")
            for fault in self._due(functools.partial(_is_in, line=text)):
                self._strike(fault)

    def _see_operation(self, operation: Operation) -> None:
        if operation.kind is OperationKind.ERASE:
            self._erases += 1
            for fault in self._due(lambda when: when == AtErase(number=self._erases)):
                self._strike(fault)
        self._note_furthest(operation)
        for fault in self._due(functools.partial(_is_at, operation=operation)):
            self._strike(fault)

    def _note_furthest(self, operation: Operation) -> None:
        for when in (fault.when for fault in self._waiting):
            if isinstance(when, AtOperation) and when.address is not None and when.base is not None:
                end = operation.address + operation.size_bytes
                if when.base <= operation.address and end <= when.address:
                    self._progress.furthest_end = max(self._progress.furthest_end or 0, end)

    def _due(self, is_due: Callable[[object], bool]) -> list[InjectFault]:
        due = [fault for fault in self._waiting if is_due(fault.when)]
        self._waiting = [fault for fault in self._waiting if fault not in due]
        return due

    def _strike(self, fault: InjectFault) -> None:
        match fault.fault:
            case "cut_power":
                self._flash.lose_power()
            case "reset":
                self._reset()
            case "lose_connection":
                self._lose_connection()
            case "noise":
                self._print_noise(bytes.fromhex(fault.noise_hex))
            case _:
                assert_never(fault.fault)


def _is_in(when: object, line: str) -> bool:
    if not isinstance(when, AtLogLine):
        return False
    try:
        return BoundedRegex(when.regex).search(line) is not None
    except TimeoutError:
        return False


def _is_at(when: object, operation: Operation) -> bool:
    return isinstance(when, AtOperation) and (
        when.number == operation.number or operation.touches(when.address)
    )

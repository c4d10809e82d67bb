"""Switch a kit's power off and on, as its hardware map says how, and wait until it is on USB again.

Command lines as the programs' manuals have them: uhubctl 2.6 (`uhubctl -h`; Debian's uhubctl(8)),
and ykushcmd 1.3 (Debian's ykushcmd(1)), which wants the board's name where it is no plain YKUSH.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from pytest_nrf_fota.console.port_presence import is_there
from pytest_nrf_fota.console.ports import AttachedKit
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError

POWER_S = 60.0
"""How long one command may take, besides the time that the power is off."""

RETURN_S = 30.0
"""How long a kit may take until it is on USB again."""

_INTERVAL_S = 0.1
_WORDS_CHARS = 300


class PowerError(RigError):
    """A kit's power could not be switched, or the kit did not come back."""


class _Switch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Uhubctl(_Switch):
    """A port of a hub that switches its ports: location and number as `uhubctl` shows them."""

    location: str = Field(min_length=1)
    port: int = Field(ge=1)


class Ykush(_Switch):
    """A port of a Yepkit hub; `board` is what it is called on `ykushcmd`'s command line."""

    serial: str = Field(min_length=1)
    port: int = Field(ge=1)
    board: Literal["ykush", "ykush3", "ykushxs"] | None = None


class PowerCommand(_Switch):
    """Command lines of your own, without a shell: `cycle`, or `off` and `on`."""

    cycle: str | None = None
    off: str | None = None
    on: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        given = (self.cycle is not None, self.off is not None, self.on is not None)
        if given not in ((True, False, False), (False, True, True)):
            raise ValueError("give `cycle`, or both `off` and `on`")
        for text in (self.cycle, self.off, self.on):
            if text is not None and not shlex.split(text):
                raise ValueError("a command is empty")
        return self


class PowerSwitch(_Switch):
    """How a kit's power is switched, one of these; it is off for `off_s` seconds."""

    uhubctl: Uhubctl | None = None
    ykush: Ykush | None = None
    command: PowerCommand | None = None
    off_s: float = Field(default=2.0, ge=0, le=60)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(one is not None for one in (self.uhubctl, self.ykush, self.command)) != 1:
            raise ValueError("give one of `uhubctl`, `ykush` and `command`")
        return self

    @property
    def steps(self) -> "tuple[PowerStep, ...]":
        """What is called, in order."""
        if self.uhubctl is not None:
            place = ("-l", self.uhubctl.location, "-p", str(self.uhubctl.port))
            return (PowerStep(("uhubctl", *place, "-a", "cycle", "-d", f"{self.off_s:g}")),)
        if self.ykush is not None:
            board = (self.ykush.board,) if self.ykush.board else ()
            hub, port = ("ykushcmd", *board, "-s", self.ykush.serial), str(self.ykush.port)
            return (PowerStep((*hub, "-d", port), self.off_s), PowerStep((*hub, "-u", port)))
        assert self.command is not None
        if self.command.cycle is not None:
            return (PowerStep(tuple(shlex.split(self.command.cycle))),)
        off, on = self.command.off or "", self.command.on or ""
        return (PowerStep(tuple(shlex.split(off)), self.off_s), PowerStep(tuple(shlex.split(on))))

    @property
    def missing_program(self) -> str:
        """The first of its programs that is not on the PATH; empty where all are."""
        programs = (step.command[0] for step in self.steps)
        return next((program for program in programs if shutil.which(program) is None), "")

    def __str__(self) -> str:
        """For messages."""
        return "; ".join(shlex.join(step.command) for step in self.steps)


@dataclass(frozen=True)
class PowerStep:
    """One command, and how long to wait behind it, in seconds."""

    command: tuple[str, ...]
    pause_s: float = 0.0


def cycle_power(switch: PowerSwitch, within_s: float = POWER_S) -> None:
    """Switch off and on. What switches on is called even where switching off fails or hangs.

    Args:
        switch: how.
        within_s: how long a command may take, besides `off_s`. What switches on has its own time:
            a kit must not stay without power because switching off took all there was.

    Raises:
        PowerError: a command is not there, fails, or is not done in time.
    """
    *before, last = switch.steps
    try:
        for step in before:
            run_switch(step.command, Deadline.after(within_s))
            time.sleep(step.pause_s)
    finally:
        off_s = 0.0 if before else switch.off_s
        run_switch(last.command, Deadline.after(within_s + off_s))


def run_switch(
    command: Sequence[str], deadline: Deadline, environment: dict[str, str] | None = None
) -> None:
    """Call one program, which is ended with all that it started at the deadline.

    Raises `PowerError`.
    """
    with TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            why = f"{command[0]}: {error.strerror or error}"
            raise _failed(command, why, output) from error
        try:
            code = process.wait(deadline.remaining_s)
        except subprocess.TimeoutExpired as error:
            took = f"it was not done within {deadline.allowed_s:g} s"
            raise _failed(command, took, output) from error
        finally:
            _end(process)
        if code != 0:
            raise _failed(command, f"exit code {code}", output)


def wait_for_return(
    serial_number: str, look: Callable[[], Sequence[AttachedKit]], deadline: Deadline
) -> None:
    """Wait until a kit is on USB with its ports. Raises `PowerError` at the deadline."""
    while not is_on_usb(serial_number, look()):
        if deadline.expired:
            raise PowerError(
                f"The kit {serial_number} is not on USB {deadline.allowed_s:g} s after its power "
                "was switched off and on.",
                where="USB: serial ports of J-Links",
                next_step="Is it the right port of the hub, and is the kit's own switch on?",
            )
        time.sleep(min(_INTERVAL_S, deadline.remaining_s))


def is_on_usb(serial_number: str, attached: Sequence[AttachedKit]) -> bool:
    """Whether a kit is there, and the nodes of its ports."""
    return any(
        kit.serial_number == serial_number and all(is_there(vcom.name) for vcom in kit.vcoms)
        for kit in attached
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _failed(command: Sequence[str], why: str, output: IO[bytes]) -> PowerError:
    output.seek(0)
    words = " ".join(output.read(64 * 1024).decode(errors="replace").split())[-_WORDS_CHARS:]
    return PowerError(
        f"The kit's power was not switched: {why}{f', {words}' if words else ''}.",
        where=shlex.join(command),
        next_step="Run the command by hand; correct `power` in the hardware map, or the rights to "
        "switch the hub (udev).",
    )

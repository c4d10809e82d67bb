"""The SWD wire of a native_sim program: start, end, and the file that is its flash."""

from pathlib import Path
from typing import Protocol

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ProbeError
from pytest_nrf_fota.wires.probe import Core, ProbeInfo, ResetKind


class Program(Protocol):
    """What the probe needs of the process."""

    @property
    def is_lost(self) -> bool:
        """Whether the program ended by itself, and not by a reset."""

    def start(self) -> None:
        """Start the program. Raises `ProbeError` where it was lost."""

    def stop(self) -> None:
        """End the program, if it runs."""


class NativeSimProbe:
    """A `Probe` on a program: nothing can be programmed, for the program is the firmware.

    Args:
        program: the process.
        unit: name of the unit, given as serial number.
        flash_file: the file that the program uses as flash; flash addresses count from its begin.
    """

    def __init__(self, program: Program, unit: str, flash_file: Path) -> None:
        self._program = program
        self._unit = unit
        self._flash_file = flash_file

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify the program."""
        del deadline
        if self._program.is_lost:
            raise ProbeError(
                "The program has ended.",
                where=self._unit,
                next_step="Its last words are in the UART log.",
            )
        return ProbeInfo(
            runner="process", serial_number=self._unit, target="native_sim", version=""
        )

    def recover(self, core: Core, deadline: Deadline) -> None:
        """End the program and forget its flash."""
        del deadline
        if core is Core.NETWORK:
            raise self._refusal("This board has no network core.")
        self._program.stop()
        self._flash_file.unlink(missing_ok=True)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Not possible: always raises `ProbeError`."""
        del hex_file, deadline
        raise self._refusal("A native_sim program is its own firmware; nothing can be programmed.")

    def erase_external(self, deadline: Deadline) -> None:
        """Not possible: always raises `ProbeError`."""
        del deadline
        raise self._refusal("This board has no external flash.")

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read from the flash file, while the program runs on."""
        del deadline
        try:
            with self._flash_file.open("rb") as flash:
                flash.seek(address)
                data = flash.read(size_bytes)
        except OSError as error:
            raise self._refusal(f"The flash file cannot be read: {error}") from error
        if len(data) != size_bytes:
            raise self._refusal(f"There is no flash at 0x{address:x}, {size_bytes} bytes.")
        return data

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Nothing to do: a read halts nothing here."""
        del core, deadline

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """End the program, if it runs, and start it; both kinds are the same here."""
        del kind, deadline
        self._program.stop()
        self._program.start()

    def close(self) -> None:
        """Nothing to let go of: the process is the unit's."""

    def _refusal(self, what: str) -> ProbeError:
        return ProbeError(
            what, where=self._unit, next_step="Run this test on a board with a bootloader."
        )

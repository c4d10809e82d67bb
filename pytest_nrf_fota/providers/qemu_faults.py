"""The faults of a board in QEMU: a reset in the middle of a swap."""

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.probe.qemu import QemuProbe
from pytest_nrf_fota.record.events import Moment
from pytest_nrf_fota.record.recorder import FlightRecorder

# NVMC.ERASEPAGE of the micro:bit's nRF51.
ERASE_REGISTER = 0x4001E508
_TIME_LIMIT_S = 60.0


class QemuFaults:
    """Faults of one QEMU machine that has an nRF51's flash controller.

    Args:
        probe: the machine's.
        recorder: gets each fault.
    """

    def __init__(self, probe: QemuProbe, recorder: FlightRecorder) -> None:
        self._probe = probe
        self._recorder = recorder

    def reset_again_at_erase(self, number: int) -> None:
        """Reset the machine, and again when its firmware erases so many pages.

        Raises `NotSeenError` where it erases fewer.
        """
        self._recorder.record(Moment(name=f"fault: reset again at erase {number}"))
        deadline = Deadline.after(_TIME_LIMIT_S)
        self._probe.reset_again_at_write(ERASE_REGISTER, number, deadline)

    def cut_power_at_operation(self, number: int) -> None:
        """Not here."""
        raise _not_on_qemu(f"cut the power at flash operation {number}")

    def wait_for_power_loss(self, timeout_s: float) -> None:
        """Not here."""
        raise _not_on_qemu(f"lose its power within {timeout_s:g} s")

    def has_power(self) -> bool:
        """A machine has power as long as it runs."""
        return True

    def restore_power(self, *, starts: bool = True) -> None:
        """Not here."""
        raise _not_on_qemu("switch its power on" if starts else "switch its power on and be held")

    def operations_done(self) -> int:
        """Not here."""
        raise _not_on_qemu("count flash operations")

    def lose_connection(self) -> None:
        """Not here."""
        raise _not_on_qemu("lose a connection")

    def lose_connection_at_upload_byte(self, offset_bytes: int, image_number: int = 0) -> None:
        """Not here."""
        raise _not_on_qemu(f"lose a connection at byte {offset_bytes} of image {image_number}")

    def reset_at_upload_byte(self, offset_bytes: int) -> None:
        """Not here."""
        raise _not_on_qemu(f"be reset at byte {offset_bytes} of an upload")

    def noise_at_log_line(self, regex: str, noise: bytes) -> None:
        """Not here."""
        raise _not_on_qemu(f"print {len(noise)} bytes of noise at {regex!r}")

    def unplug_console(self) -> None:
        """Not here."""
        raise _not_on_qemu("lose its console")

    def plug_in_console(self) -> None:
        """Not here."""
        raise _not_on_qemu("lose its console")

    def waiting(self) -> tuple[str, ...]:
        """None waits: `reset_again_at_erase` returns when it has struck."""
        return ()

    def end(self) -> None:
        """Nothing lasts here."""


def _not_on_qemu(what: str) -> BoardFileError:
    return BoardFileError(
        f"A board in QEMU cannot {what}.",
        where="the fixture `faults`",
        next_step='Mark the test with needs("fault_injection").',
    )

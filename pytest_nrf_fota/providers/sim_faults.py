"""The faults of a virtual kit, through its control socket."""

import time

from pytest_nrf_fota.boards.board import Slot, Slots
from pytest_nrf_fota.console.expect import compiled_regex
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardFileError, InputError, NotSeenError
from pytest_nrf_fota.record.events import Moment
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.client import KitPort, KitUnreachableError
from pytest_nrf_fota.sim.control import AtErase, AtLogLine, AtOperation, InjectFault

_ANSWER_TIMEOUT_S = 30.0
_POLL_S = 0.01
_NO_POWER = "no power"


class SimFaults:
    """Faults of one virtual kit.

    Args:
        control: its debug port; the probe's, so nothing overlaps.
        slots: where uploads go.
        recorder: gets each fault.
    """

    def __init__(self, control: KitPort, slots: Slots, recorder: FlightRecorder) -> None:
        self._control = control
        self._slots = slots
        self._recorder = recorder
        self._is_armed = False

    def reset_again_at_erase(self, number: int) -> None:
        """Reset the kit, which boots and is reset again in the middle of it."""
        name = f"reset_again_at_erase({number})"
        when = AtErase(number=_counted(name, number))
        self._inject(InjectFault(name=name, fault="reset", when=when))
        self._control.reset("system", _soon())

    def cut_power_at_operation(self, number: int) -> None:
        """Cut the power in the middle of a flash operation."""
        name = f"cut_power_at_operation({number})"
        number = self.operations_done() + _counted(name, number)
        when = AtOperation(number=number, moment="during")
        self._inject(InjectFault(name=name, fault="cut_power", when=when))

    def wait_for_power_loss(self, timeout_s: float) -> None:
        """Wait until the kit has no power."""
        deadline = Deadline.after(timeout_s)
        while self.has_power():
            if deadline.expired:
                state = self._control.state(_soon()).state
                raise NotSeenError(
                    f"The power was not cut within {timeout_s:g} s: the kit is {state}.",
                    where="the virtual kit",
                    next_step="Are there as many flash operations as the fault was to wait for?",
                )
            # The control protocol has no event for it.
            time.sleep(_POLL_S)

    def has_power(self) -> bool:
        """Whether the kit has power; one that is gone was not switched off."""
        try:
            return self._control.state(_soon()).state != _NO_POWER
        except KitUnreachableError:
            return True

    def restore_power(self, *, starts: bool = True) -> None:
        """Switch the power on; the kit boots, or is held."""
        held = "" if starts else ", cores held"
        self._recorder.record(Moment(name=f"fault: power back{held}"))
        self._control.power(_soon(), on=True, starts=starts)

    def operations_done(self) -> int:
        """Flash operations so far."""
        return self._control.state(_soon()).operations

    def lose_connection(self) -> None:
        """Drop the BLE link now."""
        self._inject(InjectFault(name="lose_connection()", fault="lose_connection"))

    def lose_connection_at_upload_byte(self, offset_bytes: int, image_number: int = 0) -> None:
        """Drop the BLE link when an upload writes there."""
        name = f"lose_connection_at_upload_byte({offset_bytes})"
        when = self._at_upload_byte(name, offset_bytes, image_number)
        self._inject(InjectFault(name=name, fault="lose_connection", when=when))

    def reset_at_upload_byte(self, offset_bytes: int) -> None:
        """Reset the kit when an upload writes there."""
        name = f"reset_at_upload_byte({offset_bytes})"
        when = self._at_upload_byte(name, offset_bytes, 0)
        self._inject(InjectFault(name=name, fault="reset", when=when))

    def noise_at_log_line(self, regex: str, noise: bytes) -> None:
        """Print noise behind a log line."""
        name = f"noise_at_log_line({regex!r}, {noise!r})"
        if not isinstance(noise, bytes):
            raise _refused(name, "noise is bytes, such as b'\\xff\\x00'")
        when = AtLogLine(regex=compiled_regex(regex).pattern)
        self._inject(InjectFault(name=name, fault="noise", when=when, noise_hex=noise.hex()))

    def unplug_console(self) -> None:
        """Pull the plug of the serial port."""
        self._recorder.record(Moment(name="fault: console unplugged"))
        self._control.plug_console(_soon(), plugged_in=False)

    def plug_in_console(self) -> None:
        """Put the plug in again."""
        self._recorder.record(Moment(name="fault: console plugged in"))
        self._control.plug_console(_soon(), plugged_in=True)

    def waiting(self) -> tuple[str, ...]:
        """The faults that have not struck."""
        return self._control.state(_soon()).waiting if self._is_armed else ()

    def end(self) -> None:
        """Take everything back."""
        self._is_armed = False
        self._control.disarm(_soon())
        self._control.plug_console(_soon(), plugged_in=True)
        self._control.power(_soon(), on=True)

    def _at_upload_byte(self, name: str, offset_bytes: int, image_number: int) -> AtOperation:
        slot = self._update_slot(image_number)
        if not isinstance(offset_bytes, int) or not 0 <= offset_bytes < slot.size:
            raise _refused(name, f"the update slot's bytes are 0 to {slot.size - 1}")
        return AtOperation(address=slot.address + offset_bytes, base=slot.address)

    def _update_slot(self, image_number: int) -> Slot:
        if image_number == 0:
            return self._slots.secondary
        if self._slots.secondary_network is None:
            raise BoardFileError(
                f"The board has no slots for image {image_number}.",
                where="slots.secondary_network in its board file",
                next_step="Use a board whose network core is updated through slots of its own.",
            )
        return self._slots.secondary_network

    def _inject(self, fault: InjectFault) -> None:
        self._recorder.record(Moment(name=f"fault: {fault.name}"))
        self._is_armed = True
        self._control.inject(fault, _soon())


def _counted(name: str, number: int) -> int:
    if not isinstance(number, int) or number < 1:
        raise _refused(name, "flash operations and erases are counted from 1")
    return number


def _refused(name: str, why: str) -> InputError:
    return InputError(f"faults.{name} never strikes: {why}.", next_step="Give another moment.")


def _soon() -> Deadline:
    return Deadline.after(_ANSWER_TIMEOUT_S)

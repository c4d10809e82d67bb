"""The faults of a virtual kit, through its control socket."""

import time

from pytest_nrf_fota.boards.board import Slots
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardFileError, NotSeenError
from pytest_nrf_fota.record.events import Moment
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.client import KitControl, KitUnreachableError
from pytest_nrf_fota.sim.control import AtErase, AtLogLine, AtOperation, InjectFault

_ANSWER_TIMEOUT_S = 30.0
_POLL_S = 0.01
_NO_POWER = "no power"


class SimFaults:
    """Faults of one virtual kit.

    Args:
        control: its control socket; the probe's, so nothing overlaps.
        slots: where uploads go.
        recorder: gets each fault.
    """

    def __init__(self, control: KitControl, slots: Slots, recorder: FlightRecorder) -> None:
        self._control = control
        self._slots = slots
        self._recorder = recorder

    def reset_again_at_erase(self, number: int) -> None:
        """Reset the kit, which boots and is reset again in the middle of it."""
        self._inject(InjectFault(fault="reset", when=AtErase(number=number)))
        self._control.reset("system", _soon())

    def cut_power_at_operation(self, number: int) -> None:
        """Cut the power in the middle of a flash operation."""
        when = AtOperation(number=self.operations_done() + number, moment="during")
        self._inject(InjectFault(fault="cut_power", when=when))

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

    def restore_power(self) -> None:
        """Switch the power on."""
        self._recorder.record(Moment(name="fault: power back"))
        self._control.power(_soon(), on=True)

    def operations_done(self) -> int:
        """Flash operations so far."""
        return self._control.state(_soon()).operations

    def lose_connection(self) -> None:
        """Drop the BLE link now."""
        self._inject(InjectFault(fault="lose_connection"))

    def lose_connection_at_upload_byte(self, offset_bytes: int, image_number: int = 0) -> None:
        """Drop the BLE link when an upload writes there."""
        when = AtOperation(address=self._secondary_address(image_number) + offset_bytes)
        self._inject(InjectFault(fault="lose_connection", when=when))

    def reset_at_upload_byte(self, offset_bytes: int) -> None:
        """Reset the kit when an upload writes there."""
        when = AtOperation(address=self._secondary_address(0) + offset_bytes)
        self._inject(InjectFault(fault="reset", when=when))

    def noise_at_log_line(self, regex: str, noise: bytes) -> None:
        """Print noise behind a log line."""
        when = AtLogLine(regex=regex)
        self._inject(InjectFault(fault="noise", when=when, noise_hex=noise.hex()))

    def unplug_console(self) -> None:
        """Pull the plug of the serial port."""
        self._recorder.record(Moment(name="fault: console unplugged"))
        self._control.plug_console(_soon(), plugged_in=False)

    def plug_in_console(self) -> None:
        """Put the plug in again."""
        self._recorder.record(Moment(name="fault: console plugged in"))
        self._control.plug_console(_soon(), plugged_in=True)

    def end(self) -> None:
        """Take everything back."""
        self._control.disarm(_soon())
        self._control.plug_console(_soon(), plugged_in=True)
        self._control.power(_soon(), on=True)

    def _secondary_address(self, image_number: int) -> int:
        if image_number == 0:
            return self._slots.secondary.address
        if self._slots.secondary_network is None:
            raise BoardFileError(
                f"The board has no slots for image {image_number}.",
                where="slots.secondary_network in its board file",
                next_step="Use a board whose network core is updated through slots of its own.",
            )
        return self._slots.secondary_network.address

    def _inject(self, fault: InjectFault) -> None:
        self._recorder.record(
            Moment(name=f"fault: {fault.fault} at {fault.when.model_dump_json()}")
        )
        self._control.inject(fault, _soon())


def _soon() -> Deadline:
    return Deadline.after(_ANSWER_TIMEOUT_S)

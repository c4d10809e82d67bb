"""What a test can let go wrong on a board on purpose: the verbs of the fixture `faults`."""

from typing import Protocol


class Faults(Protocol):
    """Faults of one board, each struck once at a chosen moment.

    The virtual kit has all of them (`needs("fault_injection")`); QEMU has `reset_again_at_erase`
    (`needs("swap_reset")`). Where a board lacks one, it raises `BoardFileError`.

    Flash operations (page erases and writes) and page erases are counted from 1 at the moment in
    which the fault is armed. Where no such moment can come (operation 0, an offset behind the
    slot's end, a pattern that is no regular expression), the verb raises `InputError`. A test that
    passes while a fault of its own still waits proves nothing: it ends as an ERROR, unless it has
    called `end`.
    """

    def reset_again_at_erase(self, number: int) -> None:
        """Reset the board now, and once more at the flash erase of this number after it.

        Returns when the board was reset the first time at the earliest.
        """

    def cut_power_at_operation(self, number: int) -> None:
        """Cut the power in the middle of the flash operation of this number."""

    def wait_for_power_loss(self, timeout_s: float) -> None:
        """Wait until the power that was to be cut is gone. Raises `NotSeenError`."""

    def has_power(self) -> bool:
        """Whether the board has power: false between the cut and `restore_power`."""

    def restore_power(self, *, starts: bool = True) -> None:
        """Switch the power on again: the board boots.

        With `starts=False` its cores are held until the next reset, as with a debugger attached: a
        swap that the cut interrupted is not resumed before somebody has done something else.
        """

    def operations_done(self) -> int:
        """How many flash operations there were in the board's life."""

    def lose_connection(self) -> None:
        """Drop the BLE link now; the application goes on."""

    def lose_connection_at_upload_byte(self, offset_bytes: int, image_number: int = 0) -> None:
        """Drop the BLE link when an upload writes this byte of the secondary slot."""

    def reset_at_upload_byte(self, offset_bytes: int) -> None:
        """Reset the board when an upload writes this byte of the secondary slot."""

    def noise_at_log_line(self, regex: str, noise: bytes) -> None:
        """Put bytes on the UART right after a line that the regular expression is found in."""

    def unplug_console(self) -> None:
        """Pull the plug of the USB serial port; the board runs on."""

    def plug_in_console(self) -> None:
        """Put it in again, under the same name."""

    def waiting(self) -> tuple[str, ...]:
        """The faults that were armed and have not struck, as the test asked for them."""

    def end(self) -> None:
        """Take back what still waits or lasts: the board has power and all its plugs are in."""

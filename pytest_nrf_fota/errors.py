"""Errors of the harness: each has what happened, where, and what to do next.

Two families matter to pytest. `RigError` is a test setup problem (no probe, no port, no
adapter, board lost): the plugin reports it as an ERROR. Everything else that escapes a test is
the board's or the firmware's doing, and is a FAILED test.
"""


class FotaError(Exception):
    """Base of all errors raised by this package.

    Args:
        what: what happened, one sentence.
        where: the file, port, address or line that it happened at.
        next_step: what the reader should do now.
    """

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        self.what = what
        self.where = where
        self.next_step = next_step
        lines = [what]
        if where:
            lines.append(f"  where: {where}")
        if next_step:
            lines.append(f"  next:  {next_step}")
        super().__init__("\n".join(lines))


class InputError(FotaError):
    """Something that the user gave is wrong; raised before any board is touched."""


class BoardFileError(InputError):
    """A board file cannot be used: unknown board, bad TOML, wrong key or value."""


class ExtensionError(InputError):
    """What another package registers cannot be used: its import, a hook, what the hook returned."""


class PackageError(InputError):
    """A firmware artifact (hex, bin, DFU zip) cannot be used."""


class FaultNotStruckError(FotaError):
    """A test passed although a fault that it armed never struck; reported as an ERROR."""


class IgnoredVerdictError(FotaError):
    """A test passed although it never looked at a verdict that is not UPGRADED."""


class RigError(FotaError):
    """A test setup problem: no probe, no port, no adapter, board lost. Never a FAILED test."""


class ProbeError(RigError):
    """The debug probe refused or failed an operation."""


class ConsoleLostError(RigError):
    """The UART port vanished or cannot be opened."""


class RadioLostError(RigError):
    """The host's radio (adapter, HCI socket, serial port) cannot be used."""


class BoardError(FotaError):
    """The board answered, and the answer was no (a shell error, an SMP return code)."""


class NotSeenError(FotaError):
    """Something that had to appear on UART, SMP or SWD did not appear before its deadline."""


class LineNotSeenError(NotSeenError):
    """A console line did not appear; the message shows what came instead."""


class ConnectionBrokeError(NotSeenError):
    """The SMP connection broke before the answer came."""

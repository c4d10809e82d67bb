"""The application's UART: log lines and a shell prompt that they interrupt.

Source: Zephyr flash_shell.c.
"""

from collections.abc import Callable

from pytest_nrf_fota.sim.clock import VirtualClock

PROMPT = "uart:~$ "
GREEN = "\x1b[1;32m"
RED = "\x1b[1;31m"
YELLOW = "\x1b[1;33m"
NORMAL = "\x1b[m"
RECEIVE_RING_BYTES = 64
COMMAND_BUFFER_BYTES = 256
# How much of the ring a bypass gets at once (shell.c, state_collect).
BYPASS_BYTES = 16
BACKSPACES = (0x7F, 0x08)
LINE_ENDS = (0x0D, 0x0A)


class Terminal:
    """Prints log lines, echoes what is typed, and hands complete commands on.

    Args:
        write: sends bytes to the UART.
        clock: gives the log its time stamps, from `started_at_s` on.
        on_command: called with each command line that was entered.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        clock: VirtualClock,
        on_command: Callable[[str], None],
    ) -> None:
        self._write = write
        self._clock = clock
        self._on_command = on_command
        self._started_at_s = clock.now_s
        self._typed = ""
        self._prompt_shown = False
        self._busy = False
        self._last_line_end: int | None = None
        self._bypass: Callable[[bytes], bool] | None = None

    def log(self, module: str, function: str, text: str) -> None:
        """Print an `<inf>` line with time stamp, module and function, as in a kit's logs."""
        self.print(f"[{self._time_stamp()}] <inf> {module}: {function}: {text}")

    def log_error(self, module: str, text: str, function: str = "") -> None:
        """Print an `<err>` line; those of the kernel's fault handler name no function.

        Without colours, as in a kit's logs.
        """
        prefix = f"{function}: " if function else ""
        self.print(f"[{self._time_stamp()}] <err> {module}: {prefix}{text}")

    def print(self, text: str) -> None:
        """Print a line; a prompt that is shown is taken away and drawn again."""
        if self._prompt_shown:
            width = len(PROMPT) + len(self._typed)
            self._send(f"\x1b[{width}D\x1b[J{text}\r\n")
            self._draw_prompt()
        else:
            self._send(f"{text}\r\n")

    def error(self, text: str) -> None:
        """Print a shell error in red; its colour ends behind the line end, as in shell.c."""
        self._send(f"{RED}{text}\r\n{NORMAL}")

    def warn(self, text: str) -> None:
        """Print a shell warning in yellow."""
        self._send(f"{YELLOW}{text}\r\n{NORMAL}")

    def bypass(self, receiver: Callable[[bytes], bool]) -> None:
        """Hand everything that arrives to `receiver` until it returns False, then prompt.

        It comes in pieces of 16 bytes; what is left of the last piece is lost.
        """
        self._bypass = receiver

    def show_prompt(self) -> None:
        """The shell is ready for a command, unless a bypass takes the input."""
        if self._bypass is None:
            self._busy = False
            self._draw_prompt()

    def receive(self, data: bytes) -> None:
        """Take bytes from the UART. What does not fit into the receive ring at once is lost."""
        rest = data[:RECEIVE_RING_BYTES]
        while rest:
            if self._bypass is None:
                self._receive_byte(rest[0])
                rest = rest[1:]
            else:
                if not self._bypass(rest[:BYPASS_BYTES]):
                    self._bypass = None
                    self.show_prompt()
                rest = rest[BYPASS_BYTES:]

    def _receive_byte(self, byte: int) -> None:
        if byte in LINE_ENDS:
            # CR LF is one line end (shell.c, process_nl).
            if self._last_line_end in (None, byte):
                self._last_line_end = byte
                self._enter()
            return
        self._last_line_end = None
        if byte in BACKSPACES:
            if self._typed:
                self._typed = self._typed[:-1]
                self._send("\x1b[1D\x1b[J")
        elif 0x20 <= byte < 0x7F and len(self._typed) < COMMAND_BUFFER_BYTES:
            self._typed += chr(byte)
            if self._prompt_shown:
                self._send(chr(byte))

    def _enter(self) -> None:
        if self._busy:
            return
        command, self._typed = self._typed, ""
        self._prompt_shown = False
        self._send("\r\n")
        if command.strip():
            self._busy = True
            self._on_command(command.strip())
        else:
            self._draw_prompt()

    def _draw_prompt(self) -> None:
        self._prompt_shown = True
        self._send(f"{GREEN}{PROMPT}{NORMAL}{self._typed}")

    def _send(self, text: str) -> None:
        self._write(text.encode())

    def _time_stamp(self) -> str:
        microseconds = int((self._clock.now_s - self._started_at_s) * 1_000_000)
        seconds, fraction = divmod(microseconds, 1_000_000)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours:02}:{minutes:02}:{seconds:02}.{fraction // 1000:03},{fraction % 1000:03}"

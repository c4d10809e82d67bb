"""What several serial ports print for a while, each read by a thread of its own.

A port that is away - a debugger that restarts takes its ports along - is opened again.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import serial

from pytest_nrf_fota.bootlog.text import TextCleaner
from pytest_nrf_fota.console.port_holder import port_refused, require_free
from pytest_nrf_fota.console.port_presence import wait_for_port
from pytest_nrf_fota.console.serial_port import OPEN_ERRORS, open_serial, read_some
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError

_REOPEN_INTERVAL_S = 0.05


@dataclass
class Heard:
    """What a port printed; `lost` says why it could not be opened, or read any longer.

    `gaps` is how often it was away and came back: what was printed meanwhile is missing.
    """

    text: str = ""
    gaps: int = 0
    lost: ConsoleLostError | None = None


def _never(_heard: Mapping[str, Heard]) -> bool:
    return False


def listen(
    ports: Sequence[str],
    baudrate: int,
    within_s: float,
    *,
    reopen_s: float = 0.0,
    once_open: Callable[[Mapping[str, Heard]], None] = lambda heard: None,
    is_enough: Callable[[Mapping[str, Heard]], bool] = _never,
) -> dict[str, Heard]:
    """Read ports for a while, until enough was heard, or until no port is left.

    Args:
        ports: their names.
        baudrate: of all of them.
        within_s: how long to listen, counted from the return of `once_open`.
        reopen_s: how long a port may be away, at the beginning or later, before it is lost.
        once_open: called when all ports were opened that can be. What it raises comes out.
        is_enough: asked whenever something was heard.
    """
    heard = {port: Heard() for port in ports}
    arrived = threading.Condition()
    stop = threading.Event()

    def tell(port: str, text: str, lost: ConsoleLostError | None) -> None:
        with arrived:
            heard[port].text += text
            heard[port].lost = lost
            arrived.notify_all()

    def read(port: str, opened: serial.Serial) -> None:
        cleaner = TextCleaner()
        while not stop.is_set():
            try:
                tell(port, cleaner.clean(read_some(opened)), None)
            except (serial.SerialException, OSError) as error:
                opened.close()
                again = _open_again(port, baudrate, Deadline.after(reopen_s), stop)
                if again is None:
                    tell(port, "", _vanished(port, error))
                    return
                opened = again
                with arrived:
                    heard[port].gaps += 1
                    arrived.notify_all()
        opened.close()

    def is_over() -> bool:
        return all(one.lost is not None for one in heard.values()) or is_enough(heard)

    opened: dict[str, serial.Serial] = {}
    appear = Deadline.after(reopen_s)
    for port in ports:
        try:
            opened[port] = _open(port, baudrate, appear)
        except ConsoleLostError as error:
            heard[port].lost = error
    with ThreadPoolExecutor(max(1, len(opened)), "listen") as pool:
        try:
            # From here on each reader closes its port.
            for port, its_end in opened.items():
                pool.submit(read, port, its_end)
            once_open(heard)
            with arrived:
                arrived.wait_for(is_over, within_s)
        finally:
            stop.set()
    return heard


def _open(port: str, baudrate: int, deadline: Deadline) -> serial.Serial:
    wait_for_port(port, deadline)
    require_free(port)
    try:
        return open_serial(port, baudrate)
    except OPEN_ERRORS as error:
        raise port_refused(port, error) from error


def _open_again(
    port: str, baudrate: int, deadline: Deadline, stop: threading.Event
) -> serial.Serial | None:
    """The port, once it can be opened; None where it stays away."""
    while not deadline.expired and not stop.wait(_REOPEN_INTERVAL_S):
        with contextlib.suppress(*OPEN_ERRORS):
            return open_serial(port, baudrate)
    return None


def _vanished(port: str, error: Exception) -> ConsoleLostError:
    return ConsoleLostError(
        f"The serial port vanished while it was listened to: {error}",
        where=port,
        next_step="Does the kit's USB cable hold? Some hubs reset a port under load.",
    )

"""What several serial ports print for a while, each read by a thread of its own."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import serial

from pytest_nrf_fota.bootlog.text import TextCleaner
from pytest_nrf_fota.console.port_holder import port_refused, require_free
from pytest_nrf_fota.console.serial_port import OPEN_ERRORS, open_serial, read_some
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError


@dataclass
class Heard:
    """What a port printed; `lost` says why it could not be opened, or read any longer."""

    text: str = ""
    lost: ConsoleLostError | None = None


def _never(_heard: Mapping[str, Heard]) -> bool:
    return False


def listen(
    ports: Sequence[str],
    baudrate: int,
    deadline: Deadline,
    *,
    once_open: Callable[[Mapping[str, Heard]], None] = lambda heard: None,
    is_enough: Callable[[Mapping[str, Heard]], bool] = _never,
) -> dict[str, Heard]:
    """Read ports until the deadline, until enough was heard, or until no port is left.

    `once_open` is called when all ports were opened that can be. What it raises comes out.
    """
    heard = {port: Heard() for port in ports}
    arrived = threading.Condition()
    stop = threading.Event()

    def read(port: str, opened: serial.Serial) -> None:
        cleaner = TextCleaner()
        while not stop.is_set() and heard[port].lost is None:
            text, lost = "", None
            try:
                text = cleaner.clean(read_some(opened))
            except (serial.SerialException, OSError) as error:
                lost = _vanished(port, error)
            with arrived:
                heard[port].text += text
                heard[port].lost = lost
                arrived.notify_all()

    def is_over() -> bool:
        return all(one.lost is not None for one in heard.values()) or is_enough(heard)

    with ExitStack() as stack:
        opened: dict[str, serial.Serial] = {}
        for port in ports:
            try:
                opened[port] = stack.enter_context(_open(port, baudrate))
            except ConsoleLostError as error:
                heard[port].lost = error
        with ThreadPoolExecutor(max(1, len(opened)), "listen") as pool:
            for port, its_end in opened.items():
                pool.submit(read, port, its_end)
            try:
                once_open(heard)
                with arrived:
                    arrived.wait_for(is_over, deadline.remaining_s)
            finally:
                stop.set()
    return heard


def _open(port: str, baudrate: int) -> serial.Serial:
    require_free(port)
    try:
        return open_serial(port, baudrate)
    except OPEN_ERRORS as error:
        raise port_refused(port, error) from error


def _vanished(port: str, error: Exception) -> ConsoleLostError:
    return ConsoleLostError(
        f"The serial port vanished while it was listened to: {error}",
        where=port,
        next_step="Does the kit's USB cable hold? Some hubs reset a port under load.",
    )

"""One VCOM of the kit: a pty whose other end a serial program opens. POSIX only."""

import asyncio
import contextlib
import os
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path

from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import PowerLostError

# What a host that stopped reading may miss; a real UART keeps nothing at all.
_MOST_UNREAD_BYTES = 4 * 1024 * 1024
_READ_BYTES = 4096


class Uart:
    """A pty pair; `port` is the name to open with pyserial.

    Output never blocks the kit: it waits in a queue until the kit's clock allows it and the host
    reads it. `cable` is what of it reaches the host; by default everything.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._link: Path | None = None
        self._is_plugged_in = True
        self.port = ""
        self._open_pty()
        self._unsent = bytearray()
        self._until_resumed: bytearray | None = None
        self._held_back: deque[tuple[float, bytes]] = deque()
        self._release_timer: asyncio.TimerHandle | None = None
        self.on_output: Callable[[bytes], None] = lambda data: None
        self.cable: Callable[[bytes], bytes] = lambda data: data
        self._receiver: Callable[[bytes], None] | None = None

    def start(self) -> None:
        """Begin to receive; call with the event loop running."""
        asyncio.get_running_loop().add_reader(self._master, self._receive)

    def name_port(self, link: Path) -> None:
        """Give the port a name that stays when it is plugged in again, as udev does by-id."""
        link.symlink_to(self.port)
        self._link = link
        self.port = str(link)

    def plug(self, *, plugged_in: bool) -> None:
        """Pull the host's plug, or put it in again; without it all output is lost.

        The port is another pty afterwards, under the same name if it was given one.
        """
        if plugged_in == self._is_plugged_in:
            return
        self._is_plugged_in = plugged_in
        if plugged_in:
            self._open_pty()
            self.start()
        else:
            self._unsent.clear()
            self._close_pty()

    def connect(self, receiver: Callable[[bytes], None] | None) -> None:
        """Who gets the bytes that the host sends; with None they are lost."""
        self._receiver = receiver

    def write(self, data: bytes) -> None:
        """Send bytes to the host; `on_output` sees them, and may end the writer by raising."""
        if self._until_resumed is not None:
            self._until_resumed += data
            return
        arriving = self.cable(data)
        if self._clock.behind_s > 0 or self._held_back:
            self._hold_back(arriving)
        else:
            self._queue(arriving)
        self.on_output(data)

    def hold_output(self) -> None:
        """The CPU is halted: what it would print waits until it goes on."""
        self._until_resumed = bytearray()

    def release_output(self) -> None:
        """The CPU goes on."""
        waiting, self._until_resumed = self._until_resumed, None
        if waiting:
            self.write(bytes(waiting))

    def drop_output(self) -> None:
        """The CPU is reset: what it would have printed is lost."""
        self._until_resumed = None

    def _hold_back(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._clock.behind_s
        if not self._held_back:
            self._release_timer = loop.call_at(due_s, self._release)
        self._held_back.append((due_s, data))

    def _release(self) -> None:
        loop = asyncio.get_running_loop()
        while self._held_back and self._held_back[0][0] <= loop.time():
            self._queue(self._held_back.popleft()[1])
        if self._held_back:
            self._release_timer = loop.call_at(self._held_back[0][0], self._release)

    def _queue(self, data: bytes) -> None:
        if not self._is_plugged_in:
            return
        self._unsent += data
        if len(self._unsent) > _MOST_UNREAD_BYTES:
            del self._unsent[: len(self._unsent) - _MOST_UNREAD_BYTES]
        self._send()

    def close(self) -> None:
        """Close both ends."""
        if self._release_timer is not None:
            self._release_timer.cancel()
        if self._is_plugged_in:
            self._close_pty()
        self._is_plugged_in = False

    def _open_pty(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        name = os.ttyname(self._slave)
        if self._link is None:
            self.port = name
        else:
            self._link.symlink_to(name)

    def _close_pty(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)

    def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while self._unsent:
            try:
                sent = os.write(self._master, self._unsent)
            except BlockingIOError:
                loop.add_writer(self._master, self._send)
                return
            del self._unsent[:sent]
        loop.remove_writer(self._master)

    def _receive(self) -> None:
        data = os.read(self._master, _READ_BYTES)
        if data and self._receiver is not None:
            with contextlib.suppress(PowerLostError):  # the kit puts the application to rest
                self._receiver(data)

"""The kit's shell and Zephyr's own, a program of Zephyr 4.4 on Linux: the same bytes for each line.

Only what both know is typed; what the flash and MCUboot commands print is in Zephyr's sources.
"""

import os
import re
import selectors
import subprocess
import tty
from collections.abc import Iterator

import pytest

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.smpclient_dist import native_sim_program
from pytest_nrf_fota.sim.app.images import ImageGroupBuild, ImageManager
from pytest_nrf_fota.sim.app.shell import Shell, ShellTarget
from pytest_nrf_fota.sim.app.terminal import Terminal
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout

PROMPT = b"\x1b[1;32muart:~$ \x1b[m"
MOST_WORDS = 20
LAYOUT = MemoryLayout("flash", 0, 0x8000, 0x1000, 4, 0.0, 0.0)


def read_until_prompt(descriptor: int, behind: bytes = b"") -> bytes:
    data = b""
    deadline = Deadline.after(20)
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not (behind in data and data.endswith(PROMPT)):
            assert selector.select(deadline.remaining_s), f"no prompt after {data!r}"
            data += os.read(descriptor, 4096)
    return data


@pytest.fixture(scope="module")
def zephyr(native_sim: None) -> Iterator[int]:
    """The terminal of the real shell, at its prompt."""
    del native_sim  # asked for so that a machine without a 32-bit loader skips
    program = native_sim_program("shell")
    with subprocess.Popen(
        [str(program)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            found = re.search(r"/dev/\S+", line)
            assert found is not None, line
            descriptor = os.open(found[0], os.O_RDWR | os.O_NOCTTY)
            try:
                tty.setraw(descriptor)
                # Before its first prompt it takes nothing, and that one may be printed before the
                # terminal was opened. What the terminal echoed before it was raw counts as typed.
                os.write(descriptor, b"\r")
                read_until_prompt(descriptor)
                os.write(descriptor, b"\rkernel version\r")
                read_until_prompt(descriptor, behind=b"Zephyr version")
                yield descriptor
            finally:
                os.close(descriptor)
        finally:
            process.kill()


class KitShell:
    """The kit's terminal and shell, without the kit."""

    def __init__(self) -> None:
        clock = VirtualClock()
        flash = Flash((LAYOUT,), clock)
        area = FlashArea(flash, "slot", 0, LAYOUT.size_bytes)
        self._sent = bytearray()
        self._terminal = Terminal(self._sent.extend, clock, self._run)
        images = ImageManager(
            area, area, ImageGroupBuild(), lambda function, text: None, lambda word: None
        )
        target = ShellTarget(flash, {}, images, clock, 0.0, lambda: None, zephyr_version="4.4.0")
        self._shell = Shell(target, self._terminal)
        self._terminal.show_prompt()

    def type(self, data: bytes) -> bytes:
        self._sent.clear()
        self._terminal.receive(data)
        return bytes(self._sent)

    def _run(self, command: str) -> None:
        self._shell.execute(command.split())
        self._terminal.show_prompt()


@pytest.mark.parametrize(
    "typed",
    [
        b"\r",
        b"   \r",
        b"flahs erase\r",
        b"kernel version\r",
        b"kernel version\r\n",
        b"kernel  version  x\r",
        b"kernel versiom\x7fn\r",
        b"\x7fkernel version\r",
        b"help me\r",
        b"help -h\r",
        b"-h\r",
        b"kernel version --help\r",
        b"kernel reboot -h\r",
        b"kernel reboot cold --help now\r",
        b"help  --help  me\r",
        b" ".join([b"kernel", b"version", *[b"a"] * (MOST_WORDS - 2)]) + b"\r",
        b" ".join([b"kernel", b"version", *[b"a"] * (MOST_WORDS - 1)]) + b"\r",
    ],
)
def test_a_line_is_answered_as_zephyr_answers_it(zephyr: int, typed: bytes) -> None:
    """Echo, colours, line ends, prompt: everything."""
    os.write(zephyr, typed)

    assert KitShell().type(typed) == read_until_prompt(zephyr)

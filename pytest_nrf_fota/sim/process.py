"""Run one kit until it is told to stop."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import TypeAdapter

from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.sim.control import Addresses
from pytest_nrf_fota.sim.kit import Kit, KitSettings
from pytest_nrf_fota.sim.server import ControlServer


def run_kit_of_provider(settings_json: str) -> None:
    """Run a kit of these settings, print its addresses as one JSON line, end with standard input.

    Raises `ValidationError` (pydantic) for what are no `KitSettings`.
    """
    settings = TypeAdapter(KitSettings).validate_json(settings_json)
    asyncio.run(run_kit(settings, announce=_print_addresses, stop_with_stdin=True))


def _print_addresses(addresses: Addresses) -> None:
    print(addresses.model_dump_json(), flush=True)


async def run_kit(
    settings: KitSettings,
    *,
    announce: Callable[[Addresses], None],
    hex_file: Path | None = None,
    hci: str | None = None,
    stop_with_stdin: bool = False,
) -> None:
    """Start a kit, announce where it is, and run it until a signal or, if asked for, EOF on
    standard input ends it.

    Args:
        settings: the kit.
        announce: called once everything listens.
        hex_file: programmed and booted first.
        hci: bumble-like server address, `tcp:127.0.0.1:0`; default is a Unix socket.
        stop_with_stdin: end when the process that started this one is gone, however it died, and
            not at SIGINT.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    # Ctrl-C reaches all processes of a terminal; who started this one still needs it to end well.
    loop.add_signal_handler(signal.SIGINT, (lambda: None) if stop_with_stdin else stop.set)
    if stop_with_stdin:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end_of_stdin, loop, stop)
    with temporary_folder() as folder:
        kit = Kit(settings, hci or f"unix:{folder / 'hci'}")
        server = ControlServer(kit, folder / "control")
        await kit.start()
        kit.app_uart.name_port(folder / "app_uart")
        if kit.has_network_core:
            kit.net_uart.name_port(folder / "net_uart")
        kit.smp_uart.name_port(folder / "smp_uart")
        try:
            await server.start()
            if hex_file is not None:
                await kit.program(read_hex(hex_file))
                await kit.reset()
            announce(
                Addresses(
                    app_uart=kit.app_uart.port,
                    net_uart=kit.net_uart.port if kit.has_network_core else "",
                    smp_uart=kit.smp_uart.port,
                    hci=kit.radio.hci_client_spec,
                    control=str(folder / "control"),
                    pid=os.getpid(),
                    state=kit.state,
                )
            )
            await stop.wait()
        finally:
            await server.close()
            await kit.close()


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for sockets and made firmware, gone afterwards.

    Unix socket paths are limited to about 100 characters, so it lies in the system's own
    temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="nrf-fota-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _stop_at_end_of_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    with contextlib.suppress(BlockingIOError):
        if os.read(sys.stdin.fileno(), 4096):
            return
        loop.remove_reader(sys.stdin.fileno())
        stop.set()

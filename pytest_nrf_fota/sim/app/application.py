"""The running application: boot lines, advertising, SMP over BLE, shell."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.sim.app.images import ImageManager
from pytest_nrf_fota.sim.app.shell import Shell
from pytest_nrf_fota.sim.app.smp_server import FrameAssembler, ServerSettings, SmpServer
from pytest_nrf_fota.sim.app.terminal import Terminal
from pytest_nrf_fota.sim.boot.stage import Hardware
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import MemoryLayout
from pytest_nrf_fota.sim.profile import Wording
from pytest_nrf_fota.sim.radio import Advertisement, Radio
from pytest_nrf_fota.sim.uart import Uart

# Time from reset to the first application line in the thread's logs.
STARTUP_S = 0.030
BLUETOOTH_READY_S = 0.002
# os_mgmt resets 250 ms after its answer (facts/dual-stage-boot.md, 6.3).
RESET_DELAY_S = 0.25


@dataclass(frozen=True)
class AppContext:
    """What the application runs on.

    `identity_address` is the static random address that its log shows; `on_reset` asks the kit
    for a reset.
    """

    hardware: Hardware
    uart: Uart
    radio: Radio
    clock: VirtualClock
    wording: Wording
    identity_address: str
    flash_devices: dict[str, MemoryLayout]
    max_sectors: int
    on_reset: Callable[[], None]


class Application:
    """One run of the application, from its banner until the next reset."""

    def __init__(self, context: AppContext, description: AppDescription) -> None:
        self._context = context
        self._description = description
        self._terminal = Terminal(context.uart.write, context.clock, self._run_command)
        self._images = ImageManager(
            context.hardware.primary_area(),
            context.hardware.secondary_area(),
            context.max_sectors,
            self._log_image_group,
            self._log_swap_type,
        )
        settings = ServerSettings()
        self._server = SmpServer(self._images, settings, self._reset_soon)
        self._assembler = FrameAssembler(settings.buffer_size_bytes)
        self._shell = Shell(
            self._terminal, context.hardware.flash, context.flash_devices, context.on_reset
        )
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None
        self._reset_timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Print what a boot prints, advertise, show the prompt."""
        say = self._terminal.print
        say(self._context.wording.banner)
        self._context.clock.advance(STARTUP_S)
        self._log_bluetooth()
        say("Bluetooth initialized")
        if self._description.confirms_itself:
            self._images.confirm_running()
        await self._context.radio.advertise(
            Advertisement(self._description.advertised_name, self._context.identity_address),
            self,
            smp_service=self._description.smp_service,
        )
        say("Advertising successfully started")
        if self._description.build_time:
            say(f"build time: {self._description.build_time}")
        self._sender = asyncio.create_task(self._send_answers())
        self._context.uart.connect(self._terminal.receive)
        self._terminal.show_prompt()

    async def stop(self) -> None:
        """The core is reset: everything ends at once."""
        self._context.uart.connect(None)
        if self._reset_timer is not None:
            self._reset_timer.cancel()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        await self._context.radio.silence()

    def on_connected(self) -> None:
        """A central connected."""
        self._terminal.print("Connected")
        self._assembler = FrameAssembler(ServerSettings().buffer_size_bytes)

    def on_disconnected(self) -> None:
        """The connection is gone."""
        self._terminal.print("Disconnected (reason 0x13)")

    def on_smp_fragment(self, data: bytes) -> None:
        """The central wrote to the SMP characteristic."""
        frame = self._assembler.feed(data)
        if frame is None:
            return
        answer = self._server.answer(frame)
        if answer is not None:
            self._answers.put_nowait(answer)

    async def _send_answers(self) -> None:
        while True:
            await self._context.radio.notify(await self._answers.get())

    def _reset_soon(self) -> None:
        self._reset_timer = asyncio.get_running_loop().call_later(
            RESET_DELAY_S, self._context.on_reset
        )

    def _run_command(self, command: str) -> None:
        self._shell.execute(command)
        self._terminal.show_prompt()

    def _log_image_group(self, function: str, text: str) -> None:
        self._terminal.log(self._context.wording.image_group_module, function, text)

    def _log_swap_type(self, word: str) -> None:
        self._terminal.log("mcuboot_util", "boot_swap_type_multi", f"Swap type: {word}")

    def _log_bluetooth(self) -> None:
        log = self._terminal.log
        log("bt_hci_core", "hci_vs_init", "HW Platform: Nordic Semiconductor (0x0002)")
        log("bt_hci_core", "hci_vs_init", "HW Variant: nRF53x (0x0003)")
        log(
            "bt_hci_core",
            "hci_vs_init",
            "Firmware: Standard Bluetooth controller (0x00) Version 216.11532 Build 3803067951",
        )
        self._context.clock.advance(BLUETOOTH_READY_S)
        identity = self._context.identity_address
        log("bt_hci_core", "bt_dev_show_info", f"Identity: {identity} (random)")
        log(
            "bt_hci_core",
            "bt_dev_show_info",
            "HCI: version 5.3 (0x0c) revision 0x224b, manufacturer 0x0059",
        )
        log("bt_hci_core", "bt_dev_show_info", "LMP: version 5.3 (0x0c) subver 0x224b")

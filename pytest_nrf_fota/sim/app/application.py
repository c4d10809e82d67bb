"""The running application: boot lines, advertising, SMP over BLE and UART, shell."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from bumble.hci import Address

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.firmware.description import READY_WITHOUT_BLUETOOTH, AppDescription
from pytest_nrf_fota.sim.app.console_smp import (
    SerialFrameAssembler,
    SmpLineTap,
    encode_answer,
)
from pytest_nrf_fota.sim.app.fatal_error import MPU_FAULT, RESET
from pytest_nrf_fota.sim.app.image_group import ImageGroup
from pytest_nrf_fota.sim.app.images import ImageGroupBuild, ImageManager
from pytest_nrf_fota.sim.app.shell import CapturedOutput, Shell, ShellTarget
from pytest_nrf_fota.sim.app.smp_queue import SmpQueue
from pytest_nrf_fota.sim.app.smp_server import (
    FrameAssembler,
    OsInfo,
    ServerSettings,
    SingleWrites,
    SmpServer,
)
from pytest_nrf_fota.sim.app.terminal import Terminal
from pytest_nrf_fota.sim.boot.stage import Hardware
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import MemoryLayout
from pytest_nrf_fota.sim.pairing import Security, security_error
from pytest_nrf_fota.sim.radio import Advertisement, KitRadio
from pytest_nrf_fota.sim.uart import Uart

# Time from reset to the first application line in the support case's logs.
STARTUP_S = 0.030
BLUETOOTH_READY_S = 0.002
# IPC_BOUND_TIMEOUT_IN_MS of Zephyr's drivers/bluetooth/hci/ipc.c, and what is returned then.
ENDPOINT_TIMEOUT_S = 1.0
EAGAIN = -11
# os_mgmt resets 250 ms of the kit's time after its answer (Zephyr img_mgmt_state.c).
RESET_DELAY_S = 0.25
# Real seconds: a loop of faults would otherwise print without end and without a pause.
FAULT_RESET_DELAY_S = 0.25
WATCHDOG_CHECK_S = 0.05


class _BootEndedError(Exception):
    """The boot goes no further: it hangs, or a fault ended it."""


@dataclass(frozen=True)
class AppContext:
    """What the application runs on.

    `uart` is the console's; `smp_uart` has nothing but SMP (Zephyr's chosen zephyr,uart-mcumgr).
    `identity_address` is the static random address that its log shows; `has_controller` is
    whether a Bluetooth controller answers; `on_reset` asks the kit for a reset.
    """

    hardware: Hardware
    uart: Uart
    smp_uart: Uart
    radio: KitRadio
    clock: VirtualClock
    wording: Release
    identity_address: str
    has_controller: bool
    flash_devices: dict[str, MemoryLayout]
    soc: Soc
    on_reset: Callable[[], None]


class Application:
    """One run of the application, from its banner until the next reset."""

    def __init__(self, context: AppContext, description: AppDescription) -> None:
        self._context = context
        self._description = description
        self._identity_address = (
            context.identity_address
            if description.address == "static"
            else Address.generate_static_address().to_string(with_type_qualifier=False)
        )
        self._terminal = Terminal(context.uart.write, context.clock, self._run_command)
        build = ImageGroupBuild(
            swap_using_offset=description.swap_using_offset,
            asks_for_next_boot=context.wording.asks_for_next_boot,
            reverts_over_any_magic=context.wording.reverts_over_any_magic,
            forgets_refused_upload=context.wording.forgets_refused_upload,
        )
        managers = [
            ImageManager(
                primary,
                secondary,
                build,
                self._log_image_group,
                partial(self._log_swap_type, number),
                self._log_image_group_error,
            )
            for number, (primary, secondary) in enumerate(context.hardware.image_pairs())
        ]
        # The application's own slots, which shell and self-confirmation are about.
        self._images = managers[0]
        settings = self._server_settings()
        server = SmpServer(
            ImageGroup(managers),
            settings,
            self._reset_soon,
            description.smp_version or context.wording.smp_version,
        )
        self._queue = SmpQueue(server, settings.buffer_count)
        assembler = FrameAssembler if description.smp_reassembly else SingleWrites
        self._radio_assembler = assembler(settings.buffer_size_bytes)
        self._line_tap = SmpLineTap()
        self._serial_assembler = SerialFrameAssembler(settings.buffer_size_bytes)
        self._smp_line_tap = SmpLineTap()
        self._smp_assembler = SerialFrameAssembler(settings.buffer_size_bytes)
        self._shell_target = ShellTarget(
            context.hardware.flash,
            context.flash_devices,
            self._images,
            context.clock,
            context.clock.now_s,
            context.on_reset,
            zephyr_version=context.wording.zephyr_version,
            flash_controller=context.soc.flash_controller,
        )
        self._shell = Shell(self._shell_target, self._terminal)
        self._is_halted = False
        self._reads_uarts = False
        self._smp_task: asyncio.Task[None] | None = None
        self._advertising: asyncio.Task[None] | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._smp_reset: asyncio.Task[None] | None = None
        self._reset_timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Print what a boot prints, advertise, show the prompt."""
        if self._description.watchdog_reset_after_s is not None:
            self._watchdog = asyncio.create_task(
                self._reset_by_watchdog(self._description.watchdog_reset_after_s)
            )
        try:
            await self._boot()
        except _BootEndedError:
            return
        self._smp_task = asyncio.create_task(self._queue.run())
        self._reads_uarts = True
        self._connect_uarts()
        self._terminal.show_prompt()

    async def _boot(self) -> None:
        for line in self._context.wording.app_banner:
            self._boot_print(line)
        self._context.clock.advance(STARTUP_S)
        if self._description.bluetooth:
            self._start_bluetooth()
        if self._description.confirms_itself:
            self._images.confirm_running()
        if self._description.advertises and self._context.has_controller:
            name = self._description.name_on_air or self._description.advertised_name
            self._advertising = asyncio.create_task(
                self._context.radio.advertise(
                    Advertisement(
                        name,
                        self._identity_address,
                        is_private=self._description.private_address,
                        other_characteristic=self._description.other_characteristic,
                        has_database_hash=self._description.gatt_caching,
                    ),
                    self,
                    smp_service=self._description.smp_service,
                    security=self._security(),
                )
            )
            # bumble fails loudly when a command of its host is cancelled: see `stop`.
            await asyncio.shield(self._advertising)
            self._boot_print("Advertising successfully started")
        if not self._description.bluetooth:
            self._boot_print(READY_WITHOUT_BLUETOOTH)
        if self._description.build_time:
            self._boot_print(f"build time: {self._description.build_time}")

    def _start_bluetooth(self) -> None:
        if self._context.has_controller:
            self._log_bluetooth()
            self._boot_print("Bluetooth initialized")
        else:
            self._log_missing_controller()

    def _boot_print(self, text: str) -> None:
        self._terminal.print(text)
        self._fail_after(text)

    def _boot_log(self, module: str, function: str, text: str) -> None:
        self._terminal.log(module, function, text)
        self._fail_after(text)

    def _fail_after(self, text: str) -> None:
        description = self._description
        if description.hangs_after and description.hangs_after in text:
            raise _BootEndedError
        if description.mpu_fault_after and description.mpu_fault_after in text:
            for line in MPU_FAULT:
                self._terminal.log_error("os", line)
            self._terminal.log_error("fatal_error", RESET)
            self._reset_after(FAULT_RESET_DELAY_S)
            raise _BootEndedError

    async def _reset_by_watchdog(self, timeout_s: float) -> None:
        # The kit's clock jumps over whatever the hardware would be busy with: no timer follows it.
        bites_at_s = self._context.clock.now_s + timeout_s
        while self._context.clock.now_s < bites_at_s:
            await asyncio.sleep(WATCHDOG_CHECK_S)
        self._context.on_reset()

    async def stop(self) -> None:
        """The core is reset: everything ends at once."""
        for uart in (self._context.uart, self._context.smp_uart):
            uart.connect(None)
            uart.drop_output()
        if self._reset_timer is not None:
            self._reset_timer.cancel()
        begun = (self._smp_task, self._watchdog, self._smp_reset)
        tasks = [task for task in begun if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._advertising is not None:
            # Unlike gather, this does not pass a cancellation on.
            await asyncio.wait((self._advertising,))
        await self._context.radio.silence()

    def halt(self) -> None:
        """A debugger halts the CPU: nobody is answered, and what is sent to it is lost."""
        if self._is_halted:
            return
        self._is_halted = True
        for uart in (self._context.uart, self._context.smp_uart):
            uart.connect(None)
            uart.hold_output()
        self._context.radio.halt()

    def resume(self) -> None:
        """The CPU goes on where it was halted."""
        if not self._is_halted:
            return
        self._is_halted = False
        for uart in (self._context.uart, self._context.smp_uart):
            uart.release_output()
        self._connect_uarts()
        self._context.radio.resume()

    def _connect_uarts(self) -> None:
        if self._reads_uarts:
            self._context.uart.connect(self._receive)
            self._context.smp_uart.connect(self._receive_smp)

    def on_connected(self) -> None:
        """A central connected."""
        self._terminal.print("Connected")
        self.on_unsubscribed()

    def on_unsubscribed(self) -> None:
        """The central takes no answers any more: what it has sent of a frame is forgotten.

        As smp_bt_ccc_changed has it (Zephyr 4.4, transport/src/smp_bt.c).
        """
        if not self._radio_assembler.is_empty:
            self._radio_assembler.clear()
            self._queue.return_buffer()

    def on_disconnected(self, reason: int) -> None:
        """The connection is gone."""
        self._terminal.print(f"Disconnected (reason 0x{reason:02x})")

    def on_passkey(self, peer: str, passkey: int) -> None:
        """A pairing needs a passkey; worded as in Zephyr's peripheral_sc_only sample."""
        self._terminal.print(f"Passkey for {peer}: {passkey:06}")

    def on_paired(self) -> None:
        """A pairing succeeded. Only an application that shows passkeys has a word for it."""
        if self._description.smp_permission == "authenticated":
            self._terminal.print("Pairing Complete")

    def on_pairing_failed(self, peer: str, reason: int, *, by_peer: bool) -> None:
        """A pairing failed; the first line is Zephyr's own (smp.c), the others the sample's."""
        if by_peer:
            text = f"pairing failed (peer reason 0x{reason:x})"
            self._terminal.log_error("bt_smp", text, "smp_pairing_failed")
        if self._description.smp_permission != "authenticated":
            return
        if by_peer:
            self._terminal.print(f"Pairing cancelled: {peer}")
        self._terminal.print(f"Pairing Failed ({security_error(reason)}). Disconnecting.")

    def on_smp_fragment(self, data: bytes) -> None:
        """The central wrote to the SMP characteristic."""
        self._assemble(self._radio_assembler, data, self._context.radio.notify)

    def _receive(self, data: bytes) -> None:
        if not self._description.console_smp:
            self._terminal.receive(data)
            return
        shell_bytes, lines = self._line_tap.divide(data)
        for line in lines:
            self._assemble(self._serial_assembler, line, self._write_answer)
        if shell_bytes:
            self._terminal.receive(shell_bytes)

    def _receive_smp(self, data: bytes) -> None:
        _, lines = self._smp_line_tap.divide(data)
        for line in lines:
            self._assemble(self._smp_assembler, line, self._write_smp_answer)

    async def _write_smp_answer(self, answer: bytes) -> None:
        self._context.smp_uart.write(encode_answer(answer))

    def _assemble(
        self,
        assembler: FrameAssembler | SingleWrites | SerialFrameAssembler,
        fragment: bytes,
        respond: Callable[[bytes], Awaitable[None]],
    ) -> None:
        if assembler.is_empty and not self._queue.take_buffer():
            return
        frame = assembler.feed(fragment)
        if frame is not None:
            self._queue.submit(frame, respond)
        elif assembler.is_empty:
            self._queue.return_buffer()

    async def _write_answer(self, answer: bytes) -> None:
        # Between whatever the log and the shell print: the shell does not draw its prompt again.
        self._context.uart.write(encode_answer(answer))

    def _reset_soon(self) -> None:
        if self._smp_reset is None:
            self._smp_reset = asyncio.create_task(self._reset_after_answer())

    async def _reset_after_answer(self) -> None:
        await self._context.clock.sleep(RESET_DELAY_S)
        self._context.on_reset()

    def _reset_after(self, delay_s: float) -> None:
        self._reset_timer = asyncio.get_running_loop().call_later(delay_s, self._context.on_reset)

    def _security(self) -> Security:
        return Security(
            permission=self._description.smp_permission,
            fixed_passkey=self._description.fixed_passkey,
            # Without stored settings neither the identity nor a bond outlives a reset.
            keeps_bonds=self._description.bt_settings and self._description.address == "static",
            gives_identity=self._description.private_address,
            att_error_tells_missing_key=self._context.wording.att_error_tells_missing_key,
        )

    def _server_settings(self) -> ServerSettings:
        description, soc = self._description, self._context.soc
        return ServerSettings(
            buffer_size_bytes=description.smp_buffer_size_bytes,
            buffer_count=description.smp_buffer_count,
            parameters=description.smp_parameters,
            os_info=OsInfo(
                node_name=description.advertised_name,
                kernel_release=self._context.wording.zephyr_release,
                kernel_version=self._context.wording.zephyr_version,
                processor=soc.processor,
                hardware_platform=soc.target(f"{soc.name}dk", soc.application, "_"),
            )
            if description.smp_os_info
            else None,
            bootloader_info=description.smp_bootloader_info,
            bootloader_mode=description.bootloader_mode,
            active_b0_slot=description.smp_active_b0_slot,
            shell_exec=self._execute_for_smp if description.smp_shell_exec else None,
            refuses_operations_first=self._context.wording.refuses_operations_first,
            unknown_query_is_group_error=self._context.wording.unknown_query_is_group_error,
        )

    def _execute_for_smp(self, arguments: list[str]) -> tuple[int, str]:
        output = CapturedOutput()
        return_code = Shell(self._shell_target, output).execute(arguments)
        return return_code, output.text

    def _run_command(self, command: str) -> None:
        self._shell.execute(command.split())
        self._terminal.show_prompt()

    def _log_image_group(self, function: str, text: str) -> None:
        self._terminal.log(self._context.wording.image_group_module, function, text)

    def _log_image_group_error(self, function: str, text: str) -> None:
        self._terminal.log_error(self._context.wording.image_group_module, text, function)

    def _log_swap_type(self, image_number: int, word: str) -> None:
        line = self._context.wording.swap_type_line(image_number, word)
        self._terminal.log("mcuboot_util", "boot_swap_type_multi", line)

    def _log_missing_controller(self) -> None:
        # Zephyr drivers/bluetooth/hci/ipc.c (in 3.2 rpmsg.c), subsys/bluetooth/host/hci_core.c and
        # samples/bluetooth/peripheral; such logs: zephyr issue 80852. The application goes on.
        self._context.clock.advance(ENDPOINT_TIMEOUT_S)
        driver = self._context.wording.hci_driver_open
        for module, function, text in (
            ("bt_hci_driver", driver, f"Endpoint binding failed with {EAGAIN}"),
            ("bt_hci_core", "bt_enable", f"HCI driver open failed ({EAGAIN})"),
        ):
            self._terminal.log_error(module, text, function)
            self._fail_after(text)
        self._boot_print(f"Bluetooth init failed (err {EAGAIN})")

    def _log_bluetooth(self) -> None:
        log = self._boot_log
        log("bt_hci_core", "hci_vs_init", "HW Platform: Nordic Semiconductor (0x0002)")
        soc = self._context.soc
        variant = f"HW Variant: {soc.family}x (0x{soc.hci_variant:04x})"
        log("bt_hci_core", "hci_vs_init", variant)
        log(
            "bt_hci_core",
            "hci_vs_init",
            "Firmware: Standard Bluetooth controller (0x00) Version 216.11532 Build 3803067951",
        )
        self._context.clock.advance(BLUETOOTH_READY_S)
        if self._description.logs_identity:
            log("bt_hci_core", "bt_dev_show_info", f"Identity: {self._identity_address} (random)")
        log(
            "bt_hci_core",
            "bt_dev_show_info",
            "HCI: version 5.3 (0x0c) revision 0x224b, manufacturer 0x0059",
        )
        log("bt_hci_core", "bt_dev_show_info", "LMP: version 5.3 (0x0c) subver 0x224b")

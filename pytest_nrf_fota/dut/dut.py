"""The board under test: its interfaces (UART, SMP, SWD) and the verbs that tests use."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from pytest_nrf_fota.boards.board import BoardType, ExternalFlash
from pytest_nrf_fota.boards.built_uart import BuiltUart, no_build
from pytest_nrf_fota.bootlog.catalogue import LINES
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.console.shell import ZephyrShell
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.board_memory import BoardHooks, BoardMemory, Changes, NotReadError
from pytest_nrf_fota.dut.boots import BootsOfConsole
from pytest_nrf_fota.dut.cut_swap import SwapUnderWayWarning, swap_is_under_way
from pytest_nrf_fota.dut.external_flash import read_by_shell
from pytest_nrf_fota.dut.given_verdict import GivenVerdict, given
from pytest_nrf_fota.dut.readiness import power_is_cut, wait_until_ready
from pytest_nrf_fota.dut.same_board import (
    Signs,
    require_same_board,
)
from pytest_nrf_fota.dut.silent_uart import advice_on_silence
from pytest_nrf_fota.dut.upgrade import Upgrade
from pytest_nrf_fota.errors import (
    BoardError,
    BoardFileError,
    FotaError,
    LineNotSeenError,
    NotSeenError,
    ProbeError,
)
from pytest_nrf_fota.firmware.advertised_name import advertised_name
from pytest_nrf_fota.firmware.board_memories import check_against_map
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex
from pytest_nrf_fota.preflight.board_state import (
    has_external_slots,
    ranges_to_read,
    read_board_state,
)
from pytest_nrf_fota.probe.fault import is_protected
from pytest_nrf_fota.probe.read_effect import ProbeReads
from pytest_nrf_fota.probe.remembering import RememberingProbe
from pytest_nrf_fota.probe.same_firmware import difference_from_file, difference_from_flashing
from pytest_nrf_fota.providers.provider import Wires
from pytest_nrf_fota.record.events import Measurement, Moment, ProbeReadsTried, UnitTaken
from pytest_nrf_fota.record.long_step import LongStep
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.smp.peer_search import FoundPeer, Peer
from pytest_nrf_fota.verdict.evidence import Verdict
from pytest_nrf_fota.verdict.memory import running_app
from pytest_nrf_fota.verdict.silent_controller import (
    FLASH_BOTH_CORES,
    network_core_is_empty,
    silent_controller_line,
)
from pytest_nrf_fota.wires.faults import Faults

_CONNECTION_LINE_S = 2.0
_PROMPT_S = 5.0
PathLike: TypeAlias = str | os.PathLike[str]


class Dut:
    """One board, reached by three interfaces: UART, SMP and SWD.

    Args:
        board: its type.
        name: the kit, by its serial number.
        wires: its open interfaces; `close` closes them.
        recorder: gets every step.
        runs_preflight: whether each upload is simulated on a copy of the board first.
        skips_flash: whether `prepare` leaves a board as it is that holds the baseline's bytes,
            regardless of the rest of the flash.
        built_uart: reads how the baseline's application prints, asked where nothing comes.
    """

    def __init__(
        self,
        board: BoardType,
        name: str,
        wires: Wires,
        recorder: FlightRecorder,
        *,
        runs_preflight: bool = True,
        skips_flash: bool = False,
        built_uart: Callable[[], BuiltUart | None] = no_build,
    ) -> None:
        self.board = board
        self.name = name
        self.probe = RememberingProbe(wires.probe, board.memory, board.soc)
        self.console = wires.console
        self.network_console = wires.network_console
        self.recorder = recorder
        self.runs_preflight = runs_preflight
        self.skips_flash = skips_flash
        self.reset_count = 0
        self._last_reset: LogPosition | None = None
        self._given_verdicts: list[GivenVerdict] = []
        self._built_name: str | None = None
        self._built_uart = built_uart
        self._boot_when_connected = 0
        self.mcumgr = Mcumgr(
            wires.radio,
            recorder,
            SmpTimeouts(board.timeouts.smp_s, board.timeouts.first_upload_packet_s),
        )
        self.wires = wires
        self._boots = BootsOfConsole(wires.console.log, board.boot)
        recorder.record(
            UnitTaken(unit=name, board=board.name, settings=board.model_dump(mode="json"))
        )
        hooks = BoardHooks(
            changes=self._changes,
            let_go=self.mcumgr.disconnect,
            shows_life=self._shows_life,
            restart=self._restart,
            note=self._note,
            tell=lambda found: recorder.record(ProbeReadsTried(found=found)),
        )
        self.memory = BoardMemory(board, self.probe, wires.reads or ProbeReads(), hooks)
        self.opened_at = wires.console.position()
        self.network_opened_at = LogPosition(0)

    @property
    def faults(self) -> Faults:
        """What can go wrong on purpose. Raises `BoardFileError` where nothing can."""
        if self.wires.faults is None:
            raise BoardFileError(
                f"{self.board.name} has no fault injection.",
                where=f"provider = {self.board.provider!r} in its board file",
                next_step='Mark the test with needs("fault_injection").',
            )
        return self.wires.faults

    @property
    def shell(self) -> ZephyrShell:
        """The Zephyr shell on the console. Raises `BoardFileError` where the board has none."""
        if self.board.console.prompt is None or not self.board.console.has_shell:
            raise BoardFileError(
                f"{self.board.name} has no shell.",
                where="console.prompt in its board file",
                next_step='Mark the test with needs("shell"), or set console.prompt if the '
                "application has one.",
            )
        return ZephyrShell(
            self.console,
            prompt=self.board.console.prompt,
            typing_chunk_bytes=self.board.console.typing_chunk_bytes,
            recorder=self.recorder,
        )

    def prepare(self, baseline: PathLike) -> Boot:
        """Put a known firmware on the board and clean what an earlier test may have left.

        Recovers all cores, programs `baseline`, boots it, and erases the external flash where the
        board has one. An update that was still pending there has been taken by that first boot:
        the board is then flashed again. Where it keeps the baseline from starting, the probe erases
        it first. A board that holds exactly this firmware is not flashed: it is read back and
        compared. Returns the baseline's boot.
        """
        with self.recorder.group("prepare the board", Path(baseline).name):
            return self._prepare(baseline)

    def _prepare(self, baseline: PathLike) -> Boot:
        was_flashed = self._flash_unless_there(Path(baseline))
        may_hold_update = not self.memory.external_flash_is_erased
        since = self.console.position()
        try:
            boot = self.reset()
        except (NotSeenError, BoardError) as error:
            if self.board.external_flash is None or not may_hold_update:
                raise
            return self._prepare_without_leftovers(Path(baseline), error)
        if not was_flashed:
            self.memory.survived(self.boots_since(since))
        if self.board.external_flash is None:
            return boot
        if not self.board.console.can_erase_flash:
            # Erasing by the probe holds the cores, whatever the first boot made of a stale update.
            self.erase_external_flash_by_probe()
            was_flashed = self._flash_unless_there(Path(baseline))
            since = self.console.position()
            boot = self.reset()
            if not was_flashed:
                self.memory.survived(self.boots_since(since))
            return boot
        self.erase_external_flash()
        # A MCUboot that took a stale update of itself has reset the board afterwards.
        boots = self.boots_since(since)
        if any(one.swapped for one in boots):
            with self.step("flash again", "a stale update was pending"):
                self._flash_unless_there(Path(baseline))
                return self.reset()
        if may_hold_update and any(not one.mcuboot_speaks for one in boots):
            with self.step("look again", "MCUboot prints nothing, and may have taken an update"):
                return self.reset() if self._flash_unless_there(Path(baseline)) else boot
        return boot

    def _prepare_without_leftovers(self, baseline: Path, error: FotaError) -> Boot:
        """MCUboot may never come to an end with what an earlier test left: a bad network image."""
        with self.step("flash again without the external flash's content", error.what):
            try:
                self.erase_external_flash_by_probe()
            except ProbeError as cannot:
                raise error from cannot
            self._flash_unless_there(baseline)
            return self.reset()

    def flash(self, hex_file: PathLike) -> None:
        """Recover all cores and program a hex file; the board is not started.

        The file is checked first: raises `PackageError` before anything is erased.
        """
        hex_file = Path(hex_file)
        self._check(hex_file)
        self.mcumgr.disconnect()
        with self.step("flash", hex_file.name):
            deadline = self._probe_deadline()
            for core in self.board.probe.recover:
                self.probe.recover(core, deadline)
            self.probe.program(hex_file, deadline)
        self._built_name = advertised_name(hex_file)

    def program(self, hex_file: PathLike) -> None:
        """Write a hex file with the probe: the pages that it touches, nothing else.

        The board is not started. Raises `PackageError` where the file does not fit the board.
        """
        hex_file = Path(hex_file)
        self._check(hex_file)
        with self.step("program", hex_file.name):
            self.probe.program(hex_file, self._probe_deadline())

    def _check(self, hex_file: Path) -> None:
        segments = read_hex(hex_file)
        check_against_map(hex_file, segments, self.board)
        if any(self.board.soc.is_external(segment.address) for segment in segments):
            self.memory.external_flash_was_written()

    def _flash_unless_there(self, hex_file: Path) -> bool:
        """Flash, unless reading back shows that it would change nothing; returns whether it did.

        With `skips_flash` only the file's own bytes count. Memory that cannot be read (a locked
        access port, an old tool) is flashed.
        """
        segments = read_hex(hex_file)
        check_against_map(hex_file, segments, self.board)
        self.mcumgr.disconnect()
        with self.step("compare with the board", hex_file.name):
            try:
                if self.skips_flash:
                    ranges = [(segment.address, segment.end) for segment in segments]
                    with self.memory.before_writing(ranges) as read:
                        difference = difference_from_file(read, segments, self.board)
                        # The trailer is not compared, which would go on with the swap.
                        cut = difference is None and swap_is_under_way(read, self.board)
                else:
                    with self.memory.before_writing() as read:
                        difference = difference_from_flashing(read, segments, self.board)
                    cut = False
            except ProbeError as error:
                reason = f"the board cannot be read: {error.what}"
            else:
                reason = str(difference) if difference else ""
                reason = "MCUboot was interrupted in a swap" if cut else reason
            self._note(f"flash: {reason}" if reason else f"not flashed: {hex_file.name} is there")
        self._built_name = advertised_name(hex_file)
        if reason:
            self.flash(hex_file)
        return bool(reason)

    def reset(self) -> Boot:
        """Reset the board with the probe and wait until its application is ready."""
        with self.step("reset"):
            since = self.start_reset()
            return self.wait_for_boot(since, self.board.timeouts.boot_s)

    def start_reset(self) -> LogPosition:
        """Reset the board with the probe without waiting; returns where its log begins."""
        self.mcumgr.disconnect()
        since = self.position("reset")
        self.reset_count += 1
        self.probe.reset(self.board.probe.reset, self._probe_deadline())
        self.was_reset(since)
        return since

    def was_reset(self, since: LogPosition) -> None:
        """Note that the board was reset; its boot comes behind `since`."""
        self._last_reset = since

    @property
    def lacks_last_boot(self) -> bool:
        """Whether no boot was seen since the harness reset the board last."""
        return self._last_reset is not None and not self.boots_since(self._last_reset)

    def position(self, name: str) -> LogPosition:
        """The end of the console log as it is now; the name goes to the flight recorder."""
        self._note(name)
        return self.console.position()

    def _note(self, moment: str) -> None:
        self.recorder.record(Moment(name=moment))

    @contextmanager
    def step(self, name: str, detail: str = "", *, long: LongStep | None = None) -> Iterator[None]:
        """Record a step. Where it saw nothing in time, ask first whether the kit is still there.

        `long` is the same step where people watch it.

        Raises `ProbeError` instead of `NotSeenError` where the probe has lost the board, and
        `BoardError` where `faults` cut its power.
        """
        with self.recorder.step(name, detail, long=long):
            try:
                yield
            except NotSeenError as error:
                if not self._has_power():
                    raise power_is_cut(self.name) from error
                try:
                    self.probe.info(self._probe_deadline())
                except ProbeError as rig_error:
                    # A closed access port is an answer: the kit is there.
                    if is_protected(rig_error):
                        raise error from None
                    raise rig_error from error
                raise

    def wait_for_boot(self, since: LogPosition, within_s: float | None = None) -> Boot:
        """Wait until the application that boots after `since` is ready.

        Without `within_s` it may take as long as the board file allows for a boot and a swap.

        Raises `NotSeenError` with what came instead, `BoardError` where it crashes in each boot, or
        where `faults` cut the power.
        """
        timeouts = self.board.timeouts
        allowed_s = timeouts.boot_s + timeouts.swap_s if within_s is None else within_s
        name = "swap and boot" if within_s is None else "boot"
        try:
            with self.recorder.watched(LongStep(name, at_most_s=allowed_s)):
                wait_until_ready(
                    self.console,
                    self.board.boot.app_ready,
                    since=since,
                    deadline=Deadline.after(allowed_s),
                    app_start_s=timeouts.app_start_s or timeouts.boot_s,
                    has_power=self._has_power,
                )
        except LineNotSeenError as error:
            boots = self.boots_since(since)
            if not boots or not boots[-1].reached_app:
                raise self._explained_silence(since, error) from None
            silent = silent_controller_line(boots[-1])
            if silent is not None:
                raise self._no_controller(silent, error) from None
            raise LineNotSeenError(
                error.what,
                where=error.where,
                next_step="The application runs. It hangs before its ready line, or has another "
                "one: then set boot.app_ready in the board file to a line that ends each boot.",
            ) from None
        boots = self.boots_since(since)
        if not boots:
            raise BoardError(
                "The application printed its ready line without a boot before it.",
                where=f"{self.console.port}, full log: {self.console.raw_log_path}",
                next_step="Make boot.app_ready in the board file a line of the boot only.",
            )
        boot = boots[-1]
        duration_s = (boot.last.time_s or 0.0) - (boot.first.time_s or 0.0)
        self.recorder.record(Measurement(name="boot time", value=round(duration_s, 3), unit="s"))
        self._measure_swaps(boots)
        return boot

    def _measure_swaps(self, boots: Sequence[Boot]) -> None:
        for swap in (swap for boot in boots if boot.mcuboot for swap in boot.mcuboot.swaps):
            if swap.duration_s is not None:
                took_s = round(swap.duration_s, 3)
                self.recorder.record(Measurement(name="swap time", value=took_s, unit="s"))

    def boots_since(self, since: LogPosition) -> tuple[Boot, ...]:
        """The boots that the console saw begin after `since`.

        Of very many, the first, the last and all that differ are kept.
        """
        return self._boots.since(since)

    def last_boot(self) -> Boot:
        """The latest boot. Raises `BoardError` where none was seen."""
        boots = self.boots_since(self.opened_at)
        if not boots:
            raise BoardError(
                "No boot was seen on the console yet.",
                where=self.console.port,
                next_step="Call dut.prepare() or dut.reset() first.",
            )
        return boots[-1]

    def erase_external_flash(self) -> None:
        """Erase the external flash from the shell, and wait for its success line.

        Raises `BoardError` when the shell refuses or an upload is under way, `BoardFileError` where
        the board has no such flash, no shell, or one without the flash commands.
        """
        flash = self._external_flash()
        if self.board.console.has_shell and not self.board.console.can_erase_flash:
            raise BoardFileError(
                "The application's shell has no flash commands (CONFIG_FLASH_SHELL).",
                where=f"console.flash_shell of board {self.board.name}",
                next_step="Call dut.erase_external_flash_by_probe(), or build the application with "
                "CONFIG_FLASH_SHELL=y.",
            )
        # What else is typed may write anywhere, this does so in the external flash alone.
        with self._erasing("erase external flash", flash), self.memory.typing_harmlessly():
            self.shell.run_until(
                f"flash erase {flash.shell_device} 0 {flash.size:x}",
                success=LINES["shell_done"].regex.pattern,
                failure=LINES["shell_failed"].regex.pattern,
                within_s=flash.erase_timeout_s,
            )
        self.memory.external_flash_was_erased()

    def erase_external_flash_by_probe(self) -> None:
        """Erase the external flash over SWD; the cores are held afterwards, until a reset.

        Warns with `SwapUnderWayWarning` where MCUboot was interrupted in a swap. Raises
        `ProbeError` where the probe cannot, `BoardError` while an upload is under way.
        """
        flash = self._external_flash()
        with self._erasing("erase external flash by probe", flash):
            self.mcumgr.disconnect()
            self._warn_of_cut_swap()
            self.probe.erase_external(Deadline.after(flash.erase_timeout_s))
        self.memory.external_flash_was_erased()

    @contextmanager
    def _erasing(self, name: str, flash: ExternalFlash) -> Iterator[None]:
        long = LongStep(name, expected_s=flash.erase_s, at_most_s=flash.erase_timeout_s)
        started_at_s = time.monotonic()
        with self.step(name, long=long):
            yield
        took_s = round(time.monotonic() - started_at_s, 3)
        self.recorder.record(Measurement(name="erase time", value=took_s, unit="s"))

    def _warn_of_cut_swap(self) -> None:
        """The shell needs no such look: before an application runs MCUboot has ended its swap."""
        with self.memory.before_writing() as read:
            is_under_way = swap_is_under_way(read, self.board)
        if is_under_way:
            warning = (
                f"{self.board.name}: MCUboot was interrupted in a swap, and with the external "
                "flash erased it finds no bootable image any more. Reset the board first and let "
                "the swap end, or flash it anew afterwards: dut.prepare(firmware.baseline)."
            )
            self.recorder.record(Moment(name=warning))
            warnings.warn(SwapUnderWayWarning(warning), stacklevel=3)

    def connect(self) -> None:
        """Connect over SMP, unless connected.

        The board is found by the address in its own boot log: where many boards advertise one
        name, only that is certain. Without it, or where the board or this host hides it, by the
        name in the board file, or by that in the configuration of the build that was flashed.
        Before anything is sent to a board that was found by its name it must prove to be this one.

        Raises `RigError` where it is another one.
        """
        if self.mcumgr.is_connected:
            return
        peer = self._peer()
        with self.step("connect", str(peer)):
            self._let_services_be_found_anew()
            self._connect_to(peer)

    def _connect_to(self, peer: Peer | str) -> None:
        # A tool that halts the CPU for a read ends the connection: read before, where foreseen.
        is_foreseen = isinstance(peer, Peer) and self._is_found_by_name(peer)
        own_hash = self._own_hash() if is_foreseen else None
        before = self.console.position()
        self.mcumgr.connect(peer, self.board.timeouts.connect_s)
        found = self.mcumgr.found
        if not isinstance(peer, Peer) or found is None or found.by_address:
            return
        if not is_foreseen:
            self.wires.connection_memory.hides_address = True
            own_hash = self._own_hash()
            if not self.mcumgr.is_connected:
                self._connect_to(peer)
                return
        try:
            self._require_same_board(peer, found, before, own_hash)
        except BaseException:
            self.mcumgr.disconnect()
            raise

    def _is_found_by_name(self, peer: Peer) -> bool:
        return peer.address is None or self.wires.connection_memory.hides_address

    def _own_hash(self) -> bytes | None:
        """Of the application in this board's memory; None where there is none, or no reading."""
        with suppress(NotReadError, ProbeError), self.memory.of_running_firmware() as read:
            app = running_app(read, self.board)
            return app.hash if app is not None else None
        return None

    def _require_same_board(
        self, peer: Peer, found: FoundPeer, since: LogPosition, own_hash: bytes | None
    ) -> None:
        images: tuple[ImageState, ...] | None = None
        # Without an image group it says no, and the console may still show the connection.
        with suppress(BoardError):
            images = self.mcumgr.get_image_list()
        memory = self.wires.connection_memory
        prints_connections = memory.prints_connections(own_hash)

        def comes(pattern: str, within_s: float) -> bool:
            try:
                self.console.expect(pattern, since=since, within_s=within_s)
            except LineNotSeenError:
                return False
            return True

        # A deferred log comes up to a second late (CONFIG_LOG_PROCESS_THREAD_SLEEP_MS).
        is_shown = comes(LINES["central_connected"].regex.pattern, _CONNECTION_LINE_S)
        signs = Signs(images, own_hash, is_shown, prints_connections)
        if is_shown:
            memory.remember(own_hash)
        shown_by = require_same_board(peer, found, signs, self.wires.radio.description)
        self._note(f"{found.address} is this board: {shown_by}")

    def _let_services_be_found_anew(self) -> None:
        """After each boot: it may have been the first one of another firmware."""
        boots = self.boots_since(self.opened_at)
        latest = boots[-1].first.line_number if boots else 0
        if latest != self._boot_when_connected:
            self._boot_when_connected = latest
            self.mcumgr.forget_services()

    def start_upgrade(self, package: PathLike) -> Upgrade:
        """Open and check a DFU package, and note what the board runs before it.

        Raises `PackageError` before anything is sent.
        """
        with self.recorder.group("look at what runs"):
            return Upgrade(self, read_package(Path(package), package_target(self.board)))

    def upgrade(self, package: PathLike) -> Verdict:
        """Do the whole upgrade: upload, set pending, reset as often as it takes, gather evidence.

        An application is set pending for a test boot and confirmed once it is proven; a bootloader
        is permanent. Returns the verdict; `assert_upgraded` turns it into a failure.
        """
        with self.recorder.group("upgrade", Path(package).name):
            return self._upgrade(package)

    def _upgrade(self, package: PathLike) -> Verdict:
        upgrade = self.start_upgrade(package)
        upgrade.upload()
        upgrade.set_pending()
        try:
            upgrade.reset(records_failure=False)
            for _ in range(upgrade.expected_resets - 1):
                self.reset()
        except (BoardError, NotSeenError) as error:
            # What the new firmware does instead is the verdict's to say.
            self._note(f"the board did not come up: {error.what}")
        verdict = upgrade.judge(confirms=True)
        return self.hand_out(verdict)

    def hand_out(self, verdict: Verdict) -> Verdict:
        """Give a verdict to the test, which has to look at it."""
        self._given_verdicts.append(given(verdict))
        return self._given_verdicts[-1]

    def take_ignored_verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts that no test looked at since the last call."""
        ignored = tuple(one for one in self._given_verdicts if not one.was_looked_at)
        self._given_verdicts.clear()
        return ignored

    def read_memory(self, address: int, size_bytes: int) -> bytes:
        """Read memory over SWD, as it is now.

        Where the probe's reads are not known to be harmless, the SMP connection ends before, and
        the CPU is resumed afterwards.
        """
        return self.memory.read(address, size_bytes)

    def board_state(self) -> tuple[Segment, ...]:
        """What a preflight needs to know of the board, which runs.

        The external flash is known to be erased, or is read through the application's shell. Raises
        `NotReadError` where neither can be.
        """
        ranges = ranges_to_read(self.board)
        with self.memory.of_running_firmware(ranges):
            pass  # The CPU goes on before the shell is asked: a read may have halted it.
        with self.memory.of_running_firmware(ranges) as read:
            external = self._reader_of_external_flash()
            try:
                with self.memory.typing_harmlessly():
                    return read_board_state(read, self.board, external)
            except (BoardError, NotSeenError) as error:
                raise NotReadError(f"the external flash: {error.what}") from error

    def _reader_of_external_flash(self) -> ReadMemory | None:
        """Reads it through the shell; None where it is known to be erased, or holds no slots."""
        if not has_external_slots(self.board) or self.memory.external_flash_is_erased:
            return None
        flash, console = self.board.external_flash, self.board.console
        if flash is None or not (console.has_shell and console.can_erase_flash):
            raise NotReadError("the external flash belongs to the application, which has no shell")
        return read_by_shell(self.shell, flash.shell_device, self.board.soc.external_window.start)

    def close(self) -> None:
        """Close all interfaces. Never raises."""
        self.mcumgr.close()
        self.wires.close()

    def _explained_silence(self, since: LogPosition, error: LineNotSeenError) -> LineNotSeenError:
        """The same error, with why a UART may be silent where this one was."""
        advice = advice_on_silence(
            self.console.text_since(since),
            baudrate=self.board.console.baudrate,
            port_doubt=self.wires.console_doubt,
            built=self._built_uart(),
        )
        if advice is None:
            return error
        return LineNotSeenError(error.what, where=error.where, next_step=advice)

    def _no_controller(self, line: str, error: LineNotSeenError) -> LineNotSeenError:
        why = "the network core does not answer"
        # Over SWD it can be read while it runs; where it cannot, the board's words are enough.
        with suppress(ProbeError):
            if network_core_is_empty(self.board, self.read_memory):
                why = "the network core is empty: its flash is erased"
        return LineNotSeenError(
            f"The application runs without Bluetooth, because {why}. It said {line!r}.",
            where=error.where,
            next_step=FLASH_BOTH_CORES,
        )

    def _changes(self) -> Changes:
        return Changes(
            self._boots.count, self.probe.resets, self.mcumgr.writes, self.console.written_bytes
        )

    def _restart(self) -> tuple[Boot, ...]:
        since = self.console.position()
        self.reset()
        return self.boots_since(since)

    def _shows_life(self) -> bool:
        """Whether the application answers now: its shell's prompt, or else its SMP server."""
        prompt = self.board.console.prompt
        try:
            if prompt is not None and self.board.console.has_shell:
                since = self.console.position()
                with self.memory.typing_harmlessly():
                    self.console.type_text("\r")
                    self.console.expect(
                        prompt,
                        since=since,
                        within_s=_PROMPT_S,
                        what="the shell's prompt",
                        partial_lines=True,
                    )
            else:
                # `connect` of a board found by its name reads memory, and lets the CPU go on.
                self.mcumgr.connect(self._peer(), self.board.timeouts.connect_s)
                self.mcumgr.get_image_list()
                self.mcumgr.disconnect()
        except NotSeenError:
            return False
        return True

    def _probe_deadline(self) -> Deadline:
        return Deadline.after(self.board.timeouts.probe_s)

    def _has_power(self) -> bool:
        return self.wires.faults is None or self.wires.faults.has_power()

    def _peer(self) -> Peer | str:
        if self.wires.smp_address is not None:
            return self.wires.smp_address()
        address = self.last_boot().identity_address or self._earlier_address()
        name = self.board.radio.name or self._built_name
        if address is not None or name is not None:
            return Peer(address, name, self.board.radio.private_address)
        raise BoardFileError(
            "The board's BLE address is not in its boot log, and neither its board file nor the "
            "build that was flashed has its name.",
            where=f"radio.name in the board file of {self.board.name}",
            next_step="Set radio.name, or build with CONFIG_BT_LOG_LEVEL_INF=y so that the boot "
            "log shows `Identity: ...`.",
        )

    def _earlier_address(self) -> str | None:
        """What the latest boot before showed: a line may be lost, and it changes rarely."""
        boots = self.boots_since(self.opened_at)
        known = (boot.identity_address for boot in reversed(boots))
        return next((address for address in known if address is not None), None)

    def _external_flash(self) -> ExternalFlash:
        if self.mcumgr.is_uploading:
            raise BoardError(
                "The external flash is not erased while an upload writes to it.",
                where="dut.mcumgr",
                next_step="Wait for the upload, or drop the connection: dut.mcumgr.disconnect()",
            )
        if self.board.external_flash is None:
            raise BoardFileError(
                f"{self.board.name} has no external flash.",
                where="[external_flash] in its board file",
                next_step="Leave the step out, or add the section.",
            )
        return self.board.external_flash

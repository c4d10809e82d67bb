"""One upgrade on one kit in this process: prepare the board, do the steps, ask for the verdict."""

import asyncio
import contextlib
import logging
import re
import shutil
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from anyio.from_thread import BlockingPortal
from typing_extensions import assert_never

from pytest_nrf_fota.campaign.air import DirectRadio, DirectSmp
from pytest_nrf_fota.campaign.case import Case, Fault, Step
from pytest_nrf_fota.campaign.port import DirectPort
from pytest_nrf_fota.campaign.profile import Profile
from pytest_nrf_fota.campaign.result import Answer, Result
from pytest_nrf_fota.campaign.states import flash_baseline, leave_after_boot, leave_before_boot
from pytest_nrf_fota.campaign.witness import Truth, Witness
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.dut.upgrade import Upgrade
from pytest_nrf_fota.errors import FotaError, NotSeenError
from pytest_nrf_fota.firmware.dfu_package import UpdateFile
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage
from pytest_nrf_fota.portal import start_portal
from pytest_nrf_fota.probe.read_effect import ProbeReads, ReadEffect
from pytest_nrf_fota.probe.recording import RecordingProbe
from pytest_nrf_fota.providers.provider import Wires
from pytest_nrf_fota.providers.sim import SimProbe
from pytest_nrf_fota.providers.sim_faults import SimFaults
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.control import AtErase, InjectFault
from pytest_nrf_fota.sim.kit import NO_POWER, Kit
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict

_NOISE_AT = ("Swap type", "Booting", "chainload", "Identity", "slot")
_NOISE = (b"\xff\x00\xfe", b"\x80" * 40, b"\x1b[1;3", b"\n\r\n", b"I: ")
_MOST_PRINTED = 400
_SWAP_OPERATIONS = 120
_UPLOAD_WITHIN_S = 10.0
_PER_MILLE = 1000
# A reset that a power cut has ended is done: the board boots with the power.
_REPEATED = (
    Step.UPLOAD,
    Step.UPLOAD_OTHER_SLOT,
    Step.SECOND_WRITER,
    Step.OTHER_UPGRADE,
    Step.SET_PENDING,
)


class Bench:
    """Runs cases one after the other; what cases have in common is made once.

    Args:
        folder: for firmware and logs; the caller removes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._profiles: dict[tuple[str, str], Profile] = {}
        self._portal, self._end_portal = start_portal(self)
        self._loop = self._portal.call(_running_loop)
        self._kit_failures = _KitFailures()
        logging.getLogger("pytest_nrf_fota.sim").addHandler(self._kit_failures)
        logging.getLogger("asyncio").addHandler(self._kit_failures)

    def close(self) -> None:
        """End the kits' event loop."""
        logging.getLogger("pytest_nrf_fota.sim").removeHandler(self._kit_failures)
        logging.getLogger("asyncio").removeHandler(self._kit_failures)
        self._end_portal()

    def profile(self, board: str, ncs: str) -> Profile:
        """What all cases on this board with this release have in common."""
        key = board, ncs
        if key not in self._profiles:
            self._profiles[key] = Profile.of(board, ncs, self._folder)
        return self._profiles[key]

    def run(self, case: Case) -> Result:
        """Run a case. Never raises for what the harness, the kit or the board did."""
        started_s, cpu_s = time.monotonic(), time.process_time()
        profile = self.profile(case.board, case.ncs)
        package = profile.package(case.package)
        self._kit_failures.clear()
        folder = self._folder / "case"
        try:
            with self._board(profile, folder) as board:
                result = board.run(case, package)
        except Exception:
            result = Result(case, Answer.FOREIGN_ERROR, said=traceback.format_exc())
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if self._kit_failures.texts:
            failures = "\n".join(self._kit_failures.texts)
            result = replace(result, answer=Answer.KIT_FAILED, said=f"{failures}\n{result.said}")
        return replace(
            result,
            cpu_s=round(time.process_time() - cpu_s, 3),
            wall_s=round(time.monotonic() - started_s, 3),
        )

    @contextlib.contextmanager
    def _board(self, profile: Profile, folder: Path) -> Iterator["_Board"]:
        folder.mkdir(parents=True, exist_ok=True)
        radio = DirectRadio()
        kit = Kit(profile.kit, radio=radio)
        self._portal.call(_start, kit, folder / "app_uart")
        try:
            recorder = FlightRecorder()
            port = DirectPort(kit, self._portal)
            console = Console(
                kit.app_uart.port,
                baudrate=profile.board.console.baudrate,
                raw_log_path=folder / "uart.log",
                recorder=recorder,
                reopen_timeout_s=profile.board.console.reopen_s,
            )
            network = _network_console(kit, profile, folder, recorder)
            wires = Wires(
                RecordingProbe(SimProbe(port, profile.board.name, profile.board.soc), recorder),
                console,
                DirectSmp(radio, self._loop),
                network_console=network,
                faults=SimFaults(port, profile.board.slots, recorder),
                # Else the first case would find it out, and differ from the others.
                reads=ProbeReads(effect=ReadEffect.HARMLESS),
            )
            dut = Dut(profile.board, "campaign", wires, recorder, runs_preflight=False)
            try:
                yield _Board(profile, kit, dut, self._portal)
            finally:
                dut.close()
        finally:
            self._portal.call(kit.close)


@dataclass(frozen=True)
class _Board:
    """A kit with the harness around it."""

    profile: Profile
    kit: Kit
    dut: Dut
    portal: BlockingPortal

    def run(self, case: Case, package: Path) -> Result:
        witness = Witness(self.kit, self._files(package))
        witness.silent = frozenset(case.silent)
        try:
            self._prepare(case)
            self.dut.reset()
            self.portal.call(leave_after_boot, self.kit, self.profile, case.state)
        except FotaError as error:
            return Result(case, Answer.NOT_PREPARED, said=str(error))
        witness.note_before()
        first_line = len(witness.printed)
        witness.lose_lines(case.lost_per_mille, f"{case.seed}/{case.number}")
        noted: list[str] = []
        try:
            answer, ending, said, truth = self._upgrade(case, package, witness, noted)
        except Exception:
            answer, ending, said, truth = Answer.FOREIGN_ERROR, "", traceback.format_exc(), None
        return Result(
            case,
            answer,
            truth,
            ending,
            said,
            tuple(noted),
            self.portal.call(witness.words),
            tuple(witness.printed[first_line:][-_MOST_PRINTED:]),
        )

    def _prepare(self, case: Case) -> None:
        self.portal.call(flash_baseline, self.kit, self.profile)
        cut_at = 1 + case.fault.amount % _SWAP_OPERATIONS
        self.portal.call(leave_before_boot, self.kit, self.profile, case.state, cut_at)

    def _upgrade(
        self, case: Case, package: Path, witness: Witness, noted: list[str]
    ) -> tuple[Answer, str, str, Truth | None]:
        try:
            upgrade = self.dut.start_upgrade(package)
        except FotaError as error:
            return Answer.REFUSED, type(error).__name__, str(error), witness.truth()
        for number, step in enumerate(case.steps):
            if case.fault.kind is not Fault.NONE and case.fault.step == number:
                self._arm(case, upgrade, witness)
            self._do(step, upgrade, noted)
        self._end_fault(noted)
        before = self.portal.call(_look, witness)
        try:
            verdict = upgrade.judge()
        except FotaError as error:
            return Answer.NO_VERDICT, type(error).__name__, str(error), self._truth(before, witness)
        return (
            _answer(verdict),
            verdict.ending.name,
            str(verdict),
            self._truth(before, witness),
        )

    def _truth(self, before: tuple[Truth, int], witness: Witness) -> Truth:
        after = self.portal.call(_look, witness)
        # A board that resets endlessly has run both while the harness asked.
        return after[0] if before == after else Truth.MOVING

    def _do(self, step: Step, upgrade: Upgrade, noted: list[str]) -> None:
        """Do a step; where it fails, go on as a person would: power back, once more."""
        try:
            self._do_once(step, upgrade)
        except FotaError as error:
            noted.append(f"{step.value}: {type(error).__name__}: {error.what}")
            had_power = not self._has_no_power()
            if not had_power:
                self._power_on(noted)
            if step in _REPEATED and (not had_power or isinstance(error, NotSeenError)):
                with self._noting(f"{step.value} again", noted):
                    self._do_once(step, upgrade)
        self.dut.faults.plug_in_console()
        if self._has_no_power():
            self._power_on(noted)

    def _do_once(self, step: Step, upgrade: Upgrade) -> None:
        match step:
            case Step.UPLOAD:
                upgrade.upload()
            case Step.UPLOAD_OTHER_SLOT:
                for file in upgrade.other_files:
                    upgrade.upload(file)
            case Step.SECOND_WRITER | Step.OTHER_UPGRADE:
                other = self.profile.other_app
                self.dut.connect()
                self.dut.mcumgr.image_upload(other, within_s=_UPLOAD_WITHIN_S)
                if step is Step.OTHER_UPGRADE:
                    self.dut.mcumgr.image_test(McubootImage.parse(other).hash or b"")
            case Step.SET_PENDING:
                upgrade.set_pending()
            case Step.RESET:
                upgrade.reset()
            case Step.FURTHER_RESETS:
                for _ in range(upgrade.expected_resets - 1):
                    self.dut.reset()
            case Step.ONE_MORE_RESET:
                self.dut.reset()
            case _:
                assert_never(step)

    def _arm(self, case: Case, upgrade: Upgrade, witness: Witness) -> None:
        fault, faults = case.fault, self.dut.faults
        at_byte = len(upgrade.file.data) * fault.amount // _PER_MILLE
        match fault.kind:
            case Fault.NONE:
                pass
            case Fault.POWER_CUT:
                faults.cut_power_at_operation(fault.amount)
            case Fault.CONNECTION_LOST:
                faults.lose_connection_at_upload_byte(at_byte, upgrade.file.image_index)
            case Fault.RESET_IN_UPLOAD:
                faults.reset_at_upload_byte(at_byte)
            case Fault.RESET_AT_ERASE:
                when = AtErase(number=fault.amount)
                again = InjectFault(name="reset at erase", fault="reset", when=when)
                self.portal.call(self.kit.faults.inject, again)
            case Fault.NOISE:
                noise = _NOISE[fault.amount % len(_NOISE)]
                faults.noise_at_log_line(re.escape(_NOISE_AT[fault.amount % 7 % 5]), noise)
            case Fault.CONSOLE_GAP:
                faults.unplug_console()
                if fault.amount % 2:
                    # The gap ends with the bootloaders; else it lasts as long as the step.
                    witness.on_app = self._plug_in
            case _:
                assert_never(fault.kind)

    def _plug_in(self) -> None:
        self.kit.app_uart.plug(plugged_in=True)

    def _end_fault(self, noted: list[str]) -> None:
        self.dut.faults.end()
        if self._has_no_power():
            self._power_on(noted)

    def _has_no_power(self) -> bool:
        return self.kit.state == NO_POWER or not self.kit.flash.has_power

    def _power_on(self, noted: list[str]) -> None:
        since = self.dut.console.position()
        self.dut.mcumgr.disconnect()
        self.dut.faults.restore_power()
        with self._noting("power back", noted):
            self.dut.wait_for_boot(since)

    @contextlib.contextmanager
    def _noting(self, name: str, noted: list[str]) -> Iterator[None]:
        try:
            yield
        except FotaError as error:
            noted.append(f"{name}: {type(error).__name__}: {error.what}")

    def _files(self, package: Path) -> tuple[UpdateFile, ...]:
        with contextlib.suppress(FotaError):
            return self.profile.files(package)
        return ()


class _KitFailures(logging.Handler):
    """What the kit's tasks could not tell anybody."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info is not None and record.exc_info[0] is not None:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        self.texts.append(text)

    def clear(self) -> None:
        self.texts.clear()


async def _start(kit: Kit, link: Path) -> None:
    await kit.start()
    kit.app_uart.name_port(link)


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _look(witness: Witness) -> tuple[Truth, int]:
    return witness.truth(), witness.boots


def _network_console(
    kit: Kit, profile: Profile, folder: Path, recorder: FlightRecorder
) -> Console | None:
    if not kit.has_network_core:
        return None
    return Console(
        kit.net_uart.port,
        baudrate=profile.board.console.baudrate,
        raw_log_path=folder / "uart_network.log",
        recorder=recorder,
        is_network_core=True,
    )


def _answer(verdict: Verdict) -> Answer:
    match verdict.outcome:
        case Outcome.UPGRADED:
            return Answer.UPGRADED
        case Outcome.NOT_UPGRADED:
            return Answer.NOT_UPGRADED
        case Outcome.CONTRADICTION:
            return Answer.CONTRADICTION
        case Outcome.UNPROVEN:
            return Answer.UNPROVEN
        case _:
            assert_never(verdict.outcome)

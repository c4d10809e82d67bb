"""The upgrade itself: look, choose, upload, set pending, reset, watch, judge, confirm."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from typing_extensions import assert_never

from pytest_nrf_fota.artifacts.file_choice import main_file
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.errors import BoardError, NotSeenError
from pytest_nrf_fota.field_upgrade import up_front
from pytest_nrf_fota.field_upgrade.judging import Course, judge_upgrade
from pytest_nrf_fota.field_upgrade.link import Link
from pytest_nrf_fota.field_upgrade.modes import Mode
from pytest_nrf_fota.field_upgrade.options import UpgradeOptions
from pytest_nrf_fota.field_upgrade.sending import send
from pytest_nrf_fota.field_upgrade.up_front import RunningSlotKnown
from pytest_nrf_fota.field_upgrade.watching import reset, stays_up, wait_for_application
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.record.events import VerdictReached
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict


class NotThereError(NotSeenError):
    """The board was not found, or takes no connection: nothing was sent."""


class InterruptedLateError(KeyboardInterrupt):
    """Ctrl-C once the update was sent: the board may act on it with its next reset."""


class End(Enum):
    """How the command ends; the value is its exit code."""

    RUNS = 0
    NOT_UPGRADED = 1
    NOT_SHOWN = 3


@dataclass(frozen=True)
class Plan:
    """What is to be done with the board as it was found.

    Args:
        images: its image list.
        files: what is sent, in the order in which it becomes pending.
        slot: which S0/S1 slot runs, where that matters.
        running: the application that runs, where it is what would be sent.
        boot: the last boot that the console saw.
    """

    images: tuple[ImageState, ...]
    files: tuple[UpdateFile, ...]
    slot: RunningSlotKnown | None
    running: ImageState | None
    boot: Boot


class FieldUpgrade:
    """One upgrade.

    Args:
        link: the board.
        recorder: gets every step.
        package: what is sent.
        options: how.
        baseline: memory of the board as it was flashed; None where that was not given.
        say: tells the user a line.
    """

    def __init__(
        self,
        link: Link,
        recorder: FlightRecorder,
        package: DfuPackage,
        options: UpgradeOptions,
        baseline: ReadMemory | None,
        say: Callable[[str], None],
    ) -> None:
        self._link = link
        self._recorder = recorder
        self._package = package
        self._options = options
        self._baseline = baseline
        self._say = say

    @property
    def _board(self) -> BoardType:
        return self._link.board

    def run(self) -> End:
        """Do it; returns how it ended.

        Raises `BoardError` where the board refuses, `NotSeenError` where it is lost, `RigError`
        where this host is at fault, `InputError` and `PackageError` for what does not fit,
        `InterruptedLateError` for Ctrl-C from when the update is set pending.
        """
        plan = self._look()
        if plan.running is not None:
            self._say(f"nothing to do: the board runs it already: {plan.running}")
            return End.RUNS
        if self._options.is_dry_run:
            self._tell_plan(plan)
            return End.RUNS
        before = up_front.note_what_runs(
            self._baseline, self._board, plan.files, plan.boot, plan.images
        )
        for file in plan.files:
            self._say(
                f"sent       {file.name}: {send(self._link, self._recorder, file, self._say)}"
            )
        course = Course(plan.files, before, has_log=self._link.log is not None)
        try:
            return self._make_it_run(course)
        except KeyboardInterrupt as error:
            raise InterruptedLateError from error

    def _make_it_run(self, course: Course) -> End:
        course = self._set_pending(course)
        for number in range(self._resets):
            course = self._reset(course, is_last=number == self._resets - 1)
        return self._judge(course)

    def _look(self) -> Plan:
        with self._recorder.step("connect"):
            try:
                self._link.connect()
            except NotSeenError as error:
                raise NotThereError(
                    error.what, where=error.where, next_step=error.next_step
                ) from error
        images = self._link.mcumgr.get_image_list()
        self._say(f"board      {self._board.name}")
        for state in images:
            self._say(f"           {state}")
        read = self._baseline
        if read is not None and up_front.is_as_baseline(read, self._board, images) is False:
            self._say("note       it runs another application than the baseline: updated since?")
        up_front.require_settled(images, self._package, self._board)
        boot, slot = Boot(), None
        if up_front.needs_s_slot(self._package):
            boot, slot = self._find_running_slot(images)
            self._say(f"runs       S{slot.s_slot} ({slot.how})")
            # The reset that showed it may have taken something along.
            self._link.connect()
            images = self._link.mcumgr.get_image_list()
            up_front.require_settled(images, self._package, self._board)
        files = up_front.chosen_files(self._package, self._board, boot, slot)
        return Plan(images, files, slot, up_front.runs_already(files, images), boot)

    def _find_running_slot(self, images: Sequence[ImageState]) -> tuple[Boot, RunningSlotKnown]:
        given = self._options.running_slot
        if given is not None:
            return Boot(), RunningSlotKnown(given.number, "--running-slot")
        if self._link.log is not None and not self._options.is_dry_run:
            boot = self._boot_once()
            slot = up_front.slot_of_boot(boot)
            if slot is not None:
                return boot, slot
        slot = up_front.slot_of_baseline(self._baseline, self._board, images)
        if slot is None:
            would_be_seen = self._link.log is not None and self._options.is_dry_run
            error = up_front.slot_after_reset if would_be_seen else up_front.no_slot_known
            raise error(self._package)
        return Boot(), slot

    def _boot_once(self) -> Boot:
        """Reset the board, on which nothing is pending, to see what NSIB says."""
        assert self._link.log is not None, "asked where there is a log"
        self._say("reset      to see on the console which of S0 and S1 runs")
        since = reset(self._link, self._recorder)
        timeouts = self._board.timeouts
        wait_for_application(
            self._link, self._recorder, since, waiting=(), within_s=timeouts.boot_s
        )
        boots = self._link.log.boots_since(since) if since is not None else ()
        return boots[-1] if boots else Boot()

    @property
    def _resets(self) -> int:
        match self._package.kind:
            case PackageKind.APPLICATION:
                return 1
            case PackageKind.MCUBOOT:
                return self._board.boot.resets_until_new_mcuboot_runs
            case _:
                assert_never(self._package.kind)

    def _is_permanent(self, file: UpdateFile) -> bool:
        return (
            self._package.kind is PackageKind.MCUBOOT
            or is_for_network_core(file)
            or self._options.mode is Mode.CONFIRM_ONLY
        )

    @property
    def _takes_pending_images(self) -> bool:
        return self._board.boot.takes_pending_images

    def _tell_plan(self, plan: Plan) -> None:
        for file in plan.files:
            size_kb = len(file.data) / 1000
            self._say(f"would send {file.name}, {size_kb:.1f} kB, to image {file.image_index}")
            if self._takes_pending_images:
                how = "permanent" if self._is_permanent(file) else "pending for a test boot"
                self._say(f"           and set it {how}")
        often = "once" if self._resets == 1 else f"{self._resets} times"
        self._say(f"           then reset the board {often} and watch")
        if self._confirms:
            self._say("           and confirm it once it is seen to run")

    @property
    def _confirms(self) -> bool:
        return (
            self._package.kind is PackageKind.APPLICATION
            and self._takes_pending_images
            and self._options.mode is Mode.TEST_AND_CONFIRM
        )

    def _set_pending(self, course: Course) -> Course:
        if not self._takes_pending_images:
            return course
        for file in course.files:
            image_hash = file.image.hash or b""
            is_permanent = self._is_permanent(file)
            with self._recorder.step("set pending", image_hash.hex()[:8]):
                self._link.connect()
                mcumgr = self._link.mcumgr
                mark = mcumgr.image_confirm if is_permanent else mcumgr.image_test
                _require_pending(mark(image_hash), image_hash)
            self._say(
                f"pending    {file.name}, {'permanent' if is_permanent else 'for a test boot'}"
            )
        return replace(course, was_marked=True)

    def _reset(self, course: Course, *, is_last: bool) -> Course:
        hashes = [file.image.hash or b"" for file in course.files]
        since = reset(self._link, self._recorder)
        self._say("reset      over SMP; waiting for the application")
        timeouts = self._board.timeouts
        images = wait_for_application(
            self._link,
            self._recorder,
            since,
            waiting=hashes,
            within_s=timeouts.boot_s + timeouts.swap_s,
        )
        first = course.since if course.since is not None else since
        if images is None and not is_last:
            raise BoardError(
                "The board did not come up again with its first reset.",
                where=f"board {self._board.name}",
                next_step="Look at its UART log; another reset is what the update needs.",
            )
        return replace(
            course, since=first, last_reset=since, resets=course.resets + 1, images=images
        )

    def _judge(self, course: Course) -> End:
        verdict = self._verdict(course)
        if verdict.outcome is Outcome.UPGRADED and not stays_up(self._link, course.last_reset):
            self._say("it booted again, unasked")
            images = wait_for_application(
                self._link,
                self._recorder,
                course.last_reset,
                waiting=(),
                within_s=self._board.timeouts.boot_s,
            )
            verdict = self._verdict(replace(course, images=images, restarts=1))
        if verdict.outcome is Outcome.UPGRADED and self._confirms:
            verdict = self._confirm(course, verdict)
        elif verdict.ending is Ending.TESTED:
            note = "it is not confirmed, so the next reset reverts it"
            verdict = replace(verdict, notes=(*verdict.notes, note))
        self._recorder.record(
            VerdictReached(
                outcome=verdict.outcome.value,
                subject=verdict.subject,
                reason=verdict.reason,
                notes=verdict.notes,
                evidence=verdict.evidence,
            )
        )
        self._say(str(verdict))
        match verdict.outcome:
            case Outcome.UPGRADED:
                return End.RUNS
            case Outcome.NOT_UPGRADED | Outcome.CONTRADICTION:
                return End.NOT_UPGRADED
            case Outcome.UNPROVEN:
                return End.NOT_SHOWN
            case _:
                assert_never(verdict.outcome)

    def _verdict(self, course: Course) -> Verdict:
        log = self._link.log
        boots = self._boots_since(course.since)
        last_boots = self._boots_since(course.last_reset)
        gaps = log.console.gaps if log is not None else 0
        return judge_upgrade(self._board, course, boots, last_boots, gaps)

    def _boots_since(self, since: LogPosition | None) -> tuple[Boot, ...]:
        log = self._link.log
        return () if log is None or since is None else log.boots_since(since)

    def _confirm(self, course: Course, verdict: Verdict) -> Verdict:
        wanted = main_file(course.files).image.hash
        with self._recorder.step("confirm"):
            self._link.connect()
            images = self._link.mcumgr.get_image_list()
            active = next((one for one in images if one.active and one.image == 0), None)
            if active is not None and active.hash and active.hash != wanted:
                raise BoardError(
                    f"Another image runs than was judged, and was not confirmed: {active}",
                    where=f"board {self._board.name}",
                    next_step="Does something else update this board, or did it reset meanwhile?",
                )
            self._link.mcumgr.image_confirm()
        self._say("confirmed  it stays")
        return replace(verdict, ending=Ending.UPGRADED)


def _require_pending(images: Sequence[ImageState], image_hash: bytes) -> None:
    if not any(state.hash == image_hash and state.pending for state in images):
        listed = "; ".join(str(state) for state in images) or "(empty)"
        raise BoardError(
            "The board agreed to set the image pending; its image list does not show it.",
            where=f"image list: {listed}",
            next_step="Erase the secondary slot (mcumgr image erase) and try again.",
        )

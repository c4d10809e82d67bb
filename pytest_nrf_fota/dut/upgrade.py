"""One upgrade, step by step: choose the file, upload, set pending, reset, gather evidence."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from pytest_nrf_fota.artifacts.file_choice import files_to_send, main_file, require_slots_for
from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.board_memory import NotReadError
from pytest_nrf_fota.dut.same_board import OtherBoardError
from pytest_nrf_fota.errors import (
    BoardError,
    FotaError,
    InputError,
    NotSeenError,
    PackageError,
    ProbeError,
)
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.preflight.board_state import has_preflight, ranges_to_read
from pytest_nrf_fota.preflight.not_predictable import why_not_predictable
from pytest_nrf_fota.record.events import FactsJudged, PreflightDone, VerdictReached
from pytest_nrf_fota.record.long_step import LongStep
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.boots import gave_up_of
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict
from pytest_nrf_fota.verdict.facts import Facts, Marking, Update, Watch
from pytest_nrf_fota.verdict.kept_facts import keep_update
from pytest_nrf_fota.verdict.memory import (
    Before,
    note_before,
    read_update,
    running_s_slot,
    with_listed_app,
)
from pytest_nrf_fota.verdict.readiness import not_ready_reason
from pytest_nrf_fota.verdict.unconfirmed import unconfirmed_test_image
from pytest_nrf_fota.verdict.watching import silent_stages
from pytest_nrf_fota.verdict.wording import verdict_of

if TYPE_CHECKING:
    from pytest_nrf_fota.dut.dut import Dut
    from pytest_nrf_fota.preflight.prediction import Prediction

NO_COPY = "a copy can be made of a kit only, whose MCUboot takes pending images"
PENDING = "set pending"
"""Name of the moment whose later boots count for a verdict."""
SENT = "sent"
"""The same, where nothing was set pending."""

_SECONDS_PER_UPLOADED_KB = 2.0
_LEAST_UPLOAD_S = 60.0
# An application that boots again so often while it is watched does not stay up.
_MOST_RESTARTS = 3


class _StopUpload(Exception):  # noqa: N818 - not an error: it leaves smpclient's upload
    """The upload has come as far as it was to come."""


class Upgrade:
    """An upgrade under way. `Dut.upgrade` does all steps; tests that leave one out do them here.

    Making one reads what runs before the upgrade, connects, and reads the image list.
    """

    def __init__(self, dut: "Dut", package: DfuPackage) -> None:
        self._dut = dut
        self.package = package
        require_slots_for(package, dut.board)
        self.boot_before = dut.last_boot()
        # Before anything is connected: a read may halt the CPU.
        dut.memory.try_reads()
        self.files = files_to_send(package, self.boot_before, self._s_slot_in_flash())
        self.file = main_file(self.files)
        before = self._note_before()
        dut.connect()
        self.images_before = dut.mcumgr.get_image_list()
        _require_settled(self.images_before, self.package)
        self._before = with_listed_app(before, self.images_before)
        self._network_pending_since: LogPosition | None = None
        self._sent_since = dut.position(SENT)
        self._pending_since: LogPosition | None = None
        self._pending_refusal: str | None = None
        self.resumed_at_bytes: int | None = None
        self.prediction: Prediction | None = None
        self._preflight: PreflightDone | None = None
        self._uploaded: UpdateFile | None = None
        self._pending: tuple[UpdateFile, ...] = ()
        self._resets_when_pending = 0
        self._gaps_when_pending = 0
        self._restarts = 0
        self._watched_s: float | None = None
        self._judged_boots: tuple[Boot, ...] = ()

    @property
    def expected_resets(self) -> int:
        """Resets until the new firmware runs, the one that follows `set_pending` included."""
        match self.package.kind:
            case PackageKind.APPLICATION:
                return 1
            case PackageKind.MCUBOOT:
                return self._dut.board.boot.resets_until_new_mcuboot_runs
            case _:
                assert_never(self.package.kind)

    @property
    def other_files(self) -> tuple[UpdateFile, ...]:
        """The package's files that are not to be sent: for the slot that is running."""
        return tuple(file for file in self.package.files if file not in self.files)

    def upload(
        self,
        file: UpdateFile | None = None,
        *,
        on_progress: Callable[[int], None] | None = None,
        reconnects: int = 0,
    ) -> None:
        """Send all files that fit, or another one of the package on purpose.

        Before the first one, `prediction` is what the board will make of the package; whatever
        it is, the file is sent. An upload that was interrupted is resumed where the board asks;
        `resumed_at_bytes` is where. `on_progress` gets the number of bytes that the board has.
        A connection that breaks in the middle is made anew `reconnects` times for each file; by
        default it is an error, so that no test passes on a radio that fails.
        """
        self._predict_once()
        for sent in self.files if file is None else (file,):
            self._upload(sent, on_progress, reconnects)
            self._uploaded = sent
        self._sent_since = self._dut.position(SENT)
        if self._pending_since is None:
            self._begin_watch()

    def upload_until(self, offset_bytes: int) -> None:
        """Send the files until the board has so many bytes of the last one, then disconnect.

        `resumed_at_bytes` tells after `upload(upgrade.file)` whether the board remembers. It
        remembers one image: whoever sends all files again begins each anew.
        """

        def stop(done_bytes: int) -> None:
            if done_bytes >= offset_bytes:
                raise _StopUpload

        self._predict_once()
        *others, last = self.files
        for whole in others:
            self._upload(whole)
            self._uploaded = whole
        with contextlib.suppress(_StopUpload):
            self._upload(last, stop)
        self._dut.mcumgr.disconnect()

    def _upload(
        self,
        sent: UpdateFile,
        on_progress: Callable[[int], None] | None = None,
        reconnects: int = 0,
    ) -> None:
        self.resumed_at_bytes = None

        long = LongStep("upload", sent.name, size_bytes=len(sent.data))

        def note(done_bytes: int) -> None:
            if self.resumed_at_bytes is None:
                self.resumed_at_bytes = done_bytes
            long.reached(done_bytes)
            if on_progress is not None:
                on_progress(done_bytes)

        size_kb = len(sent.data) / 1000
        with self._dut.step("upload", sent.name, long=long):
            self._dut.connect()
            self._dut.mcumgr.image_upload(
                sent.data,
                image_number=sent.image_index,
                within_s=max(_LEAST_UPLOAD_S, size_kb * _SECONDS_PER_UPLOADED_KB),
                on_progress=note,
                reconnects=reconnects,
            )

    def set_pending(self, file: UpdateFile | None = None, *, permanent: bool = False) -> None:
        """Set the uploaded image pending: an application for a test, a bootloader permanently.

        `permanent` is for an application that nothing shall revert. A network core's image comes
        before the application and is always permanent. Where the bootloader takes the highest
        version instead, nothing is sent.

        Raises `BoardError` when the board refuses, or agrees and does not show it as pending.
        """
        if not self._dut.board.boot.takes_pending_images:
            self._pending_since = self._dut.position(f"{PENDING}: nothing, the highest runs")
            return
        self._pending_since = self._dut.position(PENDING)
        self._begin_watch()
        if self._dut.network_console is not None:
            self._network_pending_since = self._dut.network_console.position()
        for chosen in self.files if file is None else (file,):
            self._set_one_pending(chosen, permanent=permanent or is_for_network_core(chosen))

    def _set_one_pending(self, chosen: UpdateFile, *, permanent: bool) -> None:
        image_hash = chosen.image.hash or b""
        with self._dut.step("set pending", image_hash.hex()[:8]):
            try:
                images = self._ask_pending(image_hash, permanent=permanent)
            except BoardError as error:
                # What is pending already may refuse to become so once more.
                if not any(file is chosen for file in self._pending):
                    self._pending_refusal = error.what + self._sent_instead(chosen)
                raise
            if not any(state.hash == image_hash and state.pending for state in images):
                listed = "; ".join(str(state) for state in images) or "(empty)"
                self._pending_refusal = "the image list shows it as not pending"
                raise BoardError(
                    "The board agreed to set the image pending; its image list does not show it.",
                    where=f"image list: {listed}",
                    next_step="Erase the secondary slot (a stale trailer may lie in it) and retry.",
                )
        self._pending, self._pending_refusal = (*self._pending, chosen), None

    def _begin_watch(self) -> None:
        self._resets_when_pending = self._dut.reset_count
        self._gaps_when_pending = self._dut.console.gaps

    def _watch(self) -> Watch:
        speaks = self._dut.board.boot.speaks
        if speaks is None:
            silent = silent_stages(self.boot_before)
        else:
            named = {"nsib": Stage.NSIB, "mcuboot": Stage.MCUBOOT}
            silent = frozenset(stage for name, stage in named.items() if name not in speaks)
        return Watch(
            gaps=self._dut.console.gaps - self._gaps_when_pending,
            resets=self._dut.reset_count - self._resets_when_pending,
            silent=silent,
            lacks_last_boot=self._dut.lacks_last_boot,
        )

    def _s_slot_in_flash(self) -> int | None:
        """The S0/S1 slot that NSIB starts, read from flash where it prints nothing."""
        if self.package.kind is not PackageKind.MCUBOOT or self.boot_before.nsib_slot is not None:
            return None
        slots = (self._dut.board.slots.s0, self._dut.board.slots.s1)
        ranges = [(slot.address, slot.address + slot.size) for slot in slots if slot is not None]
        with (
            contextlib.suppress(NotReadError),
            self._dut.memory.of_running_firmware(ranges) as read,
        ):
            running = running_s_slot(read, self._dut.board)
            return None if running is None else running.s_slot
        return None

    def _sent_instead(self, chosen: UpdateFile) -> str:
        # A server names the hash that it does not find by a code for anything (rc 3, "In Value").
        last = self._uploaded
        if last is None or last is chosen or last.image_index != chosen.image_index:
            return ""
        its_hash = (last.image.hash or b"").hex()[:8]
        if last.image.hash == chosen.image.hash:
            return f". {last.name}, which was uploaded last, says of itself that it is this image"
        return f". The file uploaded last was another: {last.name}, {its_hash}..."

    def reset(self, *, records_failure: bool = True) -> Boot:
        """Reset over SMP, as a phone does, and wait for the application.

        Allows for the swap's time. Returns the last boot. Where the application does not come up,
        the verdict on that is recorded before the error is raised, unless the caller does that.
        """
        try:
            return self._reset()
        except (BoardError, NotSeenError):
            if records_failure:
                with contextlib.suppress(FotaError):
                    self.judge()
            raise

    def _reset(self) -> Boot:
        since = self._dut.position("reset over SMP")
        self._dut.reset_count += 1
        with self._dut.step("reset over SMP"):
            self._dut.connect()
            try:
                self._dut.mcumgr.reset_device()
            except NotSeenError as lost:
                # A board that resets at once answers nobody: whether it did, its boot tells.
                self._dut.position(f"no answer to the reset, so the boot decides: {lost.what}")
                self._dut.mcumgr.disconnect()
            self._dut.was_reset(since)
            return self._dut.wait_for_boot(since)

    def verdict(self) -> Verdict:
        """Ask all three interfaces what runs now; the verdict goes to the recorder as well.

        A test that never looks at it proves nothing, and is warned of.
        """
        return self._dut.hand_out(self.judge())

    def judge(self, *, confirms: bool = False) -> Verdict:
        """`verdict` for the harness itself: nobody has to look at it.

        What is proven is watched until it has been up for `boot.settle_s`. A boot in between, or
        while the interfaces were asked, is judged anew. With `confirms` a proven application is
        confirmed then.
        """
        with self._dut.recorder.group("verdict", "ask UART, SMP and SWD"):
            return self._judge(confirms=confirms)

    def _judge(self, *, confirms: bool) -> Verdict:
        verdict = self._judge_now()
        for _ in range(_MOST_RESTARTS):
            if self._stays_up(verdict):
                break
            self._restarts += 1
            verdict = self._judge_now()
        else:
            verdict = self._judge_now(is_unstable=True)
        verdict = replace(verdict, preflight=self._preflight_remark(verdict))
        try:
            if confirms and self.confirm_if_proven(verdict):
                verdict = replace(verdict, ending=Ending.UPGRADED)
        except FotaError as error:
            note = f"it could not be confirmed: {error.what}"
            self._dut.recorder.record(_event(replace(verdict, notes=(*self._notes(verdict), note))))
            raise
        verdict = replace(verdict, notes=self._notes(verdict))
        self._dut.recorder.record(_event(verdict))
        return verdict

    def _stays_up(self, verdict: Verdict) -> bool:
        """Whether the board did not boot again, while it was judged and until it has settled.

        Where it did, its application is waited for: what was read belongs to two boots.
        """
        dut, since = self._dut, self._pending_since or self._sent_since
        if not_ready_reason(self._judged_boots):
            return True
        judged = _last_number(self._judged_boots)
        settle_s = dut.board.boot.settle_s if verdict.outcome is Outcome.UPGRADED else 0.0
        ready_at_s = _ready_at_s(self._judged_boots)
        up_s = 0.0 if ready_at_s is None else time.monotonic() - ready_at_s
        place, deadline = dut.console.position(), Deadline.after(max(0.0, settle_s - up_s))
        while _last_number(dut.boots_since(since)) == judged:
            if not dut.console.log.wait_for_more(place.offset_chars, deadline):
                self._watched_s = max(up_s, settle_s)
                return True
            place = dut.console.position()
        deadline = Deadline.after(dut.board.timeouts.boot_s)
        while not dut.boots_since(since)[-1].app_ready:
            if not dut.console.log.wait_for_more(place.offset_chars, deadline):
                break
            place = dut.console.position()
        return False

    def _notes(self, verdict: Verdict) -> tuple[str, ...]:
        notes: list[str] = []
        if verdict.outcome is Outcome.UPGRADED and self._watched_s is not None:
            again = f"it booted again {self._restarts} times before" if self._restarts else ""
            stayed = again or "it did not boot again"
            notes.append(f"watched for {self._watched_s:.1f} s after its ready line: {stayed}")
        if verdict.ending is Ending.TESTED:
            notes.append("it is not confirmed, so the next reset reverts it")
        return tuple(notes)

    def _judge_now(self, *, is_unstable: bool = False) -> Verdict:
        # What nobody set pending can be judged all the same: by the boots since the upload.
        boots = self._judged_boots = self._dut.boots_since(self._pending_since or self._sent_since)
        # An application that is not ready is not asked: it would be waited for in vain.
        is_silent = bool(not_ready_reason(boots)) or self._stands_still(boots)
        # A read may halt the CPU: it comes before the connection.
        read, unread = self._read_updates()
        images = None if is_silent else self._images_now()
        first, *more = reversed(read)
        facts = Facts(
            boots=boots,
            update=first,
            marking=Marking(
                self._pending_since is not None,
                self._pending_refusal,
                was_sent=self._uploaded is not None,
            ),
            watch=replace(self._watch(), restarts=self._restarts, is_unstable=is_unstable),
            images=images,
            memory_unread=unread,
            must_be_ready=True,
        )
        self._dut.recorder.record(self._facts_event(facts, (first, *more)))
        return verdict_of(facts, *more)

    def _facts_event(self, facts: Facts, updates: Sequence[Update]) -> FactsJudged:
        assert facts.marking is not None, "an upgrade knows whether it was set pending"
        return FactsJudged(
            since=SENT if self._pending_since is None else PENDING,
            has_images=facts.images is not None,
            was_tried=facts.marking.was_tried,
            refusal=facts.marking.refusal,
            was_sent=facts.marking.was_sent,
            gaps=facts.watch.gaps,
            resets=facts.watch.resets,
            silent=tuple(sorted(stage.name for stage in facts.watch.silent)),
            restarts=facts.watch.restarts,
            is_unstable=facts.watch.is_unstable,
            lacks_last_boot=facts.watch.lacks_last_boot,
            memory_unread=facts.memory_unread,
            updates=tuple(keep_update(update) for update in updates),
        )

    def confirm_if_proven(self, verdict: Verdict) -> bool:
        """Confirm a proven application, so that it stays. Returns whether it was confirmed.

        Bootloaders need no confirmation, nor does what no bootloader would revert. Raises
        `BoardError` where another image runs now than was judged.
        """
        if (
            self.package.kind is PackageKind.APPLICATION
            and self._dut.board.boot.takes_pending_images
            and verdict.outcome is Outcome.UPGRADED
        ):
            with self._dut.step("confirm"):
                self._dut.connect()
                self._require_own_image_active()
                self._dut.mcumgr.image_confirm()
            return True
        return False

    def _require_own_image_active(self) -> None:
        """What is confirmed is whatever runs; it may be another image than was judged."""
        if self.file.image_index != 0:
            # The network core's firmware: no image list shows what runs of it.
            return
        wanted = self.file.image.hash
        active = next(
            (one for one in self._dut.mcumgr.get_image_list() if one.active and one.image == 0),
            None,
        )
        if active is not None and active.hash and wanted and active.hash != wanted:
            raise BoardError(
                f"Another image runs than was judged, and was not confirmed: {active}",
                where=f"sent: {self.file.name}, {wanted.hex()[:8]}...",
                next_step="Does something else update this board, or did it reset meanwhile?",
            )

    def _predict_once(self) -> None:
        if self._preflight is not None:
            return
        started_at_s = time.monotonic()
        done = self._predict()
        done = done.model_copy(update={"duration_s": round(time.monotonic() - started_at_s, 3)})
        self._preflight = done
        self._dut.recorder.record(done)

    def _predict(self) -> PreflightDone:
        name, board = self.package.path.name, self._dut.board
        if not self._dut.runs_preflight:
            return PreflightDone(answer="none", package=name, reason="switched off")
        if not has_preflight(board):
            return PreflightDone(answer="none", package=name, reason=NO_COPY)
        why_not = why_not_predictable(self.package)
        if why_not:
            return PreflightDone(answer="none", package=name, reason=why_not)
        try:
            with self._dut.step("preflight", name):
                from pytest_nrf_fota.preflight.prediction import predict

                memories = self._dut.board_state()
                running = self._dut.last_boot()
                self.prediction = predict(board, memories, self.package, running=running)
        except NotReadError as error:
            return PreflightDone(answer="none", package=name, reason=f"not read: {error}")
        # A look ahead must not end a test, whatever is wrong with it.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            return PreflightDone(answer="failed", package=name, reason=reason)
        return _preflight_event(self.prediction)

    def _preflight_remark(self, verdict: Verdict) -> str:
        """What had been predicted, where it was no, or no preflight, or wrong."""
        done, prediction = self._preflight, self.prediction
        if done is not None and done.answer == "failed":
            return f"none, because it failed: {done.reason}"
        if prediction is None:
            return ""
        if prediction.will_upgrade:
            if verdict.outcome is Outcome.NOT_UPGRADED and self._was_done_as_predicted():
                return "YES, yet the board was not upgraded: the preflight was wrong"
            return ""
        if verdict.outcome is Outcome.UPGRADED:
            return f"NO - {prediction.reason}; yet the board was upgraded: the preflight was wrong"
        return f"NO - {prediction.reason}; uploaded anyway"

    def _was_done_as_predicted(self) -> bool:
        """Whether the test did what the preflight did: upload, set pending, as many resets.

        A board that booted more often resets by itself: its new application crashes, of which no
        preflight knows.
        """
        if self.prediction is None or self._pending_since is None:
            return False
        is_pending = all(any(one is file for one in self._pending) for file in self.files)
        is_complete = self._uploaded is self.file and is_pending
        resets = self._dut.reset_count - self._resets_when_pending
        boots = self._dut.boots_since(self._pending_since)
        _, *predicted_boots = self.prediction.boots
        return (
            is_complete and resets == self.prediction.resets and len(boots) <= len(predicted_boots)
        )

    def _ask_pending(self, image_hash: bytes, *, permanent: bool) -> tuple[ImageState, ...]:
        self._dut.connect()
        match self.package.kind:
            case PackageKind.APPLICATION if not permanent:
                return self._dut.mcumgr.image_test(image_hash)
            case PackageKind.APPLICATION:
                return self._dut.mcumgr.image_confirm(image_hash)
            case PackageKind.MCUBOOT:
                return self._dut.mcumgr.image_confirm(image_hash)
            case _:
                assert_never(self.package.kind)

    def _note_before(self) -> Before:
        noted = self._look_before()
        file = next((file for file in self.files if is_for_network_core(file)), None)
        if file is not None and noted.network is None:
            raise PackageError(
                f"{file.name!r} has no fw_info: the network core's b0n would never start it.",
                where=str(self.package.path),
                next_step="Build the network core with b0n (SB_CONFIG_SECURE_BOOT_NETCORE=y).",
            )
        return noted

    def _look_before(self) -> Before:
        dut = self._dut
        if dut.runs_preflight and has_preflight(dut.board):
            # All that the preflight will need, while nothing is connected; what is wrong with it,
            # the preflight says.
            ranges = ranges_to_read(dut.board)
            with (
                contextlib.suppress(ProbeError, NotReadError),
                dut.memory.of_running_firmware(ranges),
            ):
                pass
        try:
            with dut.memory.of_running_firmware() as read:
                return note_before(read, dut.board, self.files, self.boot_before)
        except NotReadError:
            return note_before(None, dut.board, self.files, self.boot_before)

    def _read_updates(self) -> tuple[list[Update], str]:
        """What became of each file in memory; where that is not read, why."""
        slots = (self._dut.board.slots.s0, self._dut.board.slots.s1)
        is_mcuboot = any(file.s_slot is not None for file in self.files)
        ranges = [(s.address, s.address + s.size) for s in slots if s is not None and is_mcuboot]
        try:
            with self._dut.memory.of_running_firmware(ranges) as read:
                return [self._read_update(file, read) for file in self.files], ""
        except NotReadError as error:
            return [self._read_update(file, None) for file in self.files], str(error)

    def _read_update(self, file: UpdateFile, read: ReadMemory | None) -> Update:
        console, since = self._dut.network_console, self._network_pending_since
        lines = console.lines_since(since) if console is not None and since is not None else ()
        texts = [line.text for line in lines]
        update = read_update(read, self._dut.board, file, self._before, texts)
        assert update is not None, "noted before the upgrade"
        return update

    def _stands_still(self, boots: Sequence[Boot]) -> bool:
        """Whether the last boot started nothing, and no serial recovery that would answer."""
        has_recovery = self._dut.board.boot.recovery_ready is not None
        return bool(boots and gave_up_of(boots[-1])) and not has_recovery

    def _images_now(self) -> tuple[ImageState, ...] | None:
        # A connection from before a reset that nobody asked for is found dead by its first request.
        may_be_stale = self._dut.mcumgr.is_connected
        try:
            self._dut.connect()
            return self._dut.mcumgr.get_image_list()
        except NotSeenError:
            return self._images_now() if may_be_stale else None
        except InputError as error:
            # Where nothing tells how to reach it, the other wires still speak.
            self._dut.position(f"no image list: {error.what}")
            return None
        except (BoardError, OtherBoardError) as error:
            self._dut.position(f"no image list: {error.what}")
            # The board may well not answer after a failed upgrade; the other wires still speak.
            return None


def _require_settled(images: Sequence[ImageState], package: DfuPackage) -> None:
    """Raise `BoardError` where an update is under way already: a reset would act on that one."""
    waiting = next((state for state in images if state.pending and not state.active), None)
    if waiting is not None:
        raise BoardError(
            f"An image is pending already, so an upgrade cannot start: {waiting}",
            where=f"image list of the board, before {package.path.name} was sent",
            next_step="Reset the board, so that MCUboot takes it: dut.reset(). Or begin anew: "
            "dut.prepare(firmware.baseline).",
        )
    on_trial = unconfirmed_test_image(images)
    if on_trial is not None:
        raise BoardError(
            f"The board runs a test image that a reset would revert: {on_trial}",
            where=f"image list of the board, before {package.path.name} was sent",
            next_step="Confirm it first: dut.mcumgr.image_confirm() (upgrade.confirm_if_proven). "
            "To go back to the old one instead: dut.reset().",
        )


def _last_number(boots: Sequence[Boot]) -> int:
    return boots[-1].number if boots else 0


def _ready_at_s(boots: Sequence[Boot]) -> float | None:
    app = boots[-1].app if boots else None
    return app.ready.time_s if app is not None and app.ready is not None else None


def _preflight_event(prediction: "Prediction") -> PreflightDone:
    return PreflightDone(
        answer="yes" if prediction.will_upgrade else "no",
        package=prediction.package,
        reason=prediction.reason,
        remedy=prediction.remedy,
        checks=prediction.checks,
        boots=tuple(boot.summary for boot in prediction.boots),
    )


def _event(verdict: Verdict) -> VerdictReached:
    return VerdictReached(
        outcome=verdict.outcome.value,
        subject=verdict.subject,
        reason=verdict.reason,
        preflight=verdict.preflight,
        notes=verdict.notes,
        evidence=verdict.evidence,
    )

"""The verdict on an upgrade without a probe: by the image list, and the log if there is one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.findings.evidence import Source
from pytest_nrf_fota.firmware.dfu_package import UpdateFile
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict
from pytest_nrf_fota.verdict.facts import AppUpdate, Facts, Marking, Update, Watch
from pytest_nrf_fota.verdict.memory import Before, read_update
from pytest_nrf_fota.verdict.watching import silent_stages
from pytest_nrf_fota.verdict.wording import verdict_of

_NO_PROBE = "there is no probe"
_NOBODY_LISTENED = (
    "SMP alone does not show what runs now, and nobody listened to the console (--console=PORT)"
)


@dataclass(frozen=True)
class Course:
    """How the upgrade went so far.

    Args:
        files: what was sent.
        before: what ran before.
        has_log: whether somebody listens to the console.
        was_marked: whether it was set pending.
        since: where the log goes on behind the first reset with the update pending.
        last_reset: the same, behind the last one.
        resets: how many there were.
        restarts: how often it booted again, unasked.
        images: the image list now; None where nothing answers.
    """

    files: tuple[UpdateFile, ...]
    before: Before
    has_log: bool
    was_marked: bool = False
    since: LogPosition | None = None
    last_reset: LogPosition | None = None
    resets: int = 0
    restarts: int = 0
    images: tuple[ImageState, ...] | None = None


def judge_upgrade(
    board: BoardType, course: Course, boots: Sequence[Boot], last_boots: Sequence[Boot], gaps: int
) -> Verdict:
    """The verdict.

    Args:
        board: its type.
        course: what was done.
        boots: that the console saw since the update is pending.
        last_boots: those since the last reset.
        gaps: how often the console's port was away.
    """
    updates = [_update(board, course.before, file) for file in reversed(course.files)]
    first, *more = updates
    facts = Facts(
        boots=boots,
        update=first,
        marking=Marking(was_tried=course.was_marked or not board.boot.takes_pending_images),
        watch=Watch(
            gaps=gaps,
            resets=course.resets,
            silent=_silent(board, course.before.boot),
            restarts=course.restarts,
            lacks_last_boot=not last_boots,
        ),
        images=course.images,
        memory_unread=_NO_PROBE,
    )
    verdict = verdict_of(facts, *more)
    asked = {Source.SMP, Source.UART} if course.has_log else {Source.SMP}
    verdict = replace(verdict, evidence=tuple(e for e in verdict.evidence if e.source in asked))
    if verdict.outcome is Outcome.UNPROVEN and not course.has_log:
        return replace(verdict, reason=_NOBODY_LISTENED)
    return verdict


def _update(board: BoardType, before: Before, file: UpdateFile) -> Update:
    update = read_update(None, board, file, before)
    assert update is not None, "looked at before it was sent"
    if isinstance(update, AppUpdate) and not before.boot.lines:
        # Without a boot before it, what the application prints is news in any case.
        return replace(update, boot_before=None)
    return update


def _silent(board: BoardType, boot_before: Boot) -> frozenset[Stage]:
    speaks = board.boot.speaks
    if speaks is None:
        return silent_stages(boot_before) if boot_before.lines else frozenset()
    named = {"nsib": Stage.NSIB, "mcuboot": Stage.MCUBOOT}
    return frozenset(stage for name, stage in named.items() if name not in speaks)

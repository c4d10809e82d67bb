"""Did an upgrade happen: the answer, what kind of no it is, and the lines that show it."""

import re
from dataclasses import dataclass, replace
from enum import Enum

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import (
    Boot,
    ListedImage,
    Seen,
    Swap,
    SwapResult,
    Upgraded,
)
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.client_side import Operation
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.explain.rule import shown_of
from pytest_nrf_fota.findings.finding import Origin, Shown


class Ending(Enum):
    """How an upgrade ended."""

    UPGRADED = "upgraded"
    TESTED = "upgraded, not confirmed"
    REVERTED = "reverted"
    REFUSED = "refused"
    NEEDS_RESET = "copied, runs after the next reset"
    NOT_CHOSEN = "copied, not started by NSIB"
    NOT_RESET = "pending, not reset since"
    NOT_PENDING = "nothing was pending at the reset"
    NOT_MARKED = "uploaded, not pending"
    CLIENT_FAILED = "the client was refused"
    NO_BOOT = "no image was started"
    NOT_ATTEMPTED = "not attempted"
    CUT = "cut in the middle"
    UNKNOWN = "unknown"


_HAPPENED = {
    Ending.UPGRADED: Upgraded.YES,
    Ending.TESTED: Upgraded.YES,
    Ending.CUT: Upgraded.UNKNOWN,
    Ending.UNKNOWN: Upgraded.UNKNOWN,
}

SENTENCES = {
    Ending.UPGRADED: "The upgrade happened",
    Ending.TESTED: "The upgrade happened; the new image is not confirmed, so a reset takes it back",
    Ending.REVERTED: "No upgrade: the new image ran once and was reverted",
    Ending.REFUSED: "No upgrade: the bootloader refused the image",
    Ending.NEEDS_RESET: "Not yet: the new image is in its slot and runs after the next reset",
    Ending.NOT_CHOSEN: "No upgrade: the new MCUboot was copied, but NSIB keeps the old one",
    Ending.NOT_RESET: "Not yet: an image is pending, and the board was not reset since",
    Ending.NOT_PENDING: "No upgrade: nothing was pending at the reset",
    Ending.NOT_MARKED: "No upgrade: an image was uploaded, but it is not pending",
    Ending.CLIENT_FAILED: "No upgrade: the client did not get through to a pending image",
    Ending.NO_BOOT: "No upgrade: the bootloader found nothing to start",
    Ending.NOT_ATTEMPTED: "No upgrade was attempted",
    Ending.CUT: "Unknown: the log ends while images are being swapped",
    Ending.UNKNOWN: "Cannot tell whether an upgrade happened",
}


@dataclass(frozen=True)
class Story:
    """The answer, and the lines that it rests on."""

    ending: Ending
    why: str
    shown: tuple[Shown, ...]

    @property
    def happened(self) -> Upgraded:
        """Yes, no or unknown."""
        return _HAPPENED.get(self.ending, Upgraded.NO)

    @property
    def attempted(self) -> bool:
        """Whether anything tried to upgrade."""
        return self.ending not in (Ending.NOT_ATTEMPTED, Ending.UNKNOWN)


def upgrade_story(case: Case) -> Story:
    """What became of the upgrade in this case."""
    if not case.boots.boots and case.client.listings:
        story = _by_failed_step(case) or _by_list(case)
        return story or Story(Ending.UNKNOWN, "the client's list shows no update", ())
    sign = case.boots.upgrade
    shown = shown_of(sign.seen)
    match sign.upgraded:
        case Upgraded.YES:
            return _when_upgraded(case, sign.why, shown)
        case Upgraded.UNKNOWN:
            return _when_unknown(case, sign.why, shown)
        case Upgraded.NO:
            return _when_not(case, sign.why, shown)


def _when_upgraded(case: Case, why: str, shown: tuple[Shown, ...]) -> Story:
    last = case.boots.last_boot
    copied = _after_copy_for_nsib(case)
    if copied is not None:
        return copied
    if last is not None and _is_unconfirmed(case, last):
        return Story(Ending.TESTED, why, shown)
    return Story(Ending.UPGRADED, why, shown)


def _after_copy_for_nsib(case: Case) -> Story | None:
    """What NSIB made of the last image that MCUboot put into an S slot.

    None where it starts it, or where the application was swapped since.
    """
    done = [
        (boot, swap)
        for boot in case.boots.boots
        for swap in (boot.mcuboot.swaps if boot.mcuboot is not None else ())
        if swap.result in (SwapResult.SWAPPED, SwapResult.OVERWRITTEN)
    ]
    if not done or not is_copy_for_nsib(*done[-1]):
        return None
    boot, swap = done[-1]
    before = boot.nsib.booted if boot.nsib is not None else None
    after = [b.nsib.booted for b in case.boots.boots if b.number > boot.number and b.nsib]
    starts = [attempt for attempt in after if attempt is not None]
    if not starts:
        why = "NSIB chooses between S0 and S1 at the next reset"
        return Story(Ending.NEEDS_RESET, why, shown_of([swap.seen]))
    if before is None or (starts[-1].slot, starts[-1].firmware_version) != (
        before.slot,
        before.firmware_version,
    ):
        return None
    why = "NSIB starts the same slot and version as before the copy"
    return Story(Ending.NOT_CHOSEN, why, shown_of([before.seen, swap.seen, starts[-1].seen]))


def is_copy_for_nsib(boot: Boot, swap: Swap) -> bool:
    """Whether a swap put an image into an S slot, behind NSIB's choice.

    Up to NCS 2.4 the lines name no image. There the application's pair comes first, and MCUboot
    decides nothing for it while an S image waits.
    """
    if boot.nsib is None or boot.mcuboot is None:
        return False
    if swap.algorithm == "nsib" or swap.image is not None:
        return swap.algorithm == "nsib" or swap.image == 1
    if len(boot.mcuboot.rounds) < 2:
        return False
    first, *others = boot.mcuboot.rounds
    return (
        first.decision is None
        and not first.is_resume
        and any(r.decision and r.decision.swap_type == swap.decided for r in others)
    )


def _when_unknown(case: Case, why: str, shown: tuple[Shown, ...]) -> Story:
    client_says = _by_list(case) or _by_failed_step(case)
    if client_says is not None:
        return client_says
    of_board = _newer_slot_started(case) or _on_trial(case) or _refused_on_board(case)
    if of_board is not None:
        return of_board
    scheduled = _scheduled(case)
    if scheduled:
        why = "the application marked an update, and no boot follows"
        return Story(Ending.NOT_RESET, why, shown_of(scheduled))
    last = case.boots.last_boot
    if last is not None and last.mcuboot is not None:
        cut = [s for s in last.mcuboot.swaps if s.result is SwapResult.CUT]
        if cut:
            return Story(Ending.CUT, why, shown or shown_of([cut[-1].seen]))
    return Story(Ending.UNKNOWN, why, shown)


def _when_not(case: Case, why: str, shown: tuple[Shown, ...]) -> Story:
    boots = case.boots.boots
    if _reverts(case):
        return Story(Ending.REVERTED, why, shown)
    gave_up = [
        seen
        for boot in boots[-1:]
        for seen in (
            boot.nsib.gave_up if boot.nsib else None,
            boot.mcuboot.gave_up if boot.mcuboot else None,
        )
        if seen is not None
    ]
    if gave_up:
        return Story(Ending.NO_BOOT, why, shown_of(gave_up))
    refused = [seen for boot in boots for seen in refusals_of(boot)]
    if refused:
        return Story(Ending.REFUSED, why, shown_of(refused))
    logged, listed = _not_pending(case), _by_list(case)
    if logged is not None and logged.ending is Ending.NOT_PENDING:
        return logged
    if listed is not None and listed.happened is Upgraded.NO:
        return listed
    story = logged or _by_failed_step(case) or _on_trial(case)
    return story or Story(Ending.NOT_ATTEMPTED, why, shown)


def _reverts(case: Case) -> bool:
    """Whether the last swap took the new image back; one that a reset had cut is resumed."""
    swaps = [s for boot in case.boots.boots if boot.mcuboot for s in boot.mcuboot.swaps]
    while swaps and swaps[-1].resumed and swaps[-1].decided is None:
        swaps.pop()
    return any(s.result is SwapResult.REVERTED or s.decided == "revert" for s in swaps[-1:])


def refusals_of(boot: Boot) -> tuple[Seen, ...]:
    """Lines with which a boot's bootloaders refused an image or the network core's update.

    A board that had nothing to start refused nothing.
    """
    nsib = [
        seen
        for attempt in (boot.nsib.attempts if boot.nsib else ())
        if attempt.invalidated is not None or attempt.below_counter is not None
        for seen in attempt.errors
    ]
    mcuboot = [
        refusal.seen
        for refusal in (boot.mcuboot.refusals if boot.mcuboot else ())
        if refusal.pattern not in ("mcuboot_nothing", "bad_image_magic")
    ]
    network_core = list(boot.network_core.failed) if boot.network_core else []
    return (*nsib, *mcuboot, *network_core)


def signs_of_an_attempt(case: Case) -> tuple[Seen, ...]:
    """Lines of the application that show an upload, a download or a mark."""
    return tuple(
        known.seen
        for known in case.known(
            "erased_slot", "upload_refused", "upload_write_failed", "mark_failed", "download"
        )
        if known.origin is Origin.LOG
    )


def _not_pending(case: Case) -> Story | None:
    """An upload, then a boot in which nothing was pending."""
    attempts = signs_of_an_attempt(case)
    if not attempts:
        return None
    before_a_boot = [seen for seen in attempts if case.boots_after(seen)]
    if not before_a_boot:
        why = "something was uploaded, and no boot follows"
        return Story(Ending.NOT_MARKED, why, shown_of(attempts))
    after = case.boots_after(before_a_boot[-1])[0]
    asked = last_query_before(case, after)
    none = [asked.seen] if asked is not None and asked.text("swap_type") == "none" else []
    started = [attempt.seen for attempt in (after.nsib.attempts if after.nsib else ())]
    return Story(
        Ending.NOT_PENDING,
        "an upload began, and the boot after it found nothing to do",
        shown_of([*before_a_boot[-2:], *none, *(_decided_none(after) or started)]),
    )


def _newer_slot_started(case: Case) -> Story | None:
    """Direct-XIP with revert: MCUboot notes in the trailer that it starts an image's first time."""
    last = case.boots.last_boot
    loaded = last.mcuboot.loaded if last is not None and last.mcuboot is not None else ()
    versions = {one.slot: one.version for one in loaded if one.version}
    noted = [
        known.seen
        for known in case.known("flash_debug")
        if known.text("what") == "writing copy_done" and case.boot_of(known) == last
    ]
    if len(set(versions.values())) < 2 or not noted:
        return None
    chosen = [one.seen for one in loaded if one.is_chosen]
    return Story(
        Ending.UPGRADED,
        "MCUboot starts the newer of two images for the first time",
        shown_of([*noted, *chosen]),
    )


def _on_trial(case: Case) -> Story | None:
    """A running application says that the next boot would revert it: it is a new image.

    Where a bootloader said what it did, that counts.
    """
    if any(boot.mcuboot.decisions for boot in case.boots.boots if boot.mcuboot is not None):
        return None
    trial = [
        known.seen
        for known in case.known("shell_swap_type", "app_swap_type")
        if known.origin is Origin.LOG and known.text("swap_type") == "revert"
    ]
    if not trial or case.boots_after(trial[-1]):
        return None
    confirmed = [
        known.seen
        for known in case.known("image_confirmed", "shell_confirmed")
        if known.seen.line_number > trial[-1].line_number and known.text("confirmed") != "0"
    ]
    why = "the application runs as a test image"
    if confirmed:
        why += " and was confirmed"
        return Story(Ending.UPGRADED, why, shown_of([trial[-1], confirmed[0]]))
    return Story(Ending.TESTED, why, shown_of(trial[-1:]))


def _refused_on_board(case: Case) -> Story | None:
    refused = [
        known.seen
        for known in case.known("upload_refused", "upload_write_failed", "mark_failed")
        if known.origin is Origin.LOG
    ]
    if not refused or case.boots_after(refused[-1]):
        return None
    return Story(Ending.CLIENT_FAILED, "the SMP server refused it", shown_of(refused))


def _scheduled(case: Case) -> list[Seen]:
    """An update that the application marked itself, and the board was not reset since."""
    lines = [k.seen for k in case.known("upgrade_scheduled") if k.origin is Origin.LOG]
    return lines[-1:] if lines and not case.boots_after(lines[-1]) else []


def last_query_before(case: Case, boot: Boot) -> Known | None:
    """The application's last word on the swap type before a boot."""
    queries = [
        query
        for query in case.known("app_swap_type")
        if query.origin is Origin.LOG and query.seen.line_number < boot.first.line_number
    ]
    return queries[-1] if queries else None


def _decided_none(boot: Boot) -> list[Seen]:
    if boot.mcuboot is None:
        return []
    trailers = [
        trailer.seen
        for trailer in boot.mcuboot.trailers
        if trailer.area == "secondary" and trailer.magic == "unset"
    ]
    none = [d.seen for d in boot.mcuboot.decisions if d.swap_type == "none"]
    return [*trailers[:1], *none[:1]]


def _boots_since(case: Case, seen: Seen) -> bool:
    """Whether a bootloader ran behind a line of the log."""
    return any(
        span.stage is not Stage.APP and span.last.line_number > seen.line_number
        for boot in case.boots.boots
        for span in boot.stages
    )


def _by_list(case: Case) -> Story | None:
    """What the client's lists say, where the log does not show a boot behind them."""
    listing = case.client.last_listing
    if listing is None or (not case.has_client and _boots_since(case, listing.seen)):
        return None
    changed = _by_active_image(case)
    if changed is not None:
        return changed
    active = [image for image in listing.images if image.active]
    waiting = [image for image in listing.images if not image.active and image.slot % 2 == 1]
    shown = shown_of((image.seen for image in waiting), case.client_origin)
    if any(image.pending for image in waiting):
        if _reset_after(case, waiting[0].seen):
            return None
        return Story(Ending.NOT_RESET, "the client's list shows it as pending", shown)
    if any(image.confirmed for image in waiting) and any(a.confirmed is False for a in active):
        why = "the image that runs is a test, and the other one is still confirmed"
        return Story(Ending.TESTED, why, shown_of((a.seen for a in active), case.client_origin))
    if not waiting or any(image.confirmed for image in waiting):
        return None
    uploads = case.client.steps_of(Operation.UPLOAD)
    if not uploads and active and _version(waiting[0]) < _version(active[0]):
        why = "the other slot holds an older version, as after an upgrade"
        return Story(Ending.UNKNOWN, why, shown)
    if any(
        uploads
        and uploads[-1].seen.line_number < step.seen.line_number < waiting[0].seen.line_number
        for step in case.client.steps_of(Operation.RESET)
    ):
        why = "after the reset the image still lies there without a mark"
        return Story(Ending.NOT_PENDING, why, shown)
    return Story(Ending.NOT_MARKED, "the client's list shows it without a mark", shown)


_NEEDED = (Operation.CONNECT, Operation.UPLOAD, Operation.ERASE, Operation.TEST, Operation.CONFIRM)


def _by_failed_step(case: Case) -> Story | None:
    """A step that an upgrade needs failed, and none of its kind or a later one succeeded since."""
    steps = [s for s in case.client.steps if s.operation in _NEEDED]
    if not steps or steps[-1].problem is None:
        return None
    last = steps[-1]
    lines = [last.seen, *([last.problem_seen] if last.problem_seen is not None else [])]
    why = f"{last.operation.value} failed: {last.problem.value if last.problem else ''}"
    return Story(Ending.CLIENT_FAILED, why, shown_of(lines, case.client_origin))


def _by_active_image(case: Case) -> Story | None:
    """Another image is active in a later list than in the first."""
    active = [
        image
        for listing in case.client.listings
        for image in listing.images
        if image.active and image.image == 0 and image.hash
    ]
    if len({image.hash for image in active}) < 2:
        return None
    shown = shown_of([active[0].seen, active[-1].seen], case.client_origin)
    if active[-1].hash == active[0].hash:
        return Story(Ending.REVERTED, "the image of the first list is active again", shown)
    ending = Ending.TESTED if active[-1].confirmed is False else Ending.UPGRADED
    return Story(ending, "another image is active than in the first list", shown)


def _version(image: ListedImage) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", image.version or "0")[:4])


def _reset_after(case: Case, seen: Seen) -> bool:
    return any(
        step.seen.line_number > seen.line_number for step in case.client.steps_of(Operation.RESET)
    )


def _is_unconfirmed(case: Case, boot: Boot) -> bool:
    """Whether the last boot ran a test image and nothing confirmed it since."""
    if boot.mcuboot is None:
        return False
    swaps = boot.mcuboot.swaps
    if not swaps and not boot.mcuboot.decisions:
        # Releases before 2022 resume a swap that a reset had cut without a word.
        cut = [s for b in case.boots.boots if b.mcuboot for s in b.mcuboot.swaps][-1:]
        swaps = tuple(replace(s, result=SwapResult.SWAPPED) for s in cut)
    tests = [
        swap
        for swap in swaps
        if swap.result is SwapResult.SWAPPED and swap.decided == "test" and swap.image in (None, 0)
    ]
    if not tests:
        return False
    confirmed = [
        known
        for known in case.known("image_confirmed", "shell_confirmed")
        if known.seen.line_number > tests[-1].seen.line_number and known.text("confirmed") != "0"
    ]
    return not confirmed

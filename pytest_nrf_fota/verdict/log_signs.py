"""What became of an update, from a log and a client's words alone, where nobody saw it sent."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.client_side import Operation
from pytest_nrf_fota.bootlog.report import Boot, ListedImage, Seen, SwapResult, SwapTypeLine
from pytest_nrf_fota.verdict.app_identity import told_app
from pytest_nrf_fota.verdict.boots import Sign, sign_of_boots, trailers_without_decision
from pytest_nrf_fota.verdict.ending import Ending, Upgraded
from pytest_nrf_fota.verdict.facts import Facts

_PENDING = ("test", "perm")
_SET = 1


def sign_of_log(facts: Facts) -> Sign:
    """What the boots say; where they cannot, what the application and the client say."""
    if not facts.boots and facts.client.listings:
        sign = _by_failed_step(facts) or _by_list(facts)
        return sign or Sign(Ending.UNKNOWN, "the client's list shows no update")
    sign = sign_of_boots(facts.boots)
    match sign.ending:
        case Ending.UPGRADED:
            return _where_swapped(facts, sign)
        case Ending.UNKNOWN | Ending.CUT | Ending.GIVEN_UP:
            return _where_boots_do_not_tell(facts) or sign
        case Ending.NOT_ATTEMPTED:
            return _where_nothing_was_done(facts) or _as_far_as_said(facts, sign)
        case _:
            return _waiting_again(facts, sign) or sign


def _where_swapped(facts: Facts, sign: Sign) -> Sign:
    """A new image is in its slot: whether it was heard, and whether it stays."""
    behind = _waiting_again(facts, sign)
    if behind is not None:
        return behind
    if not _was_heard(facts, sign):
        why = f"{sign.why} and jumped to it; no line of it follows"
        return _by_active_image(facts) or Sign(Ending.NOT_HEARD, why, sign.seen)
    ending = _confirmation(facts)
    return sign if ending is None else replace(sign, ending=ending)


def _was_heard(facts: Facts, sign: Sign) -> bool:
    """Whether a later stage than the bootloader that changed something printed a line."""
    if any("network core" in seen.text for seen in sign.seen):
        return True  # the network core has no line here; its bootloader reported the copy
    last = max((seen.line_number for seen in sign.seen), default=0)
    for boot in facts.boots:
        if boot.last.line_number < last:
            continue
        if boot.reached_app or _confirmed_by_trailer(boot):
            return True
        begun_by_nsib = any(
            attempt.seen.line_number == last
            for attempt in (boot.nsib.attempts if boot.nsib else ())
        )
        if begun_by_nsib and boot.mcuboot is not None:
            return True
    return False


def _where_boots_do_not_tell(facts: Facts) -> Sign | None:
    return (
        _looked_past(facts)
        or _by_list(facts)
        or _by_failed_step(facts)
        or _newer_slot_started(facts)
        or _on_trial(facts)
        or _another_app_runs(facts)
        or _refused_on_board(facts)
        or _scheduled(facts)
        or _download_failed(facts)
        or _after_attempt(facts)
        or _new_in_s1(facts)
        or _claimed(facts)
    )


def _looked_past(facts: Facts) -> Sign | None:
    """The last boot's MCUboot saw an image pending, and decided nothing about it."""
    seen = [line for boot in facts.boots[-1:] for line in trailers_without_decision(boot)]
    why = "MCUboot saw the pending image and decided nothing about it"
    return Sign(Ending.REFUSED, why, tuple(seen)) if seen else None


def _where_nothing_was_done(facts: Facts) -> Sign | None:
    looked_past = _looked_past(facts)
    if looked_past is not None:
        return looked_past
    logged, listed = _after_attempt(facts), _by_list(facts)
    if logged is not None and logged.ending in (Ending.NOT_PENDING, Ending.NOT_TAKEN):
        return logged
    if listed is not None and listed.ending.upgraded is Upgraded.NO:
        return listed
    return (
        _refused_on_board(facts)
        or _scheduled(facts)
        or _download_failed(facts)
        or logged
        or _by_failed_step(facts)
        or _on_trial(facts)
        or _another_app_runs(facts)
        or _new_in_s1(facts)
        or _claimed(facts)
    )


def _as_far_as_said(facts: Facts, sign: Sign) -> Sign:
    """That nothing was attempted needs a bootloader that says what it decided."""
    said = [boot.mcuboot for boot in facts.boots if boot.mcuboot is not None]
    if any(one.decisions or one.loaded or one.refusals for one in said):
        return sign
    if any(boot.nsib is not None and boot.nsib.gave_up for boot in facts.boots):
        return sign
    why = "no line says what the bootloader decided"
    return Sign(Ending.NO_SIGN, why, sign.seen)


# --- the application's lines ---


def _after_attempt(facts: Facts) -> Sign | None:
    """An upload, a download or a mark, and what the boot after it made of it."""
    asked = facts.app_lines.asked
    marks = [one.seen for one in asked if one.swap_type in _PENDING]
    attempts = sorted(
        {*facts.app_lines.attempts, *facts.app_lines.scheduled, *marks},
        key=lambda seen: seen.line_number,
    )
    if not attempts:
        return None
    last = attempts[-1]
    after = facts.boots_after(last)
    if not after and facts.boots_after(attempts[0]):
        # The boot behind an earlier attempt; another one is under way.
        last = [seen for seen in attempts if facts.boots_after(seen)][-1]
        after = facts.boots_after(last)
    if not after:
        if last in marks:
            why = "the application shows an image as pending, and no boot follows"
            return Sign(Ending.NOT_RESET, why, (last,))
        why = "something was uploaded, and no boot follows"
        return Sign(Ending.UPLOADED, why, tuple(attempts[-2:]))
    return _boot_after_attempt(facts, last, asked, after[0])


def _boot_after_attempt(
    facts: Facts, last: Seen, asked: Sequence[SwapTypeLine], boot: Boot
) -> Sign:
    before_boot = [one for one in asked if one.seen.line_number < boot.first.line_number]
    none = [one.seen for one in before_boot[-1:] if one.swap_type == "none"]
    decided = _decided_none(boot)
    started = [attempt.seen for attempt in (boot.nsib.attempts if boot.nsib else ())]
    if none or decided:
        why = "an upload began, and the boot after it found nothing to do"
        return Sign(Ending.NOT_PENDING, why, (last, *none, *(decided or started)))
    compared = _compared_apps(facts, boot)
    if compared is not None and compared[0]:
        why = "an image was pending, and the bootloader prints no decision"
        return Sign(Ending.NOT_TAKEN, why, (last, *compared[1]))
    if compared is not None:
        why = "another application runs than before the reset"
        return Sign(Ending.UPGRADED, why, (last, *compared[1]))
    why = "the bootloader prints no decision, and no line shows which application runs since"
    return Sign(Ending.UNKNOWN, why, (last,))


def _compared_apps(facts: Facts, boot: Boot) -> tuple[bool, tuple[Seen, ...]] | None:
    """Whether a boot runs the same application as the one before it, and the lines that say so."""
    before = [one for one in facts.boots if one.number < boot.number and one.reached_app]
    since = [one for one in facts.boots if one.number >= boot.number and one.reached_app]
    if not before or not since:
        return None
    old = told_app(before[-1], facts.app_lines.versions)
    new = told_app(since[-1], facts.app_lines.versions)
    is_same = old.is_same(new)
    return None if is_same is None else (is_same, (*old.seen[:1], *new.seen[:1]))


def _another_app_runs(facts: Facts) -> Sign | None:
    """Under a silent bootloader: the last boot's application is another than the first one's.

    A debugger may have programmed it.
    """
    if len(facts.boots) < 2 or any(boot.swaps or boot.wanted_swap for boot in facts.boots):
        return None
    compared = _compared_apps(facts, facts.boots[-1])
    if compared is None or compared[0]:
        return None
    why = "another application runs than before the reset, and no line shows how it came there"
    return Sign(Ending.PROBABLY, why, compared[1])


def _new_in_s1(facts: Facts) -> Sign | None:
    """NSIB starts S1 and takes note of it as new: a board is programmed with S0 first."""
    for boot in reversed(facts.boots):
        for attempt in boot.nsib.attempts if boot.nsib is not None else ():
            is_new = attempt.counter_set_to is not None or attempt.revoked_keys
            if attempt.slot != 1 or not is_new or attempt.invalidated is not None:
                continue
            did = ["raised its counter"] if attempt.counter_set_to is not None else []
            did += ["revoked an older key"] if attempt.revoked_keys else []
            why = f"NSIB starts S1 and {' and '.join(did)}; no line shows what ran before"
            return Sign(Ending.PROBABLY, why, (attempt.seen,))
    return None


def _waiting_again(facts: Facts, sign: Sign) -> Sign | None:
    """A refusal, or an upload that came to nothing, behind what a sign shows: another attempt."""
    last = max((seen.line_number for seen in sign.seen), default=0)
    logged = _after_attempt(facts)
    if (
        logged is not None
        and logged.ending in (Ending.NOT_PENDING, Ending.NOT_TAKEN, Ending.NOT_RESET)
        and min(seen.line_number for seen in logged.seen) > last
    ):
        return logged
    refused = _refused_on_board(facts)
    if refused is not None and min(seen.line_number for seen in refused.seen) > last:
        return refused
    return None


def _download_failed(facts: Facts) -> Sign | None:
    failed = facts.app_lines.failed
    if not failed or facts.boots_after(failed[-1]):
        return None
    return Sign(Ending.CLIENT_FAILED, "the application says that its update failed", failed)


def _claimed(facts: Facts) -> Sign | None:
    """A client that nobody knows says in plain words that the update succeeded."""
    if not facts.client_done or facts.boots_after(facts.client_done[-1]):
        return None
    why = "the client says that the update succeeded"
    return Sign(Ending.UPGRADED, why, facts.client_done[-1:], from_client=facts.client_log_is_apart)


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


def _newer_slot_started(facts: Facts) -> Sign | None:
    """Direct-XIP with revert: MCUboot notes in the trailer that it starts an image's first time."""
    last = facts.boots[-1] if facts.boots else None
    if last is None or last.mcuboot is None:
        return None
    loaded = last.mcuboot.loaded
    lines = range(last.first.line_number, last.last.line_number + 1)
    noted = [seen for seen in facts.app_lines.first_starts if seen.line_number in lines]
    if len({one.version for one in loaded if one.version}) < 2 or not noted:
        return None
    why = "MCUboot starts the newer of two images for the first time"
    return Sign(Ending.UPGRADED, why, (*noted, *(one.seen for one in loaded if one.is_chosen)))


def _on_trial(facts: Facts) -> Sign | None:
    """A running application says that the next boot would revert it: it is a new image.

    Where a bootloader said what it did, that counts.
    """
    if any(boot.mcuboot.decisions for boot in facts.boots if boot.mcuboot is not None):
        return None
    trial = facts.app_lines.runs_test[-1:]
    if not trial or facts.boots_after(trial[0]):
        return None
    confirmed = _confirmed_since(facts, trial[0])
    why = "the application runs as a test image"
    if confirmed:
        return Sign(Ending.UPGRADED, f"{why} and was confirmed", (*trial, confirmed[0]))
    # The next boot would revert it: it says itself that it is not confirmed.
    return Sign(Ending.TESTED, why, trial)


def _confirmed_since(facts: Facts, seen: Seen) -> list[Seen]:
    return [one for one in facts.app_lines.confirmed if one.line_number > seen.line_number]


def _confirmation(facts: Facts) -> Ending | None:
    """What lines say of a test image that the last boot started; None where it stays, or is none.

    Without a word on it nothing is said but that.
    """
    said = [
        one
        for one in (boot.mcuboot for boot in facts.boots)
        if one is not None and (one.swaps or one.decisions or one.chainload_address is not None)
    ]
    if not said:
        return None
    mcuboot = said[-1]
    swaps = mcuboot.swaps
    if not swaps and not mcuboot.decisions:
        # Releases before 2022 resume a swap that a reset had cut without a word.
        cut = [s for boot in facts.boots if boot.mcuboot for s in boot.mcuboot.swaps][-1:]
        swaps = tuple(replace(s, result=SwapResult.SWAPPED) for s in cut)
    decided = [swap.decided for one in said for swap in one.swaps if swap.decided is not None]
    tests = [
        swap
        for swap in swaps
        if swap.result is SwapResult.SWAPPED
        and swap.image in (None, 0)
        # A resumed swap goes on with what was decided last.
        and (swap.decided or (decided[-1] if decided and swap.resumed else None)) == "test"
    ]
    if not tests or _confirmed_since(facts, tests[-1].seen):
        return None
    app = facts.app_lines
    for seen in (*app.unconfirmed, *app.runs_test):
        if seen.line_number > tests[-1].seen.line_number:
            return Ending.TESTED
    return Ending.ON_TRIAL


def _confirmed_by_trailer(boot: Boot) -> bool:
    """Whether MCUboot finds the image of a done swap confirmed: its application ran and said so."""
    return (
        any(
            trailer.area == "primary"
            and trailer.magic == "good"
            and trailer.copy_done == _SET
            and trailer.image_ok == _SET
            for trailer in (boot.mcuboot.trailers if boot.mcuboot is not None else ())
        )
        and not boot.swaps
    )


def _refused_on_board(facts: Facts) -> Sign | None:
    refused = facts.app_lines.refused
    if not refused or facts.boots_after(refused[-1]):
        return None
    return Sign(Ending.CLIENT_FAILED, "the SMP server refused it", refused)


def _scheduled(facts: Facts) -> Sign | None:
    lines = facts.app_lines.scheduled[-1:]
    if not lines or facts.boots_after(lines[0]):
        return None
    why = "the application set an update pending, and no boot follows"
    return Sign(Ending.NOT_RESET, why, lines)


# --- the client ---


def _by_list(facts: Facts) -> Sign | None:
    """What the client's lists say, where the log does not show a boot behind them."""
    listing = facts.client.last_listing
    if listing is None or (
        not facts.client_log_is_apart and _bootloader_since(facts.boots, listing.seen)
    ):
        return None
    changed = _by_active_image(facts)
    if changed is not None:
        return changed
    active = [image for image in listing.images if image.active]
    waiting = [image for image in listing.images if not image.active and image.slot % 2 == 1]
    if any(image.pending for image in waiting):
        if _resets_since(facts, waiting[0].seen):
            return None
        return _by_images(Ending.NOT_RESET, "the client's list shows it as pending", waiting)
    if any(image.confirmed for image in waiting) and any(a.confirmed is False for a in active):
        why = "the image that runs is a test, and the other one is still confirmed"
        return _by_images(Ending.TESTED, why, active)
    if not waiting or any(image.confirmed for image in waiting):
        return None
    if all(image.pending is None for image in waiting):
        return None  # the list shows no flags
    uploads = facts.client.steps_of(Operation.UPLOAD)
    if not uploads and active and _version(waiting[0]) < _version(active[0]):
        why = "the other slot holds an older version, as after an upgrade"
        return _by_images(Ending.UNKNOWN, why, waiting)
    behind = _resets_since(facts, uploads[-1].seen) if uploads else []
    if any(number < waiting[0].seen.line_number for number in behind):
        why = "after the reset the image is still there and not pending"
        return _by_images(Ending.NOT_PENDING, why, waiting)
    return _by_images(Ending.NOT_MARKED, "the client's list shows it as not pending", waiting)


def _by_images(ending: Ending, why: str, images: Sequence[ListedImage]) -> Sign:
    return Sign(ending, why, tuple(image.seen for image in images), from_client=True)


def _bootloader_since(boots: Sequence[Boot], seen: Seen) -> bool:
    return any(
        span.stage is not Stage.APP and span.last.line_number > seen.line_number
        for boot in boots
        for span in boot.stages
    )


_NEEDED = (Operation.CONNECT, Operation.UPLOAD, Operation.ERASE, Operation.TEST, Operation.CONFIRM)


def _by_failed_step(facts: Facts) -> Sign | None:
    """A step that an upgrade needs failed, and none of its kind or a later one succeeded since."""
    last = next((s for s in reversed(facts.client.steps) if s.operation in _NEEDED), None)
    if last is None or last.problem is None:
        return None
    lines = (last.seen, *([last.problem_seen] if last.problem_seen is not None else []))
    why = f"{last.operation.value} failed: {last.problem.value}"
    return Sign(Ending.CLIENT_FAILED, why, lines, from_client=True)


def _by_active_image(facts: Facts) -> Sign | None:
    """Another image is active in a later list than in the first."""
    active = [
        image
        for listing in facts.client.listings
        for image in listing.images
        if image.active and image.image == 0 and image.hash
    ]
    if len({image.hash for image in active}) < 2:
        return None
    first, last = active[0], active[-1]
    if last.hash == first.hash:
        why = "the image of the first list is active again"
        return _by_images(Ending.REVERTED, why, (first, last))
    ending = Ending.TESTED if last.confirmed is False else Ending.UPGRADED
    return _by_images(ending, "another image is active than in the first list", (first, last))


def _version(image: ListedImage) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", image.version or "0")[:4])


def _resets_since(facts: Facts, seen: Seen) -> list[int]:
    """Line numbers of the resets that the client asked for behind a line of its log."""
    numbers = (step.seen.line_number for step in facts.client.steps_of(Operation.RESET))
    return [number for number in numbers if number > seen.line_number]

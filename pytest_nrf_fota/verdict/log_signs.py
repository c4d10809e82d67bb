"""What became of an update, from a log and a client's words alone, where nobody saw it sent."""

import re
from collections.abc import Sequence
from dataclasses import replace

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.client_side import Operation
from pytest_nrf_fota.bootlog.report import Boot, ListedImage, Seen, SwapResult
from pytest_nrf_fota.verdict.boots import Sign, sign_of_boots
from pytest_nrf_fota.verdict.ending import Ending, Upgraded
from pytest_nrf_fota.verdict.facts import Facts


def sign_of_log(facts: Facts) -> Sign:
    """What the boots say; where they cannot, what the application and the client say."""
    if not facts.boots and facts.client.listings:
        sign = _by_failed_step(facts) or _by_list(facts)
        return sign or Sign(Ending.UNKNOWN, "the client's list shows no update")
    sign = sign_of_boots(facts.boots)
    match sign.ending:
        case Ending.UPGRADED if _is_unconfirmed(facts):
            return replace(sign, ending=Ending.TESTED)
        case Ending.UNKNOWN | Ending.CUT | Ending.GIVEN_UP:
            return _where_boots_do_not_tell(facts) or sign
        case Ending.NOT_ATTEMPTED:
            return _where_nothing_was_done(facts) or sign
        case _:
            return sign


def _where_boots_do_not_tell(facts: Facts) -> Sign | None:
    return (
        _by_list(facts)
        or _by_failed_step(facts)
        or _newer_slot_started(facts)
        or _on_trial(facts)
        or _refused_on_board(facts)
        or _scheduled(facts)
    )


def _where_nothing_was_done(facts: Facts) -> Sign | None:
    logged, listed = _not_pending(facts), _by_list(facts)
    if logged is not None and logged.ending is Ending.NOT_PENDING:
        return logged
    if listed is not None and listed.ending.upgraded is Upgraded.NO:
        return listed
    return logged or _by_failed_step(facts) or _on_trial(facts)


# --- the application's lines ---


def _not_pending(facts: Facts) -> Sign | None:
    """An upload, then a boot in which nothing was pending."""
    attempts = facts.app_lines.attempts
    if not attempts:
        return None
    before_a_boot = [seen for seen in attempts if facts.boots_after(seen)]
    if not before_a_boot:
        why = "something was uploaded, and no boot follows"
        return Sign(Ending.NOT_MARKED, why, attempts)
    after = facts.boots_after(before_a_boot[-1])[0]
    asked = [one for one in facts.app_lines.asked if one.seen.line_number < after.first.line_number]
    none = [one.seen for one in asked[-1:] if one.swap_type == "none"]
    started = [attempt.seen for attempt in (after.nsib.attempts if after.nsib else ())]
    return Sign(
        Ending.NOT_PENDING,
        "an upload began, and the boot after it found nothing to do",
        (*before_a_boot[-2:], *none, *(_decided_none(after) or started)),
    )


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
    return Sign(Ending.TESTED, why, trial)


def _confirmed_since(facts: Facts, seen: Seen) -> list[Seen]:
    return [one for one in facts.app_lines.confirmed if one.line_number > seen.line_number]


def _is_unconfirmed(facts: Facts) -> bool:
    """Whether the last boot ran a test image and nothing confirmed it since."""
    mcuboot = facts.boots[-1].mcuboot
    if mcuboot is None:
        return False
    swaps = mcuboot.swaps
    if not swaps and not mcuboot.decisions:
        # Releases before 2022 resume a swap that a reset had cut without a word.
        cut = [s for boot in facts.boots if boot.mcuboot for s in boot.mcuboot.swaps][-1:]
        swaps = tuple(replace(s, result=SwapResult.SWAPPED) for s in cut)
    tests = [
        swap
        for swap in swaps
        if swap.result is SwapResult.SWAPPED and swap.decided == "test" and swap.image in (None, 0)
    ]
    return bool(tests) and not _confirmed_since(facts, tests[-1].seen)


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

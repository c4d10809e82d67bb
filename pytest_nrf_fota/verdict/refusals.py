"""Which of the bootloaders' refusals are about one update: by stage, slot and image."""

import sys
from collections.abc import Iterator, Sequence

from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.verdict.facts import AppUpdate, McubootUpdate, NetworkUpdate, Update


def refusals_of_update(boots: Sequence[Boot], update: Update) -> tuple[str, ...]:
    """The lines of the first boot that refused this update, in order; none where no boot did.

    NSIB refuses MCUboots by their S0/S1 slot, again in each boot where it had invalidated one;
    MCUboot refuses images, by their number where it prints one.
    """
    for boot in boots:
        numbers = set(_line_numbers(boot, update))
        said = [line.text.strip() for line in boot.lines if line.line_number in numbers]
        if said:
            return tuple(said)
    return ()


def _line_numbers(boot: Boot, update: Update) -> Iterator[int]:
    match update:
        case AppUpdate():
            yield from _by_mcuboot(boot, 0)
        case McubootUpdate(target, in_slot):
            # NSIB invalidates for good: an update that lies there valid came after such a line.
            is_valid = in_slot.holds_update and not in_slot.is_invalidated
            yield from _by_nsib(boot, target.s_slot, is_valid_now=is_valid)
            yield from _by_mcuboot(boot, None)
        case NetworkUpdate(target):
            for seen in boot.network_core.failed if boot.network_core is not None else ():
                yield seen.line_number
            yield from _by_mcuboot(boot, target.image_index)
        case _:
            assert_never(update)


def _by_nsib(boot: Boot, s_slot: int, *, is_valid_now: bool) -> Iterator[int]:
    """What was said of one slot; the lines on keys that fit none are part of it."""
    attempts = boot.nsib.attempts if boot.nsib is not None else ()
    span = boot.stage(Stage.NSIB)
    end = span.last.line_number + 1 if span is not None else sys.maxsize
    starts = [attempt.seen.line_number for attempt in attempts]
    for attempt, start, behind in zip(attempts, starts, [*starts[1:], end], strict=False):
        if attempt.slot not in (None, s_slot) or not attempt.errors:
            continue
        if is_valid_now and attempt.verified is None:
            continue
        for line in boot.lines:
            if start <= line.line_number < behind and line.text.strip() in boot.refusals:
                yield line.line_number


def _by_mcuboot(boot: Boot, image: int | None) -> Iterator[int]:
    """`image` is None for one that MCUboot numbers behind the application's."""
    for refusal in boot.mcuboot.refusals if boot.mcuboot is not None else ():
        number = refusal.image
        if number is None or number == image or (image is None and number > 0):
            yield refusal.seen.line_number

"""What became of an update: the one judge, given whatever facts there are."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.verdict.boots import Sign, sign_of_boots
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.evidence import Outcome, outcome_of
from pytest_nrf_fota.verdict.facts import (
    AppUpdate,
    Facts,
    Marking,
    McubootUpdate,
    NetworkUpdate,
    Update,
)
from pytest_nrf_fota.verdict.log_signs import sign_of_log
from pytest_nrf_fota.verdict.readiness import not_ready_reason
from pytest_nrf_fota.verdict.refusals import refusals_of_update
from pytest_nrf_fota.verdict.unconfirmed import unconfirmed_test_image

if TYPE_CHECKING:
    from pytest_nrf_fota.verdict.network_evidence import NetworkTarget


@dataclass(frozen=True)
class Judgement:
    """The answer, and its evidence.

    Args:
        ending: what became of the update.
        sign: what the lines show.
        evidence: what each interface reports, where it is known what was sent.
    """

    ending: Ending
    sign: Sign
    evidence: tuple[Evidence, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What is proven; without evidence nothing is."""
        return outcome_of(self.evidence)


def judge(facts: Facts) -> Judgement:
    """What became of an update."""
    if facts.update is None:
        sign = sign_of_log(facts)
        return Judgement(sign.ending, sign)
    sign = sign_of_boots(facts.boots, of_app=isinstance(facts.update, AppUpdate))
    evidence = _evidence(facts, facts.update)
    if facts.memory_unread:
        evidence = tuple(_unread(one, facts.memory_unread) for one in evidence)
    if outcome_of(evidence) is Outcome.UPGRADED:
        ending = Ending.TESTED if _is_unconfirmed(facts) else Ending.UPGRADED
        return Judgement(ending, sign, evidence)
    ending = _on_the_way(facts, sign) or _in_memory(facts, facts.update, sign)
    return Judgement(ending, sign, evidence)


def runs_on_copy(update: Update, outcome: Outcome) -> bool:
    """Whether an update runs on a copy of a board, all of whose memory is known.

    While overwriting MCUboot prints nothing that proves it; the copy's memory does.
    """
    return outcome is Outcome.UPGRADED or (outcome is Outcome.UNPROVEN and update.is_in_place)


def _evidence(facts: Facts, update: Update) -> tuple[Evidence, ...]:
    # Imported here: a log alone is judged without the code that reads images.
    from pytest_nrf_fota.verdict import app_evidence, mcuboot_evidence, network_evidence

    boots, images, watch = facts.boots, facts.images, facts.watch
    found: tuple[Evidence, ...]
    match update:
        case AppUpdate(new, before, running, swaps):
            place = "primary slot" if swaps else "RAM that it runs from"
            on_uart = app_evidence.uart_evidence(
                boots,
                new,
                before,
                swaps=swaps,
                swaps_name_it=(facts.marking or Marking()).succeeded,
                firmware=update.firmware,
                boot_before=update.boot_before,
                watch=watch,
            )
            if on_uart.says is Says.NEW and _is_not_ready(facts):
                on_uart = replace(on_uart, says=Says.UNKNOWN)
            found = (
                on_uart,
                app_evidence.smp_evidence(images, new, before),
                app_evidence.swd_evidence(
                    running,
                    new,
                    before,
                    place=place,
                    says_without_image=Says.OTHER if swaps else Says.UNKNOWN,
                ),
            )
        case McubootUpdate(target, in_slot, in_other):
            found = (
                *mcuboot_evidence.uart_evidence(boots, target, watch),
                mcuboot_evidence.smp_evidence(images, target),
                mcuboot_evidence.swd_evidence(in_slot, in_other, boots, target, watch),
            )
        case NetworkUpdate(target, held, lines):
            found = (
                network_evidence.uart_evidence(boots, lines, target, watch),
                network_evidence.smp_evidence(images, target),
                network_evidence.swd_evidence(held, target),
            )
        case _:
            assert_never(update)
    if facts.watch.is_unstable:
        return tuple(_not_lasting(item) for item in found)
    return tuple(_dated(facts, item) for item in found)


def _not_lasting(item: Evidence) -> Evidence:
    return replace(item, says=Says.UNKNOWN) if item.says is Says.NEW else item


def _dated(facts: Facts, item: Evidence) -> Evidence:
    """With what is known of the boot that its source was asked behind.

    What lies in flash and what the server lists change in a boot alone, so behind one both speak of
    what runs. Where the console was away while the harness reset the board, an answer over SMP
    shows that an application runs again.
    """
    if item.source is Source.UART or item.says is not Says.NEW:
        return item
    is_seen = bool(facts.boots) and not facts.watch.lacks_last_boot
    if is_seen and facts.boots[-1].reached_app and not _is_not_ready(facts):
        return replace(item, after_boot=True)
    was_missed = facts.watch.is_incomplete and facts.watch.resets > 0
    return replace(item, after_boot=was_missed and facts.images is not None)


def _unread(evidence: Evidence, why: str) -> Evidence:
    if evidence.source is not Source.SWD:
        return evidence
    return replace(evidence, says=Says.UNKNOWN, detail=f"not read: {why}")


def _is_not_ready(facts: Facts) -> bool:
    if facts.watch.is_unstable:
        return True
    return facts.must_be_ready and bool(not_ready_reason(facts.boots))


def _on_the_way(facts: Facts, sign: Sign) -> Ending | None:
    """What can go wrong with any image, before or while it is taken."""
    marking = facts.marking or Marking()
    if marking.refusal is not None:
        # What runs is what ran before, ready or not.
        return Ending.CLIENT_FAILED
    is_app = isinstance(facts.update, AppUpdate)
    if facts.watch.is_unstable or (is_app and _is_not_ready(facts)):
        return Ending.NOT_READY
    if not marking.was_tried:
        return Ending.NOT_MARKED
    if not facts.boots:
        was_reset = facts.watch.resets > 0 or facts.watch.gaps > 0
        return Ending.UNKNOWN if was_reset else Ending.NOT_RESET
    if sign.ending in (Ending.GIVEN_UP, Ending.SPOILT):
        return sign.ending
    assert facts.update is not None, "asked of what was sent"
    if refusals_of_update(facts.boots, facts.update) and sign.ending is not Ending.REVERTED:
        return Ending.REFUSED
    if facts.watch.lacks_last_boot and facts.images is None:
        return Ending.NO_BOOT
    return None if facts.boots[-1].reached_app or facts.watch.is_incomplete else Ending.NO_BOOT


def _is_unconfirmed(facts: Facts) -> bool:
    """Whether the next reset would revert what runs: the list shows it as one that can be."""
    if not isinstance(facts.update, AppUpdate) or not facts.update.swaps:
        return False
    return unconfirmed_test_image(facts.images or ()) is not None


def _in_silence(facts: Facts, update: AppUpdate) -> Ending | None:
    """What a MCUboot that prints nothing did with an image that does not run, as its list shows.

    An image that it refuses it erases (sdk-mcuboot, loader.c: boot_validated_swap_type and
    boot_validate_slot); one that it took back lies there as it came, and nothing is pending.
    """
    if any(boot.mcuboot_speaks for boot in facts.boots) or facts.images is None:
        return None
    if not _lists_the_old_as_active(facts, update):
        return None
    waiting = [state for state in facts.images if state.image == 0 and state.slot == 1]
    if not waiting:
        return Ending.REFUSED
    is_left = waiting[0].hash == update.update.hash and not waiting[0].pending
    return Ending.REVERTED if is_left and len(facts.boots) > 1 else None


def _reverted_without_a_line(facts: Facts, update: AppUpdate) -> bool:
    """Whether MCUboot decided to revert, printed no more about it, and the old image runs."""
    decisions = [
        decision.swap_type
        for boot in facts.boots
        if boot.mcuboot is not None
        for decision in boot.mcuboot.decisions
        if decision.image in (None, 0)
    ]
    swaps = [decision for decision in decisions if decision != "none"]
    return swaps[-1:] == ["revert"] and _lists_the_old_as_active(facts, update)


def _lists_the_old_as_active(facts: Facts, update: AppUpdate) -> bool:
    active = next((s for s in facts.images or () if s.active and s.image == 0), None)
    before = update.before
    return active is not None and before is not None and active.hash == before.hash


def waits_in_silence(facts: Facts, target: "NetworkTarget") -> bool:
    """Whether the image is still pending behind boots of a MCUboot that prints nothing."""
    if any(boot.mcuboot_speaks for boot in facts.boots):
        return False
    return any(one.pending and one.hash == target.image_hash for one in facts.images or ())


def _in_memory(facts: Facts, update: Update, sign: Sign) -> Ending:
    """What became of an image that the bootloader was to take, where all boots were fine."""
    match update:
        case AppUpdate():
            if not update.swaps:
                return Ending.NOT_CHOSEN
            silent = _in_silence(facts, update)
            if silent is not None:
                return silent
            if sign.ending is Ending.UNKNOWN and _reverted_without_a_line(facts, update):
                return Ending.REVERTED
            return Ending.NOT_PENDING if sign.ending is Ending.NOT_ATTEMPTED else sign.ending
        case McubootUpdate() if facts.memory_unread:
            return sign.ending
        case McubootUpdate(target, in_slot, in_other):
            from pytest_nrf_fota.verdict.mcuboot_evidence import ending_in_slots

            in_slots = ending_in_slots(in_slot, in_other, facts.boots, target, facts.watch)
            # Memory says so, and the boots say otherwise.
            return Ending.UNKNOWN if in_slots is Ending.UPGRADED else in_slots
        case NetworkUpdate(target):
            was_taken = any(target.image_index in boot.overwritten for boot in facts.boots)
            is_unknown = was_taken or waits_in_silence(facts, target)
            return Ending.UNKNOWN if is_unknown else Ending.NOT_PENDING
        case _:
            assert_never(update)

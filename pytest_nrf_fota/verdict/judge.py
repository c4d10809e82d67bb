"""What became of an update: the one judge, given whatever facts there are."""

from dataclasses import dataclass, replace

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
        return Judgement(Ending.UPGRADED, sign, evidence)
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

    boots, images = facts.boots, facts.images
    match update:
        case AppUpdate(new, before, running, swaps):
            place = "primary slot" if swaps else "RAM that it runs from"
            on_uart = app_evidence.uart_evidence(boots, new, before, swaps=swaps)
            if on_uart.says is Says.NEW and _is_not_ready(facts):
                on_uart = replace(on_uart, says=Says.UNKNOWN)
            return (
                on_uart,
                app_evidence.smp_evidence(images, new, before),
                app_evidence.swd_evidence(running, new, before, place=place),
            )
        case McubootUpdate(target, in_slot, in_other):
            return (
                *mcuboot_evidence.uart_evidence(boots, target),
                mcuboot_evidence.smp_evidence(images, target),
                mcuboot_evidence.swd_evidence(in_slot, in_other, boots, target),
            )
        case NetworkUpdate(target, held, lines):
            return (
                network_evidence.uart_evidence(boots, lines, target),
                network_evidence.smp_evidence(images, target),
                network_evidence.swd_evidence(held, target),
            )
        case _:
            assert_never(update)


def _unread(evidence: Evidence, why: str) -> Evidence:
    if evidence.source is not Source.SWD:
        return evidence
    return replace(evidence, says=Says.UNKNOWN, detail=f"not read: {why}")


def _is_not_ready(facts: Facts) -> bool:
    return facts.must_be_ready and bool(not_ready_reason(facts.boots))


def _on_the_way(facts: Facts, sign: Sign) -> Ending | None:
    """What can go wrong with any image, before or while it is taken."""
    if isinstance(facts.update, AppUpdate) and _is_not_ready(facts):
        return Ending.NOT_READY
    marking = facts.marking or Marking()
    if marking.refusal is not None:
        return Ending.CLIENT_FAILED
    if not marking.was_tried:
        return Ending.NOT_MARKED
    if not facts.boots:
        return Ending.NOT_RESET
    if sign.ending in (Ending.GIVEN_UP, Ending.SPOILT):
        return sign.ending
    if any(boot.refusals for boot in facts.boots) and sign.ending is not Ending.REVERTED:
        return Ending.REFUSED
    return None if facts.boots[-1].reached_app else Ending.NO_BOOT


def _in_memory(facts: Facts, update: Update, sign: Sign) -> Ending:
    """What became of an image that the bootloader was to take, where all boots were fine."""
    match update:
        case AppUpdate():
            if not update.swaps:
                return Ending.NOT_CHOSEN
            return Ending.NOT_PENDING if sign.ending is Ending.NOT_ATTEMPTED else sign.ending
        case McubootUpdate() if facts.memory_unread:
            return sign.ending
        case McubootUpdate(target, in_slot, in_other):
            from pytest_nrf_fota.verdict.mcuboot_evidence import ending_in_slots

            in_slots = ending_in_slots(in_slot, in_other, facts.boots, target)
            # Memory says so, and the boots say otherwise.
            return Ending.UNKNOWN if in_slots is Ending.UPGRADED else in_slots
        case NetworkUpdate(target):
            was_taken = any(target.image_index in boot.overwritten for boot in facts.boots)
            return Ending.UNKNOWN if was_taken else Ending.NOT_PENDING
        case _:
            assert_never(update)

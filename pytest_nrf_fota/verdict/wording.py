"""A judgement in words: the verdict that a test gets, and why an upgrade did not happen."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.stamps import split_stamps
from pytest_nrf_fota.verdict.boots import trailers_without_decision
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict
from pytest_nrf_fota.verdict.facts import AppUpdate, Facts, McubootUpdate, NetworkUpdate, Update
from pytest_nrf_fota.verdict.judge import Judgement, judge, waits_in_silence
from pytest_nrf_fota.verdict.readiness import app_failure, not_ready_reason
from pytest_nrf_fota.verdict.refusals import refusals_of_update
from pytest_nrf_fota.verdict.watching import gap_remark, no_boot_remark

_NOT_CONFIRMED = "was not confirmed"


def verdict_of(facts: Facts, *more: Update) -> Verdict:
    """The verdict on an update, and on others that were sent with it: all have to be proven."""
    verdicts = [_verdict(facts), *(_verdict(replace(facts, update=update)) for update in more)]
    return reduce(_join, verdicts)


def _verdict(facts: Facts) -> Verdict:
    assert facts.update is not None, "a verdict is about what was sent"
    found = judge(facts)
    reason = "" if found.outcome is Outcome.UPGRADED else reason_of(facts, found)
    return Verdict(_subject(facts.update), found.evidence, reason, ending=found.ending)


def _join(first: Verdict, second: Verdict) -> Verdict:
    return Verdict(
        f"{first.subject}, {second.subject}",
        first.evidence + second.evidence,
        "; ".join(dict.fromkeys(reason for reason in (first.reason, second.reason) if reason)),
        ending=second.ending if first.ending is Ending.UPGRADED else first.ending,
    )


def _subject(update: Update) -> str:
    match update:
        case AppUpdate(new, before):
            return f"application {before or 'unknown'} -> {new}"
        case McubootUpdate(target):
            old = "unknown" if target.version_before is None else target.version_before
            return f"MCUboot {old} in S{1 - target.s_slot} -> {target.version} in S{target.s_slot}"
        case NetworkUpdate(target):
            old = "unknown" if target.version_before is None else target.version_before
            same = " (the same version)" if target.version_before == target.version else ""
            return f"network core {old} -> {target.version}{same}"
        case _:
            assert_never(update)


def reason_of(facts: Facts, found: Judgement) -> str:
    """Why an update is not upgraded, in a sentence's part; empty where nothing tells."""
    boots, marking = facts.boots, facts.marking
    refused = _refusals(facts)
    match found.ending:
        case Ending.CLIENT_FAILED if marking is not None:
            why = f"the image was not set pending: {marking.refusal}"
            return f"nothing was pending at the reset: {why}"
        case Ending.NOT_MARKED:
            return "the image was never set pending, so MCUboot had nothing to do"
        case Ending.NOT_RESET:
            return "the image waits, but the board was not reset since"
        case Ending.REFUSED if refused:
            return f"the bootloader refused the image: {', '.join(_counted(refused))}"
        case Ending.NO_BOOT if facts.watch.lacks_last_boot:
            return f"{gap_remark(facts.watch)}, and nothing answers over SMP"
        case Ending.NO_BOOT:
            return "the last boot did not reach the application"
        case Ending.GIVEN_UP | Ending.SPOILT:
            return found.sign.why
        case Ending.NOT_READY if facts.watch.is_unstable and not not_ready_reason(boots):
            return (
                "the application does not stay up: the board booted again, unasked, "
                f"{facts.watch.restarts} times while it was watched"
            )
        case Ending.NOT_READY:
            return not_ready_reason(boots)
        case Ending.REVERTED:
            why = next((why for boot in boots if (why := app_failure(boot))), _NOT_CONFIRMED)
            return f"MCUboot reverted to the old application, because the new one {why}"
        case _:
            return _reason_in_memory(facts, found)


def _counted(lines: Sequence[str]) -> Iterator[str]:
    """Lines that differ in their time stamps alone once, the first of them."""
    bodies = [split_stamps(line).body for line in lines]
    counts = Counter(bodies)
    firsts = dict(zip(reversed(bodies), reversed(lines), strict=True))
    for body in dict.fromkeys(bodies):
        count = counts[body]
        yield f"{firsts[body]!r} ({count} times)" if count > 1 else repr(firsts[body])


def _refusals(facts: Facts) -> tuple[str, ...]:
    if facts.update is not None:
        return refusals_of_update(facts.boots, facts.update)
    return next((boot.refusals for boot in facts.boots if boot.refusals), ())


def _reason_in_memory(facts: Facts, found: Judgement) -> str:
    match facts.update:
        case AppUpdate():
            return _app_reason(facts, facts.update, found)
        case McubootUpdate():
            return _mcuboot_reason(facts, facts.update, found)
        case NetworkUpdate(target):
            if found.ending is Ending.NOT_PENDING:
                pending = f"it saw no pending image {target.image_index}"
                return f"MCUboot took nothing for the network core: {pending}"
            if waits_in_silence(facts, target):
                return (
                    f"MCUboot prints nothing, and image {target.image_index} is still pending: the "
                    "network core did not take it"
                )
            return "MCUboot handed the image to the network core, which does not run it"
        case None:
            return found.sign.why
        case _:
            assert_never(facts.update)


def _app_reason(facts: Facts, update: AppUpdate, found: Judgement) -> str:
    boots = facts.boots
    match found.ending:
        case Ending.REFUSED:
            return (
                "MCUboot prints nothing, and the update is gone from the secondary slot: it erases "
                "an image that it refuses (signature, hash, or version), unless the test erased it"
            )
        case Ending.UNKNOWN if not boots:
            return no_boot_remark(facts.watch)
        case Ending.UNKNOWN if not any(boot.mcuboot_speaks for boot in boots):
            return "MCUboot prints nothing, and no other interface shows what it did"
        case Ending.NOT_CHOSEN:
            loaded, before = boots[-1].image_version, update.before
            return (
                f"MCUboot took version {loaded or 'unknown'}: it takes the highest version that is "
                f"valid, and {before.version if before else 'an unknown version'} ran before"
            )
        case Ending.NOT_PENDING:
            return "MCUboot swapped nothing: it saw no pending image"
        case Ending.UNKNOWN if any(boot.wanted_swap for boot in boots) and not any(
            boot.swapped for boot in boots
        ):
            return "MCUboot saw a pending image and reported no swap; see the UART log"
        case Ending.UNKNOWN:
            return found.sign.why
        case _:
            return ""


def _mcuboot_reason(facts: Facts, update: McubootUpdate, found: Judgement) -> str:
    target, boots = update.target, facts.boots
    name, other = f"S{target.s_slot}", 1 - target.s_slot
    match found.ending:
        case Ending.NOT_PENDING if boots and trailers_without_decision(boots[-1]):
            return (
                f"MCUboot saw the pending image and copied nothing into {name}: it updates itself "
                "only where it was built for two images (CONFIG_UPDATEABLE_IMAGE_NUMBER=2)"
            )
        case Ending.NOT_PENDING:
            return f"MCUboot copied nothing into {name}: it saw no pending image for it"
        case Ending.REFUSED:
            return f"NSIB refused the update in {name} and invalidated it; see the UART log"
        case Ending.NOT_CHOSEN:
            return (
                f"NSIB kept slot {other}: the update's FW_INFO version {target.version} is not "
                f"higher than {update.in_other.version}; raise CONFIG_FW_INFO_FIRMWARE_VERSION"
            )
        case Ending.NEEDS_RESET:
            return (
                f"MCUboot copied the update into {name} on the last boot, and NSIB chooses between "
                "the slots only at the next reset: reset once more"
            )
        case Ending.UNKNOWN if not boots:
            return no_boot_remark(facts.watch)
        case _ if facts.watch.is_incomplete:
            return gap_remark(facts.watch)
        case _ if boots[-1].nsib_slot == other:
            return f"NSIB did not choose {name} though its version is higher; see the UART log"
        case _ if boots[-1].nsib_slot == target.s_slot and boots[-1].firmware_version not in (
            None,
            target.version,
        ):
            return (
                f"NSIB starts {name}, version {boots[-1].firmware_version}: the update was made "
                f"for the slot that runs; the file for S{other} is needed"
            )
        case _:
            return "no line shows which MCUboot runs"

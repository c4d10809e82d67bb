"""From what was seen to a verdict: the same for a board and for a rehearsal of its next boots."""

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict import app_evidence, mcuboot_evidence
from pytest_nrf_fota.verdict.app_evidence import AppIdentity
from pytest_nrf_fota.verdict.evidence import Evidence, Outcome, Verdict
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget, SlotState
from pytest_nrf_fota.verdict.reason import (
    app_reason,
    common_reason,
    highest_version_reason,
    mcuboot_reason,
)


@dataclass(frozen=True)
class Seen:
    """What was seen since the image was marked.

    Args:
        boots: read from the UART.
        images: the image list; None where the board did not answer.
        marked: whether marking was tried.
        mark_refusal: why the mark did not hold; None where it did.
    """

    boots: Sequence[Boot]
    images: Sequence[ImageState] | None
    marked: bool
    mark_refusal: str | None

    @property
    def common_reason(self) -> str:
        """What went wrong with any image; empty where nothing did."""
        return common_reason(self.boots, self.mark_refusal, self.marked)


def judge_app(
    seen: Seen,
    update: AppIdentity,
    before: AppIdentity | None,
    running: AppIdentity | None,
    *,
    swaps: bool,
) -> Verdict:
    """Whether the application was upgraded.

    `running` is what lies where the application runs: in the primary slot, or in RAM where the
    bootloader does not swap.
    """
    place = "primary slot" if swaps else "RAM that it runs from"
    return _verdict(
        f"application {before or 'unknown'} -> {update}",
        (
            app_evidence.uart_evidence(seen.boots, update, before, swaps=swaps),
            app_evidence.smp_evidence(seen.images, update, before),
            app_evidence.swd_evidence(running, update, before, place=place),
        ),
        seen.common_reason
        or (app_reason(seen.boots) if swaps else highest_version_reason(seen.boots, before)),
    )


def judge_mcuboot(
    seen: Seen, target: McubootTarget, target_slot: SlotState, other_slot: SlotState
) -> Verdict:
    """Whether MCUboot was upgraded; the slots' states were read over SWD."""
    return _verdict(
        f"MCUboot {target.version_before} in S{1 - target.s_slot} -> {target.version} "
        f"in S{target.s_slot}",
        (
            *mcuboot_evidence.uart_evidence(seen.boots, target),
            mcuboot_evidence.smp_evidence(seen.images, target),
            mcuboot_evidence.swd_evidence(target_slot, other_slot, seen.boots, target),
        ),
        seen.common_reason or mcuboot_reason(seen.boots, target_slot, other_slot, target),
    )


def _verdict(subject: str, evidence: tuple[Evidence, ...], reason: str) -> Verdict:
    verdict = Verdict(subject, evidence)
    if verdict.outcome is Outcome.UPGRADED:
        return verdict
    return Verdict(subject, evidence, reason)

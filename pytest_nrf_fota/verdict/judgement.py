"""From what was seen to a verdict: the same for a board and for a rehearsal of its next boots."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict import app_evidence, mcuboot_evidence, network_evidence
from pytest_nrf_fota.verdict.app_evidence import AppIdentity
from pytest_nrf_fota.verdict.cut_swap import cut_swap_reason
from pytest_nrf_fota.verdict.evidence import Evidence, Outcome, Says, Verdict
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget, SlotState
from pytest_nrf_fota.verdict.network_evidence import NetworkTarget
from pytest_nrf_fota.verdict.reason import (
    app_reason,
    common_reason,
    highest_version_reason,
    mcuboot_reason,
    network_reason,
)


@dataclass(frozen=True)
class Seen:
    """What was seen since the image was set pending.

    Args:
        boots: read from the UART.
        images: the image list; None where the board did not answer.
        was_set_pending: whether that was tried.
        pending_refusal: why the image did not become pending; None where it did.
        not_ready: why the application that the last boot started cannot be used; empty where it
            can.
    """

    boots: Sequence[Boot]
    images: Sequence[ImageState] | None
    was_set_pending: bool
    pending_refusal: str | None
    not_ready: str = ""

    @property
    def common_reason(self) -> str:
        """What went wrong with any image; empty where nothing did."""
        return common_reason(self.boots, self.pending_refusal, self.was_set_pending)


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
    on_uart = app_evidence.uart_evidence(seen.boots, update, before, swaps=swaps)
    if seen.not_ready and on_uart.says is Says.NEW:
        on_uart = replace(on_uart, says=Says.UNKNOWN)
    return _verdict(
        f"application {before or 'unknown'} -> {update}",
        (
            on_uart,
            app_evidence.smp_evidence(seen.images, update, before),
            app_evidence.swd_evidence(running, update, before, place=place),
        ),
        seen.not_ready
        or cut_swap_reason(seen.boots)
        or seen.common_reason
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


def judge_network(
    seen: Seen, network_lines: Sequence[str], target: NetworkTarget, held: bytes
) -> Verdict:
    """Whether the network core was upgraded.

    `network_lines` were printed on its UART since the image was set pending, none where it has
    none; `held` was read over SWD from where its firmware runs.
    """
    before = "unknown" if target.version_before is None else target.version_before
    same = " (the same version)" if target.version_before == target.version else ""
    return _verdict(
        f"network core {before} -> {target.version}{same}",
        (
            network_evidence.uart_evidence(seen.boots, network_lines, target),
            network_evidence.smp_evidence(seen.images, target),
            network_evidence.swd_evidence(held, target),
        ),
        seen.common_reason or network_reason(seen.boots, target),
    )


def join(first: Verdict, second: Verdict) -> Verdict:
    """One verdict on two images that were upgraded together: both have to be proven."""
    return Verdict(
        f"{first.subject}, {second.subject}",
        first.evidence + second.evidence,
        "; ".join(dict.fromkeys(reason for reason in (first.reason, second.reason) if reason)),
    )


def _verdict(subject: str, evidence: tuple[Evidence, ...], reason: str) -> Verdict:
    verdict = Verdict(subject, evidence)
    if verdict.outcome is Outcome.UPGRADED:
        return verdict
    return Verdict(subject, evidence, reason)

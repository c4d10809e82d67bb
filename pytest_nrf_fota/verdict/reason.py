"""Why an upgrade did not happen, in one sentence, from what the board itself said."""

from collections.abc import Sequence

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.verdict.app_evidence import AppIdentity
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget, SlotState, nsib_prefers
from pytest_nrf_fota.verdict.network_evidence import NetworkTarget
from pytest_nrf_fota.verdict.silent_controller import silent_controller_line


def common_reason(boots: Sequence[Boot], pending_refusal: str | None, was_set_pending: bool) -> str:
    """What can go wrong with any image; empty where nothing of it did."""
    if pending_refusal is not None:
        return f"nothing was pending at the reset: the image was not set pending: {pending_refusal}"
    if not was_set_pending:
        return "the image was never set pending, so MCUboot had nothing to do"
    if not boots:
        return "the image waits, but the board was not reset since"
    for boot in boots:
        if boot.refusals:
            return f"the bootloader refused the image: {', '.join(map(repr, boot.refusals))}"
    if not boots[-1].reached_app:
        return "the last boot did not reach the application"
    return ""


def not_ready_reason(boots: Sequence[Boot]) -> str:
    """Why the application of the last boot cannot be used; empty where it became ready."""
    if not boots or boots[-1].app_ready:
        return ""
    crashes = [fault for boot in boots if (fault := _fault(boot)) is not None]
    if len(crashes) > 1:
        return f"the application crashes in each boot, {len(crashes)} times so far: {crashes[-1]!r}"
    failure = _app_failure(boots[-1])
    return f"the application {failure}" if failure else ""


def _app_failure(boot: Boot) -> str:
    """How an application that was started failed, as what it did; empty where it did not."""
    fault = _fault(boot)
    if fault is not None:
        return f"crashed: {fault!r}"
    said = [text for line in boot.lines if (text := line.text.strip())]
    if boot.app_ready or not boot.reached_app or not said:
        return ""
    silent = silent_controller_line(boot)
    if silent is not None:
        return f"runs without Bluetooth, because the network core does not answer: {silent!r}"
    return f"started and never became ready; its last line was {said[-1]!r}"


def _fault(boot: Boot) -> str | None:
    """The line that names a fault, as Zephyr's fault handlers print it."""
    faults = (one for one in boot.faults if one.fatal_error is not None or "FAULT" in one.kind)
    return next((fault.seen.text.strip() for fault in faults), None)


def app_reason(boots: Sequence[Boot]) -> str:
    """What can go wrong with an application, beyond `common_reason`."""
    swap_types = [boot.swap_type for boot in boots if boot.swap_type is not None]
    if swap_types and swap_types[-1] == "revert":
        failure = next((why for boot in boots if (why := _app_failure(boot))), "")
        if failure:
            return f"MCUboot reverted to the old application, because the new one {failure}"
        return "MCUboot reverted to the old application, because the new one was not confirmed"
    if any(boot.replaced_app for boot in boots):
        return ""
    if any(boot.wanted_swap for boot in boots):
        return "MCUboot saw a pending image and reported no swap; see the UART log"
    return "MCUboot swapped nothing: it saw no pending image"


def network_reason(boots: Sequence[Boot], target: NetworkTarget) -> str:
    """What can go wrong with the network core, beyond `common_reason`."""
    if any(target.image_index in boot.overwritten for boot in boots):
        return "MCUboot handed the image to the network core, which does not run it"
    return (
        f"MCUboot took nothing for the network core: it saw no pending image {target.image_index}"
    )


def highest_version_reason(boots: Sequence[Boot], before: AppIdentity | None) -> str:
    """Why a bootloader that takes the highest version took another one, beyond `common_reason`."""
    loaded = boots[-1].image_version if boots else None
    return (
        f"MCUboot took version {loaded or 'unknown'}: it takes the highest version that is valid, "
        f"and {before.version if before else 'an unknown version'} ran before"
    )


def mcuboot_reason(
    boots: Sequence[Boot],
    target_slot: SlotState,
    other_slot: SlotState,
    target: McubootTarget,
) -> str:
    """What can go wrong with a bootloader, beyond `common_reason`."""
    name = f"S{target.s_slot}"
    if not target_slot.holds_update:
        return f"MCUboot copied nothing into {name}: it saw no pending image for it"
    if not nsib_prefers(target_slot, other_slot, target.s_slot):
        return (
            f"NSIB kept slot {1 - target.s_slot}: the update's FW_INFO version {target.version} "
            f"is not higher than {other_slot.version}; raise CONFIG_FW_INFO_FIRMWARE_VERSION"
        )
    if boots and boots[-1].swapped:
        return (
            f"MCUboot copied the update into {name} on the last boot, and NSIB chooses between "
            "the slots only at the next reset: reset once more"
        )
    return f"NSIB did not choose {name} though its version is higher; see the UART log"

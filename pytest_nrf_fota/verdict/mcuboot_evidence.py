"""Evidence on which MCUboot runs, for boards where NSIB chooses between S0 and S1."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_nrf_fota.boards.board import Slot
from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.firmware.fw_info import (
    VALID_OFFSET_BYTES,
    FwInfo,
    ReadMemory,
    find_fw_info,
    is_preferred_to_running,
)
from pytest_nrf_fota.firmware.validation_info import (
    SEARCH_BYTES,
    ValidationInfo,
    find_validation_info,
)
from pytest_nrf_fota.firmware.validation_info import STRUCT as VALIDATION_INFO
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.facts import Watch
from pytest_nrf_fota.verdict.watching import (
    gap_remark,
    no_boot_remark,
    silence_remark,
)

if TYPE_CHECKING:
    from pytest_nrf_fota.smp.messages import ImageState

_NOT_LISTED = "the image list cannot show MCUboot"
_SIGNED_BYTES = VALIDATION_INFO.size + SEARCH_BYTES


@dataclass(frozen=True)
class McubootTarget:
    """The MCUboot that is to run: in which S0/S1 slot, with which FW_INFO version.

    `version_before` is what the boot before the update said. `firmware` is what NSIB verifies,
    without MCUboot's header and TLVs. `marker` is the number that the update prints behind
    `Starting bootloader`, as far as its bytes show it, `marker_before` what was printed before.
    `resets_needed` is how many resets it takes until NSIB starts it.
    """

    s_slot: int
    version: int
    firmware: bytes
    image_hash: bytes
    version_before: int | None
    marker: int | None
    marker_before: int | None
    resets_needed: int = 1


@dataclass(frozen=True)
class SlotState:
    """What an S0/S1 slot holds, read over SWD."""

    fw_info: FwInfo | None
    holds_update: bool

    @property
    def version(self) -> int | None:
        """The version NSIB would compare; None without a valid fw_info."""
        return self.fw_info.version if self.fw_info and self.fw_info.is_valid else None

    @property
    def is_invalidated(self) -> bool:
        """Whether NSIB refused it, and cleared its valid word."""
        return self.fw_info is not None and not self.fw_info.is_valid


def read_slot(read: ReadMemory, slot: Slot, target: McubootTarget) -> SlotState:
    """Read one S0/S1 slot. It holds the update whether NSIB invalidated it since or not."""
    info = find_fw_info(read, slot.address)
    if info is None:
        return SlotState(None, False)
    start, size_bytes = info.firmware_address, info.firmware_size_bytes
    end = slot.address + slot.size
    inside = slot.address <= start <= info.address and start + size_bytes <= end
    if not inside or not 0 < size_bytes <= len(target.firmware):
        return SlotState(info, False)
    valid_word = info.address - start + VALID_OFFSET_BYTES

    def without_valid_word(firmware: bytes) -> bytes:
        return firmware[:valid_word] + firmware[valid_word + 4 :]

    held, sent = read(start, size_bytes), target.firmware[:size_bytes]
    if without_valid_word(held) != without_valid_word(sent):
        return SlotState(info, False)
    # The same code may have been signed with another key.
    behind = read(start + size_bytes, min(_SIGNED_BYTES, end - start - size_bytes))
    is_signed_so = _signed(behind) == _signed(target.firmware[size_bytes:])
    return SlotState(info, is_signed_so)


def _signed(behind: bytes) -> ValidationInfo | None:
    """What vouches for a firmware, from the bytes behind it."""
    return find_validation_info(lambda address, size: behind[address : address + size], 0)


def uart_evidence(
    boots: Sequence[Boot],
    target: McubootTarget,
    watch: Watch = Watch(),  # noqa: B008 - a frozen value
) -> tuple[Evidence, ...]:
    """What NSIB and MCUboot printed on the last boot since the image was set pending."""
    if not boots:
        return (Evidence(Source.UART, Says.UNKNOWN, no_boot_remark(watch)),)
    last = boots[-1]
    if watch.is_incomplete:
        detail = f"{last.summary()}; {gap_remark(watch)}"
        return (Evidence(Source.UART, Says.UNKNOWN, detail),)
    nsib = _nsib_evidence(last, target, watch)
    if len(boots) < target.resets_needed and not last.mcuboot_speaks:
        # MCUboot of NCS 2.6 that overwrites goes on with its new self in the same boot.
        nsib = _before_the_copy(nsib)
    items = [nsib]
    if last.bootloader_version is not None:
        says = _by_marker(last.bootloader_version, target)
        items.append(Evidence(Source.UART, says, f"Starting bootloader {last.bootloader_version}"))
    return tuple(items)


def smp_evidence(images: "Sequence[ImageState] | None", target: McubootTarget) -> Evidence:
    """What the image list shows. It cannot name a bootloader, so it is never for `new`."""
    if images is None:
        return Evidence(Source.SMP, Says.UNKNOWN, "no image list could be read")
    waiting = next(
        (state for state in images if state.slot == 1 and state.hash == target.image_hash), None
    )
    if waiting is not None:
        return Evidence(Source.SMP, Says.OLD, f"the update was not taken: {waiting}")
    if any(state.pending for state in images):
        return Evidence(Source.SMP, Says.UNKNOWN, f"{_NOT_LISTED}; another image is pending")
    return Evidence(Source.SMP, Says.UNKNOWN, f"{_NOT_LISTED}; the update left the secondary slot")


def swd_evidence(
    target_slot: SlotState,
    other_slot: SlotState,
    boots: Sequence[Boot],
    target: McubootTarget,
    watch: Watch = Watch(),  # noqa: B008 - a frozen value
) -> Evidence:
    """What the two S0/S1 slots hold, and so what NSIB starts."""
    name, other_name = f"S{target.s_slot}", f"S{1 - target.s_slot}"
    held = f"{name}: {_held(target_slot)}, {other_name}: {_held(other_slot)}"
    match ending_in_slots(target_slot, other_slot, boots, target, watch):
        case Ending.UPGRADED:
            return Evidence(Source.SWD, Says.NEW, f"{held}; NSIB starts {name}")
        case Ending.NEEDS_RESET:
            return Evidence(
                Source.SWD, Says.UNKNOWN, f"{held}; NSIB starts {name} at the next reset"
            )
        case Ending.NOT_PENDING:
            return Evidence(Source.SWD, Says.OLD, held)
        case _:
            return Evidence(Source.SWD, Says.OLD, f"{held}; NSIB starts {other_name}")


def ending_in_slots(
    target_slot: SlotState,
    other_slot: SlotState,
    boots: Sequence[Boot],
    target: McubootTarget,
    watch: Watch = Watch(),  # noqa: B008 - a frozen value
) -> Ending:
    """What became of a MCUboot, by what both S0/S1 slots hold and NSIB's own rule."""
    if not target_slot.holds_update:
        return Ending.NOT_PENDING
    if target_slot.is_invalidated:
        return Ending.REFUSED
    if not nsib_prefers(target_slot, other_slot, target.s_slot):
        return Ending.NOT_CHOSEN
    has_chosen = _has_chosen_since_copy(boots, target, watch)
    return Ending.UPGRADED if has_chosen else Ending.NEEDS_RESET


def _has_chosen_since_copy(boots: Sequence[Boot], target: McubootTarget, watch: Watch) -> bool:
    """Whether NSIB chose between the slots since MCUboot copied the update into one."""
    if watch.is_incomplete:
        return max(len(boots), watch.resets) >= target.resets_needed
    if not boots or boots[-1].nsib_slot == target.s_slot:
        return True
    mcuboot = boots[-1].mcuboot
    if mcuboot is not None and (mcuboot.decisions or mcuboot.swaps):
        return not boots[-1].swapped
    # MCUboot does not say when it copies: then in the first boot, as it was pending.
    return len(boots) >= target.resets_needed


def nsib_prefers(slot_state: SlotState, other: SlotState, slot: int) -> bool:
    """Whether NSIB starts this slot and not the other one."""
    return is_preferred_to_running(slot_state.version, slot, other.version, 1 - slot)


def _nsib_evidence(boot: Boot, target: McubootTarget, watch: Watch) -> Evidence:
    detail = f"NSIB boots slot {boot.nsib_slot}, Firmware version {boot.firmware_version}"
    if boot.nsib_slot is None:
        remark = silence_remark(boot, Stage.NSIB, watch) or "no line of NSIB names the slot"
        return Evidence(Source.UART, Says.UNKNOWN, f"{remark}; {boot.summary()}")
    if boot.firmware_version is None:
        return Evidence(Source.UART, Says.UNKNOWN, f"NSIB failed to start slot {boot.nsib_slot}")
    is_new = boot.nsib_slot == target.s_slot and boot.firmware_version == target.version
    return Evidence(Source.UART, Says.NEW if is_new else Says.OLD, detail)


def _before_the_copy(nsib: Evidence) -> Evidence:
    if nsib.says is not Says.OLD:
        return nsib
    detail = f"{nsib.detail}, before the MCUboot that prints nothing could copy the update"
    return replace(nsib, says=Says.UNKNOWN, detail=detail)


def _by_marker(marker: int, target: McubootTarget) -> Says:
    # A build that was only signed anew prints the number of its code, which is the old one.
    if target.marker is None or target.marker == target.marker_before:
        return Says.UNKNOWN
    if marker == target.marker:
        return Says.NEW
    return Says.OLD if marker == target.marker_before else Says.UNKNOWN


def _held(state: SlotState) -> str:
    if state.fw_info is None:
        return "no fw_info"
    if state.is_invalidated:
        return f"version {state.fw_info.version}, invalidated by NSIB"
    return f"version {state.fw_info.version}"

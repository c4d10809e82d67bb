"""What memory holds of an update, read over SWD or from a copy of the board."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.firmware.dfu_package import UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.fw_info import ReadMemory, find_fw_info, preferred_s_slot
from pytest_nrf_fota.firmware.mcuboot_image import parsed_version
from pytest_nrf_fota.firmware.mcuboot_strings import marker_number
from pytest_nrf_fota.verdict.app_evidence import (
    AppIdentity,
    identity_of,
    read_identity,
    read_loaded_identity,
)
from pytest_nrf_fota.verdict.facts import AppUpdate, McubootUpdate, NetworkUpdate, Update
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget, SlotState, read_slot
from pytest_nrf_fota.verdict.network_evidence import NetworkTarget, target_of

if TYPE_CHECKING:
    from pytest_nrf_fota.smp.messages import ImageState


@dataclass(frozen=True)
class Before:
    """What there was before an update.

    Args:
        boot: the last boot.
        app: the application that runs; None where there is none.
        network: what is sent for the network core, beside what lies there; None where nothing is
            sent, or nothing that b0n would know.
        mcuboot_version: FW_INFO version of the MCUboot that NSIB starts; None where nothing tells.
    """

    boot: Boot
    app: AppIdentity | None
    network: NetworkTarget | None
    mcuboot_version: int | None = None


def note_before(
    read: ReadMemory | None, board: BoardType, files: Sequence[UpdateFile], boot: Boot
) -> Before:
    """Read it, before the first of these files is sent; None where memory is not read.

    Errors of `read` pass through.
    """
    targets = (target_of(f.image, f.image_index, read) for f in files if is_for_network_core(f))
    app = running_app(read, board) if read is not None else None
    version = boot.firmware_version
    if version is None and read is not None and any(file.s_slot is not None for file in files):
        running = running_s_slot(read, board)
        version = None if running is None else running.version
    return Before(boot, app, next(targets, None), version)


def with_listed_app(before: Before, images: "Sequence[ImageState]") -> Before:
    """With the application that the image list shows, where memory was not read."""
    if before.app is not None:
        return before
    active = next((state for state in images if state.active and state.image == 0), None)
    version = parsed_version(active.version) if active is not None else None
    if active is None or version is None:
        return before
    return replace(before, app=AppIdentity(version, active.hash))


@dataclass(frozen=True)
class RunningSlot:
    """The S0/S1 slot that NSIB starts by its own rule, and the FW_INFO version in it."""

    s_slot: int
    version: int


def running_s_slot(read: ReadMemory, board: BoardType) -> RunningSlot | None:
    """Read which S0/S1 slot NSIB starts; None on boards without NSIB, or with nothing to start."""
    slots = [slot for slot in (board.slots.s0, board.slots.s1) if slot is not None]
    infos = [find_fw_info(read, slot.address) for slot in slots]
    versions = [info.version if info is not None and info.is_valid else None for info in infos]
    chosen = preferred_s_slot(versions) if len(slots) == 2 else None
    version = None if chosen is None else versions[chosen]
    return None if chosen is None or version is None else RunningSlot(chosen, version)


def read_update(
    read: ReadMemory | None,
    board: BoardType,
    file: UpdateFile,
    before: Before,
    network_lines: Sequence[str] = (),
) -> Update | None:
    """What was sent, and what memory holds of it now; None where b0n would not know the file.

    Without `read` nothing is known of the memory, and `Facts.memory_unread` has to say so. Errors
    of `read` pass through.
    """
    if is_for_network_core(file):
        target = before.network
        if target is None:
            return None
        held = read(target.address, len(target.firmware)) if read is not None else b""
        return NetworkUpdate(target, held, network_lines)
    if file.s_slot is None:
        swaps = board.boot.takes_pending_images
        running = running_app(read, board) if read is not None else None
        return AppUpdate(
            identity_of(file.image),
            before.app,
            running,
            swaps,
            firmware=file.image.payload,
            boot_before=before.boot,
        )
    mcuboot = McubootTarget(
        s_slot=file.s_slot,
        version=file.fw_info.version if file.fw_info else 0,
        firmware=file.image.payload,
        image_hash=file.image.hash or b"",
        version_before=before.mcuboot_version,
        marker=marker_number(file.image.payload),
        marker_before=before.boot.bootloader_version,
        resets_needed=board.boot.resets_until_new_mcuboot_runs,
    )
    slots = (board.slots.s0, board.slots.s1)
    if read is None:
        unknown = SlotState(fw_info=None, holds_update=False)
        return McubootUpdate(mcuboot, unknown, unknown)
    states = [read_slot(read, slot, mcuboot) for slot in slots if slot is not None]
    return McubootUpdate(mcuboot, states[file.s_slot], states[1 - file.s_slot])


def running_app(read: ReadMemory, board: BoardType) -> AppIdentity | None:
    """What lies where the CPU runs the application: in the primary slot, or in RAM.

    None where there is no image. Errors of `read` pass through.
    """
    slots = board.slots
    if board.boot.takes_pending_images:
        return read_identity(read, slots.primary)
    return read_loaded_identity(read, (slots.primary, slots.secondary))

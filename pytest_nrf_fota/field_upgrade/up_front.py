"""What is looked at before anything is sent: what a phone does not look at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_nrf_fota.artifacts.file_choice import files_to_send, main_file, require_slots_for
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.errors import BoardError, InputError, PackageError
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.memory import (
    Before,
    note_before,
    running_app,
    running_s_slot,
    with_listed_app,
)
from pytest_nrf_fota.verdict.unconfirmed import unconfirmed_test_image


@dataclass(frozen=True)
class RunningSlotKnown:
    """The S0/S1 slot that runs, and what tells so."""

    s_slot: int
    how: str


def require_settled(images: Sequence[ImageState], package: DfuPackage, board: BoardType) -> None:
    """Raise `BoardError` where an update is under way already: a reset would act on that one."""
    where = f"image list of the board, before {package.path.name} was sent"
    waiting = next((state for state in images if state.pending and not state.active), None)
    if waiting is not None:
        raise BoardError(
            f"An image is pending already, so nothing was sent: {waiting}",
            where=where,
            next_step="Reset the board, so that MCUboot takes it, and look at what runs then. "
            f"{_where_it_stays(board)}A pending image most servers do not let a client erase "
            f"(rc 6): {_erase_without_client(board)}",
        )
    on_trial = unconfirmed_test_image(images)
    if on_trial is not None:
        raise BoardError(
            f"The board runs a test image that a reset would revert, so nothing was sent: "
            f"{on_trial}",
            where=where,
            next_step="Confirm it with a client (mcumgr image confirm), or reset the board to go "
            "back to the old one.",
        )


def _where_it_stays(board: BoardType) -> str:
    if board.slots.s0 is None:
        return ""
    return "One that stays pending is for the S0/S1 slot that runs already. "


def _erase_without_client(board: BoardType) -> str:
    # Zephyr's image group protects a slot in use, which a pending one is (img_mgmt_slot_in_use).
    flash = board.external_flash
    if flash is None or not board.console.can_erase_flash:
        return "erase its slot with a probe."
    command = f"flash erase {flash.shell_device} 0 {flash.size:x}"
    return f"in the shell `{command}` erases the external flash, with all that lies in it."


def needs_s_slot(package: DfuPackage) -> bool:
    """Whether the right file depends on which S0/S1 slot runs."""
    return package.kind is PackageKind.MCUBOOT


def slot_of_boot(boot: Boot) -> RunningSlotKnown | None:
    """What NSIB said in a boot; None where it said nothing."""
    slot = boot.nsib_slot
    return None if slot is None else RunningSlotKnown(slot, "NSIB's line on the console")


def is_as_baseline(read: ReadMemory, board: BoardType, images: Sequence[ImageState]) -> bool | None:
    """Whether the board runs the baseline's application; None where that does not show."""
    flashed = running_app(read, board)
    active = next((one for one in images if one.active and one.image == 0), None)
    if flashed is None or active is None or not active.hash:
        return None
    return active.hash == flashed.hash


def slot_of_baseline(
    read: ReadMemory | None, board: BoardType, images: Sequence[ImageState]
) -> RunningSlotKnown | None:
    """What NSIB starts of a board that is as it was flashed; None where that is not known."""
    if read is None or not is_as_baseline(read, board, images):
        return None
    running = running_s_slot(read, board)
    return None if running is None else RunningSlotKnown(running.s_slot, "as the baseline")


def no_slot_known(package: DfuPackage) -> InputError:
    """The error where nothing tells which S0/S1 slot runs."""
    return InputError(
        "Nothing shows whether S0 or S1 runs, so the right file cannot be chosen: SMP does not "
        "tell.",
        where=str(package.path),
        next_step="Give --console=PORT (the board is reset once, and NSIB says so), or "
        "--running-slot=s0 (or s1), or --baseline=BUILD where the board runs just that.",
    )


def slot_after_reset(package: DfuPackage) -> InputError:
    """The error of a dry run where a reset would show which S0/S1 slot runs."""
    return InputError(
        "A dry run does not reset the board, and only its next boot shows whether S0 or S1 runs.",
        where=str(package.path),
        next_step="Without --dry-run the board is reset once, and the file for the other slot is "
        "sent. For a dry run give --running-slot=s0 (or s1), or --baseline=BUILD where the board "
        "runs just that.",
    )


def chosen_files(
    package: DfuPackage, board: BoardType, boot: Boot, slot: RunningSlotKnown | None
) -> tuple[UpdateFile, ...]:
    """What is sent, in the order in which it becomes pending.

    Raises `PackageError` where the package has nothing for this board's state.
    """
    require_slots_for(package, board)
    return files_to_send(package, boot, None if slot is None else slot.s_slot)


def runs_already(files: Sequence[UpdateFile], images: Sequence[ImageState]) -> ImageState | None:
    """The running application, where it is just what would be sent; None where that is news."""
    file = main_file(files)
    if file.s_slot is not None or any(is_for_network_core(one) for one in files):
        return None
    active = next((one for one in images if one.active and one.image == file.image_index), None)
    is_same = active is not None and bool(active.hash) and active.hash == file.image.hash
    return active if is_same else None


def note_what_runs(
    read: ReadMemory | None,
    board: BoardType,
    files: Sequence[UpdateFile],
    boot: Boot,
    images: Sequence[ImageState],
) -> Before:
    """What a verdict has to know of the board before the update; `read` is a baseline's.

    Of the baseline only MCUboot's version is taken, of which no image list tells. Raises
    `PackageError` for an image that the network core would never start.
    """
    before = with_listed_app(note_before(None, board, files, boot), images)
    for_network = next((file for file in files if is_for_network_core(file)), None)
    if for_network is not None and before.network is None:
        raise PackageError(
            f"{for_network.name!r} has no fw_info: the network core's b0n would never start it.",
            where=for_network.name,
            next_step="Build the network core with b0n (SB_CONFIG_SECURE_BOOT_NETCORE=y).",
        )
    if read is None or before.mcuboot_version is not None:
        return before
    return replace(before, mcuboot_version=note_before(read, board, files, boot).mcuboot_version)

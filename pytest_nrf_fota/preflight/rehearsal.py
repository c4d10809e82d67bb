"""An update on a copy of the board: upload, mark, reset as often as it takes, verdict."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from typing_extensions import assert_never

from pytest_nrf_fota.artifacts.file_choice import files_to_send, main_file
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.fw_info import STRUCT as FW_INFO_STRUCT
from pytest_nrf_fota.firmware.fw_info import FwInfo, find_fw_info
from pytest_nrf_fota.firmware.mcuboot_image import key_hash
from pytest_nrf_fota.firmware.mcuboot_strings import marker_number
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.firmware.provisioning import ProvisioningData, parse_provisioning
from pytest_nrf_fota.preflight.bench import Bench, Upload
from pytest_nrf_fota.sim.app.image_result import ImageResult
from pytest_nrf_fota.sim.boot.image_check import SlotCheck, check_slot
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.smp.messages import ImageState, describe_return_code
from pytest_nrf_fota.verdict import app_evidence, mcuboot_evidence
from pytest_nrf_fota.verdict.app_evidence import AppIdentity
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict
from pytest_nrf_fota.verdict.judgement import Seen, judge_app, judge_mcuboot
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget


@dataclass(frozen=True)
class Installed:
    """What the board holds before the update.

    Args:
        boot: its last boot.
        halted: why it runs no application; empty where it does.
        app: the application in the primary slot.
        images: its image list.
        fw_infos: NSIB's struct in S0 and S1; none of them without NSIB.
        provisioning: NSIB's keys and counters in OTP; None without NSIB, too.
        mcuboot_keys: hashes of the public keys in the running MCUboot; none for one that checks
            hashes only.
        guards_downgrade: whether the running MCUboot was built with downgrade prevention.
        overwrites: whether it overwrites the old application, without a swap and without a trial.
        slot_size_bytes: of the application's primary slot.
        update_slot_sizes_bytes: of the secondary slot of each image.
        network_core_is_empty: whether the network core's flash is known to be erased; of a board
            that runs, only what is to be updated is read.
        lacks_network_core: whether it is, on a board whose Bluetooth needs it.
        network_slots: how many image pairs the application knows beside its own.
        ncs: the profile of the virtual kit that its release was taken for.
    """

    boot: Boot
    halted: str
    app: AppIdentity | None
    images: tuple[ImageState, ...]
    fw_infos: tuple[FwInfo | None, ...]
    provisioning: ProvisioningData | None
    mcuboot_keys: tuple[bytes, ...]
    guards_downgrade: bool
    overwrites: bool
    slot_size_bytes: int
    update_slot_sizes_bytes: tuple[int, ...]
    network_core_is_empty: bool
    lacks_network_core: bool
    network_slots: int
    ncs: str

    def update_slot_bytes(self, image: int) -> int:
        """Size of the secondary slot that an upload for this image goes to.

        With one image its number does not count.
        """
        sizes = self.update_slot_sizes_bytes
        return sizes[image] if image < len(sizes) else sizes[0]


@dataclass(frozen=True)
class Sent:
    """One file on its way; steps that were not reached are None.

    Args:
        file: what was sent.
        upload, mark: how the board answered.
        slot_check: MCUboot's own validation of what then lay in its slot, done once more to know
            why it is refused.
    """

    file: UpdateFile
    upload: Upload
    slot_check: SlotCheck | None = None
    mark: ImageResult | None = None

    @property
    def refusal(self) -> str | None:
        """What the board refused, None where it took the file and the mark."""
        if self.upload.result.rc:
            return f"upload of {self.file.name}: {describe_return_code(self.upload.result.rc)}"
        if self.mark is not None and self.mark.rc:
            return f"setting {self.file.name} pending: {describe_return_code(self.mark.rc)}"
        return None


@dataclass(frozen=True)
class Rehearsal:
    """What happened on the copy; steps that were not reached are None or empty.

    Args:
        installed: the board before.
        package: the update.
        file: the file that the update is about: the application, or the bootloader for the idle
            slot, or the network core's firmware where there is nothing else.
        choice_problem: why no file of the package is for this board, as it stands.
        sent: all files that were sent, in their order.
        resets: how often the board was reset.
        boots: the boots since the mark; more than resets where the bootloader resets the board.
        halted: why the last of them runs no application.
        is_in_place: whether MCUboot brought the update to where it is to run from: the application
            into the primary slot, the bootloader into its S slot.
        network_updated: whether the network core holds its new firmware; None where the package
            has none.
        verdict: as a test would reach it; None where only the network core is updated.
        phone_refusal: what a phone that sends both bootloaders of the package is told; empty where
            it succeeds or the package has one file.
    """

    installed: Installed
    package: DfuPackage
    file: UpdateFile | None = None
    choice_problem: str = ""
    sent: tuple[Sent, ...] = ()
    resets: int = 0
    boots: tuple[Boot, ...] = ()
    halted: str = ""
    is_in_place: bool = False
    network_updated: bool | None = None
    verdict: Verdict | None = None
    phone_refusal: str = ""

    @property
    def main(self) -> Sent | None:
        """How it went with `file`; None where it was not sent."""
        return next((sent for sent in self.sent if sent.file is self.file), None)

    @property
    def refusal(self) -> str | None:
        """The first thing that the board refused over SMP."""
        return next((sent.refusal for sent in self.sent if sent.refusal is not None), None)

    @property
    def will_upgrade(self) -> bool:
        """Whether everything in the package that is for this board runs in the end."""
        if self.choice_problem or self.refusal is not None or not self.boots or self.halted:
            return False
        if self.network_updated is False:
            return False
        if self.verdict is None:
            return self.network_updated is True
        # While overwriting MCUboot prints nothing that proves it; the copy's memory does.
        is_silent = self.verdict.outcome is Outcome.UNPROVEN
        return self.verdict.outcome is Outcome.UPGRADED or (is_silent and self.is_in_place)


def rehearse(bench: Bench, package: DfuPackage, running: Boot | None = None) -> Rehearsal:
    """Do the update on the copy, and reset it as often as the update takes.

    `running` is the last boot of a board that runs, which is then left as it is: a look must not
    revert a trial image. Without it the copy is booted first.
    """
    installed = look_at(bench, running)
    if installed.halted:
        return Rehearsal(installed, package)
    files, problem = _choose(package, installed.boot)
    if not files:
        return Rehearsal(installed, package, choice_problem=problem)
    file = main_file(files)
    phone_refusal = _as_a_phone(bench, package)
    rehearsal = Rehearsal(installed, package, file, problem, phone_refusal=phone_refusal)
    sent = [Sent(one, bench.upload(one.image_index, one.data, _upload_name(one))) for one in files]
    if any(one.upload.result.rc for one in sent):
        return replace(rehearsal, sent=tuple(sent))
    sent = [replace(one, slot_check=_validate(bench, one.file)) for one in sent]
    # A network core's image cannot be reverted (sdk-nrf generate_zip.py): marked for good.
    sent = [
        replace(
            one,
            mark=bench.mark(
                _hash(one.file),
                permanent=one.file.s_slot is not None or is_for_network_core(one.file),
            ),
        )
        for one in sent
    ]
    boots, resets = _reset(bench, bench.resets_until_update_runs(package.kind))
    if file.s_slot is not None and _waits_for_reset(bench, boots, file.s_slot):
        more, _ = _reset(bench, 1)
        boots, resets = [*boots, *more], resets + 1
    rehearsal = replace(
        rehearsal,
        sent=tuple(sent),
        resets=resets,
        boots=tuple(boots),
        halted=bench.halted,
        network_updated=_network_updated(bench, files),
    )
    return _with_verdict(bench, rehearsal, file)


def _reset(bench: Bench, times: int) -> tuple[list[Boot], int]:
    return [boot for _ in range(times) for boot in bench.boot()], times


def _waits_for_reset(bench: Bench, boots: Sequence[Boot], s_slot: int) -> bool:
    """Whether NSIB will start the slot at the next reset only."""
    runs_from = boots[-1].nsib_slot if boots else None
    return not bench.halted and runs_from == 1 - s_slot and bench.running_s_slot() == s_slot


def look_at(bench: Bench, running: Boot | None) -> Installed:
    """Read what the copy holds, after a boot unless it is `running`."""
    if running is None:
        boots = bench.boot()
        boot = boots[-1] if boots else Boot()
    else:
        bench.take_as_running()
        boot = running
    slots = bench.slots
    build = bench.running_mcuboot()
    nsib = slots.nsib
    network_core_is_empty = running is None and bench.network_core_is_empty()
    return Installed(
        boot=boot,
        halted=bench.halted,
        app=app_evidence.read_identity(bench.read, bench.board.slots.primary),
        images=bench.images(),
        fw_infos=bench.fw_infos(),
        provisioning=None
        if nsib is None
        else parse_provisioning(bench.read, nsib.provisioning_address),
        mcuboot_keys=tuple(key_hash(key) for key in build.keys) if build else (),
        guards_downgrade=build is not None and build.description.downgrade_prevention,
        overwrites=build is not None and build.description.swap == "overwrite",
        slot_size_bytes=slots.primary.size_bytes,
        update_slot_sizes_bytes=tuple(
            secondary.size_bytes for _, secondary in bench.chain.hardware.image_pairs()
        ),
        network_core_is_empty=network_core_is_empty,
        lacks_network_core=network_core_is_empty and bench.board.radio.kind == "ble",
        network_slots=bench.network_slots,
        ncs=bench.profile.ncs,
    )


def _upload_name(file: UpdateFile) -> bytes:
    """The `sha` of an upload's first packet, as smpclient computes it over the file."""
    return hashlib.sha256(file.data).digest()


def _hash(file: UpdateFile) -> bytes:
    return file.image.hash or b""


def _choose(package: DfuPackage, boot: Boot) -> tuple[tuple[UpdateFile, ...], str]:
    """The files to send, and why none of them is for this board, as it stands."""
    try:
        return files_to_send(package, boot), ""
    except FotaError as error:
        # A single file is tried nevertheless: what the board makes of it is the better answer.
        return (package.files if len(package.files) == 1 else ()), error.what


def _as_a_phone(bench: Bench, package: DfuPackage) -> str:
    """Send every bootloader, then mark the first: what iOS does (sdk-nrf generate_zip.py)."""
    if package.kind is not PackageKind.MCUBOOT or len(package.files) < 2:
        return ""
    copy = bench.snapshot()
    copy.take_as_running()
    for file in package.files:
        upload = copy.upload(file.image_index, file.data, _upload_name(file))
        if upload.result.rc:
            return f"upload of {file.name}: {describe_return_code(upload.result.rc)}"
    first = package.files[0]
    mark = copy.mark(_hash(first), permanent=False)
    if not mark.rc:
        return ""
    return f"setting {first.name} pending: {describe_return_code(mark.rc)}"


def _validate(bench: Bench, file: UpdateFile) -> SlotCheck | None:
    build = bench.running_mcuboot()
    if build is None:
        return None
    number = file.image_index if bench.network_slots else 0
    area = bench.chain.hardware.image_pairs()[number][1]
    uses_offset = build.description.swap == "offset"
    start = area.page_size_bytes if uses_offset else 0
    update = FlashArea(area.flash, area.name, area.address + start, area.size_bytes - start)
    return check_slot(update, build.keys, update.size_bytes)


def _network_updated(bench: Bench, files: tuple[UpdateFile, ...]) -> bool | None:
    images = [file.image for file in files if is_for_network_core(file)]
    if not images:
        return None
    return all(bench.network_core_holds(image.payload) for image in images)


def _with_verdict(bench: Bench, rehearsal: Rehearsal, file: UpdateFile) -> Rehearsal:
    if is_for_network_core(file):
        return rehearsal
    images = None if bench.halted else bench.images()
    seen = Seen(rehearsal.boots, images, True, rehearsal.refusal)
    installed = rehearsal.installed
    match rehearsal.package.kind:
        case PackageKind.APPLICATION:
            running = app_evidence.read_identity(bench.read, bench.board.slots.primary)
            update = app_evidence.identity_of(file.image)
            verdict = judge_app(seen, update, installed.app, running, swaps=True)
            is_in_place = running is not None and running.hash == update.hash
            return replace(rehearsal, is_in_place=is_in_place, verdict=verdict)
        case PackageKind.MCUBOOT:
            return _with_mcuboot_verdict(bench, rehearsal, file, seen)
        case _:
            assert_never(rehearsal.package.kind)


def _with_mcuboot_verdict(
    bench: Bench, rehearsal: Rehearsal, file: UpdateFile, seen: Seen
) -> Rehearsal:
    assert file.s_slot is not None
    installed = rehearsal.installed
    target = McubootTarget(
        s_slot=file.s_slot,
        version=file.fw_info.version if file.fw_info else 0,
        firmware=file.image.payload,
        image_hash=file.image.hash or b"",
        version_before=installed.boot.firmware_version,
        marker=marker_number(file.image.payload),
        marker_before=installed.boot.bootloader_version,
    )
    slots = bench.board.slots
    assert slots.s0 is not None
    assert slots.s1 is not None
    slots_of = (slots.s0, slots.s1)
    states = [mcuboot_evidence.read_slot(bench.read, slot, target) for slot in slots_of]
    in_slot, in_other = states[target.s_slot], states[1 - target.s_slot]
    return replace(
        rehearsal,
        is_in_place=_holds_update(bench, file, slots_of[target.s_slot].address),
        verdict=judge_mcuboot(seen, target, in_slot, in_other),
    )


def _holds_update(bench: Bench, file: UpdateFile, slot_address: int) -> bool:
    """Whether the S slot holds the file's firmware, burnt by NSIB or not."""
    info, update = find_fw_info(bench.read, slot_address), file.fw_info
    if info is None or update is None:
        return False
    found = replace(info, address=0, valid_word=0)
    if found != replace(update, address=0, valid_word=0):
        return False
    # Behind the struct: the code, then the hash and the signature over all of it.
    start = info.address + FW_INFO_STRUCT.size
    offset = start - info.firmware_address
    behind = file.image.payload[offset:]
    return bench.read(start, len(behind)) == behind

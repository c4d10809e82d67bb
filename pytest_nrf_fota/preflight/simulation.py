"""An update on a copy of the board: upload, set pending, reset as often as it takes, verdict."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_nrf_fota.artifacts.file_choice import files_to_send, main_file
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.ext_api import ExtApi
from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.boards.nsib_release import KeyState
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.fw_info import FwInfo
from pytest_nrf_fota.firmware.mcuboot_image import HEADER, key_hash
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.firmware.provisioning import ProvisioningData, parse_provisioning
from pytest_nrf_fota.preflight.simulated_board import SimulatedBoard, Upload
from pytest_nrf_fota.sim.app.image_result import ImageResult
from pytest_nrf_fota.sim.boot.held_header import HeldHeader
from pytest_nrf_fota.sim.boot.image_check import Acceptance, SlotCheck, check_slot
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.smp.messages import ImageState, describe_return_code
from pytest_nrf_fota.verdict.app_evidence import AppIdentity, read_identity
from pytest_nrf_fota.verdict.evidence import Verdict
from pytest_nrf_fota.verdict.facts import Facts, Marking, Update
from pytest_nrf_fota.verdict.judge import runs_on_copy
from pytest_nrf_fota.verdict.memory import Before, note_before, read_update
from pytest_nrf_fota.verdict.wording import verdict_of


@dataclass(frozen=True)
class ForeignKey:
    """A key that another SDK provisioned: its word, and the two that this NSIB knows for it."""

    index: int
    word: int
    valid_word: int
    revoked_word: int


@dataclass(frozen=True)
class Installed:
    """What the board holds before the update.

    Args:
        board: its type.
        boot: its last boot.
        halted: why it runs no application; empty where it does.
        app: the application in the primary slot.
        images: its image list.
        fw_infos: NSIB's struct in S0 and S1; none of them without NSIB.
        running_s_slot: the slot that NSIB started, by its log or, where it has none, by those.
        provisioning: NSIB's keys and counters in OTP; None without NSIB, too.
        mcuboot_keys: hashes of the public keys in the running MCUboot; none for one that checks
            hashes only.
        guards_downgrade: whether the running MCUboot was built with downgrade prevention.
        overwrites: whether it overwrites the old application, without swap and test boot.
        slot_size_bytes: of the application's primary slot.
        update_slot_sizes_bytes: of the secondary slot of each image.
        network_core_is_empty: whether the network core's flash is known to be erased; of a board
            that runs, only what is to be updated is read.
        lacks_network_core: whether it is, on a board whose Bluetooth needs it.
        network_slots: how many image pairs the application knows beside its own.
        ncs: the profile of the virtual kit that its release was taken for.
        foreign_key: a provisioned key whose word NSIB of that release does not know; None without.
        nsib_offers: the EXT_APIs that NSIB gives to the firmware that it starts.
    """

    board: BoardType
    boot: Boot
    halted: str
    app: AppIdentity | None
    images: tuple[ImageState, ...]
    fw_infos: tuple[FwInfo | None, ...]
    running_s_slot: int | None
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
    foreign_key: ForeignKey | None
    nsib_offers: tuple[ExtApi, ...]

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
        """What the board refused, None where it took the file and set it pending."""
        if self.upload.result.rc:
            return f"upload of {self.file.name}: {describe_return_code(self.upload.result.rc)}"
        if self.mark is not None and self.mark.rc:
            return f"setting {self.file.name} pending: {describe_return_code(self.mark.rc)}"
        return None


@dataclass(frozen=True)
class Became:
    """What a file became on the copy; `update` is None where nothing would ever start it."""

    file: UpdateFile
    update: Update | None
    verdict: Verdict | None

    @property
    def is_in_place(self) -> bool:
        """Whether it lies where it is to run from."""
        return self.update is not None and self.update.is_in_place

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        if self.update is None or self.verdict is None:
            return False
        return runs_on_copy(self.update, self.verdict.outcome)


@dataclass(frozen=True)
class Simulation:
    """What happened on the copy; steps that were not reached are None or empty.

    Args:
        installed: the board before.
        package: the update.
        file: the file that the update is about: the application, or the bootloader for the idle
            slot, or the network core's firmware where there is nothing else.
        choice_problem: why no file of the package is for this board, as it stands.
        sent: all files that were sent, in their order.
        resets: how often the board was reset.
        boots: the boots since it was set pending; more than resets where the bootloader resets the
            board.
        halted: why the last of them runs no application.
        became: what each file became, in the order of `sent`.
        phone_refusal: what a phone that sends both bootloaders of the package is answered; empty
            where it succeeds or the package has one file.
    """

    installed: Installed
    package: DfuPackage
    file: UpdateFile | None = None
    choice_problem: str = ""
    sent: tuple[Sent, ...] = ()
    resets: int = 0
    boots: tuple[Boot, ...] = ()
    halted: str = ""
    became: tuple[Became, ...] = ()
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
    def verdict(self) -> Verdict | None:
        """On `file`, as a test would reach it."""
        return next((one.verdict for one in self.became if one.file is self.file), None)

    @property
    def is_in_place(self) -> bool:
        """Whether MCUboot brought `file` to where it is to run from."""
        return any(one.is_in_place for one in self.became if one.file is self.file)

    @property
    def network_updated(self) -> bool | None:
        """Whether the network core holds its new firmware; None where the package has none."""
        held = [one.is_in_place for one in self.became if is_for_network_core(one.file)]
        return all(held) if held else None

    @property
    def will_upgrade(self) -> bool:
        """Whether everything in the package that is for this board runs in the end."""
        if self.choice_problem or self.refusal is not None or not self.boots or self.halted:
            return False
        return all(one.runs for one in self.became)


def simulate(
    simulated: SimulatedBoard, package: DfuPackage, running: Boot | None = None
) -> Simulation:
    """Do the update on the copy, and reset it as often as the update takes.

    `running` is the last boot of a board that runs, which is then left as it is: a look must not
    revert a test image. Without it the copy is booted first.
    """
    installed = look_at(simulated, running)
    if installed.halted:
        return Simulation(installed, package)
    files, problem = _choose(package, installed.boot, simulated.running_s_slot())
    if not files:
        return Simulation(installed, package, choice_problem=problem)
    file = main_file(files)
    phone_refusal = _as_a_phone(simulated, package)
    simulation = Simulation(installed, package, file, problem, phone_refusal=phone_refusal)
    before = note_before(simulated.read, simulated.board, files, installed.boot)
    sent = [
        Sent(one, simulated.upload(one.image_index, one.data, _upload_name(one))) for one in files
    ]
    if any(one.upload.result.rc for one in sent):
        return replace(simulation, sent=tuple(sent))
    sent = [replace(one, slot_check=_validate(simulated, one.file)) for one in sent]
    # A network core's image cannot be reverted (sdk-nrf generate_zip.py): marked for good.
    sent = [
        replace(
            one,
            mark=simulated.mark(
                _hash(one.file),
                permanent=one.file.s_slot is not None or is_for_network_core(one.file),
            ),
        )
        for one in sent
    ]
    boots, resets = _reset(simulated, simulated.resets_until_update_runs(package.kind))
    if file.s_slot is not None and _waits_for_reset(simulated, boots, file.s_slot):
        more, _ = _reset(simulated, 1)
        boots, resets = [*boots, *more], resets + 1
    simulation = replace(
        simulation,
        sent=tuple(sent),
        resets=resets,
        boots=tuple(boots),
        halted=simulated.halted,
    )
    return replace(
        simulation, became=tuple(_became(simulated, simulation, one, before) for one in files)
    )


def _reset(simulated: SimulatedBoard, times: int) -> tuple[list[Boot], int]:
    return [boot for _ in range(times) for boot in simulated.boot()], times


def _waits_for_reset(simulated: SimulatedBoard, boots: Sequence[Boot], s_slot: int) -> bool:
    """Whether NSIB will start the slot at the next reset only."""
    nsib = boots[-1].nsib if boots else None
    tried = [attempt.slot for attempt in nsib.attempts] if nsib is not None else []
    has_not_met_it = tried[-1:] == [1 - s_slot] and s_slot not in tried
    return not simulated.halted and has_not_met_it and simulated.running_s_slot() == s_slot


def look_at(simulated: SimulatedBoard, running: Boot | None) -> Installed:
    """Read what the copy holds, after a boot unless it is `running`."""
    if running is None:
        boots = simulated.boot()
        boot = boots[-1] if boots else Boot()
    else:
        simulated.take_as_running()
        boot = running
    slots = simulated.slots
    build = simulated.running_mcuboot()
    nsib = slots.nsib
    network_core_is_empty = running is None and simulated.network_core_is_empty()
    provisioning = (
        None if nsib is None else parse_provisioning(simulated.read, nsib.provisioning_address)
    )
    return Installed(
        board=simulated.board,
        boot=boot,
        halted=simulated.halted,
        app=read_identity(simulated.read, simulated.board.slots.primary),
        images=simulated.images(),
        fw_infos=simulated.fw_infos(),
        running_s_slot=boot.nsib_slot if boot.nsib is not None else simulated.running_s_slot(),
        provisioning=provisioning,
        mcuboot_keys=tuple(key_hash(key) for key in build.keys) if build else (),
        guards_downgrade=build is not None and build.description.downgrade_prevention,
        overwrites=build is not None and build.description.swap == "overwrite",
        slot_size_bytes=slots.primary.size_bytes,
        update_slot_sizes_bytes=tuple(
            secondary.size_bytes for _, secondary in simulated.chain.hardware.image_pairs()
        ),
        network_core_is_empty=network_core_is_empty,
        lacks_network_core=network_core_is_empty
        and simulated.board.radio.kind == "ble"
        and simulated.board.radio.bluetooth is not False,
        network_slots=simulated.network_slots,
        ncs=simulated.profile.ncs,
        foreign_key=_foreign_key(provisioning, simulated.profile),
        nsib_offers=simulated.nsib_offers(),
    )


def _foreign_key(provisioning: ProvisioningData | None, release: Release) -> ForeignKey | None:
    words = release.nsib.key_words
    for index, key in enumerate(provisioning.keys if provisioning else ()):
        if words.state(index, key.word) is KeyState.UNKNOWN:
            return ForeignKey(index, key.word, words.provisioned(index), words.revoked(index))
    return None


def _upload_name(file: UpdateFile) -> bytes:
    """The `sha` of an upload's first packet, as smpclient computes it over the file."""
    return hashlib.sha256(file.data).digest()


def _hash(file: UpdateFile) -> bytes:
    return file.image.hash or b""


def _choose(
    package: DfuPackage, boot: Boot, s_slot: int | None
) -> tuple[tuple[UpdateFile, ...], str]:
    """The files to send, and why none of them is for this board, as it stands."""
    try:
        return files_to_send(package, boot, s_slot), ""
    except FotaError as error:
        # A single file is tried nevertheless: what the board makes of it is the better answer.
        return (package.files if len(package.files) == 1 else ()), error.what


def _as_a_phone(simulated: SimulatedBoard, package: DfuPackage) -> str:
    """Send all bootloaders, set the first pending: what iOS does (sdk-nrf generate_zip.py)."""
    if package.kind is not PackageKind.MCUBOOT or len(package.files) < 2:
        return ""
    copy = simulated.snapshot()
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


def _validate(simulated: SimulatedBoard, file: UpdateFile) -> SlotCheck | None:
    build = simulated.running_mcuboot()
    if build is None:
        return None
    number = file.image_index if simulated.network_slots else 0
    area = simulated.chain.hardware.image_pairs()[number][1]
    uses_offset = build.description.swap == "offset"
    start = area.page_size_bytes if uses_offset else 0
    update = FlashArea(area.flash, area.name, area.address + start, area.size_bytes - start)
    acceptance = Acceptance(
        build.keys,
        update.size_bytes,
        refuses_flags=simulated.chain.profile.refuses_by_flags,
        refuses_rogue_tlvs=simulated.chain.profile.refuses_rogue_tlvs,
    )
    return check_slot(update, HeldHeader.unpack(update.read(0, HEADER.size)), acceptance)


def _became(
    simulated: SimulatedBoard, simulation: Simulation, file: UpdateFile, before: Before
) -> Became:
    update = read_update(simulated.read, simulated.board, file, before)
    if update is None:
        return Became(file, None, None)
    images = None if simulated.halted else simulated.images()
    marking = Marking(refusal=simulation.refusal)
    facts = Facts(boots=simulation.boots, update=update, marking=marking, images=images)
    return Became(file, update, verdict_of(facts))

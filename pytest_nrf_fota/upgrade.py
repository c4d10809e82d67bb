"""One upgrade, step by step: choose the file, upload, mark, reset, gather evidence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.console.log import LogMark
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardError, NotSeenError, PackageError
from pytest_nrf_fota.firmware.dfu_package import DfuPackage, PackageKind, UpdateFile
from pytest_nrf_fota.report.events import EvidenceItem, VerdictReached
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict import app_evidence, mcuboot_evidence
from pytest_nrf_fota.verdict.evidence import Evidence, Outcome, Verdict
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget
from pytest_nrf_fota.verdict.reason import app_reason, common_reason, mcuboot_reason

if TYPE_CHECKING:
    from pytest_nrf_fota.dut import Dut

_SECONDS_PER_UPLOADED_KB = 0.5
_LEAST_UPLOAD_S = 60.0


class Upgrade:
    """An upgrade under way. `Dut.upgrade` does all steps; tests that leave one out do them here.

    Making one connects, reads the image list, and notes what runs before the upgrade.
    """

    def __init__(self, dut: "Dut", package: DfuPackage) -> None:
        self._dut = dut
        self.package = package
        self.boot_before = dut.last_boot()
        self.file = _file_to_send(package, self.boot_before)
        dut.connect()
        self.images_before = dut.mcumgr.get_image_list()
        self._app_before = app_evidence.read_identity(dut.read_memory, dut.board.slots.primary)
        self._marked_at: LogMark | None = None
        self._mark_refusal: str | None = None

    @property
    def expected_resets(self) -> int:
        """Resets until the new firmware runs, the one after marking included."""
        match self.package.kind:
            case PackageKind.APPLICATION:
                return 1
            case PackageKind.MCUBOOT:
                return self._dut.board.boot.mcuboot_update_resets
            case _:
                assert_never(self.package.kind)

    @property
    def other_files(self) -> tuple[UpdateFile, ...]:
        """The package's files that are not to be sent: for the slot that is running."""
        return tuple(file for file in self.package.files if file is not self.file)

    def upload(self, file: UpdateFile | None = None) -> None:
        """Send the file that fits, or another one of the package on purpose."""
        sent = file or self.file
        size_kb = len(sent.data) / 1000
        with self._dut.step("upload", sent.name):
            self._dut.connect()
            self._dut.mcumgr.image_upload(
                sent.data,
                deadline=Deadline.after(max(_LEAST_UPLOAD_S, size_kb * _SECONDS_PER_UPLOADED_KB)),
            )

    def mark(self, file: UpdateFile | None = None) -> None:
        """Mark the uploaded image: an application for trial, a bootloader for good.

        Raises `BoardError` when the board refuses, or agrees and does not show it as pending.
        """
        image_hash = (file or self.file).image.hash or b""
        self._marked_at = self._dut.mark("image marked")
        with self._dut.step("mark", image_hash.hex()[:8]):
            try:
                images = self._mark(image_hash)
            except BoardError as error:
                self._mark_refusal = error.what
                raise
            if not any(state.hash == image_hash and state.pending for state in images):
                listed = "; ".join(str(state) for state in images) or "(empty)"
                self._mark_refusal = "the image list shows it as not pending"
                raise BoardError(
                    "The board accepted the mark, but the image list does not show it as pending.",
                    where=f"image list: {listed}",
                    next_step="Erase the secondary slot (a stale trailer may lie in it) and retry.",
                )

    def reset(self) -> Boot:
        """Reset over SMP, as a phone does, and wait for the application.

        Allows for the swap's time. Returns the last boot.
        """
        since = self._dut.mark("reset over SMP")
        timeouts = self._dut.board.timeouts
        with self._dut.step("reset over SMP"):
            self._dut.connect()
            self._dut.mcumgr.reset_device()
            return self._dut.wait_for_boot(since, Deadline.after(timeouts.boot_s + timeouts.swap_s))

    def verdict(self) -> Verdict:
        """Ask all three wires what runs now; the verdict goes to the recorder as well."""
        boots = self._dut.boots_since(self._marked_at) if self._marked_at else ()
        reason = common_reason(boots, self._mark_refusal, self._marked_at is not None)
        match self.package.kind:
            case PackageKind.APPLICATION:
                verdict = self._app_verdict(boots, reason)
            case PackageKind.MCUBOOT:
                verdict = self._mcuboot_verdict(boots, reason)
            case _:
                assert_never(self.package.kind)
        self._dut.recorder.record(_event(verdict))
        return verdict

    def confirm_if_proven(self, verdict: Verdict) -> None:
        """Confirm a proven application, so that it stays; bootloaders need no confirmation."""
        if self.package.kind is PackageKind.APPLICATION and verdict.outcome is Outcome.UPGRADED:
            with self._dut.step("confirm"):
                self._dut.connect()
                self._dut.mcumgr.image_confirm()

    def _mark(self, image_hash: bytes) -> tuple[ImageState, ...]:
        self._dut.connect()
        match self.package.kind:
            case PackageKind.APPLICATION:
                return self._dut.mcumgr.image_test(image_hash)
            case PackageKind.MCUBOOT:
                return self._dut.mcumgr.image_confirm(image_hash)
            case _:
                assert_never(self.package.kind)

    def _app_verdict(self, boots: Sequence[Boot], reason: str) -> Verdict:
        update = app_evidence.identity_of(self.file.image)
        before = self._app_before
        primary = app_evidence.read_identity(self._dut.read_memory, self._dut.board.slots.primary)
        return _verdict(
            f"application {before or 'unknown'} -> {update}",
            (
                app_evidence.uart_evidence(boots, update, before),
                app_evidence.smp_evidence(self._images_now(), update, before),
                app_evidence.swd_evidence(primary, update, before),
            ),
            reason or app_reason(boots),
        )

    def _mcuboot_verdict(self, boots: Sequence[Boot], reason: str) -> Verdict:
        target = self._mcuboot_target()
        slots = (self._dut.board.slots.s0, self._dut.board.slots.s1)
        states = [
            mcuboot_evidence.read_slot(self._dut.read_memory, slot, target)
            for slot in slots
            if slot is not None
        ]
        target_slot, other_slot = states[target.s_slot], states[1 - target.s_slot]
        return _verdict(
            f"MCUboot {target.version_before} in S{1 - target.s_slot} -> {target.version} "
            f"in S{target.s_slot}",
            (
                *mcuboot_evidence.uart_evidence(boots, target),
                mcuboot_evidence.smp_evidence(self._images_now(), target),
                mcuboot_evidence.swd_evidence(target_slot, other_slot, boots, target),
            ),
            reason or mcuboot_reason(boots, target_slot, other_slot, target),
        )

    def _mcuboot_target(self) -> McubootTarget:
        assert self.file.s_slot is not None
        assert self.file.fw_info is not None
        return McubootTarget(
            s_slot=self.file.s_slot,
            version=self.file.fw_info.version,
            firmware=self.file.image.payload,
            image_hash=self.file.image.hash or b"",
            version_before=self.boot_before.firmware_version,
            slot_before=self.boot_before.nsib_slot,
        )

    def _images_now(self) -> tuple[ImageState, ...] | None:
        try:
            self._dut.connect()
            return self._dut.mcumgr.get_image_list()
        except (NotSeenError, BoardError):
            # The board may well not answer after a failed upgrade; the other wires still speak.
            return None


def _verdict(subject: str, evidence: tuple[Evidence, ...], reason: str) -> Verdict:
    verdict = Verdict(subject, evidence)
    if verdict.outcome is Outcome.UPGRADED:
        return verdict
    return Verdict(subject, evidence, reason)


def _event(verdict: Verdict) -> VerdictReached:
    return VerdictReached(
        outcome=verdict.outcome.value,
        subject=verdict.subject,
        reason=verdict.reason,
        evidence=tuple(
            EvidenceItem(source=item.source.value, says=item.says.value, detail=item.detail)
            for item in verdict.evidence
        ),
    )


def _file_to_send(package: DfuPackage, boot: Boot) -> UpdateFile:
    match package.kind:
        case PackageKind.APPLICATION:
            if len(package.files) != 1:
                raise PackageError(
                    f"The package holds {len(package.files)} application images; packages with "
                    "network core images are not supported yet.",
                    where=str(package.path),
                    next_step="Give a package with the application core's image only.",
                )
            return package.files[0]
        case PackageKind.MCUBOOT:
            return _file_for_idle_slot(package, boot)
        case _:
            assert_never(package.kind)


def _file_for_idle_slot(package: DfuPackage, boot: Boot) -> UpdateFile:
    if boot.nsib_slot is None:
        raise BoardError(
            "The boot log does not show which S slot runs, so the right file cannot be chosen.",
            where="last boot: " + boot.summary(),
            next_step="NSIB must log on this UART (`Attempting to boot slot N.`).",
        )
    wanted = 1 - boot.nsib_slot
    for file in package.files:
        if file.s_slot == wanted:
            if file.fw_info is None:
                raise PackageError(
                    f"{file.name!r} has no fw_info: NSIB would never start it.",
                    where=str(package.path),
                    next_step="Build MCUboot with NSIB (CONFIG_SECURE_BOOT=y).",
                )
            return file
    present = ", ".join(f"S{file.s_slot}" for file in package.files)
    raise PackageError(
        f"S{boot.nsib_slot} is running, so the update must be for S{wanted}, but the package holds "
        f"images for {present} only.",
        where=str(package.path),
        next_step="Give the dfu_mcuboot.zip of the build: it holds both.",
    )

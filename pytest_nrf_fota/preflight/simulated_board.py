"""A copy of a board on which its next boots are run: memories and boot code, nothing else.

The image group that takes the upload is the virtual kit's own, and so is the boot code, unless the
board's is executed; there is no radio and no time here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from typing_extensions import assert_never

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.ext_api import ExtApi
from pytest_nrf_fota.boards.ncs import RELEASES, Release
from pytest_nrf_fota.bootlog.captured_text import CapturedText
from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.description import AppDescription, find_description
from pytest_nrf_fota.firmware.fw_info import FwInfo, find_fw_info, preferred_s_slot
from pytest_nrf_fota.firmware.hex_file import Segment
from pytest_nrf_fota.firmware.mcuboot_mode import app_of, mcuboot_of
from pytest_nrf_fota.firmware.mcuboot_strings import release_that_built
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.sim.app.image_group import ImageGroup
from pytest_nrf_fota.sim.app.image_result import ImageResult
from pytest_nrf_fota.sim.app.images import ImageGroupBuild, ImageManager
from pytest_nrf_fota.sim.boot.b0n import NetworkCore
from pytest_nrf_fota.sim.boot.chain import AssumedFirmware, BootChain
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.network_core import make_ram_flash
from pytest_nrf_fota.sim.boot.nsib import ext_apis_of_nsib
from pytest_nrf_fota.sim.boot.pcd import PcdCommand
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashError, MemoryLayout
from pytest_nrf_fota.sim.memories import memories_of_board, program
from pytest_nrf_fota.sim.slot_map import slot_map_of
from pytest_nrf_fota.smp.messages import ImageState

UPLOAD_CHUNK_BYTES = 4096

Booter: TypeAlias = Callable[[BootChain, Callable[[bytes], None]], AppDescription | Halt]
"""Boots a board once, up to its application; what the UART shows of machine code is sent to the
second argument."""

APPLICATION_STARTS = "(The application starts here. It is not executed.)"


@dataclass(frozen=True)
class Upload:
    """How an upload ended, and how many bytes the board had taken."""

    result: ImageResult
    taken_bytes: int


class SimulatedBoard:
    """One copy of a board.

    Args:
        board: its type.
        segments: what its memories hold.
        ncs: the NCS release that it was built with; None to read it from the bootloader.
        booter: boots it by execution; left out, the models of its bootloaders do.

    Raises `BoardFileError` for a board with a part of NSIB's slots, `PackageError` for data outside
    its memories.
    """

    def __init__(
        self,
        board: BoardType,
        segments: Sequence[Segment],
        ncs: str | None,
        booter: Booter | None = None,
    ) -> None:
        self.board = board
        self._booter = booter
        self.slots = slot_map_of(board)
        self._assumed = AssumedFirmware(mcuboot_of(board), app_of(board))
        clock = VirtualClock()
        self._flash = Flash(memories_of_board(board), clock)
        self._clock = clock
        self._pcd_command = PcdCommand()
        self._load(segments)
        release = RELEASES[ncs] if ncs else self._release_on_board() or board.boot.release
        self.profile = release.with_rollback_protection(board.boot.rollback_protection)
        self.halted = ""
        self._boots = BootReader(board.boot)
        self.chain = self._make_chain()
        self._images = self._make_image_group(swap_using_offset=False)

    def boot(self) -> tuple[Boot, ...]:
        """Reset once, and boot up to the application's banner. Returns what the UART would show.

        More than one boot where the bootloader resets the board itself, and none where it starts
        no application and prints nothing. `halted` says afterwards why no application runs; empty
        where one does. Errors of the booter come through.
        """
        start = self._boots.line_count
        self.chain = self._make_chain()
        try:
            end = self.chain.run() if self._booter is None else self._execute(self._booter)
        except FlashError as error:
            end = Halt(f"a boot stage faulted: {error}")
        if isinstance(end, Halt):
            self.halted = end.reason
        else:
            self.halted = ""
            self._print_start_of_application(start)
            self._images = self._make_image_group(swap_using_offset=end.swap_using_offset)
        return self._boots.boots(since_line=start + 1)

    @property
    def line_count(self) -> int:
        """Lines that its UART has printed."""
        return self._boots.line_count

    def boots_since(self, line_count: int) -> tuple[Boot, ...]:
        """The boots since its UART had printed so many lines, those whose power was cut, too."""
        return self._boots.boots(since_line=line_count + 1)

    def take_as_running(self) -> None:
        """Let the application in the primary slot run, without a boot."""
        area = self.chain.hardware.primary_area()
        description = find_description(area.read(0, area.size_bytes))
        app = description if isinstance(description, AppDescription) else self._assumed.app
        self._images = self._make_image_group(swap_using_offset=app.swap_using_offset)

    def running_s_slot(self) -> int | None:
        """The S0/S1 slot from which MCUboot runs: the one that NSIB prefers; None without any."""
        infos = self.fw_infos()
        return preferred_s_slot([i.version if i and i.is_valid else None for i in infos])

    def fw_infos(self) -> tuple[FwInfo | None, ...]:
        """NSIB's struct in S0 and S1; none of them without NSIB."""
        nsib = self.slots.nsib
        places = () if nsib is None else nsib.s_slots
        return tuple(find_fw_info(self.read, place.address) for place in places)

    def nsib_offers(self) -> tuple[ExtApi, ...]:
        """The EXT_APIs of the board's NSIB; none without NSIB."""
        if self.slots.nsib is None:
            return ()
        return ext_apis_of_nsib(self.chain.hardware, self.profile.nsib)

    def running_mcuboot(self) -> McubootBuild | None:
        """How the MCUboot was built that runs: from the S0/S1 slot that NSIB prefers, or alone."""
        if self.slots.nsib is None:
            return self.chain.mcuboot_build(None)
        slot = self.running_s_slot()
        return None if slot is None else self.chain.mcuboot_build(slot)

    @property
    def network_slots(self) -> int:
        """How many image pairs the application sees beside its own."""
        return self._images.count - 1

    def network_core_is_empty(self) -> bool:
        """Whether a network core has neither b0n nor firmware."""
        network, core = self.slots.network, self.board.soc.network
        return (network is not None and core is not None) and all(
            self._flash.is_erased(address, core.flash.page_size_bytes)
            for address in (network.b0n_address, network.app_address)
        )

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read memory, as over SWD."""
        return self._flash.read(address, size_bytes)

    def images(self) -> tuple[ImageState, ...]:
        """The image list, as over SMP."""
        return tuple(
            ImageState(
                image=numbered.image,
                slot=numbered.entry.slot,
                version=numbered.entry.version.as_smp_reports,
                hash=numbered.entry.hash,
                bootable=numbered.entry.bootable,
                pending=numbered.entry.pending,
                confirmed=numbered.entry.confirmed,
                active=numbered.entry.active,
                permanent=numbered.entry.permanent,
            )
            for numbered in self._images.list_images()
        )

    def upload(self, image: int, data: bytes, sha: bytes) -> Upload:
        """Upload a file over SMP."""
        offset = 0
        while True:
            chunk = data[offset : offset + UPLOAD_CHUNK_BYTES]
            result, wanted = self._images.upload(image, offset, chunk, len(data), sha)
            if result.rc or wanted >= len(data) or wanted <= offset:
                return Upload(result, offset if result.rc else wanted)
            offset = wanted

    def mark(self, image_hash: bytes, *, permanent: bool) -> ImageResult:
        """Set an image pending over SMP."""
        return self._images.set_state(image_hash, confirm=permanent)

    def snapshot(self) -> "SimulatedBoard":
        """A second copy in the same state, to try something out on."""
        return SimulatedBoard(self.board, self.memories(), self.profile.ncs)

    def memories(self) -> list[Segment]:
        """What all memories hold, page by page, where they are not erased."""
        return [segment for layout in self._flash.layouts for segment in self._content(layout)]

    def resets_until_update_runs(self, kind: PackageKind) -> int:
        """How many resets it takes this release from setting it pending until the update runs."""
        match kind:
            case PackageKind.APPLICATION:
                return 1
            case PackageKind.MCUBOOT:
                mcuboot = self.running_mcuboot()
                overwrites = mcuboot is not None and mcuboot.overwrites
                return self.profile.mcuboot_update_resets(overwrites=overwrites)
            case _:
                assert_never(kind)

    def _content(self, layout: MemoryLayout) -> Iterator[Segment]:
        """What a memory holds where it is not erased."""
        for address in range(layout.start, layout.end, layout.page_size_bytes):
            if not self._flash.is_erased(address, layout.page_size_bytes):
                yield Segment(address, self._flash.read(address, layout.page_size_bytes))

    def _make_chain(self) -> BootChain:
        # The RAM is new for each boot; what the network core was told survives a reset.
        hardware = Hardware(
            flash=self._flash,
            slots=self.slots,
            print_line=partial(_print, self._boots),
            network=self._network_core(),
            ram=self.board.soc.application.ram,
            reveals_all=True,
        )
        return BootChain(
            hardware,
            self.profile,
            self.board.boot.max_image_sectors
            or _least_max_sectors(hardware.primary_area().num_sectors),
            assumed=self._assumed,
        )

    def _network_core(self) -> NetworkCore | None:
        if self.slots.network is None:
            return None
        return NetworkCore(
            flash=self._flash,
            ram=make_ram_flash(self.slots.network_ram_size_bytes, self._clock),
            command=self._pcd_command,
            print_line=_ignore_word,
            clock=self._clock,
            map=self.slots.network,
        )

    def _load(self, segments: Sequence[Segment]) -> None:
        try:
            failed = program(self._flash, tuple(segments))
        except FlashError as error:
            raise PackageError(
                f"The firmware does not fit this board's memories: {error}",
                where=self.board.name,
                next_step="Is it a build for this board? Or give another --board.",
            ) from error
        if failed is not None:
            raise PackageError(
                f"0x{failed.address:x}-0x{failed.end:x} is given twice with different content.",
                where=self.board.name,
                next_step="Give one state of the board.",
            )

    def _release_on_board(self) -> Release | None:
        nsib = self.slots.nsib
        for place in (self.slots.first_bootloader,) if nsib is None else nsib.s_slots:
            release = release_that_built(self._flash.read(place.address, place.size_bytes))
            if release is not None:
                return release
        return None

    def _make_image_group(self, *, swap_using_offset: bool) -> ImageGroup:
        build = ImageGroupBuild(
            swap_using_offset=swap_using_offset,
            asks_for_next_boot=self.profile.asks_for_next_boot,
            reverts_over_any_magic=self.profile.reverts_over_any_magic,
        )
        return ImageGroup(
            [
                ImageManager(primary, secondary, build, _ignore_line, _ignore_word)
                for primary, secondary in self.chain.hardware.image_pairs()
            ]
        )

    def _execute(self, booter: Booter) -> AppDescription | Halt:
        text = CapturedText()
        try:
            return booter(self.chain, lambda data: self._print_block(text.feed(data)))
        finally:
            self._print_block(text.finish())

    def _print_start_of_application(self, start: int) -> None:
        """What tells the reader that it starts, wherever the log of machine code ends.

        MCUboot starts it without waiting for a log that is deferred, and may print no log at all.
        """
        is_executed = self._booter is not None
        if is_executed and self.line_count > start and not self.boots_since(start):
            # Banners alone: behind another one they would be a boot of their own.
            _print(self._boots, APPLICATION_STARTS)
            if self.boots_since(start):
                return
        for line in self.profile.app_banner:
            _print(self._boots, line)
        if is_executed:
            _print(self._boots, APPLICATION_STARTS)

    def _print_block(self, lines: str) -> None:
        for line in lines.split("\n")[:-1]:
            _print(self._boots, line)


def _print(boots: BootReader, text: str) -> None:
    # No method: a board whose memories hold a reference to it stays until somebody looks for
    # garbage, with 9 MB or more of flash.
    boots.feed_lines([LogLine(0.0, text)])


def _least_max_sectors(pages: int) -> int:
    # The least power of two that holds the slot; smaller values do not boot.
    sectors = 128
    while sectors < pages:
        sectors *= 2
    return sectors


def _ignore_line(_function: str, _text: str) -> None:
    pass


def _ignore_word(_word: str) -> None:
    pass

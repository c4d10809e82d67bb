"""What stays the same during one run of MCUboot: how it was built, and what it runs on."""

from dataclasses import dataclass, field

from pytest_nrf_fota.boards.ncs import Release
from pytest_nrf_fota.firmware.description import McubootDescription
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion, PublicKey
from pytest_nrf_fota.sim.boot.held_header import NO_VERSION
from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.linkage import Linkage
from pytest_nrf_fota.sim.boot.network_core import NetworkCoreUpdate
from pytest_nrf_fota.sim.boot.stage import Hardware
from pytest_nrf_fota.sim.boot.swap_move import FRESH, SwapJob, SwapStatus
from pytest_nrf_fota.sim.boot.swap_scratch import ScratchJob
from pytest_nrf_fota.sim.flash import FlashArea


@dataclass(frozen=True)
class McubootBuild:
    """How this MCUboot was built.

    Args:
        description: what it prints, and its options.
        keys: public keys compiled in; none means that it checks hashes only.
        other_s_slot: with NSIB, the S0/S1 slot that it does not run from: primary slot of image 1.
        max_sectors: CONFIG_BOOT_MAX_IMG_SECTORS; 256 is the least that a 0xD8000 slot needs.
        own_version: the version that it was built as, which cannot be read from it (loader.c,
            mcuboot_s0_s1_image_version).
    """

    description: McubootDescription
    keys: tuple[PublicKey, ...]
    other_s_slot: FlashArea | None
    max_sectors: int = 256
    own_version: ImageVersion = NO_VERSION

    @property
    def overwrites(self) -> bool:
        """Whether updates overwrite the primary slot, without a way back."""
        return self.description.swap == "overwrite"

    @property
    def uses_offset(self) -> bool:
        """Whether it swaps with updates that begin in the second sector."""
        return self.description.swap == "offset"

    @property
    def uses_scratch(self) -> bool:
        """Whether it swaps through a scratch area."""
        return self.description.swap == "scratch"


@dataclass
class SwapMemory:
    """What C keeps in variables while it runs.

    Args:
        last_swapped_index: of swap using move (v1.9.99-ncs4: g_last_idx).
        status: how far the last pair's swap using move has come (`struct boot_status`).
    """

    last_swapped_index: int = 0xFFFFFFFF
    status: SwapStatus = FRESH


@dataclass(frozen=True)
class McubootSetup:
    """One MCUboot on one kit.

    Args:
        hardware: what it touches.
        build: how it was built.
        profile: the release that it was built with.
        linkage: the addresses that it was built with.
        number_of_images: how many image pairs it has.
        memory: of swap using move.
    """

    hardware: Hardware
    build: McubootBuild
    profile: Release
    linkage: Linkage
    number_of_images: int
    memory: SwapMemory = field(default_factory=SwapMemory)

    def log(self, line: str) -> None:
        """Print a line, in a build that logs."""
        if self.prints:
            self.hardware.print_line(line)

    @property
    def prints(self) -> bool:
        """Whether anybody sees what it logs."""
        return self.build.description.logs or self.hardware.reveals_all

    def network_core(self) -> NetworkCoreUpdate:
        """The calls into PCD; only for builds that update the network core."""
        assert self.hardware.network is not None
        return NetworkCoreUpdate(self.hardware.network, self.profile, self.log)

    def swap_job(self, pair: ImagePair) -> SwapJob:
        """The pair as swap using move or offset, overwriting and copying see it."""
        return SwapJob(
            primary=pair.copied_to or pair.primary,
            secondary=pair.secondary,
            image_number=pair.number,
            max_sectors=self.build.max_sectors,
            log=self.log,
        )

    def scratch_job(self, pair: ImagePair) -> ScratchJob:
        """The pair as swap using scratch sees it."""
        scratch = self.hardware.scratch_area()
        assert scratch is not None, "without a scratch area the boot ends before any job"
        return ScratchJob(
            primary=pair.primary,
            secondary=pair.secondary,
            scratch=scratch,
            image_number=pair.number,
            num_images=self.number_of_images,
            max_sectors=self.build.max_sectors,
            clears_whole_scratch=self.profile.scratch_is_cleared_whole,
            clears_whole_trailer=self.profile.scratch_swap_clears_whole_trailer,
            log=self.log,
        )

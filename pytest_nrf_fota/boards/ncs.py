"""What an NCS release does: texts, packages, and the way in which a bootloader is updated.

One `Release` stands for all releases from its own up to the next in the table. To add one, copy its
predecessor with `replace` and name what changed; nothing else lists releases. The virtual kit boots
as its release says, packages and capabilities follow it.

Sources, where a field names none: the log calls of Nordic's sdk-nrf (samples/bootloader,
subsys/bootloader) and sdk-mcuboot (boot/bootutil, boot/zephyr) at the tags of each release.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType


class SSlotUpdate(Enum):
    """How MCUboot brings an image into the S slot.

    SWAP: as an application's image; NSIB picks it at the next reset, whenever that is (<= 2.7).
    NSIB_COPY: copied without a way back, then MCUboot resets the board itself (>= 2.8).
    """

    SWAP = "swap"
    NSIB_COPY = "nsib copy"


class PackageStyle(Enum):
    """Which of sdk-nrf's scripts zips the DFU packages (`firmware.package_shape`).

    CHILD_IMAGES: modules/mcuboot/CMakeLists.txt (to 2.6). SYSBUILD: cmake/sysbuild (from 2.7).
    SYSBUILD_WITH_SLOTS: since MCUboot's entries have `slot` (sdk-nrf c73baaf107, January 2025).
    """

    CHILD_IMAGES = "child images"
    SYSBUILD = "sysbuild"
    SYSBUILD_WITH_SLOTS = "sysbuild, with slots"


@dataclass(frozen=True)
class Release:
    """One NCS release.

    Args:
        ncs: the release as board files name it.
        first_sdk: the first release of the SDK that behaves like it, major and minor number.
        zephyr_in_banners: versions of Zephyr that its bootloaders print instead of the SDK's; empty
            where they print that (2.5 and later).
        packages: how its DFU packages look.
        zephyr_release: tag of sdk-zephyr; its version is what `kernel version` prints.
        nsib_banner: lines with which NSIB starts.
        mcuboot_banner: lines with which MCUboot starts.
        app_banner: lines with which applications start, the network core's included.
        image_group_module: log module of the application's image group (6.5).
        hci_driver_open: function of the HCI driver that waits for the network core (Zephyr
            drivers/bluetooth/hci: rpmsg.c, later ipc.c; inferred that it is later in 3.5).
        smp_version: SMP protocol version of the application, 1 or 2 (6.2: 1 in 2.3, "later" 2;
            inferred that 2.6 and all after it speak 2).
        asks_for_next_boot: see `sim.app.images.ImageGroupBuild`.
        nsib_validation_has_levels: whether NSIB's validation lines go through minimal logging,
            with `I: `, `W: ` or `E: ` before them.
        nsib_says_reading_version: whether `Trying to get Firmware version` is printed (logs of
            2.9.99 and 3.0.0 have it; inferred that 2.9.0 has not).
        nsib_invalidated_word: how `Firmware has been invalidated` is spelt.
        swap_type_names_image: `Image index: %d, Swap type: %s` instead of `Swap type: %s`.
        downgrade_names_image: `Image %d in slot 1 erased ...` instead of `Image in slot 1 ...`.
        downgrade_checks_permanent: whether downgrade prevention looks at permanent swaps too.
        overwrite_names_image: `Image %d upgrade ...`, `Image %d copying ...` while overwriting.
        cleaned_up_line: printed for each image when an unusable secondary slot was erased; None
            where the release has no such clean-up.
        clean_up_counts_each_image: whether that line appears for both image pairs, although they
            share one slot (sdk-mcuboot loader.c: an array per image since 2.8, per slot before).
        wrong_variant_is_cleaned_up_at_once: whether the clean-up line follows
            `Image in slot is for wrong s0/s1 image` in every build (sdk-mcuboot v2.1.0-ncs5).
        s_slot_update: how the S slot is written.
        clears_stuck_revert: whether a revert without an image in the secondary slot is given up.
        reverts_over_any_magic: see `firmware.trailer.decide_swap`.
        resumes_cut_swap_of_first_sector: whether swap using move looks for the old image's header
            where the move has put it. NCS 2.3 does not: after a cut between erase and write of the
            primary slot's first sector it starts nothing any more (sdk-mcuboot 74530753).
        scratch_is_cleared_whole: whether the whole scratch area is erased once the trailer has
            left it, not only as much as was exchanged (sdk-mcuboot v2.0.99-ncs1).
        scratch_swap_clears_whole_trailer: whether swap using scratch erases each sector of a
            trailer that spans several (sdk-mcuboot v2.1.0-ncs5).
        scratch_resume_mixes_headers: whether a resumed swap using scratch ends by verifying the
            new image with the old one's header (sdk-mcuboot v2.1.0-ncs3, mended in v2.1.0-ncs5).
        network_pair_with_nsib: whether MCUboot under NSIB knows image slots of the network core
            (sdk-mcuboot v2.0.99-ncs1, pm_sysflash.h; before, the second image is the S slot).
        allows_s_slots_in_application_pair: whether the address check of builds for the network core
            lets MCUboot's images into the application's slot (sdk-mcuboot v2.0.99-ncs1).
        network_update_asks_version: whether downgrade prevention asks the network core for the
            FW_INFO version that it runs (CONFIG_PCD_READ_NETCORE_APP_VERSION).
        compares_usable_sectors: see `sim.boot.slot_compatibility`.
        prints_image_version: whether `Image version: v%d.%d.%d` precedes the jump (sdk-mcuboot
            v2.1.0-ncs5 boot/zephyr/main.c has it).
    """

    ncs: str
    first_sdk: tuple[int, int]
    zephyr_in_banners: tuple[str, ...]
    packages: PackageStyle
    zephyr_release: str
    nsib_banner: tuple[str, ...]
    mcuboot_banner: tuple[str, ...]
    app_banner: tuple[str, ...]
    image_group_module: str
    hci_driver_open: str
    smp_version: int
    asks_for_next_boot: bool
    nsib_validation_has_levels: bool
    nsib_says_reading_version: bool
    nsib_invalidated_word: str
    swap_type_names_image: bool
    downgrade_names_image: bool
    downgrade_checks_permanent: bool
    overwrite_names_image: bool
    cleaned_up_line: str | None
    clean_up_counts_each_image: bool
    wrong_variant_is_cleaned_up_at_once: bool
    s_slot_update: SSlotUpdate
    clears_stuck_revert: bool
    reverts_over_any_magic: bool
    resumes_cut_swap_of_first_sector: bool
    scratch_is_cleared_whole: bool
    scratch_swap_clears_whole_trailer: bool
    scratch_resume_mixes_headers: bool
    network_pair_with_nsib: bool
    allows_s_slots_in_application_pair: bool
    network_update_asks_version: bool
    compares_usable_sectors: bool
    prints_image_version: bool

    @property
    def banner(self) -> str:
        """The application's banner as one text, lines separated as on the UART."""
        return "\r\n".join(self.app_banner)

    @property
    def zephyr_version(self) -> str:
        """Zephyr's version without the tag's `v` and `-ncs1`."""
        return self.zephyr_release.removeprefix("v").partition("-")[0]

    @property
    def knows_s_slots(self) -> bool:
        """Whether MCUboot tells an update of itself from one of the application."""
        return self.s_slot_update is SSlotUpdate.NSIB_COPY

    def mcuboot_update_resets(self, *, overwrites: bool) -> int:
        """Resets that an update of MCUboot takes, the one after marking included.

        NSIB sees a new MCUboot one reset after the copy. A MCUboot that knows S slots does this
        reset by itself, unless it overwrites (sdk-mcuboot v2.1.0-ncs2 to ncs5, loader.c:
        boot_swap_image does, boot_copy_image does not).
        """
        return 1 if self.knows_s_slots and not overwrites else 2

    def swap_type_line(self, image_number: int, word: str) -> str:
        """What MCUboot says about the swap that it decided on, without a log level."""
        start = f"Image index: {image_number}, " if self.swap_type_names_image else ""
        return f"{start}Swap type: {word}"

    def downgrade_line(self, image_number: int) -> str:
        """What MCUboot says when it has erased an older image, without a log level."""
        number = f"{image_number} " if self.downgrade_names_image else ""
        return f"Image {number}in slot 1 erased due to downgrade prevention"


_BANNER_2_3 = ("*** Booting Zephyr OS build v3.2.99-ncs2 ***",)
# 2.6.0 prints Zephyr's version behind the SDK's name.
_BANNER_2_6 = ("*** Booting nRF Connect SDK v3.5.99-ncs1 ***",)
_SDK_2_9 = "nRF Connect SDK v2.9.0-7787b2649840"
_ZEPHYR_2_9 = "*** Using Zephyr OS v3.7.99-1f8f3dc29142 ***"
_SDK_3_0 = "nRF Connect SDK v3.0.0-3bfc46578e42"
_ZEPHYR_3_0 = "*** Using Zephyr OS v4.0.99-a0e545cb437a ***"

_NCS_2_3 = Release(
    ncs="2.3",
    first_sdk=(2, 0),
    zephyr_in_banners=("3.2.99", "3.3.99"),
    packages=PackageStyle.CHILD_IMAGES,
    zephyr_release="v3.2.99-ncs2",
    nsib_banner=_BANNER_2_3,
    mcuboot_banner=_BANNER_2_3,
    app_banner=_BANNER_2_3,
    image_group_module="mcumgr_img_mgmt",
    hci_driver_open="bt_rpmsg_open",
    smp_version=1,
    asks_for_next_boot=False,
    nsib_validation_has_levels=False,
    nsib_says_reading_version=False,
    nsib_invalidated_word="Firwmare",
    swap_type_names_image=False,
    downgrade_names_image=False,
    downgrade_checks_permanent=False,
    overwrite_names_image=False,
    cleaned_up_line=None,
    clean_up_counts_each_image=False,
    wrong_variant_is_cleaned_up_at_once=False,
    s_slot_update=SSlotUpdate.SWAP,
    clears_stuck_revert=False,
    reverts_over_any_magic=False,
    resumes_cut_swap_of_first_sector=False,
    scratch_is_cleared_whole=False,
    scratch_swap_clears_whole_trailer=False,
    scratch_resume_mixes_headers=False,
    network_pair_with_nsib=False,
    allows_s_slots_in_application_pair=False,
    network_update_asks_version=False,
    compares_usable_sectors=False,
    prints_image_version=False,
)
_NCS_2_6 = replace(
    _NCS_2_3,
    ncs="2.6",
    first_sdk=(2, 5),
    zephyr_in_banners=("3.4.99", "3.5.99"),
    zephyr_release="v3.5.99-ncs1",
    nsib_banner=_BANNER_2_6,
    mcuboot_banner=_BANNER_2_6,
    app_banner=_BANNER_2_6,
    image_group_module="mcumgr_img_grp",
    hci_driver_open="bt_ipc_open",
    smp_version=2,
    asks_for_next_boot=True,
    swap_type_names_image=True,
    downgrade_names_image=True,
    downgrade_checks_permanent=True,
    overwrite_names_image=True,
    cleaned_up_line="Cleaned-up secondary slot of {image}. image.",
    resumes_cut_swap_of_first_sector=True,
    scratch_is_cleared_whole=True,
    network_pair_with_nsib=True,
    allows_s_slots_in_application_pair=True,
    network_update_asks_version=True,
)
_NCS_2_9 = replace(
    _NCS_2_6,
    ncs="2.9",
    first_sdk=(2, 8),
    zephyr_in_banners=(),
    packages=PackageStyle.SYSBUILD,
    zephyr_release="v3.7.99-ncs1",
    nsib_banner=(f"*** Booting {_SDK_2_9} ***", _ZEPHYR_2_9),
    mcuboot_banner=(
        "*** Booting MCUboot v2.1.0-dev-12e5ee106034 ***",
        f"*** Using {_SDK_2_9} ***",
        _ZEPHYR_2_9,
    ),
    app_banner=(f"*** Booting {_SDK_2_9} ***", _ZEPHYR_2_9),
    nsib_validation_has_levels=True,
    nsib_invalidated_word="Firmware",
    cleaned_up_line="Cleaned-up secondary slot of image {image}",
    clean_up_counts_each_image=True,
    scratch_resume_mixes_headers=True,
    compares_usable_sectors=True,
    s_slot_update=SSlotUpdate.NSIB_COPY,
)
_NCS_3_0 = replace(
    _NCS_2_9,
    ncs="3.0",
    first_sdk=(3, 0),
    packages=PackageStyle.SYSBUILD_WITH_SLOTS,
    zephyr_release="v4.0.99-ncs1",
    nsib_banner=(f"*** Booting {_SDK_3_0} ***", _ZEPHYR_3_0),
    mcuboot_banner=(
        "*** Booting MCUboot v2.1.0-dev-ae1ee57f3906 ***",
        f"*** Using {_SDK_3_0} ***",
        _ZEPHYR_3_0,
    ),
    app_banner=(f"*** Booting {_SDK_3_0} ***", _ZEPHYR_3_0),
    nsib_says_reading_version=True,
    wrong_variant_is_cleaned_up_at_once=True,
    clears_stuck_revert=True,
    reverts_over_any_magic=True,
    scratch_swap_clears_whole_trailer=True,
    scratch_resume_mixes_headers=False,
    prints_image_version=True,
)

RELEASES: Mapping[str, Release] = MappingProxyType(
    {release.ncs: release for release in (_NCS_2_3, _NCS_2_6, _NCS_2_9, _NCS_3_0)}
)
"""All of them by name, oldest first."""


def release_of_sdk(major: int, minor: int) -> Release | None:
    """The release that this one of the SDK behaves like, None for one before the first."""
    return max(
        (one for one in RELEASES.values() if one.first_sdk <= (major, minor)),
        key=lambda release: release.first_sdk,
        default=None,
    )


def release_of_zephyr(version: str) -> Release | None:
    """The release whose bootloaders print this version of Zephyr and not the SDK's."""
    return next((one for one in RELEASES.values() if version in one.zephyr_in_banners), None)

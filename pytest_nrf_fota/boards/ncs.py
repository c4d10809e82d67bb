"""What an NCS release does: texts, packages, and the way in which a bootloader is updated.

One `Release` stands for all releases from its own up to the next in the table. To add one, copy its
predecessor with `replace` and name what changed; nothing else lists releases. The virtual kit boots
as its release says, packages and capabilities follow it.

Sources, where a field names none: the log calls of Nordic's sdk-nrf (samples/bootloader,
subsys/bootloader) and sdk-mcuboot (boot/bootutil, boot/zephyr) at the tags of each release.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import TypedDict

from typing_extensions import assert_never

from pytest_nrf_fota.boards.nsib_release import (
    NSIB_2_3,
    NSIB_2_6,
    NSIB_2_7,
    NSIB_2_8,
    NSIB_2_9,
    NSIB_3_0,
    NSIB_3_2,
    NsibRelease,
)


class SSlotUpdate(Enum):
    """How MCUboot brings an image into the S0/S1 slot.

    SWAP: as an application's image (<= 2.7).
    NSIB_COPY: copied without a way back, then MCUboot resets the board itself (>= 2.8).
    """

    SWAP = "swap"
    NSIB_COPY = "nsib copy"


class SSlotReset(Enum):
    """When MCUboot resets the board itself, so that NSIB chooses anew.

    NEVER: NSIB chooses at the next reset, whoever does it (<= 2.6).
    EACH_UPDATE: when an S0/S1 slot was updated, also where it overwrites; not when it finished a
    swap that was cut (2.7; sdk-mcuboot v2.1.0-ncs1 loader.c, context_boot_go).
    NSIB_COPY: behind that copy; not where it overwrites (>= 2.8; boot_swap_image).
    """

    NEVER = "never"
    EACH_UPDATE = "after each update of an S0/S1 slot"
    NSIB_COPY = "after a nsib copy"


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
        refuses_operations_first: whether its SMP server answers what is neither read nor write with
            MGMT_ERR_ENOTSUP, whatever the command (Zephyr's mcumgr smp.c since it knows clients, in
            3.4; before, MGMT_ERR_EINVAL from commands that exist).
        forgets_refused_upload: whether a refused upload request ends the upload that was under way
            (img_mgmt_upload() of img_mgmt.c since version 2 of the protocol; before, it returned
            at once).
        unknown_query_is_group_error: whether `bootloader info` answers a query that it does not
            know with an error of its group (os_mgmt.c with the hook of zephyr pull request 78285,
            September 2024; that NCS 2.9 has it not is inferred), not with the bare number 3.
        att_error_tells_missing_key: whether a central without encryption is told by ATT error 0x05
            that the board has no key of it, and by 0x0F that it has one (gatt.c since zephyr pull
            request 56213, March 2023). Before, 0x05 asked for authentication, 0x0F for encryption.
        asks_for_next_boot: see `sim.app.images.ImageGroupBuild`.
        nsib: what is NSIB's own.
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
        s_slot_update: how the S0/S1 slot is written.
        s_slot_reset: when MCUboot resets the board after that (CONFIG_REBOOT, which
            CONFIG_SECURE_BOOT selects).
        leaves_s_slot_downgrades: whether downgrade prevention of builds that swap leaves updates
            of MCUboot to NSIB (sdk-mcuboot v2.1.0-ncs1, check_downgrade_prevention).
        clears_stuck_revert: whether a revert without an image in the secondary slot is given up.
        reverts_over_any_magic: see `firmware.trailer.decide_swap`.
        resumes_cut_swap_of_first_sector: whether swap using move looks for the old image's header
            where the move has put it. NCS 2.3 does not: after a cut between erase and write of the
            primary slot's first sector it starts nothing any more (sdk-mcuboot 74530753).
        scratch_is_cleared_whole: whether the whole scratch area is erased once the trailer has
            left it, not only as much as was exchanged (sdk-mcuboot v2.0.99-ncs1).
        scratch_swap_clears_whole_trailer: whether swap using scratch erases each sector of a
            trailer that spans several (sdk-mcuboot v2.1.0-ncs5).
        resumed_headers_follow_status: whether the headers are read anew after a resumed swap where
            its status would have them (up to v2.1.0-ncs3; with scratch_headers_move the new image
            is then verified with the old one's header).
        final_headers_follow_status: whether that is so after each update by swap using move
            (v1.9.99-ncs4).
        scratch_headers_move: whether swap using scratch looks for headers where a swap under way
            has brought them (v2.1.0-ncs3).
        finds_status_without_magic: whether it takes the primary slot's trailer for the status where
            none has the magic (v2.1.0-ncs5, boot_find_status).
        refuses_by_flags: whether encrypted and compressed images are refused by their flags
            (sdk-mcuboot v2.1.0-ncs2).
        refuses_rogue_tlvs: whether unprotected TLVs are refused that are no hash, key or signature
            (sdk-mcuboot v2.1.0-ncs1).
        asks_own_version: whether downgrade prevention of builds that overwrite compares an update
            of MCUboot with the version that runs, too (v2.1.0-ncs3).
        network_pair_with_nsib: whether MCUboot under NSIB knows image slots of the network core
            (sdk-mcuboot v2.0.99-ncs1, pm_sysflash.h; before, the second image is the S0/S1 slot).
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
    refuses_operations_first: bool
    forgets_refused_upload: bool
    unknown_query_is_group_error: bool
    att_error_tells_missing_key: bool
    asks_for_next_boot: bool
    nsib: NsibRelease
    swap_type_names_image: bool
    downgrade_names_image: bool
    downgrade_checks_permanent: bool
    overwrite_names_image: bool
    cleaned_up_line: str | None
    clean_up_counts_each_image: bool
    wrong_variant_is_cleaned_up_at_once: bool
    s_slot_update: SSlotUpdate
    s_slot_reset: SSlotReset
    leaves_s_slot_downgrades: bool
    clears_stuck_revert: bool
    reverts_over_any_magic: bool
    resumes_cut_swap_of_first_sector: bool
    scratch_is_cleared_whole: bool
    scratch_swap_clears_whole_trailer: bool
    resumed_headers_follow_status: bool
    final_headers_follow_status: bool
    scratch_headers_move: bool
    finds_status_without_magic: bool
    refuses_by_flags: bool
    refuses_rogue_tlvs: bool
    asks_own_version: bool
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

    def with_rollback_protection(self, counts_versions: bool | None) -> "Release":
        """This release built with NSIB's rollback protection or without; None for its default."""
        if counts_versions is None or counts_versions == self.nsib.counts_versions:
            return self
        return replace(self, nsib=replace(self.nsib, counts_versions=counts_versions))

    @property
    def knows_s_slots(self) -> bool:
        """Whether MCUboot tells an update of itself from one of the application."""
        return self.s_slot_update is SSlotUpdate.NSIB_COPY

    def mcuboot_update_resets(self, *, overwrites: bool) -> int:
        """Resets that an update of MCUboot takes, the one after setting it pending included.

        NSIB sees a new MCUboot one reset after the update; later releases do this reset by
        themselves.
        """
        match self.s_slot_reset:
            case SSlotReset.NEVER:
                return 2
            case SSlotReset.EACH_UPDATE:
                return 1
            case SSlotReset.NSIB_COPY:
                return 2 if overwrites else 1
            case never:
                assert_never(never)

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


class _Banners(TypedDict):
    nsib_banner: tuple[str, ...]
    mcuboot_banner: tuple[str, ...]
    app_banner: tuple[str, ...]


def _banners(sdk: str, zephyr: str, mcuboot: str) -> _Banners:
    """Since 2.7 each stage names the SDK and Zephyr, and MCUboot itself in front of them.

    Behind versions stand the commits of the release's tags (sdk-nrf, sdk-zephyr, sdk-mcuboot).
    """
    sdk_line, zephyr_line = f"nRF Connect SDK {sdk}", f"*** Using Zephyr OS {zephyr} ***"
    return {
        "nsib_banner": (f"*** Booting {sdk_line} ***", zephyr_line),
        "mcuboot_banner": (
            f"*** Booting MCUboot {mcuboot} ***",
            f"*** Using {sdk_line} ***",
            zephyr_line,
        ),
        "app_banner": (f"*** Booting {sdk_line} ***", zephyr_line),
    }


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
    refuses_operations_first=False,
    forgets_refused_upload=False,
    unknown_query_is_group_error=False,
    att_error_tells_missing_key=False,
    asks_for_next_boot=False,
    nsib=NSIB_2_3,
    swap_type_names_image=False,
    downgrade_names_image=False,
    downgrade_checks_permanent=False,
    overwrite_names_image=False,
    cleaned_up_line=None,
    clean_up_counts_each_image=False,
    wrong_variant_is_cleaned_up_at_once=False,
    s_slot_update=SSlotUpdate.SWAP,
    s_slot_reset=SSlotReset.NEVER,
    leaves_s_slot_downgrades=False,
    clears_stuck_revert=False,
    reverts_over_any_magic=False,
    resumes_cut_swap_of_first_sector=False,
    scratch_is_cleared_whole=False,
    scratch_swap_clears_whole_trailer=False,
    resumed_headers_follow_status=True,
    final_headers_follow_status=True,
    scratch_headers_move=False,
    finds_status_without_magic=False,
    refuses_by_flags=False,
    refuses_rogue_tlvs=False,
    asks_own_version=False,
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
    nsib=NSIB_2_6,
    image_group_module="mcumgr_img_grp",
    hci_driver_open="bt_ipc_open",
    smp_version=2,
    refuses_operations_first=True,
    forgets_refused_upload=True,
    att_error_tells_missing_key=True,
    asks_for_next_boot=True,
    swap_type_names_image=True,
    downgrade_names_image=True,
    downgrade_checks_permanent=True,
    overwrite_names_image=True,
    cleaned_up_line="Cleaned-up secondary slot of {image}. image.",
    resumes_cut_swap_of_first_sector=True,
    final_headers_follow_status=False,
    scratch_is_cleared_whole=True,
    network_pair_with_nsib=True,
    allows_s_slots_in_application_pair=True,
    network_update_asks_version=True,
)
_NCS_2_7 = replace(
    _NCS_2_6,
    ncs="2.7",
    first_sdk=(2, 7),
    zephyr_in_banners=(),
    packages=PackageStyle.SYSBUILD,
    zephyr_release="v3.6.99-ncs2",
    **_banners("v2.7.0-5cb85570ca43", "v3.6.99-100befc70c74", "v2.1.0-dev-daf2946a0f07"),
    nsib=NSIB_2_7,
    s_slot_reset=SSlotReset.EACH_UPDATE,
    leaves_s_slot_downgrades=True,
    refuses_rogue_tlvs=True,
    compares_usable_sectors=True,
)
_NCS_2_8 = replace(
    _NCS_2_7,
    ncs="2.8",
    first_sdk=(2, 8),
    zephyr_release="v3.7.99-ncs1",
    **_banners("v2.8.0-a2386bfc8401", "v3.7.99-0bc3393fb112", "v2.1.0-dev-4594a8693738"),
    nsib=NSIB_2_8,
    cleaned_up_line="Cleaned-up secondary slot of image {image}",
    clean_up_counts_each_image=True,
    scratch_headers_move=True,
    refuses_by_flags=True,
    asks_own_version=True,
    s_slot_update=SSlotUpdate.NSIB_COPY,
    s_slot_reset=SSlotReset.NSIB_COPY,
)
_NCS_2_9 = replace(
    _NCS_2_8,
    ncs="2.9",
    first_sdk=(2, 9),
    zephyr_release="v3.7.99-ncs2",
    **_banners("v2.9.0-7787b2649840", "v3.7.99-1f8f3dc29142", "v2.1.0-dev-12e5ee106034"),
    nsib=NSIB_2_9,
)
_NCS_3_0 = replace(
    _NCS_2_9,
    ncs="3.0",
    first_sdk=(3, 0),
    packages=PackageStyle.SYSBUILD_WITH_SLOTS,
    zephyr_release="v4.0.99-ncs1",
    **_banners("v3.0.0-3bfc46578e42", "v4.0.99-a0e545cb437a", "v2.1.0-dev-ae1ee57f3906"),
    unknown_query_is_group_error=True,
    nsib=NSIB_3_0,
    wrong_variant_is_cleaned_up_at_once=True,
    clears_stuck_revert=True,
    reverts_over_any_magic=True,
    scratch_swap_clears_whole_trailer=True,
    resumed_headers_follow_status=False,
    finds_status_without_magic=True,
    prints_image_version=True,
)
# What MCUboot of 3.2 does, its commit included, is inferred from that of 3.0 and a public log.
_NCS_3_2 = replace(
    _NCS_3_0,
    ncs="3.2",
    first_sdk=(3, 2),
    zephyr_release="v4.2.99-ncs1",
    **_banners("v3.2.1-d8887f6f32df", "v4.2.99-ec78104f1569", "v2.3.0-dev-0d9411f5dda3"),
    nsib=NSIB_3_2,
)

_ALL = (_NCS_2_3, _NCS_2_6, _NCS_2_7, _NCS_2_8, _NCS_2_9, _NCS_3_0, _NCS_3_2)
_SDK_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+\S*)?")
RELEASES: Mapping[str, Release] = MappingProxyType({release.ncs: release for release in _ALL})
"""All of them by name, oldest first."""
RELEASES_LIST = ", ".join(RELEASES)


def release_of_sdk(major: int, minor: int) -> Release | None:
    """The release that this one of the SDK behaves like, None for one before the first."""
    return max(
        (one for one in RELEASES.values() if one.first_sdk <= (major, minor)),
        key=lambda release: release.first_sdk,
        default=None,
    )


def release_named(name: str) -> Release | None:
    """The release that a version of the SDK as people write it behaves like: `3.1`, `v2.9.0`."""
    version = _SDK_VERSION.fullmatch(name)
    return None if version is None else release_of_sdk(int(version[1]), int(version[2]))


def release_of_zephyr(version: str) -> Release | None:
    """The release whose bootloaders print this version of Zephyr and not the SDK's."""
    return next((one for one in RELEASES.values() if version in one.zephyr_in_banners), None)

"""Several images in one MCUboot: what they ask of each other, and whose the shared slot's is."""

import functools
import hashlib
import struct
from collections.abc import Sequence
from typing import Literal

import pytest

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.boards.soc import NRF5340_NETWORK_LAYOUT
from pytest_nrf_fota.firmware.description import (
    AppDescription,
    B0nDescription,
    McubootDescription,
    NetworkDescription,
)
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import Dependency, ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.provisioning import ADDRESSES_OFFSET_BYTES, build_provisioning
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import Magic
from pytest_nrf_fota.firmware.validation_info import sign_for_nsib
from pytest_nrf_fota.sim.boot.b0n import NetworkCore, NetworkMap
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.network_core import make_ram_flash
from pytest_nrf_fota.sim.boot.pcd import PcdCommand
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, NsibSlots, Place, SlotMap, StageEnd
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import read_trailer, schedule_swap

SECTOR = 0x1000
SLOT_BYTES = 24 * SECTOR
NETWORK_SLOT_BYTES = 0x40000
INTERNAL = MemoryLayout("application flash", 0, 0x40000, SECTOR, 4, 0.0, 0.0)
NETWORK = MemoryLayout("network flash", 0x01000000, 0x40000, 0x800, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, 0x80000, SECTOR, 4, 0.0, 0.0)
MAP = NetworkMap()
PROVISIONING_ADDRESS = NRF5340_NETWORK_LAYOUT.provisioning_address
SLOTS = SlotMap(
    primary=Place(0x28000, SLOT_BYTES),
    secondary=Place(EXTERNAL.start, SLOT_BYTES),
    nsib=NsibSlots(Place(0x8000, 0xC200), Place(0x18000, 0xC200), 0xFF8100),
    network_secondary=Place(EXTERNAL.start + SLOT_BYTES, NETWORK_SLOT_BYTES),
)
APP_START = Jump(0x28200)


@functools.cache
def image(
    major: int, address: int = 0x28200, needs: tuple[tuple[int, int], ...] = (), size: int = 0x1800
) -> bytes:
    """A hash-only image; `needs` are pairs of image number and lowest major version."""
    if address == MAP.app_address:
        firmware = build_payload(address, size, NetworkDescription(), fw_info_version=major)
        firmware += sign_for_nsib(firmware, address, signing_key_for_tests("nsib")).pack()
    else:
        firmware = build_payload(address, size, AppDescription(build_time=str(major)))
    return sign_for_mcuboot(
        firmware,
        ImageVersion(major, 0, 0),
        SlotLayout(NETWORK_SLOT_BYTES, max_sectors=64),
        None,
        [Dependency(number, ImageVersion(lowest, 0, 0)) for number, lowest in needs],
    )


def network_image(major: int, needs: tuple[tuple[int, int], ...] = ()) -> bytes:
    return image(major, MAP.app_address, needs)


def image_with_records(major: int, records: Sequence[tuple[int, bytes]]) -> bytes:
    """An image with any protected TLVs, which imgtool would not make."""
    payload = build_payload(0x28200, 0x1000, AppDescription())
    protected = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in records)
    protected = struct.pack("<HH", 0x6908, 4 + len(protected)) + protected
    header = struct.pack(
        "<IIHHIIBBHI4x", 0x96F3B83D, 0, 0x200, len(protected), len(payload), 0, major, 0, 0, 0
    )
    hashed = header.ljust(0x200, b"\x00") + payload + protected
    digest = hashlib.sha256(hashed).digest()
    return hashed + struct.pack("<HHHH", 0x6907, 40, 0x10, 32) + digest


class Board:
    """A kit with two or three images; the MCUboot in S0 checks hashes only."""

    def __init__(
        self,
        *,
        running: bytes,
        ncs: str = "2.6",
        swap: Literal["move", "overwrite"] = "overwrite",
        has_nsib: bool = False,
        network_core: Literal["none", "multi"] = "multi",
        cleans_up: bool = False,
    ) -> None:
        self._profile = RELEASES[ncs]
        self.clock = VirtualClock()
        self.flash = Flash((INTERNAL, NETWORK, EXTERNAL), self.clock)
        self.lines: list[str] = []
        self._command = PcdCommand()
        hardware = self._hardware()
        self.primary, self.secondary = hardware.image_pairs()[0]
        self.network_secondary = hardware.image_pairs()[1][1]
        self.other_s_slot = hardware.s_area(1)
        self._build = McubootBuild(
            McubootDescription(
                swap=swap, network_core=network_core, cleans_up_unusable_secondary=cleans_up
            ),
            (),
            self.other_s_slot if has_nsib else None,
            24,
        )
        put(self.primary, running)
        self.flash.write(MAP.b0n_address, build_payload(0x01000000, 0x1000, B0nDescription()))
        self.flash.write(
            PROVISIONING_ADDRESS + ADDRESSES_OFFSET_BYTES,
            build_provisioning(MAP.app_address, MAP.app_address, (), counter_slots=0),
        )

    def _hardware(self) -> Hardware:
        ram = make_ram_flash(NETWORK_SLOT_BYTES, self.clock)
        core = NetworkCore(self.flash, ram, self._command, lambda line: None, self.clock)
        return Hardware(self.flash, SLOTS, self.lines.append, network=core)

    def update(self, data: bytes) -> None:
        put(self.secondary, data)
        assert schedule_swap(self.secondary, permanent=True)

    def update_network(self, data: bytes) -> None:
        put(self.network_secondary, data)
        assert schedule_swap(self.network_secondary, permanent=True)

    def boot(self) -> StageEnd:
        self.lines.clear()
        return run_mcuboot(self._hardware(), self._build, self._profile)

    @property
    def overwritten(self) -> list[int]:
        """Numbers of the images that this boot has copied."""
        return [int(line[9]) for line in self.lines if line.startswith("I: Image ") and
                "upgrade secondary slot" in line]  # fmt: skip


def put(area: FlashArea, data: bytes) -> None:
    area.write(0, data + b"\xff" * (-len(data) % 4))


def holds(area: FlashArea, data: bytes) -> bool:
    return area.read(0, len(data)) == data


@pytest.mark.parametrize("ncs", ["2.6", "2.9", "3.0"])
class TestDependencies:
    def test_both_are_taken_where_one_brings_what_the_other_needs(self, ncs: str) -> None:
        board = Board(running=image(1), ncs=ncs)
        board.update(image(2, needs=((1, 3),)))
        board.update_network(network_image(3))

        assert board.boot() == APP_START
        assert board.overwritten == [0, 1]

    def test_an_unmet_one_leaves_its_image_pending_without_a_word(self, ncs: str) -> None:
        board = Board(running=image(1), ncs=ncs)
        board.update(image(2, needs=((1, 3),)))
        board.update_network(network_image(2))

        for overwritten in ([1], []):
            assert board.boot() == APP_START
            assert "I: Image index: 0, Swap type: perm" in board.lines
            assert board.overwritten == overwritten
            assert not any(line.startswith(("E:", "W:")) for line in board.lines)
        assert holds(board.primary, image(1))
        assert read_trailer(board.secondary).magic is Magic.GOOD

    def test_the_network_core_that_already_runs_counts_for_nothing(self, ncs: str) -> None:
        # nrf53_hooks.c shows MCUboot version 0.0.0 for it.
        board = Board(running=image(1), ncs=ncs)
        board.update_network(network_image(3))
        board.boot()
        board.update(image(2, needs=((1, 3),)))

        assert board.boot() == APP_START
        assert board.overwritten == []
        assert holds(board.primary, image(1))

    def test_the_network_cores_image_may_need_the_application(self, ncs: str) -> None:
        board = Board(running=image(1), ncs=ncs)
        board.update_network(network_image(3, needs=((0, 2),)))

        assert board.boot() == APP_START
        assert board.overwritten == []

        board.update(image(2))
        assert board.boot() == APP_START
        assert board.overwritten == [0, 1]

    def test_the_build_number_does_not_count(self, ncs: str) -> None:
        needs = struct.pack("<B3xBBHI", 0, 1, 0, 0, 99)
        board = Board(running=image(1), ncs=ncs)
        board.update(image_with_records(2, [(0x40, needs)]))

        assert board.boot() == APP_START
        assert board.overwritten == [0]

    def test_an_image_number_that_does_not_exist_is_not_minded(self, ncs: str) -> None:
        # C returns an error there, and context_boot_go looks at none.
        board = Board(running=image(1), ncs=ncs)
        board.update(image(2, needs=((5, 9),)))

        assert board.boot() == APP_START
        assert board.overwritten == [0]

    def test_a_record_of_the_wrong_size_stops_every_update(self, ncs: str) -> None:
        board = Board(running=image(1), ncs=ncs)
        board.update(image_with_records(2, [(0x40, bytes(8))]))
        board.update_network(network_image(3))

        assert board.boot() == APP_START
        assert board.overwritten == []

    def test_a_running_image_whose_needs_are_not_met_is_reverted(self, ncs: str) -> None:
        """In a build that overwrites there is nothing to revert to: it is lost (loader.c)."""
        board = Board(running=image(2, needs=((1, 3),)), ncs=ncs)
        board.update_network(network_image(2))

        assert isinstance(board.boot(), Halt)
        assert board.overwritten == [0, 1]
        assert board.lines[-1] == "E: Unable to find bootable image"

    def test_without_an_update_nothing_is_asked_for(self, ncs: str) -> None:
        board = Board(running=image(2, needs=((1, 3),)), ncs=ncs)

        assert board.boot() == APP_START
        assert board.overwritten == []


class TestDependenciesOnMcuboot:
    """Two pairs: the application, and the S slot from which NSIB may start MCUboot next."""

    def test_a_slot_without_a_header_meets_everything(self) -> None:
        board = Board(running=image(1), swap="move", has_nsib=True, network_core="none")
        board.update(image(2, needs=((1, 200),)))

        assert board.boot() == APP_START
        assert holds(board.primary, image(2, needs=((1, 200),)))

    def test_the_header_in_the_slot_counts(self) -> None:
        board = Board(running=image(1), swap="move", has_nsib=True, network_core="none")
        put(board.other_s_slot, image(1, 0x18200))
        board.update(image(2, needs=((1, 2),)))

        assert board.boot() == APP_START
        assert "I: Starting swap using move algorithm." not in board.lines
        assert holds(board.primary, image(1))
        assert read_trailer(board.secondary).magic is Magic.GOOD


class TestMcubootBesideANetworkCorePair:
    """Under NSIB, MCUboot's own update comes through the application's secondary slot."""

    def test_2_6_copies_it_from_the_applications_pair_and_starts_it(self) -> None:
        board = Board(running=image(1), has_nsib=True)
        board.update(image(2, 0x18200))

        assert board.boot() == Jump(0x18200)
        assert "I: Image index: 0, Swap type: perm" in board.lines
        assert board.overwritten == [0]
        assert board.lines[-1] == "I: Bootloader chainload address offset: 0x18000"
        assert holds(board.other_s_slot, image(2, 0x18200))
        assert holds(board.primary, image(1))

        assert board.boot() == APP_START

    def test_2_6_starts_the_other_slot_even_where_its_update_is_not_marked(self) -> None:
        board = Board(running=image(1), has_nsib=True)
        put(board.secondary, image(2, 0x18200))

        assert board.boot() == Jump(0x18200)
        assert board.overwritten == []
        assert board.other_s_slot.is_erased(0, 0x400)

    def test_2_6_takes_the_wrong_variant_for_an_application(self) -> None:
        board = Board(running=image(1), has_nsib=True)
        board.update(image(2, 0x8200))

        assert board.boot() == APP_START
        assert holds(board.primary, image(2, 0x8200))

    @pytest.mark.parametrize("ncs", ["2.9", "3.0"])
    def test_later_it_is_image_2(self, ncs: str) -> None:
        board = Board(running=image(1), ncs=ncs, has_nsib=True)
        board.update(image(2, 0x18200))
        board.update_network(network_image(3))

        assert board.boot() == APP_START
        assert [line for line in board.lines if "Swap type" in line] == [
            "I: Image index: 1, Swap type: perm",
            "I: Image index: 2, Swap type: perm",
        ]
        assert board.overwritten == [1, 2]
        assert holds(board.other_s_slot, image(2, 0x18200))

    @pytest.mark.parametrize("ncs", ["2.9", "3.0"])
    def test_later_the_wrong_variant_is_erased(self, ncs: str) -> None:
        board = Board(running=image(1), ncs=ncs, has_nsib=True)
        board.update(image(2, 0x8200))

        assert board.boot() == APP_START
        assert "E: Image in slot is for wrong s0/s1 image" in board.lines
        assert board.secondary.is_erased(0, SLOT_BYTES)

    @pytest.mark.parametrize(
        ("ncs", "line"),
        [
            ("2.6", "E: Cleaned-up secondary slot of 1. image."),
            ("2.9", "E: Cleaned-up secondary slot of image 1"),
            ("3.0", "E: Cleaned-up secondary slot of image 1"),
        ],
    )
    def test_only_the_slot_with_a_useless_image_is_cleaned_up(self, ncs: str, line: str) -> None:
        board = Board(running=image(1), ncs=ncs, has_nsib=True, cleans_up=True)
        put(board.network_secondary, image(2, 0x00F00200))
        put(board.secondary, image(2))

        assert board.boot() == APP_START
        assert [entry for entry in board.lines if "Cleaned-up" in entry] == [line]
        assert board.network_secondary.is_erased(0, NETWORK_SLOT_BYTES)
        assert holds(board.secondary, image(2))


def test_the_application_sees_the_network_cores_pair_but_no_s_slot() -> None:
    board = Board(running=image(1), has_nsib=True)
    pairs = board._hardware().image_pairs()

    assert [[area.name for area in pair] for pair in pairs] == [
        ["mcuboot_primary", "mcuboot_secondary"],
        ["mcuboot_primary_1", "mcuboot_secondary_1"],
    ]

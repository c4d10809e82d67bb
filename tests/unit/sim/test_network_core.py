"""The network core's firmware is brought over by MCUboot, PCD and b0n."""

import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
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
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.provisioning import ADDRESSES_OFFSET_BYTES, build_provisioning
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.firmware.trailer import Magic
from pytest_nrf_fota.firmware.validation_info import sign_for_nsib
from pytest_nrf_fota.sim.boot.b0n import B0nEnd, NetworkCore, NetworkMap, run_b0n
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.network_core import RAM_FLASH_ADDRESS, make_ram_flash
from pytest_nrf_fota.sim.boot.pcd import PcdCommand, PcdMagic
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, NsibSlots, Place, SlotMap, StageEnd
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import (
    CutMoment,
    Flash,
    FlashArea,
    MemoryLayout,
    PowerCut,
    PowerLostError,
)
from pytest_nrf_fota.sim.trailer_area import read_trailer, schedule_swap
from tests.unit.ext_api_lists import Request, add_ext_apis

SECTOR = 0x1000
SLOT_BYTES = 24 * SECTOR
NETWORK_SLOT_BYTES = 0x40000
INTERNAL = MemoryLayout("application flash", 0, 0x60000, SECTOR, 4, 0.0, 0.0)
NETWORK = MemoryLayout("network flash", 0x01000000, 0x40000, 0x800, 4, 0.0875, 43e-6)
EXTERNAL = MemoryLayout("external flash", 0x10000000, 0x80000, SECTOR, 4, 0.0, 0.0)
EXTERNAL_SECONDARY = EXTERNAL.start
INTERNAL_SECONDARY = 0x28000 + SLOT_BYTES
MAP = NetworkMap()
PROVISIONING_ADDRESS = NRF5340_NETWORK_LAYOUT.provisioning_address
APP_START = Jump(0x28200)
KEY = signing_key_for_tests("mcuboot")


def slots(secondary: int = EXTERNAL_SECONDARY, *, has_network_pair: bool = True) -> SlotMap:
    return SlotMap(
        primary=Place(0x28000, SLOT_BYTES),
        secondary=Place(secondary, SLOT_BYTES),
        nsib=NsibSlots(Place(0x8000, 0xC200), Place(0x18000, 0xC200), 0xFF8100),
        network_secondary=Place(EXTERNAL.start + SLOT_BYTES, NETWORK_SLOT_BYTES)
        if has_network_pair
        else None,
    )


@functools.cache
def app(version: int, address: int = 0x28200) -> bytes:
    payload = build_payload(address, 0x1800, AppDescription(build_time=str(version)))
    return sign_for_mcuboot(
        payload, ImageVersion(version, 0, 0), SlotLayout(SLOT_BYTES, max_sectors=24), KEY
    )


@functools.cache
def network_firmware(version: int, size_bytes: int = 0x1A00, address: int = 0x01008800) -> bytes:
    """What lies in the network core's flash: firmware and NSIB's validation info."""
    firmware = build_payload(
        address, size_bytes, NetworkDescription(marker=f"net {version}"), fw_info_version=version
    )
    return firmware + sign_for_nsib(firmware, address, signing_key_for_tests("nsib")).pack()


def network_image(firmware: bytes, version: int = 2) -> bytes:
    return sign_for_mcuboot(
        firmware, ImageVersion(version, 0, 0), SlotLayout(NETWORK_SLOT_BYTES, max_sectors=64), KEY
    )


OLD, NEW = network_firmware(1), network_firmware(2, 0x2300)
UPDATE = network_image(NEW)


class Board:
    """A kit whose network core runs firmware 1, and whose MCUboot overwrites."""

    def __init__(
        self,
        *,
        ncs: str = "2.6",
        network_core: Literal["none", "single", "multi"] = "multi",
        swap: Literal["move", "overwrite"] = "overwrite",
        has_nsib: bool = False,
        slot_map: SlotMap | None = None,
        downgrade_prevention: bool = False,
        cleans_up: bool = False,
        has_b0n: bool = True,
    ) -> None:
        self._profile = RELEASES[ncs]
        self.clock = VirtualClock()
        self.flash = Flash((INTERNAL, NETWORK, EXTERNAL), self.clock)
        self.lines: list[str] = []
        self.network_lines: list[str] = []
        self.command = PcdCommand()
        self._slots = slot_map or slots()
        hardware = self._hardware()
        self.primary = hardware.primary_area()
        self.secondary = hardware.secondary_area()
        pair = hardware.network_pair()
        self.network_secondary = None if pair is None else pair[1]
        self._build = McubootBuild(
            McubootDescription(
                swap=swap,
                network_core=network_core,
                downgrade_prevention=downgrade_prevention,
                cleans_up_unusable_secondary=cleans_up,
            ),
            (KEY.public_key(),),
            hardware.s_area(1) if has_nsib else None,
            24,
        )
        put(self.primary, app(1))
        if has_b0n:
            self.flash.write(MAP.b0n_address, build_payload(0x01000000, 0x1000, B0nDescription()))
            provisioning = build_provisioning(MAP.app_address, MAP.app_address, (), counter_slots=0)
            self.flash.write(PROVISIONING_ADDRESS + ADDRESSES_OFFSET_BYTES, provisioning)
        self.flash.write(MAP.app_address, OLD)

    def _hardware(self) -> Hardware:
        return Hardware(self.flash, self._slots, self.lines.append, network=self._core())

    def _core(self) -> NetworkCore:
        ram = make_ram_flash(NETWORK_SLOT_BYTES, self.clock)
        return NetworkCore(self.flash, ram, self.command, self.network_lines.append, self.clock)

    def replace_network_firmware(self, firmware: bytes) -> None:
        self.flash.load(MAP.app_address, firmware)

    def update_network(self, image: bytes = UPDATE, *, permanent: bool = True) -> None:
        assert self.network_secondary is not None
        put(self.network_secondary, image)
        assert schedule_swap(self.network_secondary, permanent=permanent)

    def update(self, image: bytes, *, permanent: bool = True) -> None:
        put(self.secondary, image)
        assert schedule_swap(self.secondary, permanent=permanent)

    def boot(self) -> StageEnd:
        """One run of MCUboot, with the flash simulator as new as after every reset."""
        self.lines.clear()
        self.network_lines.clear()
        return run_mcuboot(self._hardware(), self._build, self._profile)

    def start_network_core(self) -> B0nEnd:
        return run_b0n(self._core(), self._profile)

    @property
    def said(self) -> list[str]:
        """MCUboot's lines behind its first one, without the version that 3.0 prints."""
        start = self.lines.index("I: Starting bootloader") + 1
        return [line for line in self.lines[start:] if not line.startswith("I: Image version")]

    def network_holds(self, firmware: bytes) -> bool:
        return self.flash.read(MAP.app_address, len(firmware)) == firmware


def put(area: FlashArea, data: bytes) -> None:
    area.write(0, data + b"\xff" * (-len(data) % 4))


def damaged(data: bytes, offset: int = 0x900) -> bytes:
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]


JUMP = "I: Bootloader chainload address offset: 0x28000"
TURNED_ON, TURNED_OFF = "I: Turned on network core", "I: Turned off network core"


def overwriting(number: int, image: bytes) -> list[str]:
    size = len(image) + 4 - len(image) % 4
    return [
        f"I: Image {number} upgrade secondary slot -> primary slot",
        "I: Erasing the primary slot",
        f"I: Image {number} copying the secondary slot to the primary slot: 0x{size:x} bytes",
    ]


class TestOwnPair:
    def test_the_network_core_is_updated_alone(self) -> None:
        board = Board()
        board.update_network()

        assert board.boot() == APP_START
        assert board.said == [
            "I: Image index: 0, Swap type: none",
            "I: Image index: 1, Swap type: perm",
            *overwriting(1, UPDATE),
            TURNED_ON,
            TURNED_OFF,
            JUMP,
        ]
        assert board.network_lines == []
        assert board.network_holds(NEW)
        assert board.command.magic == PcdMagic.DONE
        assert board.command.pack() == struct.pack(
            "<IIIi", 0xF103CE5D, RAM_FLASH_ADDRESS + 0x200, len(NEW), 0x8800
        )
        assert board.start_network_core() is B0nEnd.STARTED_FIRMWARE

        operations = len(board.flash.operations)
        assert board.boot() == APP_START
        assert board.said == [
            "I: Image index: 0, Swap type: none",
            "I: Image index: 1, Swap type: none",
            JUMP,
        ]
        assert len(board.flash.operations) == operations

    @pytest.mark.parametrize("ncs", ["2.8", "2.9"])
    def test_2_8_and_2_9_let_b0n_say_what_it_checks(self, ncs: str) -> None:
        board = Board(ncs=ncs)
        board.update_network()

        assert board.boot() == APP_START
        assert board.network_lines.count("I: Firmware hash verified.") == 2
        assert board.network_holds(NEW)

    def test_3_0_lets_it_complain_of_its_missing_counter_alone(self) -> None:
        board = Board(ncs="3.0")
        board.update_network()

        assert board.boot() == APP_START
        assert board.network_lines == ["E: Error getting monotonic counter"] * 2
        assert board.network_holds(NEW)

    @pytest.mark.parametrize(("ncs", "says"), [("2.6", False), ("2.9", False), ("3.0", True)])
    def test_firmware_that_asks_b0n_in_vain_is_not_started(self, ncs: str, says: bool) -> None:
        """b0n offers nothing (sdk-nrf samples/nrf5340/netboot/prj.conf)."""
        board = Board(ncs=ncs)
        for required in (False, True):
            firmware = bytearray(OLD)
            add_ext_apis(firmware, requests=[Request(0x1002, required=required)])
            board.replace_network_firmware(bytes(firmware))
            end = board.start_network_core()
            assert end is (B0nEnd.GAVE_UP if required else B0nEnd.STARTED_FIRMWARE)
        said = [
            "Booting (0x1008800).",
            "Failed to provide ext APIs to image, boot aborted.",
        ]
        assert board.network_lines == (said if says else [])

    def test_both_images_go_in_one_boot(self) -> None:
        board = Board()
        board.update(app(2))
        board.update_network()

        assert board.boot() == APP_START
        assert board.said == [
            "I: Image index: 0, Swap type: perm",
            "I: Image index: 1, Swap type: perm",
            *overwriting(0, app(2)),
            *overwriting(1, UPDATE),
            TURNED_ON,
            TURNED_OFF,
            JUMP,
        ]
        assert board.primary.read(0, len(app(2))) == app(2)
        assert board.network_holds(NEW)

    def test_2_3_says_the_same_without_numbers(self) -> None:
        board = Board(ncs="2.3")
        board.update_network()

        assert board.boot() == APP_START
        assert board.said[:2] == ["I: Swap type: none", "I: Swap type: perm"]
        assert "I: Image upgrade secondary slot -> primary slot" in board.said
        assert board.network_holds(NEW)

    def test_the_wait_takes_whole_seconds(self) -> None:
        board = Board()
        board.update_network()
        before_s = board.clock.now_s

        board.boot()

        # Five pages of 87.5 ms and the words: less than a second, but asked once a second.
        assert 1.0 <= board.clock.now_s - before_s < 2.0

    @pytest.mark.parametrize("ncs", ["2.6", "2.9", "3.0"])
    def test_under_nsib(self, ncs: str) -> None:
        board = Board(ncs=ncs, has_nsib=True)
        board.update_network()

        assert board.boot() == APP_START
        assert "I: Image index: 1, Swap type: perm" in board.said
        assert board.network_holds(NEW)
        # The S slot is image 2 where it is an image at all.
        assert ("I: Image index: 2, Swap type: none" in board.said) == (ncs != "2.6")

    def test_under_nsib_of_2_3_the_slot_is_not_looked_at(self) -> None:
        board = Board(ncs="2.3", has_nsib=True)
        board.update_network()
        operations = len(board.flash.operations)

        assert board.boot() == APP_START
        assert board.said == ["I: Swap type: none", "I: Swap type: none", JUMP]
        assert len(board.flash.operations) == operations
        assert board.network_holds(OLD)

    def test_a_build_that_swaps_hands_it_over_as_well(self) -> None:
        board = Board(swap="move")
        board.update_network(permanent=False)

        assert board.boot() == APP_START
        assert "I: Image index: 1, Swap type: test" in board.said
        assert board.said[-3:-1] == [TURNED_ON, TURNED_OFF]
        assert board.network_holds(NEW)

        # There is no way back: what was moved into the slot in RAM is gone.
        assert board.boot() == APP_START
        assert "I: Image index: 1, Swap type: none" in board.said
        assert board.network_holds(NEW)


class TestRefusals:
    """What MCUboot or b0n do not take; the old firmware goes on running."""

    def test_a_damaged_image_is_mcuboots_business(self) -> None:
        board = Board()
        board.update_network(damaged(UPDATE))

        assert board.boot() == APP_START
        assert "E: Image in the secondary slot is not valid!" in board.said
        assert TURNED_ON not in board.said
        assert board.network_holds(OLD)

    @pytest.mark.parametrize(
        ("firmware", "why"),
        [
            pytest.param(damaged(NEW), "E: Firmware validation failed with error -101.", id="hash"),
            pytest.param(
                NEW[:0x2300],
                "E: Could not find valid firmware validation info.",
                id="no validation info",
            ),
            pytest.param(
                build_payload(0x01008800, 0x2300, NetworkDescription()),
                "E: NULL parameter.",
                id="no firmware info",
            ),
        ],
    )
    @pytest.mark.parametrize("ncs", ["2.6", "2.8", "3.0"])
    def test_b0n_refuses(self, ncs: str, firmware: bytes, why: str) -> None:
        board = Board(ncs=ncs)
        board.update_network(network_image(firmware))

        assert board.boot() == APP_START
        assert board.said[-3:] == [TURNED_ON, "E: Network core update failed", JUMP]
        inside = f"Unable to find valid firmware inside 0x{RAM_FLASH_ADDRESS + 0x200:x}"
        assert board.network_lines[-1] == inside
        assert (board.network_lines[:-1][-1:] == [why]) == (ncs == "2.8")
        assert board.command.magic == PcdMagic.FAIL
        assert board.network_holds(OLD)
        assert board.start_network_core() is B0nEnd.STARTED_FIRMWARE

        # It stays pending, so the next boot fails in the same way.
        assert board.boot() == APP_START
        assert "E: Network core update failed" in board.said

    def test_firmware_for_another_b0n_is_refused_by_this_one(self) -> None:
        # In a build that swaps; one that overwrites looks at the reset vector first.
        board = Board(ncs="2.9", swap="move")
        board.update_network(network_image(network_firmware(2, 0x2300, 0x01009000)))

        assert board.boot() == APP_START
        assert board.said[-3:] == [TURNED_ON, "E: Network core update failed", JUMP]
        assert board.network_lines == [
            "E: The firmware doesn't belong at destination addr.",
            f"Unable to find valid firmware inside 0x{RAM_FLASH_ADDRESS + 0x200:x}",
        ]
        assert board.network_holds(OLD)

    def test_firmware_that_is_too_large_is_not_begun(self) -> None:
        board = Board()
        board.update_network(network_image(network_firmware(2, 0x37800)))

        assert board.boot() == APP_START
        assert board.said[-3:] == [TURNED_ON, "E: Network core update failed", JUMP]
        assert board.network_lines == ["Failed to transfer image: -12"]
        assert board.network_holds(OLD)

    def test_without_b0n_mcuboot_waits_for_ever(self) -> None:
        board = Board(has_b0n=False)
        board.update_network()

        end = board.boot()

        assert isinstance(end, Halt)
        assert "never answers" in end.reason
        assert board.said[-1] == TURNED_ON
        assert board.command.magic == PcdMagic.COPY

    @pytest.mark.parametrize("has_nsib", [False, True])
    @pytest.mark.parametrize("ncs", ["2.6", "2.9", "3.0"])
    def test_an_image_in_the_other_cores_slot_is_erased(self, ncs: str, has_nsib: bool) -> None:
        board = Board(ncs=ncs, has_nsib=has_nsib)
        board.update(UPDATE)
        board.update_network(app(2))

        assert board.boot() == APP_START
        refusal = [
            "E: Reset address of image in secondary slot is not in the primary slot",
            "E: Erasing image from secondary slot",
        ]
        assert board.said == [
            "I: Image index: 0, Swap type: perm",
            *refusal,
            "I: Image index: 1, Swap type: perm",
            *refusal,
            *(["I: Image index: 2, Swap type: none"] if has_nsib and ncs != "2.6" else []),
            JUMP,
        ]
        assert board.secondary.is_erased(0, SLOT_BYTES)
        assert board.network_secondary is not None
        assert board.network_secondary.is_erased(0, NETWORK_SLOT_BYTES)
        assert board.network_holds(OLD)


class TestDowngradePrevention:
    @pytest.mark.parametrize(("version", "is_taken"), [(1, False), (3, True), (4, True)])
    def test_the_network_core_is_asked_for_its_version(self, version: int, is_taken: bool) -> None:
        board = Board(downgrade_prevention=True)
        board.flash.erase(MAP.app_address, 0x2000)
        board.flash.write(MAP.app_address, network_firmware(3))
        new = network_firmware(version, 0x2300)
        board.update_network(network_image(new))

        assert board.boot() == APP_START
        refusal = "E: insufficient version in secondary slot"
        assert board.said[2:4] == [TURNED_ON, TURNED_OFF]
        assert (refusal in board.said) is not is_taken
        assert board.network_holds(new) is is_taken

    def test_2_3_does_not_ask(self) -> None:
        board = Board(ncs="2.3", downgrade_prevention=True)
        board.update_network(network_image(network_firmware(0, 0x2300), version=0))

        assert board.boot() == APP_START
        assert board.said.count(TURNED_ON) == 1
        assert board.network_holds(network_firmware(0, 0x2300))

    @pytest.mark.parametrize("ncs", ["2.6", "2.9", "3.0"])
    def test_a_build_that_swaps_does_not_ask(self, ncs: str) -> None:
        board = Board(ncs=ncs, swap="move", downgrade_prevention=True)
        board.update_network(network_image(network_firmware(0, 0x2300), version=0))

        assert board.boot() == APP_START
        assert board.said.count(TURNED_ON) == 1
        assert board.network_holds(network_firmware(0, 0x2300))

    def test_firmware_without_a_version_counts_as_0(self) -> None:
        board = Board(downgrade_prevention=True)
        board.flash.erase(MAP.app_address, 0x2000)
        board.update_network()

        assert board.boot() == APP_START
        assert board.network_lines == ["Unable to find valid firmware version -14"]
        assert board.network_holds(NEW)

    def test_an_update_without_a_version_is_refused(self) -> None:
        board = Board(downgrade_prevention=True)
        board.update_network(network_image(build_payload(0x01008800, 0x2300, NetworkDescription())))

        assert board.boot() == APP_START
        assert "E: insufficient version in secondary slot" in board.said


class TestSharedSlot:
    """One image pair: the network core's update lies in the application's secondary slot."""

    INTERNAL = slots(INTERNAL_SECONDARY, has_network_pair=False)

    @pytest.mark.parametrize("ncs", ["2.3", "2.6", "2.9", "3.0"])
    def test_from_internal_flash_as_in_the_captured_log(self, ncs: str) -> None:
        """As a public log of an update shows it."""
        board = Board(ncs=ncs, network_core="single", swap="move", slot_map=self.INTERNAL)
        board.update(UPDATE, permanent=False)

        assert board.boot() == APP_START
        start = board.said.index("I: Starting network core update")
        assert board.said[start : start + 5] == [
            "I: Starting network core update",
            TURNED_ON,
            TURNED_OFF,
            "I: Done updating network core",
            JUMP,
        ]
        assert "Swap type: test" in board.said[start - 1]
        assert board.command.data_address == INTERNAL_SECONDARY + 0x200
        assert board.network_holds(NEW)
        assert read_trailer(board.secondary).magic is Magic.UNSET
        assert board.primary.read(0, len(app(1))) == app(1)

        assert board.boot() == APP_START
        assert "I: Starting network core update" not in board.said

    def test_a_build_that_overwrites_leaves_it_pending(self) -> None:
        board = Board(network_core="single", slot_map=self.INTERNAL)
        board.update(UPDATE)

        for _ in range(2):
            assert board.boot() == APP_START
            assert "I: Done updating network core" in board.said

    @pytest.mark.parametrize("ncs", ["2.3", "2.6", "2.9", "3.0"])
    def test_from_external_flash_it_reads_what_lies_at_address_0(self, ncs: str) -> None:
        board = Board(ncs=ncs, network_core="single", swap="move", slot_map=slots())
        # NSIB's vector table, read as an image header: header size 0x1234, image size 0x1239.
        board.flash.write(0, struct.pack("<IIII", 0x20010000, 0x1201, 0x00001234, 0x00001239))
        board.update(UPDATE, permanent=False)

        assert board.boot() == APP_START
        assert board.said[-4:] == [
            "I: Starting network core update",
            TURNED_ON,
            "E: Network core update failed",
            JUMP,
        ]
        assert board.network_lines[-1] == "Unable to find valid firmware inside 0x1234"
        assert (board.command.data_address, board.command.size_bytes) == (0x1234, 0x1239)
        assert board.network_holds(OLD)

    def test_an_empty_header_is_not_even_asked_for(self) -> None:
        board = Board(network_core="single", swap="move", slot_map=slots())
        board.flash.write(0, bytes(16))
        board.update(UPDATE, permanent=False)

        assert board.boot() == APP_START
        assert "I: Error while writing PCD cmd: -22" in board.said
        assert TURNED_ON not in board.said

    def test_a_build_without_it_leaves_the_image_alone(self) -> None:
        board = Board(network_core="none", swap="move", has_nsib=True, slot_map=self.INTERNAL)
        board.update(UPDATE, permanent=False)

        assert board.boot() == APP_START
        assert not any("Swap type" in line for line in board.said)
        assert board.network_holds(OLD)


@dataclass(frozen=True)
class _Cut:
    ncs: str
    swap: Literal["move", "overwrite"]
    has_nsib: bool
    with_app: bool


@pytest.mark.parametrize("moment", CutMoment)
@pytest.mark.parametrize(
    "scenario",
    [
        _Cut("2.3", "overwrite", has_nsib=False, with_app=False),
        _Cut("2.6", "overwrite", has_nsib=True, with_app=True),
        _Cut("3.0", "overwrite", has_nsib=True, with_app=True),
    ],
    ids=str,
)
def test_a_cut_at_any_operation_is_made_good_by_the_next_boot(
    scenario: _Cut, moment: CutMoment
) -> None:
    operations = sum(1 for _ in _boards_cut_at_every_operation(scenario, moment))
    # Five pages, nineteen chunks of 512 bytes, two erasures at least.
    assert operations > 20


def _boards_cut_at_every_operation(scenario: _Cut, moment: CutMoment) -> Iterator[Board]:
    number = 0
    while True:
        number += 1
        board = Board(ncs=scenario.ncs, swap=scenario.swap, has_nsib=scenario.has_nsib)
        if scenario.with_app:
            board.update(app(2))
        board.update_network()
        board.flash.power_cut = PowerCut(len(board.flash.operations) + number, moment)
        try:
            board.boot()
        except PowerLostError:
            pass
        else:
            return
        board.flash.has_power = True
        board.command = PcdCommand()
        for _ in range(2):
            assert board.boot() == APP_START, (number, board.lines)
        assert board.network_holds(NEW), number
        assert board.start_network_core() is B0nEnd.STARTED_FIRMWARE
        if scenario.with_app:
            assert board.primary.read(0, len(app(2))) == app(2), number
        yield board

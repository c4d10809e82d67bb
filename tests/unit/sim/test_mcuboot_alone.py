"""The boot chain of boards whose MCUboot lies at address 0, without NSIB."""

import struct
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.errors import BoardFileError
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.boot.chain import BootChain
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Place
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash
from pytest_nrf_fota.sim.kit import KitSettings
from pytest_nrf_fota.sim.memories import memories_of_board, program
from pytest_nrf_fota.sim.slot_map import slot_map_of

ALONE = load_board("nrf5340dk_mcuboot_sim")
WITH_NSIB = load_board("nrf5340dk_sim")


class Booted:
    """A boot of one board's demonstration firmware on a board that may be another."""

    def __init__(self, folder: Path, firmware_of: BoardType, board: BoardType) -> None:
        self.flash = Flash(memories_of_board(board), VirtualClock())
        program(self.flash, read_hex(DemoSource(firmware_of, folder).baseline))
        self.lines: list[str] = []
        hardware = Hardware(self.flash, slot_map_of(board), self.lines.append)
        self.chain = BootChain(hardware, RELEASES[board.boot.ncs], 256)
        self.end = self.chain.run()


def with_slots(board: BoardType, **slots: Slot | None) -> BoardType:
    return board.model_copy(update={"slots": board.slots.model_copy(update=slots)})


def test_it_boots_without_a_word_of_nsib(tmp_path: Path) -> None:
    booted = Booted(tmp_path, ALONE, ALONE)
    assert isinstance(booted.end, AppDescription)
    assert booted.lines[1] == "I: Starting bootloader"
    assert "I: Bootloader chainload address offset: 0xc000" in booted.lines
    assert not [line for line in booted.lines if "boot slot" in line or "Firmware version" in line]


def test_it_knows_its_keys_and_no_other_s_slot(tmp_path: Path) -> None:
    build = Booted(tmp_path, ALONE, ALONE).chain.mcuboot_build(None)
    assert len(build.keys) == 1
    assert build.other_s_slot is None


def test_it_ends_before_the_first_slot_behind_it() -> None:
    places = slot_map_of(ALONE)
    assert (places.nsib, places.first_bootloader) == (None, Place(0, 0xC000))
    scratch = Slot(address=0xA000, size=0x2000)
    assert slot_map_of(with_slots(ALONE, scratch=scratch)).first_bootloader == Place(0, 0xA000)


def test_each_slot_has_the_size_and_place_of_the_board_file() -> None:
    board = with_slots(
        ALONE,
        secondary=Slot(address=0x106E0000, size=0x8000),
        secondary_network=Slot(address=0x107C0000, size=0x30000),
    )
    places = slot_map_of(board)
    assert places.primary == Place(0xC000, 0xF2000)
    assert places.secondary == Place(0x106E0000, 0x8000)
    assert places.network_secondary == Place(0x107C0000, 0x30000)
    assert places.network_ram_size_bytes == 0x30000


@pytest.mark.parametrize(
    ("firmware_of", "board", "reason"),
    [
        (
            ALONE,
            WITH_NSIB,
            "there is no NSIB: MCUboot lies at address 0, as on the board nrf5340dk_mcuboot",
        ),
        (WITH_NSIB, ALONE, "NSIB lies at address 0"),
    ],
)
def test_firmware_for_the_other_kind_of_board_is_named(
    firmware_of: BoardType, board: BoardType, reason: str, tmp_path: Path
) -> None:
    end = Booted(tmp_path, firmware_of, board).end
    assert isinstance(end, Halt)
    assert reason in end.reason


def test_a_kit_needs_no_external_flash(tmp_path: Path) -> None:
    board = with_slots(
        ALONE,
        primary=Slot(address=0xC000, size=0x78000),
        secondary=Slot(address=0x84000, size=0x78000),
    ).model_copy(update={"external_flash": None})
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(board))
    assert settings.flash_device is None
    assert settings.slots.secondary == Place(0x84000, 0x78000)
    assert isinstance(Booted(tmp_path, board, board).end, AppDescription)


@pytest.mark.parametrize("has_fw_info", [True, False])
def test_a_kit_that_is_not_provisioned_may_be_one_without_nsib(*, has_fw_info: bool) -> None:
    flash = Flash(memories_of_board(WITH_NSIB), VirtualClock())
    flash.write(0, struct.pack("<II", 0x20010000, 0x201))
    if has_fw_info:
        mcuboot = build_payload(0x8200, 0x1000, McubootDescription(), fw_info_version=1)
        flash.write(0x8200, mcuboot)
    hardware = Hardware(flash, slot_map_of(WITH_NSIB), lambda line: None)
    end = BootChain(hardware, RELEASES["2.3"], 256).run()
    assert isinstance(end, Halt)
    assert "the kit is not provisioned" in end.reason
    assert ("nrf5340dk_mcuboot" in end.reason) is not has_fw_info


def test_empty_flash_has_no_bootloader() -> None:
    flash = Flash(memories_of_board(ALONE), VirtualClock())
    hardware = Hardware(flash, slot_map_of(ALONE), lambda line: None)
    end = BootChain(hardware, RELEASES["2.3"], 256).run()
    assert isinstance(end, Halt)
    assert "no bootloader at address 0" in end.reason


def test_a_part_of_what_nsib_needs_is_no_board(tmp_path: Path) -> None:
    with pytest.raises(BoardFileError, match=r"not slots\.s1\.") as caught:
        slot_map_of(with_slots(WITH_NSIB, s1=None))
    assert caught.value.where == "nrf5340dk_sim"

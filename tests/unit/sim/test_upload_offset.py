"""Applications that were built for swap using offset: where they put updates and look for them."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.app.image_result import DONE, TOO_LARGE, WRITE_FAILED
from pytest_nrf_fota.sim.app.images import ImageGroupBuild
from pytest_nrf_fota.sim.trailer_area import write_image_ok
from pytest_nrf_fota.verdict.evidence import Outcome, assert_upgraded

from .test_images import NEW, OLD, PAGE, SLOT_BYTES, Board, entry, hash_of, put

BUILD = ImageGroupBuild(
    swap_using_offset=True, asks_for_next_boot=True, reverts_over_any_magic=True
)
NONE, REVERT = "Swap type: none", "Swap type: revert"
SECONDARY = 0x10000000


def offset_board(*, secondary: bytes = b"") -> Board:
    """A board with an update where it belongs: from the second sector on."""
    board = Board(build=BUILD)
    if secondary:
        board.secondary.write(PAGE, secondary + b"\xff" * (-len(secondary) % 4))
    return board


class TestUpload:
    def test_the_update_begins_in_the_second_sector(self) -> None:
        board = offset_board()

        board.upload(NEW, 1000, hashlib.sha256(NEW).digest())

        assert board.secondary.is_erased(0, PAGE)
        assert board.secondary.read(PAGE, len(NEW)) == NEW
        assert board.neighbour_is_untouched

    def test_what_lay_there_goes_first_sector_included(self) -> None:
        board = offset_board(secondary=OLD)
        board.secondary.write(0, bytes(4))
        board.secondary.write(SLOT_BYTES - 32, bytes(4))

        assert board.images.upload(0, NEW[:64], len(NEW), None) == (DONE, 64)

        # The spare sector, and the 0xa000 bytes that the image itself needs.
        assert board.log[-2:] == [
            "Erased 0xb000 bytes of image slot",
            "Erased 0x1000 bytes of image slot trailer",
        ]
        assert board.secondary.is_erased(0, PAGE)
        assert board.secondary.read(PAGE, 64) == NEW[:64]

    def test_an_image_as_large_as_the_slot_does_not_fit_behind_the_spare_sector(self) -> None:
        board = offset_board()
        assert board.images.upload(0, NEW[:PAGE], SLOT_BYTES + 1, None)[0] == TOO_LARGE
        assert board.images.upload(0, NEW[:PAGE], SLOT_BYTES, None) == (DONE, PAGE)
        for start in range(PAGE, SLOT_BYTES - PAGE, PAGE):
            assert board.images.upload(start, bytes(PAGE), None, None) == (DONE, start + PAGE)

        answer = board.images.upload(SLOT_BYTES - PAGE, bytes(PAGE), None, None)

        assert answer == (WRITE_FAILED, 0)
        assert board.log[-1] == "Irrecoverable error: flash write failed: 12"
        assert board.neighbour_is_untouched


class TestList:
    """Query for query as Zephyr under QEMU logs them."""

    def test_an_empty_slot(self) -> None:
        board = offset_board()

        assert board.images.list_images() == (entry(0, confirmed=True),)
        assert board.log == [NONE] * 2

    def test_an_update(self) -> None:
        board = offset_board(secondary=NEW)

        assert board.images.list_images() == (entry(0, confirmed=True), entry(1))
        assert board.log == [NONE] * 3

    def test_a_mark_and_the_list_that_answers_it(self) -> None:
        board = offset_board(secondary=NEW)

        assert board.images.set_state(hash_of(NEW), confirm=False) == DONE
        assert board.images.list_images()[1] == entry(1, pending=True)

        assert board.log == [NONE] * 3 + ["Swap type: test"] * 3

    def test_an_update_at_the_slot_s_start_is_not_seen(self) -> None:
        board = Board(secondary=NEW, build=BUILD)

        assert board.images.list_images() == (entry(0, confirmed=True),)

    def test_during_a_trial_the_old_image_lies_at_the_start_and_is_lost_from_sight_after(
        self,
    ) -> None:
        board = offset_board()
        put(board.secondary, NEW)
        board.begin_test_run()

        assert board.images.list_images() == (entry(0), entry(1, confirmed=True))
        assert board.log == [REVERT] * 3
        assert board.images.erase_slot(1).translated_rc == 6

        write_image_ok(board.primary)
        assert board.images.list_images() == (entry(0, confirmed=True),)
        assert board.images.erase_slot(1) == DONE
        assert board.secondary.is_erased(0, SLOT_BYTES)


@contextmanager
def kit(folder: Path, app: AppDescription) -> Iterator[tuple[Dut, DemoSource]]:
    board = load_board("nrf5340dk_sim")
    board = board.model_copy(update={"boot": board.boot.model_copy(update={"ncs": "3.0"})})
    firmware = DemoSource(board, folder / "firmware", app, McubootDescription(swap="offset"))
    recorder = FlightRecorder()
    unit = SimUnit(board, "kit", folder / "unit")
    try:
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        try:
            dut.prepare(firmware.baseline)
            yield dut, firmware
        finally:
            dut.close()
    finally:
        unit.release()


class TestWholeUpgrade:
    def test_trial_and_confirmation(self, tmp_path: Path) -> None:
        with kit(tmp_path, AppDescription(bootloader_mode="swap_using_offset")) as (dut, firmware):
            upgrade = dut.start_upgrade(firmware.app_update)
            begin = dut.console.position()
            upgrade.upload()
            assert set(dut.read_memory(SECONDARY, PAGE)) == {0xFF}
            stored = dut.read_memory(SECONDARY + PAGE, len(upgrade.file.data))
            assert stored == upgrade.file.data
            upgrade.set_pending()
            upgrade.reset()
            verdict = upgrade.verdict()
            assert_upgraded(verdict)
            assert [(state.slot, state.confirmed) for state in dut.mcumgr.get_image_list()] == [
                (0, False), (1, True),
            ]  # fmt: skip
            upgrade.confirm_if_proven(verdict)
            assert [state.slot for state in dut.mcumgr.get_image_list()] == [0]
            dut.reset()
            assert_upgraded(upgrade.verdict())
            text = dut.console.text_since(begin)

        assert text.count("Starting swap using offset algorithm.") == 1
        assert "boot_swap_type_multi: Image index: 0, Swap type: test" in text

    def test_without_confirmation_the_old_application_returns(self, tmp_path: Path) -> None:
        with kit(tmp_path, AppDescription(bootloader_mode="swap_using_offset")) as (dut, firmware):
            upgrade = dut.start_upgrade(firmware.app_update)
            upgrade.upload()
            upgrade.set_pending()
            upgrade.reset()
            assert_upgraded(upgrade.verdict())
            dut.reset()
            verdict = upgrade.verdict()
            # The new one lies where an upload would have put it, and can be marked again.
            assert dut.read_memory(SECONDARY + PAGE, 4) == upgrade.file.data[:4]
            upgrade.set_pending()

        assert verdict.outcome is Outcome.NOT_UPGRADED
        assert "reverted to the old application" in verdict.reason

    def test_an_application_that_knows_of_no_offset(self, tmp_path: Path) -> None:
        with kit(tmp_path, AppDescription()) as (dut, firmware):
            upgrade = dut.start_upgrade(firmware.app_update)
            begin = dut.console.position()
            upgrade.upload()
            upgrade.set_pending()
            upgrade.reset()
            verdict = upgrade.verdict()
            text = dut.console.text_since(begin)

        assert verdict.outcome is Outcome.NOT_UPGRADED
        error = "E: Secondary header magic detected in first sector, wrong upload address?"
        assert len(re.findall(f"^{re.escape(error)}$", text, re.MULTILINE)) == 1
        assert "E: Image in the secondary slot is not valid!" in text
        assert "Starting swap" not in text

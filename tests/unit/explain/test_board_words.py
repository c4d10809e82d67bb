"""Remedies name the flash, the speed and the addresses of the board that they are for."""

import pytest

from pytest_nrf_fota.boards.board import BoardType, ExternalFlash, Slot
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.explain.board_words import board_words
from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.explanation import explain

STALE = """\
*** Booting nRF Connect SDK v2.5.2 ***
[00:00:00.030,273] <inf> app: running
[00:02:35.721,282] <inf> mcumgr_img_mgmt: Erased 0x30000 bytes of image slot
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Secondary image: magic=bad, swap_type=0x0, copy_done=0x2, image_ok=0x2
I: Image index: 0, Swap type: none
"""


def gd25_board() -> BoardType:
    """A board whose flash is none of Nordic's kits'."""
    board = load_board("nrf5340dk")
    flash = ExternalFlash(shell_device="gd25@0", size=0x400000, erase_timeout_s=60.0)
    s0 = Slot(address=0xC000, size=0xC200)
    return board.model_copy(
        update={
            "external_flash": flash,
            "slots": board.slots.model_copy(update={"s0": s0}),
            "console": board.console.model_copy(update={"baudrate": 1_000_000}),
        }
    )


def remedy(board: BoardType | None) -> str:
    (cause,) = [
        cause
        for cause in explain(case_of_text(STALE), board=board).advice
        if cause.code == "stale_external_flash"
    ]
    return cause.remedy


def test_flash_of_the_board() -> None:
    assert "`flash erase gd25@0 0 400000`" in remedy(gd25_board())


def test_flash_of_the_nrf5340_dk_where_no_board_is_known() -> None:
    assert "`flash erase mx25r6435f@0 0 800000`" in remedy(None)
    assert board_words(None) == board_words(load_board("nrf5340dk"))


def test_board_without_external_flash() -> None:
    board = load_board("nrf5340dk").model_copy(update={"external_flash": None})
    assert "mx25r" not in remedy(board)
    assert "`flash erase <device> 0 <size>`" in remedy(board)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flash_node", "&<label of the flash>"),
        ("baudrate", "1000000"),
        ("s0_fw_info", "0xc400"),
        ("recover", "`nrfjprog --recover --coprocessor CP_NETWORK`, then `nrfjprog --recover`"),
    ],
)
def test_values_of_the_board(name: str, value: str) -> None:
    assert board_words(gd25_board())[name] == value


def test_board_without_a_network_core() -> None:
    assert board_words(load_board("nrf52840dk"))["recover"] == "`nrfjprog --recover`"


def test_what_to_capture_next_names_the_speed() -> None:
    wanted = explain(case_of_text("hello\n"), board=gd25_board()).capture_next
    assert any("picocom -b 1000000" in text for text in wanted)

"""NSIB starts no firmware that asks for an EXT_API which it does not offer."""

import pytest

from pytest_nrf_fota.firmware.description import NsibDescription
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.sim.boot.stage import Halt, Jump
from tests.unit.ext_api_lists import Request, add_ext_apis
from tests.unit.sim.nsib_board import (
    BURNT_VALID_WORD,
    NOTHING,
    VALID,
    VALID_WORD,
    Board,
    Edit,
    attempt,
    set_fw_info,
)

BL_SHA256, BL_SECP256R1, BL_VALIDATE_FW = 0x1002, 0x1003, 0x1101
UNKNOWN_API = 0x7777
ABORTED = "Failed to provide ext APIs to image, boot aborted."


def asks_for(*requests: Request) -> Edit:
    return lambda data: add_ext_apis(data, requests=requests)


def nsib_offering(*offered: tuple[int, int, int], valid_word: int = VALID_WORD) -> bytes:
    """NSIB's own binary, which says what it offers."""
    binary = bytearray(build_payload(0, 0x1000, NsibDescription(), fw_info_version=1))
    add_ext_apis(binary, offered)
    set_fw_info(VALID, valid_word)(binary)
    return bytes(binary)


class TestExtApis:
    """fw_info_ext_api_provide() of sdk-nrf subsys/fw_info/fw_info.c, called by bl_boot()."""

    @pytest.mark.parametrize("ncs", ["3.0", "3.2"])
    def test_the_other_slot_is_tried_where_one_is_missing(self, ncs: str) -> None:
        board = Board("nsib", ncs=ncs, counter_slots=0, rollback_protection=None)
        board.put(0, 14)
        board.put(1, 15, edit=asks_for(Request(UNKNOWN_API)))

        assert board.boot() == Jump(0x8200)
        at = board.lines.index(ABORTED)
        assert board.lines[at - 1] == "Booting (0x18200)."
        assert board.lines[at + 1 : at + 3] == attempt(0)
        # It was valid, so it stays so, and is tried again at each boot.
        assert (board.valid_word(0), board.valid_word(1)) == (VALID_WORD, VALID_WORD)

    def test_the_counter_was_raised_before_and_refuses_the_other_slot(self) -> None:
        board = Board("nsib", ncs="3.0")
        board.put(0, 14)
        assert board.boot() == Jump(0x8200)
        board.put(1, 15, edit=asks_for(Request(UNKNOWN_API)))

        assert isinstance(board.boot(), Halt)
        assert "E: Firmware version (14) is smaller than monotonic counter (15)." in board.lines
        assert board.lines[-1] == NOTHING
        assert (board.valid_word(0), board.valid_word(1)) == (BURNT_VALID_WORD, VALID_WORD)

    def test_nothing_is_started_where_both_ask_in_vain(self) -> None:
        board = Board("nsib", ncs="3.2", rollback_protection=None)
        for slot in (0, 1):
            board.put(slot, 14, edit=asks_for(Request(UNKNOWN_API)))

        assert isinstance(board.boot(), Halt)
        assert board.lines.count(ABORTED) == 2
        assert board.lines[-1] == NOTHING

    @pytest.mark.parametrize("ncs", ["2.3", "2.6", "2.7", "2.8", "2.9"])
    def test_up_to_2_9_the_other_slot_is_not_reached(self, ncs: str) -> None:
        board = Board("nsib", ncs=ncs, keep_last_line=True)
        board.put(0, 14)
        board.put(1, 15, edit=asks_for(Request(BL_SHA256), Request(UNKNOWN_API)))

        end = board.boot()

        assert isinstance(end, Halt)
        assert "EXT_API 0x7777" in end.reason
        assert "BL_SHA256" not in end.reason
        assert board.lines[-1] == "Booting (0x18200)."
        assert ABORTED not in board.lines

    @pytest.mark.parametrize("ncs", ["2.3", "3.0"])
    def test_it_starts_without_what_it_can_do_without(self, ncs: str) -> None:
        board = Board("nsib", ncs=ncs)
        board.put(0, 14, edit=asks_for(Request(UNKNOWN_API, required=False), Request(BL_SHA256)))

        assert board.boot() == Jump(0x8200, missing_options=1)

    def test_a_nsib_that_does_not_say_is_taken_for_a_default_build(self) -> None:
        board = Board("nsib", ncs="3.0")
        wanted = (Request(BL_SHA256), Request(BL_SECP256R1, 1), Request(BL_VALIDATE_FW, 3))
        board.put(0, 14, edit=asks_for(*wanted))

        assert board.boot() == Jump(0x8200)

    @pytest.mark.parametrize(
        ("offered", "wanted", "starts"),
        [
            pytest.param((BL_SHA256, 0, 1), Request(BL_SHA256), True, id="just that"),
            pytest.param((BL_SECP256R1, 1, 1), Request(BL_SHA256), False, id="another"),
            pytest.param((BL_SHA256, 3, 1), Request(BL_SHA256, 1), True, id="more flags"),
            pytest.param((BL_SHA256, 2, 1), Request(BL_SHA256, 1), False, id="a flag is missing"),
            pytest.param((BL_SHA256, 0, 1), Request(BL_SHA256, version=2), False, id="too old"),
            pytest.param(
                (BL_SHA256, 0, 2), Request(BL_SHA256, end_version=3), True, id="the last but one"
            ),
            pytest.param((BL_SHA256, 0, 3), Request(BL_SHA256, end_version=3), False, id="too new"),
        ],
    )
    def test_what_nsib_says_that_it_offers_counts(
        self, offered: tuple[int, int, int], wanted: Request, starts: bool
    ) -> None:
        board = Board("nsib", ncs="3.0")
        board.put_nsib(nsib_offering((UNKNOWN_API, 0, 1), offered))
        board.put(0, 14, edit=asks_for(wanted))

        assert (board.boot() == Jump(0x8200)) is starts
        assert (ABORTED in board.lines) is not starts

    def test_a_nsib_whose_own_word_is_not_valid_offers_nothing(self) -> None:
        board = Board("nsib", ncs="3.0")
        board.put_nsib(nsib_offering((BL_SHA256, 0, 1), valid_word=BURNT_VALID_WORD))
        board.put(0, 14, edit=asks_for(Request(BL_SHA256)))

        assert isinstance(board.boot(), Halt)

    @pytest.mark.parametrize(("wanted", "starts"), [(BL_SHA256, True), (UNKNOWN_API, False)])
    def test_requests_lie_behind_what_the_firmware_offers_itself(
        self, wanted: int, starts: bool
    ) -> None:
        """What it offers itself does not count for it."""
        offered = [(UNKNOWN_API, 0, 1)]
        board = Board("nsib", ncs="3.0")
        board.put(0, 14, edit=lambda data: add_ext_apis(data, offered, [Request(wanted)]))

        assert (board.boot() == Jump(0x8200)) is starts

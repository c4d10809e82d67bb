"""NSIB over real flash content: every branch with its literal lines, in order."""

import struct

import pytest

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.validation_info import (
    STRUCT,
)
from pytest_nrf_fota.sim.boot.stage import Halt, Jump
from tests.unit.sim.nsib_board import (
    ADDRESS,
    BANNER,
    BOOT_ADDRESS,
    BURNT_VALID_WORD,
    FIRMWARE_BYTES,
    INVALIDATING,
    NOTHING,
    NOTHING_IN_S1,
    PROVISIONING,
    SIZE,
    SLOT_BYTES,
    TOTAL_SIZE,
    VALID,
    VALID_WORD,
    Board,
    Edit,
    attempt,
    booted,
    key_hash,
    set_fw_info,
    set_reset_handler,
    verifying,
)


class TestSlotChoice:
    def test_only_s0(self) -> None:
        board = Board("nsib")
        board.put(0, 14)

        assert board.boot() == Jump(0x8200)
        assert board.lines == [
            BANNER,
            *booted(0, 14),
            "Setting monotonic counter (version: 14, slot: 0)",
        ]

    def test_only_s1(self) -> None:
        board = Board("nsib")
        board.put(1, 15)

        assert board.boot() == Jump(0x18200)
        # NSIB compares versions through a null pointer and takes a vector of its own for S0's,
        # larger than any version (sdk-nrf samples/bootloader/src/main.c, v2.3.0 to v3.2.1).
        assert board.lines == [
            BANNER,
            "Attempting to boot slot 0.",
            "No fw_info struct found.",
            *booted(1, 15),
            "Setting monotonic counter (version: 15, slot: 1)",
        ]

    @pytest.mark.parametrize(("s0", "s1", "winner"), [(14, 15, 1), (15, 14, 0), (15, 15, 0)])
    def test_the_higher_version_wins_and_ties_go_to_s0(self, s0: int, s1: int, winner: int) -> None:
        board = Board("nsib")
        board.put(0, s0)
        board.put(1, s1)

        assert board.boot() == Jump((0x8200, 0x18200)[winner])
        assert board.lines[1:7] == booted(winner, 15)

    def test_neither(self) -> None:
        board = Board("nsib")

        assert isinstance(board.boot(), Halt)
        assert board.lines == [
            BANNER,
            "Attempting to boot slot 0.",
            "No fw_info struct found.",
            *NOTHING_IN_S1,
            NOTHING,
        ]

    def test_the_older_slot_boots_when_the_newer_one_is_damaged(self) -> None:
        board = Board("nsib")
        board.put(0, 14)
        board.put(1, 15, key="other")

        assert board.boot() == Jump(0x8200)
        assert board.lines == [
            BANNER,
            *attempt(1),
            *verifying(0, "nsib"),
            "Public key didn't match, try next.",
            "Failed to validate signature.",
            INVALIDATING,
            *booted(0, 14),
            "Setting monotonic counter (version: 14, slot: 0)",
        ]
        assert (board.valid_word(0), board.valid_word(1)) == (VALID_WORD, BURNT_VALID_WORD)

    def test_a_kit_without_provisioning_data_halts_after_the_banner(self) -> None:
        board = Board()
        board.put(0, 14)

        end = board.boot()

        assert isinstance(end, Halt)
        assert "not provisioned" in end.reason
        assert board.lines == [BANNER]

    def test_the_last_line_is_printed_where_it_is_not_lost(self) -> None:
        board = Board("nsib", keep_last_line=True)
        board.put(0, 14)

        board.boot()

        assert board.lines[-1] == "Booting (0x8200)."


# A change before signing, and the line that NSIB prints for it.
STRUCTURE_FAILURES = [
    pytest.param(
        set_fw_info(ADDRESS, 0x8600),
        "Firmware info doesn't point to itself.",
        id="points elsewhere",
    ),
    pytest.param(
        set_fw_info(VALID, BURNT_VALID_WORD),
        "Firwmare has been invalidated: 0x91020000.",
        id="invalidated",
    ),
    pytest.param(
        set_fw_info(SIZE, SLOT_BYTES + 1),
        "Invalid size or total_size in firmware info.",
        id="larger than the slot",
    ),
    pytest.param(
        set_fw_info(TOTAL_SIZE, FIRMWARE_BYTES + 1),
        "Invalid size or total_size in firmware info.",
        id="struct larger than the firmware",
    ),
    pytest.param(
        set_fw_info(SIZE, 0x220),
        "Firmware info is not within signed region.",
        id="struct outside",
    ),
    pytest.param(
        set_fw_info(BOOT_ADDRESS, 0x8200 + FIRMWARE_BYTES),
        "Boot address is not within signed region.",
        id="boot address outside",
    ),
    pytest.param(
        set_reset_handler(0x8200 + FIRMWARE_BYTES),
        "Reset handler is not within signed region.",
        id="reset handler outside",
    ),
    pytest.param(
        set_fw_info(SIZE, FIRMWARE_BYTES - 8),
        "Could not find valid firmware validation info.",
        id="no validation info there",
    ),
]


class TestValidation:
    @pytest.mark.parametrize(("edit", "line"), STRUCTURE_FAILURES)
    def test_a_bad_structure_is_named_and_burnt(self, edit: Edit, line: str) -> None:
        board = Board("nsib")
        board.put(0, 14, edit=edit)
        named_address = board.word(0x8400 + ADDRESS)

        assert isinstance(board.boot(), Halt)
        assert board.lines == [
            BANNER,
            "Attempting to boot slot 0.",
            f"Attempting to boot from address 0x{named_address:x}.",
            line,
            INVALIDATING,
            *NOTHING_IN_S1,
            NOTHING,
        ]
        assert board.valid_word(0) == BURNT_VALID_WORD

    @pytest.mark.parametrize("gap_bytes", [0, 1, 4])
    def test_validation_info_is_searched_up_to_4_bytes_behind(self, gap_bytes: int) -> None:
        board = Board("nsib")
        board.put(0, 14, gap_bytes=gap_bytes)

        assert board.boot() == Jump(0x8200)

    def test_validation_info_further_away_is_not_found(self) -> None:
        board = Board("nsib")
        board.put(0, 14, gap_bytes=5)

        assert isinstance(board.boot(), Halt)
        assert board.lines[3:5] == [
            "Could not find valid firmware validation info.",
            INVALIDATING,
        ]
        assert board.valid_word(0) == BURNT_VALID_WORD

    def test_validation_info_for_another_address(self) -> None:
        board = Board("nsib")
        board.put(0, 14, vouched_address=0x18200)

        assert isinstance(board.boot(), Halt)
        assert board.lines[3:5] == [
            "Validation info doesn't belong to this firmware.",
            INVALIDATING,
        ]
        assert board.valid_word(0) == BURNT_VALID_WORD

    def test_a_key_that_was_not_provisioned(self) -> None:
        board = Board("nsib", "second")
        board.put(0, 14, key="other")

        assert isinstance(board.boot(), Halt)
        assert board.lines == [
            BANNER,
            *attempt(0),
            *verifying(0, "nsib"),
            "Public key didn't match, try next.",
            *verifying(1, "second"),
            "Public key didn't match, try next.",
            "Failed to validate signature.",
            INVALIDATING,
            *NOTHING_IN_S1,
            NOTHING,
        ]
        assert board.valid_word(0) == BURNT_VALID_WORD

    @pytest.mark.parametrize(
        "address",
        [
            pytest.param(0x8200 + FIRMWARE_BYTES - 4, id="tampered firmware"),
            pytest.param(0x8200 + FIRMWARE_BYTES + STRUCT.size - 64, id="bad signature"),
        ],
    )
    def test_a_signature_that_does_not_fit_stops_the_search(self, address: int) -> None:
        board = Board("nsib", "second")
        board.put(0, 14)
        assert board.word(address) != 0
        board.flash.write(address, bytes(4))

        assert isinstance(board.boot(), Halt)
        assert board.lines == [
            BANNER,
            *attempt(0),
            *verifying(0, "nsib"),
            "Firmware validation failed with error -102.",
            INVALIDATING,
            *NOTHING_IN_S1,
            NOTHING,
        ]
        assert board.valid_word(0) == BURNT_VALID_WORD

    def test_what_was_burnt_once_stays_so(self) -> None:
        board = Board("nsib")
        board.put(0, 14, key="other")
        board.boot()

        assert isinstance(board.boot(), Halt)
        assert board.lines[3:5] == ["Firwmare has been invalidated: 0x91020000.", INVALIDATING]


class TestSecondKey:
    def test_it_signs_and_the_lower_key_is_invalidated(self) -> None:
        board = Board("old", "nsib")
        board.put(0, 14)

        assert board.boot() == Jump(0x8200)
        assert board.lines == [
            BANNER,
            *attempt(0),
            *verifying(0, "old"),
            "Public key didn't match, try next.",
            *verifying(1, "nsib"),
            "Invalidating key 0.",
            "Firmware signature verified.",
            "Firmware version 14",
            "Setting monotonic counter (version: 14, slot: 0)",
        ]
        assert board.word(PROVISIONING + 0x34) == 0xFFFF0000
        assert board.word(PROVISIONING + 0x34 + 20) == 0xFFFFFFFF

    def test_every_later_boot_skips_the_lower_key_and_names_it_again(self) -> None:
        board = Board("old", "nsib")
        board.put(0, 14)
        board.boot()
        operations = len(board.flash.operations)

        assert board.boot() == Jump(0x8200)
        assert board.lines == [
            BANNER,
            *attempt(0),
            "Key 0 has been invalidated, try next.",
            *verifying(1, "nsib"),
            "Invalidating key 0.",
            "Firmware signature verified.",
            "Firmware version 14",
        ]
        assert len(board.flash.operations) == operations

    def test_the_lower_key_is_of_no_use_any_more(self) -> None:
        board = Board("old", "nsib")
        board.put(0, 14)
        board.boot()
        board.put(0, 15, key="old")

        assert isinstance(board.boot(), Halt)
        assert board.lines[3:7] == [
            "Key 0 has been invalidated, try next.",
            *verifying(1, "nsib"),
            "Public key didn't match, try next.",
        ]


BANNERS = {
    "2.3": ["*** Booting Zephyr OS build v3.2.99-ncs2 ***"],
    "2.6": ["*** Booting nRF Connect SDK v3.5.99-ncs1 ***"],
    "2.7": [
        "*** Booting nRF Connect SDK v2.7.0-5cb85570ca43 ***",
        "*** Using Zephyr OS v3.6.99-100befc70c74 ***",
    ],
    "2.8": [
        "*** Booting nRF Connect SDK v2.8.0-a2386bfc8401 ***",
        "*** Using Zephyr OS v3.7.99-0bc3393fb112 ***",
    ],
    "2.9": [
        "*** Booting nRF Connect SDK v2.9.0-7787b2649840 ***",
        "*** Using Zephyr OS v3.7.99-1f8f3dc29142 ***",
    ],
    "3.0": [
        "*** Booting nRF Connect SDK v3.0.0-3bfc46578e42 ***",
        "*** Using Zephyr OS v4.0.99-a0e545cb437a ***",
    ],
    "3.2": [
        "*** Booting nRF Connect SDK v3.2.1-d8887f6f32df ***",
        "*** Using Zephyr OS v4.2.99-ec78104f1569 ***",
    ],
}
WITHOUT_LEVELS = {"2.3", "2.6", "2.7"}
LEVELS = {ncs: ("", "", "") if ncs in WITHOUT_LEVELS else ("I: ", "W: ", "E: ") for ncs in BANNERS}
# Releases whose NSIB looks at the counter of a firmware's version with a line for it.
SAYS_THAT_IT_READS = {"2.9", "3.0", "3.2"}


def test_every_release_has_a_case() -> None:
    assert set(BANNERS) == set(RELEASES)


@pytest.mark.parametrize("ncs", RELEASES)
def test_in_each_release_a_good_boot(ncs: str) -> None:
    board = Board("nsib", ncs=ncs)
    board.put(0, 14)
    info, _, _ = LEVELS[ncs]
    first, last = key_hash("nsib")[0], key_hash("nsib")[15]

    assert board.boot() == Jump(0x8200)
    assert board.lines == [
        *BANNERS[ncs],
        *attempt(0),
        *(["I: Trying to get Firmware version"] if ncs in SAYS_THAT_IT_READS else []),
        f"{info}Verifying signature against key 0.",
        f"{info}Hash: 0x{first:02x}...{last:02x}",
        f"{info}Firmware signature verified.",
        "Firmware version 14",
        f"{info}Setting monotonic counter (version: 14, slot: 0)",
        *([""] if ncs == "2.8" else []),
    ]


@pytest.mark.parametrize("ncs", RELEASES)
def test_in_each_release_versions_are_counted_unless_it_is_an_option(ncs: str) -> None:
    board = Board("nsib", ncs=ncs, rollback_protection=None)
    board.put(0, 14)
    assert board.boot() == Jump(0x8200)
    assert any("monotonic counter" in line for line in board.lines) == (ncs != "3.2")


@pytest.mark.parametrize("ncs", RELEASES)
def test_in_each_release_an_unknown_key(ncs: str) -> None:
    board = Board("nsib", ncs=ncs)
    board.put(0, 14, key="other")
    _, warning, error = LEVELS[ncs]

    assert isinstance(board.boot(), Halt)
    assert board.lines[-6:-2] == [
        f"{warning}Public key didn't match, try next.",
        f"{error}Failed to validate signature.",
        "Failed to validate, permanently invalidating!",
        "Attempting to boot slot 1.",
    ]


@pytest.mark.parametrize(
    ("ncs", "line"),
    [
        ("2.3", "Firwmare has been invalidated: 0x91020000."),
        ("2.6", "Firwmare has been invalidated: 0x91020000."),
        ("2.7", "Firwmare has been invalidated: 0x91020000."),
        ("2.8", "E: Firmware has been invalidated: 0x91020000."),
        ("2.9", "E: Firmware has been invalidated: 0x91020000."),
        ("3.0", "E: Firmware has been invalidated: 0x91020000."),
        ("3.2", "E: Firmware has been invalidated: 0x91020000."),
    ],
)
def test_in_each_release_the_spelling_of_an_invalidated_firmware(ncs: str, line: str) -> None:
    board = Board("nsib", ncs=ncs)
    board.put(0, 14, edit=set_fw_info(VALID, 0x91020000))

    board.boot()

    assert board.lines[len(BANNERS[ncs]) + 2] == line


@pytest.mark.parametrize("ncs", RELEASES)
def test_in_each_release_a_used_up_counter(ncs: str) -> None:
    board = Board("nsib", counter_slots=2, ncs=ncs)
    for version in (1, 2):
        board.put(0, version)
        board.boot()
    board.put(0, 3)
    info, _, error = LEVELS[ncs]

    end = board.boot()

    failed = f"{error}Failed during setting the monotonic counter, error: -12"
    setting = f"{info}Setting monotonic counter (version: 3, slot: 0)"
    at = board.lines.index(setting)
    assert board.lines[at + 1 :] == [
        *([""] if ncs == "2.8" else []),
        failed,
        *([*NOTHING_IN_S1, NOTHING] if ncs == "3.2" else []),
    ]
    # Before 3.2 a counter that is used up keeps nothing from booting.
    assert isinstance(end, Halt if ncs == "3.2" else Jump)
    assert struct.unpack("<H", board.flash.read(0xFF8100 + 0x34 + 20 + 10, 2)) == (0xFFFF & ~5,)

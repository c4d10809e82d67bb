"""NSIB over real flash content: every branch with its literal lines, in order."""

import functools
import itertools
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.boards.soc import NSIB_SOC
from pytest_nrf_fota.firmware.description import McubootDescription, NsibDescription
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.payload import FW_INFO_OFFSET_BYTES, build_payload
from pytest_nrf_fota.firmware.provisioning import (
    ADDRESSES_OFFSET_BYTES,
    CounterKind,
    build_provisioning,
)
from pytest_nrf_fota.firmware.validation_info import (
    STRUCT,
    provisioned_key_hash,
    raw_public_key,
    sign_for_nsib,
)
from pytest_nrf_fota.sim.boot.nsib import run_nsib
from pytest_nrf_fota.sim.boot.stage import Halt, Hardware, Jump, NsibSlots, Place, SlotMap, StageEnd
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import CutMoment, Flash, PowerCut, PowerLostError
from pytest_nrf_fota.sim.memories import memories_of
from tests.unit.ext_api_lists import Request, add_ext_apis

BANNER = "*** Booting Zephyr OS build v3.2.99-ncs2 ***"
SLOT_ADDRESSES = (0x8000, 0x18000)
SLOT_BYTES = 0xC200
PROVISIONING = 0xFF8100
FIRMWARE_BYTES = 0x800

SLOTS = SlotMap(
    primary=Place(0x28000, 0xD8000),
    secondary=Place(0x10000000, 0xD8000),
    nsib=NsibSlots(
        Place(SLOT_ADDRESSES[0], SLOT_BYTES), Place(SLOT_ADDRESSES[1], SLOT_BYTES), PROVISIONING
    ),
)

# Offsets of the struct's fields (fw_info_bare.h).
TOTAL_SIZE, SIZE, ADDRESS, BOOT_ADDRESS, VALID = 12, 16, 24, 28, 32
VALID_WORD = 0x9102FFFF
BURNT_VALID_WORD = 0x91020000

Edit = Callable[[bytearray], None]


@functools.cache
def key_hash(name: str) -> bytes:
    return provisioned_key_hash(raw_public_key(signing_key_for_tests(name).public_key()))


def set_fw_info(field: int, value: int) -> Edit:
    return lambda data: struct.pack_into("<I", data, FW_INFO_OFFSET_BYTES + field, value)


def set_reset_handler(address: int) -> Edit:
    return lambda data: struct.pack_into("<I", data, 4, address)


def no_edit(data: bytearray) -> None:
    pass


class Board:
    """Flash of a kit and what NSIB prints about it."""

    def __init__(
        self,
        *keys: str,
        counter_slots: int = 240,
        keep_last_line: bool = False,
        ncs: str = "2.3",
        rollback_protection: bool | None = True,
    ) -> None:
        self._profile = RELEASES[ncs].with_rollback_protection(rollback_protection)
        self.flash = Flash(memories_of(NSIB_SOC, None), VirtualClock())
        self.lines: list[str] = []
        self._hardware = Hardware(
            self.flash, SLOTS, self.lines.append, keep_last_line=keep_last_line
        )
        if keys:
            hashes = tuple(key_hash(name) for name in keys)
            words = self._profile.nsib.key_words
            data = build_provisioning(*SLOT_ADDRESSES, hashes, counter_slots, words)
            self._write(PROVISIONING + ADDRESSES_OFFSET_BYTES, data)

    def put(
        self,
        slot: int,
        version: int,
        *,
        key: str = "nsib",
        edit: Edit = no_edit,
        vouched_address: int | None = None,
        gap_bytes: int = 0,
    ) -> None:
        """Program a firmware; `edit` changes it before it is signed."""
        address = SLOT_ADDRESSES[slot] + 0x200
        firmware = bytearray(
            build_payload(address, FIRMWARE_BYTES, McubootDescription(), fw_info_version=version)
        )
        edit(firmware)
        vouched = address if vouched_address is None else vouched_address
        validation = sign_for_nsib(bytes(firmware), vouched, signing_key_for_tests(key))
        self.flash.erase(SLOT_ADDRESSES[slot], 0xD000)
        self._write(address, bytes(firmware) + b"\xff" * gap_bytes + validation.pack())

    def put_nsib(self, binary: bytes) -> None:
        self._write(0, binary)

    def remove(self, slot: int) -> None:
        self.flash.erase(SLOT_ADDRESSES[slot], 0xD000)

    def valid_word(self, slot: int) -> int:
        return self.word(SLOT_ADDRESSES[slot] + 0x400 + VALID)

    def word(self, address: int) -> int:
        return int.from_bytes(self.flash.read(address, 4), "little")

    def halfwords(self, num_keys: int, count: int) -> list[int]:
        """The first slots of the monotonic counter."""
        address = PROVISIONING + 0x34 + 20 * num_keys + 8
        return list(struct.unpack(f"<{count}H", self.flash.read(address, 2 * count)))

    def counter_version(self) -> int:
        """As NSIB reads it: the highest value before the first free slot."""
        used = itertools.takewhile(lambda value: value != 0xFFFF, self.halfwords(1, 240))
        return max((~value & 0xFFFF) >> 1 for value in used)

    def boot_and_cut_after(self, operations: int, moment: CutMoment) -> bool:
        """Cut at the operation behind so many; False where the boot needs no more than that."""
        self.flash.power_cut = PowerCut(len(self.flash.operations) + operations + 1, moment)
        try:
            self.boot()
        except PowerLostError:
            return True
        else:
            return False
        finally:
            self.flash.power_cut = None
            self.flash.has_power = True

    def boot(self) -> StageEnd:
        self.lines.clear()
        return run_nsib(self._hardware, self._profile)

    def _write(self, address: int, data: bytes) -> None:
        self.flash.write(address, data + b"\xff" * (-len(data) % 4))


def attempt(slot: int) -> list[str]:
    return [
        f"Attempting to boot slot {slot}.",
        f"Attempting to boot from address 0x{SLOT_ADDRESSES[slot] + 0x200:x}.",
    ]


def verifying(index: int, key: str) -> list[str]:
    first, last = key_hash(key)[0], key_hash(key)[15]
    return [f"Verifying signature against key {index}.", f"Hash: 0x{first:02x}...{last:02x}"]


def booted(slot: int, version: int) -> list[str]:
    return [
        *attempt(slot),
        *verifying(0, "nsib"),
        "Firmware signature verified.",
        f"Firmware version {version}",
    ]


INVALIDATING = "Failed to validate, permanently invalidating!"
NOTHING_IN_S1 = ["Attempting to boot slot 1.", "No fw_info struct found."]
NOTHING = "No bootable image found. Aborting boot."


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


class TestMonotonicCounter:
    def test_slots_hold_version_and_slot_inverted(self) -> None:
        board = Board("nsib")
        board.put(0, 14)
        board.boot()
        assert board.halfwords(1, 3) == [~(14 << 1 | 1) & 0xFFFF, 0xFFFF, 0xFFFF]

        board.put(1, 15)
        board.boot()

        assert board.lines[-1] == "Setting monotonic counter (version: 15, slot: 1)"
        assert board.halfwords(1, 3) == [
            ~(14 << 1 | 1) & 0xFFFF,
            ~(15 << 1) & 0xFFFF,
            0xFFFF,
        ]

    def test_the_same_version_again_changes_nothing(self) -> None:
        board = Board("nsib")
        board.put(0, 14)
        board.boot()
        operations = len(board.flash.operations)

        assert board.boot() == Jump(0x8200)
        assert board.lines == [BANNER, *booted(0, 14)]
        assert len(board.flash.operations) == operations

    def test_a_version_below_the_counter_is_burnt(self) -> None:
        board = Board("nsib")
        board.put(1, 15)
        board.boot()
        board.remove(1)
        board.put(0, 14)

        assert isinstance(board.boot(), Halt)
        assert board.lines == [
            BANNER,
            *attempt(0),
            "Firmware version (14) is smaller than monotonic counter (15).",
            INVALIDATING,
            *NOTHING_IN_S1,
            NOTHING,
        ]
        assert board.valid_word(0) == BURNT_VALID_WORD

    def test_a_counter_that_is_used_up_is_reported_and_the_firmware_boots(self) -> None:
        board = Board("nsib", counter_slots=2)
        for version in (1, 2):
            board.put(0, version)
            board.boot()
        board.put(0, 3)

        assert board.boot() == Jump(0x8200)
        assert board.lines == [
            BANNER,
            *booted(0, 3),
            "Setting monotonic counter (version: 3, slot: 0)",
            "Failed during setting the monotonic counter, error: -12",
        ]
        assert board.halfwords(1, 2) == [~(1 << 1 | 1) & 0xFFFF, ~(2 << 1 | 1) & 0xFFFF]

    def test_a_counter_that_was_not_provisioned_counts_as_0(self) -> None:
        board = Board("nsib", counter_slots=0)
        board.put(0, 14)

        assert board.boot() == Jump(0x8200)
        assert board.lines == [
            BANNER,
            *attempt(0),
            "Cannot read the firmware version. -22",
            "We assume this is due to the firmware version not being enabled.",
            *verifying(0, "nsib"),
            "Firmware signature verified.",
            "Firmware version 14",
            "Failed to read the monotonic counter!",
            "We assume this is due to the firmware version not being enabled.",
            "Setting monotonic counter (version: 14, slot: 0)",
            "Failed during reading of the number of the counter slots, error: -22",
        ]

    @pytest.mark.parametrize(
        ("slot_count", "said"),
        [
            (0, "Monotonic version counter is disabled."),
            (0xFFFF, "Failed during reading of the number of the counter slots, error: -22"),
        ],
    )
    def test_a_counter_without_slots(self, slot_count: int, said: str) -> None:
        """As machine code of NCS 2.5.0 says it; a blank number is none (bl_storage.c)."""
        board = Board("nsib", counter_slots=20)
        board.put(0, 14)
        described = struct.pack("<HH", CounterKind.NSIB_FIRMWARE.value, 20)
        otp = board.flash.read(PROVISIONING, 0x200)
        place = PROVISIONING + otp.index(described) + 2
        board.flash.load(place, struct.pack("<H", slot_count))

        assert board.boot() == Jump(0x8200)
        assert board.lines[-1] == said


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


class TestCounterCut:
    """Power is cut while the counter is raised, at every operation and moment."""

    @pytest.mark.parametrize("moment", CutMoment)
    def test_the_firmware_still_boots_and_the_counter_never_falls(self, moment: CutMoment) -> None:
        operations = 0
        while True:
            board = Board("nsib")
            board.put(0, 14)
            board.boot()
            board.put(1, 15)
            if not board.boot_and_cut_after(operations, moment):
                break

            assert board.counter_version() in (14, 15)
            assert board.boot() == Jump(0x18200)
            assert board.counter_version() == 15
            slots = board.halfwords(1, 4)
            assert slots[0] == ~(14 << 1 | 1) & 0xFFFF
            operations += 1
        assert operations == 1

    @pytest.mark.parametrize("moment", CutMoment)
    def test_the_old_firmware_is_refused_once_the_counter_is_raised(
        self, moment: CutMoment
    ) -> None:
        board = Board("nsib")
        board.put(0, 14)
        board.boot()
        board.put(1, 15)
        assert board.boot_and_cut_after(0, moment)
        board.remove(1)
        raised = board.counter_version() == 15
        # The new value lies in the upper half of its word, which a cut write has not reached.
        assert raised == (moment is CutMoment.AFTER)

        assert isinstance(board.boot(), Halt) == raised

    @given(bits_left=st.integers(0, 0xFFFF))
    @settings(deadline=None)
    def test_any_bits_of_the_new_value_may_be_missing(self, bits_left: int) -> None:
        """Values are stored inverted: a bit that was not written makes the value smaller."""
        board = Board("nsib")
        board.put(0, 14)
        board.boot()
        board.put(1, 15)
        torn = (~(15 << 1) | bits_left) & 0xFFFF
        board.flash.write(PROVISIONING + 0x34 + 20 + 8, struct.pack("<HH", 0xFFFF, torn))
        assert board.counter_version() in (14, 15)

        assert board.boot() == Jump(0x18200)
        assert board.counter_version() == 15

    @pytest.mark.parametrize("moment", CutMoment)
    def test_a_cut_while_a_firmware_is_burnt_leaves_the_other_one(self, moment: CutMoment) -> None:
        board = Board("nsib")
        board.put(0, 14)
        board.boot()
        board.put(1, 15, key="other")
        assert board.boot_and_cut_after(0, moment)

        assert board.boot() == Jump(0x8200)
        assert board.counter_version() == 14

    @pytest.mark.parametrize("moment", CutMoment)
    def test_a_cut_while_a_lower_key_is_invalidated(self, moment: CutMoment) -> None:
        board = Board("old", "nsib")
        board.put(0, 14)
        assert board.boot_and_cut_after(0, moment)

        assert board.boot() == Jump(0x8200)
        assert board.word(PROVISIONING + 0x34) == 0xFFFF0000


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

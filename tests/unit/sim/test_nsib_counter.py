"""NSIB's monotonic counter: what is read, stored, and kept where the power is cut."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.firmware.provisioning import (
    CounterKind,
)
from pytest_nrf_fota.sim.boot.stage import Halt, Jump
from pytest_nrf_fota.sim.flash import CutMoment
from tests.unit.sim.nsib_board import (
    BANNER,
    BURNT_VALID_WORD,
    INVALIDATING,
    NOTHING,
    NOTHING_IN_S1,
    PROVISIONING,
    Board,
    attempt,
    booted,
    verifying,
)


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

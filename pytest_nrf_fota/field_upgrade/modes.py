"""Choices of `nrf-fota upgrade`, which its help lists."""

from enum import Enum


class Mode(Enum):
    """What becomes of an application after its first boot, in the words of Nordic's Device Manager.

    A bootloader is always permanent.
    """

    TEST_AND_CONFIRM = "test-and-confirm"
    TEST_ONLY = "test-only"
    CONFIRM_ONLY = "confirm-only"


class SSlot(Enum):
    """The slot that NSIB starts."""

    S0 = "s0"
    S1 = "s1"

    @property
    def number(self) -> int:
        """0 or 1."""
        return 0 if self is SSlot.S0 else 1

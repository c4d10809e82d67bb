"""NCS's clean-up of secondary slots with images that no pair takes (loader.c, sec_slot_...).

CONFIG_MCUBOOT_CLEANUP_UNUSABLE_SECONDARY of sdk-mcuboot v2.0.99-ncs1 and later.
"""

from collections.abc import Sequence
from enum import Enum

from pytest_nrf_fota.sim.boot.image_pair import ImagePair
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootSetup
from pytest_nrf_fota.sim.flash import FlashArea


class _Use(Enum):
    """Whether an image pair wanted what the secondary slot holds."""

    UNWANTED = "an image that no pair took"
    TAKEN = "an image that a pair took"


class SecondaryUses:
    """What was seen in the secondary slots, by address: with NSIB two pairs share one."""

    def __init__(self) -> None:
        self._uses: dict[int, _Use] = {}

    def see(self, secondary: FlashArea) -> None:
        """An image lies there, which a pair may take or may have taken."""
        self._uses.setdefault(secondary.address, _Use.UNWANTED)

    def take(self, secondary: FlashArea) -> None:
        """A pair takes the image."""
        self._uses[secondary.address] = _Use.TAKEN

    def forget(self, secondary: FlashArea) -> None:
        """No image lies there any more."""
        del self._uses[secondary.address]

    def is_unwanted(self, secondary: FlashArea) -> bool:
        """Whether an image lies there that no pair took."""
        return self._uses.get(secondary.address) is _Use.UNWANTED


def clean_up_unusable_secondary(
    setup: McubootSetup, pairs: Sequence[ImagePair], uses: SecondaryUses
) -> None:
    """Erase the secondary slots whose image no pair took, in builds that do so."""
    if (
        setup.profile.cleaned_up_line is None
        or not setup.build.description.cleans_up_unusable_secondary
    ):
        return
    for pair in pairs:
        if not uses.is_unwanted(pair.secondary):
            continue
        if not setup.profile.clean_up_counts_each_image:
            uses.forget(pair.secondary)
        pair.secondary.erase_all()
        say_cleaned_up(setup, pair)


def say_cleaned_up(setup: McubootSetup, pair: ImagePair) -> None:
    """Print that a secondary slot was erased, in releases that know the clean-up."""
    line = setup.profile.cleaned_up_line
    if line is not None:
        setup.log(f"E: {line.format(image=pair.number)}")

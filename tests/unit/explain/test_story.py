"""Whether an upgrade happened, and what kind of no it is."""

import pytest

from pytest_nrf_fota.bootlog.report import Upgraded
from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.upgrade_story import SENTENCES, Ending, upgrade_story

_NSIB = """\
*** Booting Zephyr OS build v3.2.99-ncs2 ***
Attempting to boot slot {slot}.
Attempting to boot from address 0x8200.
Verifying signature against key 0.
Hash: 0x7f...07
Firmware signature verified.
Firmware version {version}
"""
_COPY = """\
*** Booting Zephyr OS build v3.2.99-ncs2 ***
I: Starting bootloader
I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
I: Secondary image: magic=good, swap_type=0x3, copy_done=0x3, image_ok=0x1
I: Boot source: none
I: Image index: 1, Swap type: perm
I: Starting swap using move algorithm.
I: Bootloader chainload address offset: 0x28000
*** Booting Zephyr OS build v3.2.99-ncs2 ***
[00:00:00.030,273] <inf> app: running
"""
_SWAP = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
I: Boot source: none
I: Image index: 0, Swap type: test
I: Starting swap using move algorithm.
"""
_REST = """\
I: Bootloader chainload address offset: 0xc000
I: Jumping to the first image slot
*** Booting nRF Connect SDK v2.5.2 ***
[00:00:00.030,273] <inf> app: running
"""
_NOTHING = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: none
"""
_REFUSED = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: test
E: Image in the secondary slot is not valid!
"""
_CONFIRMED = "[00:00:05.000,000] <inf> app_smp_svr: Marked image as OK\n"
_LOGS = {
    Ending.UPGRADED: _SWAP + _REST + _CONFIRMED,
    Ending.TESTED: _SWAP + _REST,
    Ending.CUT: _SWAP,
    Ending.REFUSED: _REFUSED + _REST,
    Ending.NOT_ATTEMPTED: _NOTHING + _REST,
    Ending.NEEDS_RESET: _NSIB.format(slot=0, version=14) + _COPY,
    Ending.NOT_CHOSEN: _NSIB.format(slot=0, version=14) + _COPY + _NSIB.format(slot=0, version=14),
    Ending.NO_BOOT: _NOTHING + "E: Unable to find bootable image\n",
    Ending.UNKNOWN: "[00:00:00.030,273] <inf> app: running\n",
}


@pytest.mark.parametrize("ending", _LOGS, ids=lambda ending: ending.name)
def test_ending(ending: Ending) -> None:
    """Each log ends as it should."""
    assert upgrade_story(case_of_text(_LOGS[ending])).ending is ending


def test_new_mcuboot_that_nsib_starts_is_an_upgrade() -> None:
    """The opposite of NEEDS_RESET and NOT_CHOSEN."""
    log = _NSIB.format(slot=0, version=14) + _COPY + _NSIB.format(slot=1, version=15)
    story = upgrade_story(case_of_text(log))
    assert (story.ending, story.happened) == (Ending.UPGRADED, Upgraded.YES)


def test_board_without_an_application_refused_nothing() -> None:
    """Between flashing MCUboot and the application there is nothing to start."""
    log = _NOTHING + "E: Unable to find bootable image\n" + _NOTHING + _REST
    assert upgrade_story(case_of_text(log)).ending is Ending.NOT_ATTEMPTED


def test_application_swap_on_a_board_with_nsib_is_no_copy() -> None:
    """NCS 2.3 names no image: the application's pair comes first, and is decided."""
    pair = """\
I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
I: Secondary image: magic=good, swap_type=0x3, copy_done=0x3, image_ok=0x1
I: Boot source: none
"""
    start = _NSIB.format(slot=0, version=14) + "I: Starting bootloader\n"
    swap = "I: Swap type: perm\nI: Starting swap using move algorithm.\n"
    for_app = start + pair + "I: Swap type: perm\n" + pair + swap + _REST
    assert upgrade_story(case_of_text(for_app)).ending is Ending.UPGRADED
    for_mcuboot = start + pair + pair + swap + _REST
    assert upgrade_story(case_of_text(for_mcuboot)).ending is Ending.NEEDS_RESET


def test_refusal_behind_an_upgrade_counts() -> None:
    """The last attempt is what somebody asks about."""
    assert upgrade_story(case_of_text(_SWAP + _REST + _REFUSED + _REST)).happened is Upgraded.NO


def test_upgrade_behind_a_refusal_counts() -> None:
    """The other way round, too."""
    assert upgrade_story(case_of_text(_REFUSED + _REST + _SWAP + _REST)).happened is Upgraded.YES


_LIST = """\
Image
   slot: 0
   version: {active}
   hash: {first}
   pending: false
   confirmed: {confirmed}
   active: true
Image
   slot: 1
   version: {other}
   hash: {second}
   pending: false
   confirmed: false
   active: false
"""
_OLD = "b9f9f450cf5674a58a5bf2d99afe56f145c5e17e0dbb771c5abbf26610af0a05"
_NEW = "631f61740f3ecf5955570a9b608364555df93af1f3fd0250e7ed9433dd9f97ab"


def test_another_image_is_active_in_the_second_list() -> None:
    """A client alone proves it: the hash of the active slot changed."""
    before = _LIST.format(active="1.0.0", other="1.1.0", first=_OLD, second=_NEW, confirmed="true")
    after = _LIST.format(active="1.1.0", other="1.0.0", first=_NEW, second=_OLD, confirmed="true")
    assert upgrade_story(case_of_text("", before + after)).ending is Ending.UPGRADED
    assert upgrade_story(case_of_text("", before + before)).ending is Ending.NOT_MARKED
    assert upgrade_story(case_of_text("", before + after + before)).ending is Ending.REVERTED


def test_older_image_beside_the_active_one_proves_nothing() -> None:
    """After an upgrade the old image stays in slot 1, unmarked, as an upload does."""
    after = _LIST.format(active="1.1.0", other="1.0.0", first=_NEW, second=_OLD, confirmed="true")
    assert upgrade_story(case_of_text("", after)).happened is Upgraded.UNKNOWN


def test_every_ending_has_its_sentence() -> None:
    """None is printed by its name."""
    assert set(SENTENCES) == set(Ending)

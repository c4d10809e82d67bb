"""Whether an upgrade happened, and what kind of no it is."""

import pytest

from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.upgrade_story import SENTENCES, upgrade_story
from pytest_nrf_fota.verdict.ending import Ending, Upgraded

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
    Ending.ON_TRIAL: _SWAP + _REST,
    Ending.TESTED: _SWAP + _REST + "[00:00:01.000,000] <wrn> main: Image not confirmed\n",
    Ending.NOT_HEARD: _SWAP + "I: Bootloader chainload address offset: 0xc000\n",
    Ending.CUT: _SWAP,
    Ending.REFUSED: _REFUSED + _REST,
    Ending.NOT_ATTEMPTED: _NOTHING + _REST,
    Ending.NEEDS_RESET: _NSIB.format(slot=0, version=14) + _COPY,
    Ending.NOT_CHOSEN: _NSIB.format(slot=0, version=14) + _COPY + _NSIB.format(slot=0, version=14),
    Ending.NO_BOOT: _NOTHING + "E: Unable to find bootable image\n",
    Ending.GIVEN_UP: _SWAP + _NOTHING + _REST,
    Ending.SPOILT: _SWAP + _NOTHING + "E: Unable to find bootable image\n",
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
    assert (story.ending, story.happened) == (Ending.NOT_HEARD, Upgraded.UNKNOWN)
    story = upgrade_story(case_of_text(log + _NOTHING + _REST))
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


def test_refusal_behind_a_revert_counts() -> None:
    """The revert was of the attempt before."""
    revert = _SWAP.replace("Swap type: test", "Swap type: revert")
    assert upgrade_story(case_of_text(_SWAP + _REST + revert + _REST)).ending is Ending.REVERTED
    log = _SWAP + _REST + revert + _REST + _REFUSED + _REST
    assert upgrade_story(case_of_text(log)).ending is Ending.REFUSED


def test_resumed_swap_that_began_before_the_log_proves_nothing() -> None:
    """It may be the old image that comes back."""
    resumed = _SWAP.replace("I: Boot source: none\nI: Image index: 0, Swap type: test\n", "")
    story = upgrade_story(case_of_text(resumed + _REST))
    assert (story.ending, story.happened) == (Ending.UNKNOWN, Upgraded.UNKNOWN)


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


_OTHER_LOGS = {
    # MCUboot swapped, and then no image passes its check.
    "swapped to nothing": (
        Ending.NO_BOOT,
        _SWAP + "E: Image in the primary slot is not valid!\nE: Unable to find bootable image\n",
    ),
    # The application's copy was done, the network core's was not.
    "network core refused": (
        Ending.REFUSED,
        """\
*** Booting MCUboot v2.1.0 ***
I: Starting bootloader
I: Image index: 1, Swap type: test
I: Image 1 upgrade secondary slot -> primary slot
I: Erasing the primary slot
I: Image 1 copying the secondary slot to the primary slot: 0x4ef4 bytes
I: Turned on network core
E: Network core update failed
"""
        + _REST,
    ),
    # Releases before 2022 announce neither a swap nor that they resume one.
    "resumed in silence": (
        Ending.ON_TRIAL,
        """\
*** Booting Zephyr OS build v2.1.99-ncs1 ***
[00:00:00.004,028] <inf> mcuboot: Starting bootloader
[00:00:00.010,284] <inf> mcuboot: Primary image: magic=good, copy_done=0x1, image_ok=0x1
[00:00:00.020,324] <inf> mcuboot: Boot source: none
[00:00:00.025,817] <inf> mcuboot: Swap type: test
*** Booting Zephyr OS build v2.1.99-ncs1 ***
[00:00:00.004,608] <inf> mcuboot: Starting bootloader
[00:00:00.012,695] <inf> mcuboot: Primary image: magic=good, copy_done=0x3, image_ok=0x3
[00:00:00.025,665] <inf> mcuboot: Boot source: primary slot
[00:00:22.990,783] <inf> mcuboot: Bootloader chainload address offset: 0xc000
*** Booting Zephyr OS build v2.1.99-ncs1 ***
[00:00:00.010,000] <inf> app: running
""",
    ),
    # The banner holds a commit's hash, so whether swaps are announced is not known.
    "hash in the banner": (
        Ending.ON_TRIAL,
        """\
*** Booting Zephyr OS build 186cf4539e5a  ***
I: Starting bootloader
I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
I: Swap type: test
I: Bootloader chainload address offset: 0x10000
*** Booting Zephyr OS build 186cf4539e5a  ***
""",
    ),
    "port without Zephyr": (
        Ending.NOT_HEARD,
        """\
hello sbl.
Bootloader Version 2.1.0
Image index: 0, Swap type: none
Bootloader chainload address offset: 0x40000
Jumping to the image
$ reboot
hello sbl.
Bootloader Version 2.1.0
Image index: 0, Swap type: perm
Image 0 upgrade secondary slot -> primary slot
Image 0 copying the secondary slot to the primary slot: 0x7930 bytes
erasing secondary header
erasing secondary trailer
""",
    ),
    "flash remap, first start": (
        Ending.UPGRADED,
        """\
Bootloader Version 2.2.0
Primary   slot: version=1.0.0+1000
Secondary slot: version=1.2.0+1000
writing copy_done; fa_id=1 off=0x1fffe0 (0x43ffe0)
Image 0 loaded from the secondary slot
Bootloader chainload address offset: 0x240000
Jumping to the image
""",
    ),
    "newer slot, no telling when": (
        Ending.UNKNOWN,
        """\
I: Starting Direct-XIP bootloader
I: Primary   slot: version=1.0.0+0
I: Secondary slot: version=1.2.0+0
I: Image 0 loaded from the secondary slot
"""
        + _REST,
    ),
    "RAM_LOAD without an application's banner": (
        Ending.NOT_ATTEMPTED,
        """\
[INF] Starting bootloader
[INF] Primary   slot: version=2.3.0+0
[INF] Image 0 secondary slot: image not found
[INF] Image 0 loaded from the primary slot
[INF] Jumping to the first image slot
""",
    ),
    "test image, as the shell says": (Ending.TESTED, "uart:~$ mcuboot\nswap type: revert\n"),
    "confirmed in the shell": (
        Ending.UPGRADED,
        "uart:~$ mcuboot\nswap type: revert\nconfirmed: 0\nuart:~$ mcuboot confirm\n"
        "uart:~$ mcuboot\nswap type: none\nconfirmed: 1\n",
    ),
    "a revert that the log does not show to its end": (
        Ending.REVERTED,
        "[INF] Image index: 0, Swap type: test\n[INF] Starting swap using scratch algorithm\n"
        "[INF] Image index: 0, Swap type: revert\n[INF] Starting swap using scratch algorithm\n",
    ),
    "the port for ESP32": (
        Ending.ON_TRIAL,
        "ESP-ROM:esp32s3-20210327\nI (95) boot: Image index: 0, Swap type: test\n"
        "I (16434) boot: Loading image 0 - slot 0 from flash, area id: 2\n"
        "*** Booting Zephyr OS build v4.2.0 ***\n",
    ),
    "a hook instead of a decision": (
        Ending.NO_SIGN,
        "I: Starting bootloader\nI: hook: image 0 slot 0 verified\n"
        "I: Jumping to the first image slot\nhello\n",
    ),
    "scheduled, not reset": (
        Ending.NOT_RESET,
        "[00:01:22.857,238] <inf> dfu_target_mcuboot: MCUBoot image upgrade scheduled. "
        "Reset the device to apply\n",
    ),
    "the board could not mark": (
        Ending.CLIENT_FAILED,
        "<err> mcumgr_img_grp: Failed boot_set_next with code 3, for slot 1, with active slot 0 "
        "and confirm 0\n",
    ),
}


@pytest.mark.parametrize("name", _OTHER_LOGS)
def test_other_wordings(name: str) -> None:
    """What other releases, ports and inputs say."""
    ending, log = _OTHER_LOGS[name]
    assert upgrade_story(case_of_text(log)).ending is ending


_LIST_IN_LOG = """\
Images:
 image=0 slot=0
    version: 1.0.0
    flags: active confirmed
    hash: {old}
 image=0 slot=1
    version: 1.0.1
    flags: pending
    hash: {new}
"""


def test_list_in_the_boards_log_counts_behind_the_boot() -> None:
    """What was pending before a boot says nothing about it; what is pending since waits."""
    listed = _LIST_IN_LOG.format(old=_OLD, new=_NEW)
    boot = _NOTHING + "I: Jumping to the first image slot\n*** Booting Zephyr OS build v3.4.0 ***\n"
    assert upgrade_story(case_of_text(boot + listed)).ending is Ending.NOT_RESET
    assert upgrade_story(case_of_text(listed + boot)).ending is not Ending.NOT_RESET


def test_an_image_that_mcuboot_looked_past_does_not_wait_for_a_reset() -> None:
    """It is pending behind that boot as well."""
    listed = _LIST_IN_LOG.format(old=_OLD, new=_NEW)
    boot = (
        "Attempting to boot slot 0.\nFirmware version 1\nBooting (0x8200).\n"
        "*** Booting Zephyr OS build v3.4.0 ***\nI: Starting bootloader\n"
        "I: Secondary image: magic=good, swap_type=0x3, copy_done=0x3, image_ok=0x1\n"
        "I: Boot source: none\nI: Jumping to the first image slot\n"
        "*** Booting Zephyr OS build v3.4.0 ***\n"
    )
    assert upgrade_story(case_of_text(boot + listed)).ending is Ending.REFUSED


def test_every_ending_has_its_sentence() -> None:
    """None is printed by its name."""
    assert set(SENTENCES) == set(Ending)

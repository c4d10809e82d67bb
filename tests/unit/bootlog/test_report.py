"""What is read from boot logs, on lines that real boards printed."""

import pytest

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot
from tests.unit.boot_lines import Patterns, boots_of, stages_of

_BANNER = "*** Booting Zephyr OS build v3.2.99-ncs2 ***\n"
_NSIB = f"""{_BANNER}Attempting to boot slot 0.
Attempting to boot from address 0x8200.
Verifying signature against key 0.
Hash: 0xb4...42
Firmware signature verified.
Firmware version 14
"""
_UNSET = "magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3"
_MCUBOOT = f"""{_BANNER}I: Starting bootloader 14
I: Primary image: {_UNSET}
I: Secondary image: {_UNSET}
I: Boot source: none
I: Swap type: none
I: Bootloader chainload address offset: 0x28000
"""
_APP = f"""{_BANNER}[00:00:00.030,242] <inf> bt_hci_core: hci_vs_init: HW Platform: Nordic
[00:00:00.032,348] <inf> bt_hci_core: bt_dev_show_info: Identity: F2:7C:B6:5D:C3:74 (random)
Bluetooth initialized
Advertising successfully started
build time: May  7 2024 a 09:26:26
"""
_SESSION = """Connected
[00:02:29.361,358] <inf> mcuboot_util: boot_swap_type_multi: Swap type: none
[00:02:35.721,282] <inf> mcumgr_img_mgmt: img_mgmt_erase_image_data: Erased 0xa000 bytes
"""
_NEW_BANNERS = """*** Booting MCUboot ee39e2d694bd ***
*** Using Zephyr OS build 684c9e8f32e4 ***
I: Starting bootloader
"""
_NEW_APP = """I: Bootloader chainload address offset: 0x8000
I: Image version: v1.2.3
I: Jumping to the first image slot
*** Booting Zephyr OS build 684c9e8f32e4 ***
[00:00:00.003,453] <inf> smp_sample: build time: UPGRADED v1.2.3+4 OK
"""
_TEST_SWAP = f"""{_NEW_BANNERS}I: Image index: 0, Swap type: test
I: Primary image: {_UNSET}
I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
I: Starting swap using offset algorithm.
I: Image index: 0, Swap type: revert
{_NEW_APP}"""
_REVERT = f"""{_NEW_BANNERS}I: Image index: 0, Swap type: revert
I: Primary image: magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x3
I: Starting swap using offset algorithm.
I: Image index: 0, Swap type: none
{_NEW_APP}"""

_FULL = [Stage.NSIB, Stage.MCUBOOT, Stage.APP]


def _boot(text: str) -> Boot:
    (boot,) = boots_of(text)
    return boot


def _decisions(boot: Boot) -> list[tuple[int | None, str]]:
    assert boot.mcuboot is not None
    return [(one.image, one.swap_type) for one in boot.mcuboot.decisions]


def _stages(text: str) -> list[list[Stage]]:
    return [stages_of(boot) for boot in boots_of(text)]


def test_a_full_boot_is_read() -> None:
    boot = _boot(_NSIB + _MCUBOOT + _APP)
    assert stages_of(boot) == _FULL
    assert boot.nsib_slot == 0
    assert boot.firmware_version == 14
    assert boot.key_hash == "b4...42"
    assert boot.counter_set_to is None
    assert boot.bootloader_version == 14
    assert _decisions(boot) == [(None, "none")]
    assert not boot.swapped
    assert boot.image_version is None
    assert boot.identity_address == "F2:7C:B6:5D:C3:74"
    assert boot.build_time == "May  7 2024 a 09:26:26"
    assert boot.refusals == ()
    assert boot.reached_app
    assert boot.app_ready
    assert [line.text for line in boot.lines] == (_NSIB + _MCUBOOT + _APP).splitlines()
    assert boot.summary() == (
        "NSIB boots slot 0, Firmware version 14, Starting bootloader 14, application runs"
    )


def test_every_line_belongs_to_one_boot() -> None:
    whole = _NSIB + _MCUBOOT + _APP + _SESSION
    boots = boots_of(whole * 3)
    assert len(boots) == 3
    for boot in boots:
        assert [line.text for line in boot.lines] == whole.splitlines()


def test_nsib_that_runs_twice_makes_twoboots_of() -> None:
    first = _NSIB + "Setting monotonic counter (version: 14, slot: 0)\n"
    boots = boots_of(first + _NSIB + _APP)
    assert [stages_of(boot) for boot in boots] == [[Stage.NSIB], [Stage.NSIB, Stage.APP]]
    assert [boot.counter_set_to for boot in boots] == [14, None]
    assert [boot.reached_app for boot in boots] == [False, True]
    assert boots[0].summary().endswith("no application")


def test_a_banner_between_nsib_and_the_application_is_a_silent_mcuboot() -> None:
    text = _NSIB + "*** Booting My Application v2.1.0 ***\n*** Using Zephyr OS v3.6.99 ***\n" + _APP
    boot = _boot(text)
    assert stages_of(boot) == _FULL
    assert boot.stages[1].is_silent
    assert not boot.mcuboot_speaks
    assert "bootloader" not in boot.summary()


def test_mcuboot_without_a_log_still_prints_zephyrs_banner() -> None:
    """As the machine code of NCS 2.5.0 with CONFIG_LOG=n; with one it speaks."""
    banner = "*** Booting nRF Connect SDK  ***\n"
    quiet = _boot(_NSIB + banner + _APP)
    assert quiet.mcuboot is not None
    assert not quiet.mcuboot_speaks
    jump = "I: Starting bootloader\nI: Jumping to the first image slot\n"
    assert _boot(_NSIB + banner + jump + _APP).mcuboot_speaks


def test_a_prompt_before_a_banner_does_not_hide_it() -> None:
    text = _NSIB + _MCUBOOT + _APP + "uart:~$ " + _NSIB + _MCUBOOT + "uart:~$ " + _APP
    assert _stages(text) == [_FULL, _FULL]


@pytest.mark.parametrize("lines_lost", range(1, 7))
def test_a_log_that_starts_in_the_middle_of_nsib(lines_lost: int) -> None:
    text = "".join(_NSIB.splitlines(keepends=True)[lines_lost:]) + _MCUBOOT + _APP
    boot = boots_of(text)[-1]
    assert stages_of(boot)[-2:] == [Stage.MCUBOOT, Stage.APP]
    assert boot.firmware_version == (14 if lines_lost < 6 else None)


@pytest.mark.parametrize("lines_lost", range(1, 7))
def test_a_log_that_starts_in_the_middle_of_mcuboot(lines_lost: int) -> None:
    text = "".join(_MCUBOOT.splitlines(keepends=True)[lines_lost:]) + _APP
    assert _stages(text) == [[Stage.MCUBOOT, Stage.APP]]


def test_lines_of_a_running_application_make_no_boot() -> None:
    assert boots_of(_SESSION + "I: Image index: 0, Swap type: revert\n" + "Identity: soon\n") == ()
    assert boots_of("build time: May  7 2024\nAdvertising successfully started\n") == ()
    assert _stages(_SESSION + _NSIB + _MCUBOOT + _APP) == [_FULL]


def test_a_boot_that_is_still_going_on_is_no_application() -> None:
    assert not _boot(_NSIB).reached_app
    assert not _boot(_NSIB + _BANNER).reached_app
    assert not _boot(_NSIB + _MCUBOOT).reached_app


def test_the_banner_behind_mcuboots_last_line_is_the_applications() -> None:
    assert _stages(_MCUBOOT + _BANNER) == [[Stage.MCUBOOT, Stage.APP]]
    crashed = _MCUBOOT + _BANNER + _MCUBOOT + _APP
    assert _stages(crashed) == [[Stage.MCUBOOT, Stage.APP]] * 2
    crashed = _NEW_BANNERS + _NEW_APP.rpartition("[")[0] + _TEST_SWAP
    assert _stages(crashed) == [[Stage.MCUBOOT, Stage.APP]] * 2


def test_an_application_without_bootloader_boots_with_each_banner() -> None:
    assert _stages(_APP + _APP) == [[Stage.APP], [Stage.APP]]


def test_an_application_may_log_before_its_banner() -> None:
    early = "<inf> board_control: Board configured.\n"
    boot = _boot(_MCUBOOT + "\n" + early + _APP)
    assert stages_of(boot) == [Stage.MCUBOOT, Stage.APP]
    assert boot.app_ready
    assert _stages(_MCUBOOT + early) == [[Stage.MCUBOOT, Stage.APP]]
    assert _stages((_MCUBOOT + early + _APP) * 2) == [[Stage.MCUBOOT, Stage.APP]] * 2


def test_a_driver_that_logs_before_mcuboot_is_done_is_not_the_application() -> None:
    text = _MCUBOOT.replace("I: Boot source", "[00:00:00.2] <inf> spi_nor: 8 MiBy\nI: Boot source")
    assert _stages(text) == [[Stage.MCUBOOT]]
    assert _stages(_NSIB + "[00:00:00.254] <inf> spi_nor: 32 MiBy\n" + _MCUBOOT + _APP) == [_FULL]


def test_a_garbled_banner_is_made_up_by_its_second_line() -> None:
    app = "]mJ*** Using nRF Connect SDK v3.0.0 ***\n[00:00:00.520] <dbg> main: main: started\n"
    assert _stages(_NSIB + app) == [[Stage.NSIB, Stage.APP]]
    assert _stages(app) == [[Stage.APP]]


def test_the_ready_line_shows_the_application_though_its_banner_is_lost() -> None:
    boot = _boot(_NSIB + "Advertising successfully started\n")
    assert stages_of(boot) == [Stage.NSIB, Stage.APP]
    assert boot.app_ready


@pytest.mark.parametrize(
    "start",
    [
        "I: Starting bootloader",
        "I: main: Starting bootloader",
        "[00:00:00.272,430] <inf> mcuboot: Starting bootloader",
        "[MCUBOOT] [INF] main: Starting bootloader",
    ],
)
def test_mcuboot_is_known_in_every_log_format(start: str) -> None:
    boot = _boot(f"{_BANNER}{start}\n" + start.replace("Starting bootloader", "Swap type: test"))
    assert stages_of(boot) == [Stage.MCUBOOT]
    assert _decisions(boot) == [(None, "test")]


def test_a_test_swap_is_read() -> None:
    boot = _boot(_TEST_SWAP)
    assert boot.swapped
    assert [swap.algorithm for swap in boot.swaps] == ["offset"]
    assert boot.swap_type == "test", "what it had decided before it began"
    assert _decisions(boot) == [(0, "test"), (0, "revert")]
    assert boot.image_version == "1.2.3"
    assert boot.build_time == "UPGRADED v1.2.3+4 OK"
    assert boot.summary() == "Starting bootloader, swap test, image v1.2.3, application runs"


def test_a_revert_is_read() -> None:
    first, second = boots_of(_TEST_SWAP + _REVERT)
    assert (first.swap_type, second.swap_type) == ("test", "revert")


def test_a_resumed_swap_has_no_type() -> None:
    cut = _TEST_SWAP.partition("I: Image index: 0, Swap type: revert")[0]
    resume = f"""{_NEW_BANNERS}I: Image index: 0, Swap type: none
I: Primary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
I: Boot source: primary slot
I: Image index: 0, Swap type: none
I: Starting swap using offset algorithm.
I: Image index: 0, Swap type: revert
{_NEW_APP}"""
    first, second = boots_of(cut + resume)
    assert stages_of(first) == [Stage.MCUBOOT]
    assert (first.swapped, first.swap_type) == (True, "test")
    assert (second.swapped, second.swap_type) == (True, None)
    assert "swap resumed" in second.summary()


def test_what_the_application_says_about_swaps_is_not_mcuboots() -> None:
    for line in ("I: Image index: 0, Swap type: test", "I: Swap type: test"):
        boot = _boot(_MCUBOOT + _APP + line)
        assert _decisions(boot) == [(None, "none")]
        boot = _boot(_MCUBOOT + _BANNER + line)
        assert stages_of(boot) == [Stage.MCUBOOT, Stage.APP]


def test_numbers_in_an_applications_log_are_not_the_bootloaders() -> None:
    boot = _boot(_NSIB + _MCUBOOT + _APP + "Firmware version 99\napp: Starting bootloader 98\n")
    assert (boot.firmware_version, boot.bootloader_version) == (14, 14)


def test_a_board_without_numbered_lines_has_no_numbers() -> None:
    (boot,) = boots_of(_NSIB + _MCUBOOT + _APP, Patterns(None, None, "build time: "))
    assert (boot.firmware_version, boot.bootloader_version) == (None, None)
    assert boot.app_ready


def test_a_rejected_image_is_a_refusal() -> None:
    boot = _boot(
        _MCUBOOT.replace("I: Bootl", "E: Image in the secondary slot is not valid!\nI: Bootl")
    )
    assert boot.refusals == ("E: Image in the secondary slot is not valid!",)
    assert boot.refusals[0] in boot.summary()


@pytest.mark.parametrize(
    "line",
    [
        "W: Not enough free space to run swap upgrade",
        "I: Image 0 in slot 1 erased due to downgrade prevention",
        "E: Unable to find bootable image",
    ],
)
def test_every_no_of_mcuboot_is_a_refusal(line: str) -> None:
    assert _boot(_MCUBOOT + line).refusals == (line,)


def test_what_an_application_says_is_no_refusal() -> None:
    boot = _boot(_MCUBOOT + _APP + "panic!")
    assert boot.lines[-1].text == "panic!"
    assert boot.refusals == ()


_BAD_SLOTS = "W: Cannot upgrade: not a compatible amount of sectors"


def test_slots_that_do_not_fit_are_why_nothing_was_swapped() -> None:
    boot = _boot(_MCUBOOT.replace("I: Bootl", f"{_BAD_SLOTS}\nI: Bootl"))
    assert boot.refusals == (_BAD_SLOTS,)


def test_slots_of_one_image_do_not_fit_and_another_is_swapped() -> None:
    """The line names no image."""
    boot = _boot(_TEST_SWAP.replace("I: Image index", f"{_BAD_SLOTS}\nI: Image index", 1))
    assert boot.swapped
    assert boot.refusals == ()


_WRONG_KEY = """Attempting to boot slot 1.
Attempting to boot from address 0x18200.
Verifying signature against key 0.
Hash: 0x19...73
Public key didn't match, try next.
Failed to validate signature.
Failed to validate, permanently invalidating!
"""


def test_nsib_that_falls_back_tells_both_slots() -> None:
    boot = _boot(_BANNER + _WRONG_KEY + _NSIB.partition("\n")[2] + _MCUBOOT + _APP)
    assert stages_of(boot) == _FULL
    assert (boot.nsib_slot, boot.firmware_version) == (0, 14)
    assert boot.refusals == (
        "Public key didn't match, try next.",
        "Failed to validate signature.",
        "Failed to validate, permanently invalidating!",
    )


def test_nsib_that_finds_nothing_has_no_version() -> None:
    boot = _boot(_BANNER + _WRONG_KEY + "No bootable image found. Aborting boot.\n")
    assert (boot.nsib_slot, boot.firmware_version) == (1, None)
    assert boot.refusals[-1] == "No bootable image found. Aborting boot."
    assert not boot.reached_app


def test_a_key_that_does_not_fit_is_no_refusal_where_the_next_one_does() -> None:
    two_keys = _NSIB.replace(
        "Firmware signature",
        "Public key didn't match, try next.\nVerifying signature against key 1.\n"
        "Hash: 0x7f...07\nFirmware signature",
    )
    no = "E: Unable to find bootable image"
    assert _boot(two_keys + _MCUBOOT + no).refusals == (no,)
    boot = _boot(two_keys + _MCUBOOT + _APP)
    assert boot.refusals == ()
    assert boot.key_hash == "7f...07"


def test_no_lines_are_noboots_of() -> None:
    assert boots_of("") == ()
    assert boots_of("\n\n") == ()


def test_boots_without_banners() -> None:
    """Behind its own last line MCUboot starts again, whatever was cut between."""
    text = "I: Starting bootloader\nI: Swap type: {}\nI: Jumping to the first image slot\n"
    assert _stages(text.format("test") + text.format("revert")) == [[Stage.MCUBOOT]] * 2


def test_banner_of_the_sdk_behind_that_of_mcuboot() -> None:
    """Some builds print `Booting` where others print `Using`; it is one run of MCUboot."""
    text = "*** Booting MCUboot v2.3.0 ***\n*** Booting nRF Connect SDK v3.3.99 ***\n"
    assert _stages(text + "I: Starting bootloader\n" + _NEW_APP) == [[Stage.MCUBOOT, Stage.APP]]


_REFUSED = "E: Image in the secondary slot is not valid!\n"


@pytest.mark.parametrize(
    ("said_of_app", "said_of_network", "overwritten"),
    [
        (f"I: Swap type: test\n{_REFUSED}", "I: Swap type: perm\n", [1]),
        (
            "I: Swap type: test\nE: insufficient version in secondary slot\n",
            "I: Swap type: perm\n",
            [1],
        ),
        ("I: Swap type: test\n", f"I: Swap type: perm\n{_REFUSED}", [0]),
        ("I: Swap type: none\n", "I: Swap type: perm\n", [1]),
        ("I: Swap type: test\n", "I: Swap type: none\n", [0]),
        ("I: Swap type: test\n", "I: Swap type: perm\n", [0, 1]),
    ],
)
def test_which_image_was_overwritten_where_none_is_numbered(
    said_of_app: str, said_of_network: str, overwritten: list[int]
) -> None:
    """The lines come in the order of the images; what was refused is not overwritten."""
    copies = "I: Image upgrade secondary slot -> primary slot\n" * len(overwritten)
    boot = _boot(f"{_NEW_BANNERS}{said_of_app}{said_of_network}{copies}{_NEW_APP}")
    assert boot.overwritten == tuple(overwritten)
    assert bool(boot.swaps_of_app) is (0 in overwritten)

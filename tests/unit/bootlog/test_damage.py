"""Facts that survive what captures do to logs: lost and doubled characters, line ends, cuts."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.bootlog.report import Boot, BootReport, SwapResult
from pytest_nrf_fota.verdict.boots import sign_of_boots
from pytest_nrf_fota.verdict.ending import Upgraded
from tests.unit.boot_lines import report_of

_BANNER = "*** Booting Zephyr OS build v3.2.99-ncs2 ***"
_NSIB = (
    _BANNER,
    "Attempting to boot slot 0.",
    "Attempting to boot from address 0x8200.",
    "Verifying signature against key 0.",
    "Hash: 0xb4...42",
    "Firmware signature verified.",
    "Firmware version 14",
)
_MCUBOOT = (
    _BANNER,
    "I: Starting bootloader 14",
    "I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3",
    "I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3",
    "I: Boot source: none",
    "I: Swap type: test",
    "I: Starting swap using move algorithm.",
    "I: Bootloader chainload address offset: 0x28000",
)
_APP = (
    _BANNER,
    "[00:00:00.030,242] <inf> bt_hci_core: hci_vs_init: HW Platform: Nordic (0x0002)",
    "[00:00:00.032,348] <inf> bt_hci_core: bt_dev_show_info: Identity: F2:7C:B6:5D:C3:74 (random)",
    "Advertising successfully started",
    "[00:14:23.293,853] <inf> mcumgr_img_mgmt: Erased 0xa000 bytes of image slot",
)
_BOOT = (*_NSIB, *_MCUBOOT, *_APP)
_FULL = (Stage.NSIB, Stage.MCUBOOT, Stage.APP)
# Where each stage begins, and what of it a UART damages first.
_STAGE_STARTS = (0, 1, len(_NSIB), len(_NSIB) + 1, len(_NSIB) + len(_MCUBOOT))


def _only_boot(report: BootReport) -> Boot:
    (boot,) = report.boots
    return boot


def _assert_key_facts(report: BootReport) -> None:
    boot = _only_boot(report)
    assert tuple(span.stage for span in boot.stages) == _FULL
    assert boot.nsib is not None
    assert boot.nsib.booted is not None
    assert (boot.nsib.booted.slot, boot.nsib.booted.firmware_version) == (0, 14)
    assert boot.mcuboot is not None
    assert [(swap.decided, swap.result) for swap in boot.mcuboot.swaps] == [
        ("test", SwapResult.SWAPPED)
    ]
    assert boot.mcuboot.chainload_address == 0x28000
    assert sign_of_boots(report.boots).ending.upgraded is Upgraded.YES
    assert boot.app is not None
    assert boot.app.identity_address == "F2:7C:B6:5D:C3:74"
    assert boot.last.text.endswith("Erased 0xa000 bytes of image slot")


def test_the_whole_log_shows_the_key_facts() -> None:
    _assert_key_facts(report_of("\n".join(_BOOT)))


@given(line_ends=st.lists(st.sampled_from(["\n", "\r\n", "\n\r", "\r\r\n", "\r"]), min_size=20))
@settings(max_examples=60, deadline=None)
def test_line_ends_of_all_kinds_may_be_mixed(line_ends: list[str]) -> None:
    ends = [line_ends[place % len(line_ends)] for place in range(len(_BOOT))]
    # CR LF after LF CR is a CR LF and an LF CR after each other, or an empty line: both are fine.
    _assert_key_facts(report_of("".join(a + b for a, b in zip(_BOOT, ends, strict=True))))


@given(st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_pieces_of_any_size_give_the_same_report(size: int, seed: int) -> None:
    chance = random.Random(seed)
    lines = [*_BOOT, "\x06\tABMLAAAJAAGZAb9jb2ZmGQEp/zhI", *_BOOT]
    data = "".join(line + chance.choice(["\n", "\r\n"]) for line in lines).encode()
    reader = BootReader()
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    assert reader.finish() == report_of(data.decode())


@given(line=st.sampled_from(_STAGE_STARTS), place=st.integers(0, 8), doubled=st.booleans())
@settings(max_examples=90, deadline=None)
def test_a_character_lost_or_doubled_where_a_stage_starts(
    line: int, place: int, doubled: bool
) -> None:
    text = _BOOT[line]
    damaged = text[:place] + text[place] * (2 if doubled else 0) + text[place + 1 :]
    _assert_key_facts(report_of("\n".join((*_BOOT[:line], damaged, *_BOOT[line + 1 :]))))


@given(line=st.sampled_from(range(1, len(_BOOT) - 1)), place=st.integers(2, 12))
@settings(max_examples=90, deadline=None)
def test_a_character_that_is_noise(line: int, place: int) -> None:
    text = _BOOT[line].encode()
    if chr(text[place]).isdigit() or _BOOT[line].startswith("["):
        return  # a value that is lost is lost
    damaged = text[:place] + b"\xfe" + text[place + 1 :]
    reader = BootReader()
    before = "\n".join(_BOOT[:line]).encode()
    reader.feed(before + b"\n" + damaged + b"\n" + "\n".join(_BOOT[line + 1 :]).encode())
    report = reader.finish()
    _assert_key_facts(report)
    noisy = [seen.line_number for seen in _only_boot(report).lines if "\ufffd" in seen.text]
    assert noisy == [line + 1]


@pytest.mark.parametrize("lost", range(1, len(_NSIB) + len(_MCUBOOT) - 1))
def test_a_log_that_begins_in_the_middle(lost: int) -> None:
    boot = _only_boot(report_of("\n".join(_BOOT[lost:])))
    wanted = _FULL if lost < len(_NSIB) - 1 else _FULL[1:]
    assert tuple(span.stage for span in boot.stages) == wanted
    assert boot.mcuboot is not None
    assert boot.mcuboot.chainload_address == 0x28000


@pytest.mark.parametrize("kept", range(2, len(_BOOT)))
def test_a_log_that_ends_early(kept: int) -> None:
    boot = _only_boot(report_of("\n".join(_BOOT[:kept])))
    stages = tuple(span.stage for span in boot.stages)
    assert stages == _FULL[: len(stages)]
    assert (Stage.MCUBOOT in stages) == (kept > len(_NSIB) + 1)


def test_the_last_line_of_a_stage_may_be_there_too() -> None:
    whole = (
        *_NSIB,
        "Booting (0x8200).",
        *_MCUBOOT,
        "I: Jumping to the first image slot",
        *_APP,
    )
    _assert_key_facts(report_of("\n".join(whole)))


def test_a_banner_behind_a_line_that_a_reset_cut() -> None:
    text = "\n".join((*_BOOT, "[00:20:00.000,000] <inf> app: almost do")) + "\n".join(_BOOT)
    report = report_of(text)
    assert [tuple(span.stage for span in boot.stages) for boot in report.boots] == [_FULL, _FULL]


def test_a_frame_in_the_middle_of_a_line_leaves_the_line_whole() -> None:
    text = "\n".join(_BOOT)
    cut = text.index("chainload")
    frame = "\x06\tABMLAAAJAAGZAb9jb2ZmGQEp/zhI\n"
    report = report_of(text[:cut] + frame + text[cut:])
    _assert_key_facts(report)


@pytest.mark.parametrize(
    "prefix",
    [
        "[12:34:56.789] ",
        "[2026-05-06 17:30:00] ",
        "May  6 17:30:00 ",
        "2026-05-06T17:30:00.123 ",
        "17:30:00.123 -> ",
        "1700000000.123456 ",
        "00> ",
        "[Wed May 06 17:30:00.123 2026] ",
        "[    1.234567] ",
    ],
)
def test_time_stamps_of_capture_tools(prefix: str) -> None:
    report = report_of("\n".join(prefix + line for line in _BOOT))
    _assert_key_facts(report)
    seen = _only_boot(report).first
    assert seen.text == _BANNER
    assert (seen.time_s is None) == (prefix == "00> ")


def test_colours_and_prompts() -> None:
    lines = [f"\x1b[1;32muart:~$ \x1b[m\x1b[8D\x1b[J{line}\x1b[0m" for line in _BOOT]
    _assert_key_facts(report_of("\r\n".join(lines)))


def test_two_boards_that_alternate() -> None:
    other = [line.replace("F2:7C:B6:5D:C3:74", "C0:11:22:33:44:55") for line in _BOOT]
    mixed = [line for pair in zip(_BOOT, other, strict=True) for line in pair]
    report = report_of("\n".join(mixed))
    assert report.two_boards is not None
    assert report.two_boards.interleaved
    assert set(report.two_boards.addresses) == {"F2:7C:B6:5D:C3:74", "C0:11:22:33:44:55"}


def test_two_running_boards_that_alternate() -> None:
    mixed = [*_BOOT]
    for second in range(10):
        mixed.append(f"[00:15:{second:02}.000,000] <inf> app: one")
        mixed.append(f"[00:00:{second:02}.000,000] <inf> app: other")
    report = report_of("\n".join(mixed))
    assert report.two_boards is not None
    assert report.two_boards.interleaved


def test_two_boards_one_after_the_other() -> None:
    other = [line.replace("F2:7C:B6:5D:C3:74", "C0:11:22:33:44:55") for line in _BOOT]
    report = report_of("\n".join((*_BOOT, *other)))
    assert report.two_boards is not None
    assert not report.two_boards.interleaved
    assert report_of("\n".join(_BOOT * 2)).two_boards is None

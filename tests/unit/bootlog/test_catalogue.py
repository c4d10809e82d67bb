"""Every pattern of the catalogue is matched by its literal lines, read as a log is read."""

import pytest

from pytest_nrf_fota.bootlog.captured_text import CapturedText
from pytest_nrf_fota.bootlog.catalogue import CATALOGUE, LogPattern
from pytest_nrf_fota.bootlog.catalogue.pattern import longest_literal
from pytest_nrf_fota.bootlog.matching import LineFacts, LineMatcher, WatchedLines, watch_words
from pytest_nrf_fota.bootlog.stamps import split_stamps

_NEAR_MISSES = {
    "banner": (
        "*** Using Zephyr OS v3.7.99-693769a5c735 ***",
        "Booting TF-M v2.1.0",
        "Booting (0x8200).",
        "*** Booting Zephyr OS bui",
    ),
    "banner_more": (
        "*** Booting nRF Connect SDK v2.9.99 ***",
        "Using Zephyr OS v3.7.99",
    ),
    "mcuboot_banner": (
        "*** Booting My Application v1.0.0 ***",
        "*** Booting Zephyr OS build 684c9e8f32e4 ***",
    ),
    "nsib_attempt": (
        "Attempting to boot from address 0x8200.",
        "Attempting to boot slot",
    ),
    "nsib_address": (
        "Attempting to boot slot 0.",
        "Booting (0x8200).",
    ),
    "nsib_key_hash": (
        "hash: 0xfe8db57ddd8f695ea11a9c626f156094",
        "Firmware hash verified.",
    ),
    "nsib_verified": (
        "Verifying signature against key 0.",
        "Firmware hash verified.",
    ),
    "nsib_wrong_key": (
        "Key 0 has been invalidated, try next.",
        "Failed to validate signature.",
    ),
    "nsib_below_counter": (
        "Firmware version 13",
        "Setting monotonic counter (version: 14, slot: 0)",
    ),
    "nsib_invalidated": (
        "Failed to validate signature.",
        "Invalidating key 0.",
    ),
    "nsib_counter": (
        "Failed during setting the monotonic counter, error: -12",
        "Firmware version (5) is smaller than monotonic counter (7).",
    ),
    "nsib_nothing": (
        "E: Unable to find bootable image",
        "No fw_info struct found.",
    ),
    "mcuboot_start": (
        "<inf> dfu: Starting bootloader update",
        "I: Starting network core update",
        "The app says: Starting bootloader",
    ),
    "trailer": (
        "I: Primary slot: version=0.0.0+0",
        "I: Image 0 secondary slot: image not found",
    ),
    "swap_type": (
        "[00:14:17.292,266] <inf> mcuboot_util: boot_swap_type_multi: Swap type: none",
        "[00:00:00.150,470] <inf> mcuboot_util: Image index: 0, Swap type: none",
        "[00:00:46.278,167] <inf> golioth_fw_zephyr: swap type: none",
        "  swap type: test",
    ),
    "swap_start": (
        "I: Starting bootloader",
        "Starting swap",
    ),
    "no_room": ("I: Not enough memory",),
    "image_invalid": (
        "I: Image 0 in slot 1 erased due to downgrade prevention",
        "Image is not confirmed OK",
    ),
    "downgrade": (
        "I: Erased due to downgrade prevention",
        "W: insufficient version in secondary slot",
    ),
    "mcuboot_nothing": (
        "No bootable image found. Aborting boot.",
        "E: Unable to find valid firmware inside",
    ),
    "chainload": (
        "I: Boot source: none",
        "Bootloader chainload address offset",
    ),
    "image_version": (
        "<inf> app_smp_svr: Image Version 1.1.0-0",
        "Version: 1.1.1+1, board: nrf9160dk_nrf9160",
    ),
    "jump": (
        "Booting (0x8200).",
        "I: Boot source: primary slot",
    ),
    "identity": (
        "I: No ID address. App must call settings_load()",
        "Identity: F2:7C:B6:5D:C3 (random)",
    ),
    "build_time": (
        "built at May  7 2024",
        "boot time: 1.2 s",
    ),
    "erased_slot": ("Erased 0x1000 bytes of image slot trailer",),
    "prompt": ("*** Booting Zephyr ***", "<inf> app: done", "a -> b"),
    "reset_cause": ("I: Resetting the counters", "reset button pressed"),
    "watchdog": ("<inf> wdt: watchdog started",),
    "b0n_failed": ("<inf> flash: device ready",),
    "client_field": ("I: slot0 sectors: 216, slot1 sectors: 216",),
    "image_confirmed": ("Image is not confirmed OK",),
    "fatal_error": ("ZEPHYR FATAL ERR",),
}
_PATTERNS = pytest.mark.parametrize("pattern", CATALOGUE, ids=lambda pattern: pattern.name)


def _facts(line: str) -> LineFacts:
    """A line's facts after the whole way through cleaner, stamps and matcher."""
    cleaned = CapturedText().feed(b"\x1b[1;31m" + line.encode() + b"\x1b[0m\r\n")
    return LineMatcher().facts(split_stamps(cleaned.removesuffix("\n")).body)


def test_names_are_unique() -> None:
    names = [pattern.name for pattern in CATALOGUE]
    assert len(set(names)) == len(names)
    assert set(_NEAR_MISSES) <= set(names)


@_PATTERNS
def test_a_pattern_says_what_it_means_and_where_it_was_read(pattern: LogPattern) -> None:
    assert pattern.source
    assert pattern.meaning.endswith(".")
    assert pattern.examples


@_PATTERNS
def test_a_pattern_is_found_in_its_lines(pattern: LogPattern) -> None:
    for line in pattern.examples:
        assert pattern.name in _facts(line).names, line


@pytest.mark.parametrize(
    "pattern",
    [
        pattern
        for pattern in CATALOGUE
        if not pattern.regex.pattern.startswith("^") and not pattern.examples[0].startswith("[")
    ],
    ids=lambda pattern: pattern.name,
)
def test_a_pattern_is_found_behind_prefixes_of_captures(pattern: LogPattern) -> None:
    for prefix in ("[12:34:56.789] ", "May  6 17:30:00 ", "2024-05-06 17:30:00,123 "):
        assert pattern.name in _facts(prefix + pattern.examples[0]).names, prefix


@pytest.mark.parametrize("name", _NEAR_MISSES)
def test_a_pattern_is_not_found_in_what_is_close_to_its_lines(name: str) -> None:
    (pattern,) = [pattern for pattern in CATALOGUE if pattern.name == name]
    for line in _NEAR_MISSES[name]:
        assert not pattern.regex.search(line), line


@_PATTERNS
def test_a_watched_pattern_is_found_in_a_long_log(pattern: LogPattern) -> None:
    for line in pattern.examples if pattern.watched else ():
        before = "x" * 50 + "\n"
        block = before + line + "\n" + before
        assert WatchedLines(watch_words(CATALOGUE)).starts(block)[0] == len(before), line


@pytest.mark.parametrize(
    ("regex", "literal"),
    [
        (r"Booting \(0x(?P<address>\w+)\)\.", "Booting (0x"),
        (r"a?bcd+e", "bcd"),
        (r"(?:one|two) three", " three"),
        (r"one|two", ""),
        (r"x{2}[abc]yz", "yz"),
    ],
)
def test_the_longest_literal_of_a_regex(regex: str, literal: str) -> None:
    assert longest_literal(regex) == literal

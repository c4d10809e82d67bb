"""Build options read from the log texts of a MCUboot binary."""

import pytest

from pytest_nrf_fota.firmware.mcuboot_strings import describe_mcuboot, release_that_built

# As a linker leaves them behind each other in .rodata, in the forms of minimal logging.
START = b"\x00%c: Starting bootloader 14\n\x00"
REST = b"%c: Image in the %s slot is not valid!\n\x00"


@pytest.mark.parametrize(
    ("text", "swap"),
    [
        (b"%c: Starting swap using move algorithm.\n\x00", "move"),
        (b"%c: Starting swap using scratch algorithm.\n\x00", "scratch"),
        (b"%c: Starting swap using offset algorithm.\n\x00", "offset"),
        (b"%c: Image upgrade secondary slot -> primary slot\n\x00", "overwrite"),
        (b"%c: Image %d upgrade secondary slot -> primary slot\n\x00", "overwrite"),
    ],
)
def test_algorithm_is_known_by_its_log_text(text: bytes, swap: str) -> None:
    described = describe_mcuboot(START + REST + text)
    assert described is not None
    assert described.swap == swap


def test_move_is_told_from_the_bootloader_copy_that_stands_beside_it() -> None:
    both = b"Starting swap using nsib algorithm.\n\x00%c: Starting swap using move algorithm.\n\x00"
    described = describe_mcuboot(START + both)
    assert described is not None
    assert described.swap == "move"


def test_options_are_on_only_where_their_text_is_compiled_in() -> None:
    plain = describe_mcuboot(START + REST)
    guarded = describe_mcuboot(
        START
        + b"%c: Image %d in slot 1 erased due to downgrade prevention\n\x00"
        + b"%c: Cleaned-up secondary slot of image %d\n\x00"
    )
    assert plain is not None
    assert guarded is not None
    assert not plain.downgrade_prevention
    assert not plain.cleans_up_unusable_secondary
    assert guarded.downgrade_prevention
    assert guarded.cleans_up_unusable_secondary


@pytest.mark.parametrize("prefix", [b"%c: ", b""])
def test_marker_behind_starting_bootloader_is_read(prefix: bytes) -> None:
    numbered = describe_mcuboot(prefix + b"Starting bootloader 14\n\x00")
    unmarked = describe_mcuboot(prefix + b"Starting bootloader\n\x00")
    assert numbered is not None
    assert unmarked is not None
    assert numbered.marker == "14"
    assert unmarked.marker == ""


@pytest.mark.parametrize(
    ("text", "network_core"),
    [
        (b"", "none"),
        (b"%c: Turned on network core\n\x00", "multi"),
        (b"%c: Turned on network core\n\x00%c: Starting network core update\n\x00", "single"),
    ],
)
def test_way_to_the_network_core_is_known(text: bytes, network_core: str) -> None:
    described = describe_mcuboot(START + text)
    assert described is not None
    assert described.network_core == network_core


def test_binary_without_log_texts_tells_nothing() -> None:
    assert describe_mcuboot(bytes(range(256)) * 64) is None


@pytest.mark.parametrize(
    ("banner", "ncs"),
    [
        (b"*** Booting Zephyr OS build %s %s ***\n\x00v3.2.99-ncs2\x00", "2.3"),
        (b"Booting nRF Connect SDK v2.5.2\x00", "2.6"),
        (b"nRF Connect SDK\x00v3.5.99-ncs1-1\x00", "2.6"),
        (b"*** Using nRF Connect SDK v2.9.0-7787b2649840 ***\n\x00", "2.9"),
        (b"*** Using nRF Connect SDK v3.1.0-6c6e5b32496e ***\n\x00", "3.0"),
        (b"*** Using Zephyr OS build 684c9e8f32e4 ***\n\x00", None),
        (b"", None),
    ],
)
def test_release_is_read_from_the_banner(banner: bytes, ncs: str | None) -> None:
    release = release_that_built(b"\xff" * 16 + banner)
    assert (None if release is None else release.ncs) == ncs


@pytest.mark.parametrize(
    ("text", "is_on"),
    [
        (b"Reset address of image in secondary slot is not in the primary slot\x00", True),
        (b"Binary in secondary slot of image %d is not designated for the primary slot\x00", True),
        (b"", False),
    ],
)
def test_the_check_of_addresses_shows_in_its_refusal(text: bytes, is_on: bool) -> None:
    """Of two builds of NCS 2.5.0 that overwrite, the one without the option has no such text."""
    described = describe_mcuboot(START + REST + text)
    assert described is not None
    assert described.verifies_address is is_on

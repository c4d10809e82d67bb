"""Every pattern of the catalogue matches what boards really print, and nothing close to it."""

from dataclasses import dataclass, field

import pytest

from pytest_nrf_fota.bootlog.catalogue import CATALOGUE, LogPattern


@dataclass(frozen=True)
class Examples:
    """Lines of real boards, the groups of the first of them, and lines that are something else."""

    lines: tuple[str, ...]
    near_misses: tuple[str, ...]
    groups: dict[str, str | None] = field(default_factory=dict)


_APP_LOG = "[00:14:17.292,266] <inf> mcuboot_util: boot_swap_type_multi: "

_EXAMPLES = {
    "banner": Examples(
        (
            "*** Booting Zephyr OS build v3.2.99-ncs2 ***",
            "uart:~$ *** Booting Zephyr OS build v3.2.99-ncs1-4-g8fb465f43f6a ***",
            "*** Booting nRF Connect SDK v2.5.2 ***",
            "*** Booting MCUboot v2.3.0-dev-0d9411f5dda3 ***",
            "*** Booting My Application v1.0.0-7ff1f906b7b0 ***",
            "***** Booting Zephyr OS v1.1.0-52-g5bac42f *****",
            "*** Booting Zephyr OS build ...  ***",
        ),
        (
            "*** Using Zephyr OS v3.7.99-693769a5c735 ***",
            "Booting TF-M v2.1.0",
            "Booting (0x8200).",
            "*** Booting Zephyr OS bui",
        ),
    ),
    "banner_more": Examples(
        (
            "*** Using nRF Connect SDK v2.9.99-98a5e50b9ac1 ***",
            "]mJ*** Using nRF Connect SDK v3.0.0-3bfc46578e42 ***",
            "*** Using Zephyr OS build 684c9e8f32e4 ***",
        ),
        ("*** Booting nRF Connect SDK v2.9.99 ***", "Using Zephyr OS v3.7.99"),
    ),
    "mcuboot_banner": Examples(
        ("*** Booting MCUboot ee39e2d694bd ***", "uart:~$ *** Booting MCUboot v2.4.0 ***"),
        ("*** Booting My Application v1.0.0 ***", "*** Booting Zephyr OS build 684c9e8f32e4 ***"),
    ),
    "nsib_attempt": Examples(
        ("Attempting to boot slot 1.",),
        ("Attempting to boot from address 0x8200.", "Attempting to boot slot"),
        {"slot": "1"},
    ),
    "nsib_address": Examples(
        ("Attempting to boot from address 0x18200.",),
        ("Attempting to boot slot 0.", "Booting (0x8200)."),
        {"address": "18200"},
    ),
    "nsib_key_hash": Examples(
        ("Hash: 0x7f...07", "I: Hash: 0x3e...f9"),
        ("hash: 0xfe8db57ddd8f695ea11a9c626f156094", "Firmware hash verified."),
        {"first": "7f", "last": "07"},
    ),
    "nsib_verified": Examples(
        ("Firmware signature verified.", "I: Firmware signature verified."),
        ("Verifying signature against key 0.", "Firmware hash verified."),
    ),
    "nsib_wrong_key": Examples(
        ("Public key didn't match, try next.",),
        ("Key 0 has been invalidated, try next.", "Failed to validate signature."),
    ),
    "nsib_below_counter": Examples(
        ("Firmware version (13) is smaller than monotonic counter (14).",),
        ("Firmware version 13", "Setting monotonic counter (version: 14, slot: 0)"),
        {"version": "13", "counter": "14"},
    ),
    "nsib_invalidated": Examples(
        ("Failed to validate, permanently invalidating!",),
        ("Failed to validate signature.", "Invalidating key 0."),
    ),
    "nsib_counter": Examples(
        (
            "Setting monotonic counter (version: 11, slot: 0)",
            "I: Setting monotonic counter (version: 2, slot: 0)",
        ),
        (
            "Failed during setting the monotonic counter, error: -12",
            "Firmware version (5) is smaller than monotonic counter (7).",
        ),
        {"version": "11", "slot": "0"},
    ),
    "nsib_nothing": Examples(
        ("No bootable image found. Aborting boot.",),
        ("E: Unable to find bootable image", "No fw_info struct found."),
    ),
    "mcuboot_start": Examples(
        (
            "I: Starting bootloader 14",
            "I: Starting bootloader",
            "I: main: Starting bootloader",
            "uart:~$ I: Starting bootloader",
            "[00:00:00.272,430] <inf> mcuboot: Starting bootloader",
            "[MCUBOOT] [INF] main: Starting bootloader",
        ),
        (
            "<inf> dfu: Starting bootloader update",
            "I: Starting network core update",
            "The app says: Starting bootloader",
        ),
    ),
    "trailer": Examples(
        (
            "I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x1",
            "I: Primary image: magic=bad, swap_type=0x0, copy_done=0x2, image_ok=0x2",
            "[00:00:00.279,113] <inf> mcuboot: Primary image: magic=good, swap_type=0x2, "
            "copy_done=0x1, image_ok=0x1",
        ),
        ("I: Primary slot: version=0.0.0+0", "I: Image 0 secondary slot: image not found"),
        {
            "slot": "Secondary",
            "magic": "good",
            "swap_type": "2",
            "copy_done": "3",
            "image_ok": "1",
        },
    ),
    "swap_type": Examples(
        (
            "I: Image index: 0, Swap type: test",
            "I: Swap type: revert",
            "[00:00:00.304,656] <inf> mcuboot: Image index: 0, Swap type: test",
            "[MCUBOOT] [INF] boot_swap_type: Swap type: none",
        ),
        (
            _APP_LOG + "Swap type: none",
            "[00:00:00.150,470] <inf> mcuboot_util: Image index: 0, Swap type: none",
            "[00:00:46.278,167] <inf> golioth_fw_zephyr: swap type: none",
            "  swap type: test",
        ),
        {"image": "0", "swap_type": "test"},
    ),
    "swap_start": Examples(
        (
            "I: Starting swap using move algorithm.",
            "I: Starting swap using nsib algorithm.",
            "[00:00:02.574,188] <inf> mcuboot: Starting swap using move algorithm.",
        ),
        ("I: Starting bootloader", "Starting swap"),
        {"algorithm": "move"},
    ),
    "no_room": Examples(
        ("W: Not enough free space to run swap upgrade",),
        ("I: Not enough memory",),
    ),
    "image_invalid": Examples(
        (
            "E: Image in the secondary slot is not valid!",
            "E: Image in the primary slot is not valid!",
        ),
        ("I: Image 0 in slot 1 erased due to downgrade prevention", "Image is not confirmed OK"),
        {"slot": "secondary"},
    ),
    "downgrade": Examples(
        (
            "I: Image 0 in slot 1 erased due to downgrade prevention",
            "I: Image in slot 1 erased due to downgrade prevention",
        ),
        ("I: Erased due to downgrade prevention", "W: insufficient version in secondary slot"),
    ),
    "mcuboot_nothing": Examples(
        (
            "E: Unable to find bootable image",
            "[MCUBOOT] [ERR] main: Unable to find bootable image",
        ),
        ("No bootable image found. Aborting boot.", "E: Unable to find valid firmware inside"),
    ),
    "chainload": Examples(
        (
            "I: Bootloader chainload address offset: 0x28000",
            "[00:01:35.508,392] <inf> mcuboot: Bootloader chainload address offset: 0x10000",
            "\ufffd: Bootloader chainload address offset: 0xc000",
        ),
        ("I: Boot source: none", "Bootloader chainload address offset"),
        {"address": "28000"},
    ),
    "image_version": Examples(
        (
            "I: Image version: v1.2.3",
            "[00:01:35.515,960] <inf> mcuboot: Image version: v0.2.0",
        ),
        (
            "<inf> app_smp_svr: Image Version 1.1.0-0",
            "Version: 1.1.1+1, board: nrf9160dk_nrf9160",
        ),
        {"version": "1.2.3"},
    ),
    "jump": Examples(
        (
            "I: Jumping to the first image slot",
            "I: Jumping to the image slot",
            "\ufffd: Jumping to the first image slot",
            "\ufffd=00:01:35.521,575] <inf> mcuboot: Jumping to the first image slot",
        ),
        ("Booting (0x8200).", "I: Boot source: primary slot"),
    ),
    "identity": Examples(
        (
            "[00:00:00.032,348] <inf> bt_hci_core: bt_dev_show_info: "
            "Identity: F2:7C:B6:5D:C3:74 (random)",
            "I: Identity: CF:1E:65:8D:10:AC (random)",
        ),
        ("I: No ID address. App must call settings_load()", "Identity: F2:7C:B6:5D:C3 (random)"),
        {"address": "F2:7C:B6:5D:C3:74", "kind": "random"},
    ),
    "build_time": Examples(
        (
            "build time: May  7 2024 a 09:26:26",
            "[00:00:00.003,092] <inf> smp_sample: build time: Jun  3 2026 22:22:04",
        ),
        ("built at May  7 2024", "boot time: 1.2 s"),
        {"text": "May  7 2024 a 09:26:26"},
    ),
}


def test_every_pattern_has_examples() -> None:
    names = [pattern.name for pattern in CATALOGUE]
    assert len(set(names)) == len(names)
    assert set(names) == set(_EXAMPLES)
    assert all(pattern.source for pattern in CATALOGUE)


@pytest.mark.parametrize("pattern", CATALOGUE, ids=lambda pattern: pattern.name)
def test_a_pattern_matches_its_lines_and_no_near_miss(pattern: LogPattern) -> None:
    examples = _EXAMPLES[pattern.name]
    assert examples.lines
    assert examples.near_misses
    for line in examples.lines:
        assert pattern.regex.search(line), line
    for line in examples.near_misses:
        assert not pattern.regex.search(line), line
    first = pattern.regex.search(examples.lines[0])
    assert first is not None
    assert first.groupdict() == examples.groups

"""Boots of a dual-stage board, for benchmarks that read logs."""

import random

_BANNER = "*** Booting Zephyr OS build v3.2.99-ncs2 ***\r\n"
_TRAILER = "magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3\r\n"
DUAL_STAGE_BOOT = (
    f"{_BANNER}Attempting to boot slot 0.\r\nAttempting to boot from address 0x8200.\r\n"
    "Verifying signature against key 0.\r\nHash: 0xb4...42\r\nFirmware signature verified.\r\n"
    f"Firmware version 14\r\n{_BANNER}I: Starting bootloader 14\r\n"
    f"I: Primary image: {_TRAILER}I: Secondary image: {_TRAILER}I: Boot source: none\r\n"
    f"I: Swap type: none\r\nI: Bootloader chainload address offset: 0x28000\r\n{_BANNER}"
    "[00:00:00.030,242] <inf> bt_hci_core: hci_vs_init: HW Platform: Nordic (0x0002)\r\n"
    "[00:00:00.032,348] <inf> bt_hci_core: bt_dev_show_info: "
    "Identity: F2:7C:B6:5D:C3:74 (random)\r\n"
    "Bluetooth initialized\r\nAdvertising successfully started\r\n"
    "build time: May  7 2024 a 09:26:26\r\n"
)


def differing_boot(chance: random.Random) -> str:
    """A boot with deferred logging, whose time stamps and version differ from the others'."""
    uptime_us = chance.randrange(1000, 999_999)
    stamp = f"[00:00:00.{uptime_us // 1000:03},{uptime_us % 1000:03}] <inf> mcuboot: "
    text = DUAL_STAGE_BOOT.replace("I: ", stamp)
    return text.replace("version 14", f"version {chance.randrange(1, 400)}")

"""FICR and other words that a chip leaves the factory with.

nRF5340 product specification, FICR (INFO, page 0xFF0000); nRF52832 and nRF52840 product
specifications, FICR (page 0x10000000). What is not here reads as erased, as on a chip.
"""

import struct
from collections.abc import Mapping

_PAGE_BYTES = 0x1000


def page(words: Mapping[int, int]) -> bytearray:
    """One page that is erased but for these words."""
    content = bytearray(b"\xff" * _PAGE_BYTES)
    for offset, word in words.items():
        struct.pack_into("<I", content, offset, word)
    return content


NRF5340_APPLICATION: Mapping[int, int] = {
    0x204: 0x53400001,  # DEVICEID
    0x208: 0x53400002,
    0x20C: 0x5340,  # PART
    0x210: 0x434C4141,  # VARIANT: CLAA
    0x214: 0x2000,  # PACKAGE: QK
    0x218: 512,
    0x21C: 1024,
    0x220: 4096,
    0x224: 256,
    0x22C: 0,  # DEVICETYPE: die
}
NRF5340_NETWORK: Mapping[int, int] = {
    **NRF5340_APPLICATION,
    0x218: 64,
    0x21C: 256,
    0x220: 2048,
    0x224: 128,
    0x2A0: 1,  # DEVICEADDRTYPE: random
    0x2A4: 0xC65D_C374,
    0x2A8: 0xF27C,
}
NRF52832: Mapping[int, int] = {
    0x010: 4096,
    0x014: 128,
    0x060: 0x52320001,
    0x064: 0x52320002,
    0x0A0: 1,
    0x0A4: 0xC65D_C374,
    0x0A8: 0xF27C,
    0x100: 0x52832,
    0x104: 0x41414530,  # AAE0
    0x108: 0x2000,
    0x10C: 64,
    0x110: 512,
    0x130: 6,
    0x134: 1,
}
NRF52840: Mapping[int, int] = {
    **NRF52832,
    0x014: 256,
    0x100: 0x52840,
    0x104: 0x41414430,  # AAD0
    0x10C: 256,
    0x110: 1024,
    0x130: 8,
    0x134: 2,
}
# What nrfx asks for errata (mdk/nrf52_erratas.h): part and revision at 0xF0000FE0.
NRF52832_ERRATA: Mapping[int, int] = {0xFE0: 6, 0xFE4: 0, 0xFE8: 0x50, 0xFEC: 0}
NRF52840_ERRATA: Mapping[int, int] = {0xFE0: 8, 0xFE4: 0, 0xFE8: 0x30, 0xFEC: 0}

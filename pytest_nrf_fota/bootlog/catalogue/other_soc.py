"""First bootloaders of other SoCs, which the same logs may hold."""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family, Stage

_ROM = Family(None, "public logs of ESP32 boards with MCUboot")

PATTERNS = (
    _ROM.line(
        "esp_rom",
        r"(?:^ESP-ROM:(?P<chip>\w+)|^Build:\w{3} +\d+ \d{4}|^load:0x[0-9a-f]+,len:0x[0-9a-f]+"
        r"|^entry 0x[0-9a-f]+|^SPIWP:0x|^mode:\w+, clock div:\d+|^Saved PC:0x[0-9a-f]+)",
        "The ROM of an ESP32 starts.",
        "ESP-ROM:esp32c6-20220919",
        "Build:Sep 19 2022",
        "load:0x40800000,len:0x1f0",
        "entry 0x40800000",
        "SPIWP:0xee",
        "mode:DIO, clock div:2",
        anchor=("ESP-ROM", "Build:", "load:0x", "entry 0x", "SPIWP", "clock div", "Saved PC"),
    ),
    _ROM.line(
        "esp_reset",
        r"rst:0x(?P<value>[0-9a-f]+) \((?P<text>\w+)\),boot:0x[0-9a-f]+",
        "Why an ESP32 was reset.",
        "rst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)",
        "rst:0xc (SW_CPU),boot:0x8 (SPI_FAST_FLASH_BOOT)",
        watched=True,
    ),
    _ROM.line(
        "esp_mcuboot",
        r"(?:Dis|En)abling RNG early entropy source",
        "MCUboot's port for ESP32 is at work.",
        "[esp32c3] [INF] Disabling RNG early entropy source...",
        anchor="RNG early",
    ),
    _ROM.line(
        "esp_loads",
        r"Loading image (?P<image>\d+) - slot (?P<slot>\d+) from flash",
        "MCUboot's port for ESP32 loads the image that it starts.",
        "[esp32c3] [INF] Loading image 0 - slot 0 from flash, area id: 1",
        "I (16434) boot: Loading image 0 - slot 0 from flash, area id: 2",
        stage=Stage.MCUBOOT,
        watched=True,
    ),
)

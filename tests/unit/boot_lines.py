"""Boots for tests, read from lines as a board prints them."""

from dataclasses import dataclass

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.reader import BootReader
from pytest_nrf_fota.bootlog.report import Boot, BootReport
from pytest_nrf_fota.console.log import ConsoleLog, LogPosition
from pytest_nrf_fota.dut.boots import BootsOfConsole


@dataclass(frozen=True)
class Patterns:
    """What a board file says of its lines."""

    firmware_version: str | None = r"Firmware version (?P<version>\d+)"
    bootloader_version: str | None = r"Starting bootloader (?P<version>\d+)"
    app_ready: str = "Advertising successfully started"


PATTERNS = Patterns()


def boots_of(text: str, patterns: Patterns = PATTERNS) -> tuple[Boot, ...]:
    """The boots that a console sees which gets this text."""
    log = ConsoleLog()
    boots = BootsOfConsole(log, patterns)
    log.append("".join(f"{line}\n" for line in text.splitlines()), 0.0)
    return boots.since(LogPosition(0))


def report_of(log: str | bytes) -> BootReport:
    """All that a log in a file says."""
    reader = BootReader()
    reader.feed(log if isinstance(log, bytes) else log.encode("utf-8", "surrogateescape"))
    return reader.finish()


def boot_of(*lines: str, patterns: Patterns = PATTERNS) -> Boot:
    """The one boot that prints these lines."""
    (boot,) = boots_of("\n".join(lines), patterns)
    return boot


def stages_of(boot: Boot) -> list[Stage]:
    """The stages of a boot, in order."""
    return [span.stage for span in boot.stages]


def nsib_lines(slot: int, version: int | None) -> list[str]:
    """NSIB starts a slot; None where it refuses what it holds."""
    verdict = ["Failed to validate signature."]
    if version is not None:
        verdict = ["Firmware signature verified.", f"Firmware version {version}"]
    return [f"Attempting to boot slot {slot}.", *verdict]


def mcuboot_lines(
    swap_type: str | None = None,
    *,
    swaps: bool | None = None,
    version: str | None = None,
    marker: int | None = None,
    says: tuple[str, ...] = (),
) -> list[str]:
    """MCUboot decides on a swap type, swaps unless it does not, and starts an image."""
    swaps = swap_type is not None if swaps is None else swaps
    return [
        "I: Starting bootloader" + ("" if marker is None else f" {marker}"),
        f"I: Image index: 0, Swap type: {swap_type or 'none'}",
        *(["I: Starting swap using move algorithm."] if swaps else []),
        *says,
        "I: Bootloader chainload address offset: 0x28000",
        *([] if version is None else [f"I: Image version: v{version}"]),
    ]


APP_LINES = ["*** Booting Zephyr OS build v3.2.99-ncs2 ***", "Bluetooth initialized"]

"""Where a build's application prints: its log backends, and its UART's baud rate."""

from contextlib import suppress
from pathlib import Path

from pytest_nrf_fota.boards.built_uart import BuiltUart
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.builds.partitions import read_console_baudrate
from pytest_nrf_fota.errors import PackageError


def built_uart(build: Build) -> BuiltUart | None:
    """What the application's `.config` and `zephyr.dts` say; None without its `.config`.

    The options are those of Zephyr's subsys/logging, subsys/shell/backends and drivers/console.
    """
    config = build.application
    if config is None or not config.values:
        return None
    prints_to_uart = config.is_on("UART_CONSOLE")
    return BuiltUart(
        source=str(build.files.name_of(config.path)),
        logs=config.is_on("LOG"),
        logs_to_uart=config.is_on("LOG_BACKEND_UART")
        or (config.is_on("SHELL_LOG_BACKEND") and config.is_on("SHELL_BACKEND_SERIAL"))
        or (config.is_on("LOG_MODE_MINIMAL") and prints_to_uart),
        logs_to_rtt=config.is_on("LOG_BACKEND_RTT"),
        prints_to_uart=prints_to_uart,
        prints_to_rtt=config.is_on("RTT_CONSOLE"),
        log_level=_number(config.text("LOG_DEFAULT_LEVEL")),
        baudrate=_baudrate(config.path.parent / "zephyr.dts"),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _baudrate(devicetree: Path) -> int | None:
    # A file that is missing or damaged costs a hint, no more.
    with suppress(PackageError):
        return read_console_baudrate(devicetree)
    return None

"""What a build's configuration says of where its application prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BuiltUart:
    """Options of one application; None where its build does not say.

    Args:
        source: the file that says it, for people.
        logs: whether there is a log at all (CONFIG_LOG).
        logs_to_uart: whether a backend of the log ends at the UART (CONFIG_LOG_BACKEND_UART,
            CONFIG_SHELL_LOG_BACKEND, or printk's with CONFIG_LOG_MODE_MINIMAL).
        logs_to_rtt: CONFIG_LOG_BACKEND_RTT.
        prints_to_uart: whether printk ends at the UART (CONFIG_UART_CONSOLE).
        prints_to_rtt: CONFIG_RTT_CONSOLE.
        log_level: CONFIG_LOG_DEFAULT_LEVEL: 0 off, 1 errors, 2 warnings, 3 information, 4 debug.
        baudrate: `current-speed` of the devicetree's zephyr,console.
    """

    source: str
    logs: bool
    logs_to_uart: bool
    logs_to_rtt: bool
    prints_to_uart: bool
    prints_to_rtt: bool
    log_level: int | None = None
    baudrate: int | None = None


def no_build() -> BuiltUart | None:
    """For firmware that lies in no build folder."""
    return None

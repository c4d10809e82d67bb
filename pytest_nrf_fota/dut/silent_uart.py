"""Why a UART may print nothing, or nothing that is text, and what to do."""

from collections.abc import Iterator

from pytest_nrf_fota.boards.built_uart import BuiltUart
from pytest_nrf_fota.bootlog.catalogue import LINES

_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
_LEAST_GARBLED_CHARS = 4
_LEVELS = ("off", "errors", "warnings", "information", "debug")
_INFORMATION = 3
# MCUboot's last lines before it starts the application.
_APP_STARTS = tuple(LINES[name].regex for name in ("chainload", "image_version", "jump"))
_NO_RTT = "RTT is not read here: let the application print to the UART"


def advice_on_silence(
    text: str, *, baudrate: int, port_doubt: str, built: BuiltUart | None
) -> str | None:
    """What to look at; None where the board has printed something that is text.

    Args:
        text: what came since the reset.
        baudrate: that the port was read with.
        port_doubt: why it may be the wrong port, empty where it cannot be.
        built: how the application was built, None where that is not known.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    is_garbled = is_no_text(text)
    # MCUboot has a configuration of its own: it may print where its application does not.
    bootloader_only = bool(lines) and any(line.search(lines[-1]) for line in _APP_STARTS)
    if lines and not is_garbled and not bootloader_only:
        return None
    said = list(_of_build(built, baudrate) if built is not None else ())
    if built is None:
        said.append(_without_build(baudrate))
    if port_doubt and not bootloader_only:
        said.insert(0, f"{port_doubt}; --console-port names another one")
    what = "The UART is silent"
    if bootloader_only:
        what = "MCUboot starts the application, which prints nothing"
    elif is_garbled:
        what = f"What came is no text, as with a baud rate other than {baudrate}"
    return f"{what}. " + "\n         ".join(_sentence(one) for one in said)


def is_no_text(text: str) -> bool:
    """Whether a third of it or more could not be read, as where the baud rate is wrong."""
    unreadable = text.count(_UNREADABLE)
    return unreadable >= _LEAST_GARBLED_CHARS and unreadable * 3 >= len(text)


def _of_build(built: BuiltUart, baudrate: int) -> Iterator[str]:
    if built.baudrate is not None and built.baudrate != baudrate:
        yield (
            f"the build's UART runs at {built.baudrate} baud (current-speed in zephyr.dts), the "
            f"port is read at {baudrate}: set console.baudrate, or --console-baudrate"
        )
    rtt = built.logs_to_rtt or built.prints_to_rtt
    log_is_lost = not built.logs or not built.logs_to_uart
    if log_is_lost and rtt:
        options = "CONFIG_LOG_BACKEND_RTT" if built.logs_to_rtt else "CONFIG_RTT_CONSOLE"
        yield (
            f"the build prints to RTT and not to the UART ({options}=y, {built.source}). "
            f"{_NO_RTT}: CONFIG_UART_CONSOLE=y, CONFIG_LOG_BACKEND_UART=y, CONFIG_LOG_BACKEND_RTT=n"
        )
    elif not built.logs:
        yield f"the build has no log (CONFIG_LOG is off, {built.source}); only printk may show"
    elif log_is_lost:
        yield (
            f"no log backend of the build ends at the UART (CONFIG_LOG_BACKEND_UART is off, "
            f"{built.source})"
        )
    if not built.prints_to_uart:
        yield (
            f"printk, and with it Zephyr's banner, does not go to the UART (CONFIG_UART_CONSOLE is "
            f"off, {built.source})"
        )
    if built.logs and built.log_level is not None and built.log_level < _INFORMATION:
        name = _LEVELS[built.log_level]
        yield (
            f"the log shows {name} only, so no line of a good boot "
            f"(CONFIG_LOG_DEFAULT_LEVEL={built.log_level}, {built.source})"
            if built.log_level
            else f"the log is off by its level (CONFIG_LOG_DEFAULT_LEVEL=0, {built.source})"
        )
    if built.prints_to_uart and built.baudrate in (None, baudrate):
        yield (
            f"by its configuration ({built.source}) the build prints to the UART at {baudrate} "
            "baud: is the board running, and does its cable or adapter lead to this port?"
        )


def _without_build(baudrate: int) -> str:
    return (
        "is the board running? Does its firmware print to RTT (CONFIG_LOG_BACKEND_RTT=y, "
        "CONFIG_RTT_CONSOLE=y, CONFIG_UART_CONSOLE=n), which is not read here? Is its log off "
        f"(CONFIG_LOG=n, CONFIG_LOG_DEFAULT_LEVEL below {_INFORMATION})? Is {baudrate} the UART's "
        "baud rate (current-speed in zephyr.dts; console.baudrate)?"
    )


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith(("?", ".")) else f"{text}."

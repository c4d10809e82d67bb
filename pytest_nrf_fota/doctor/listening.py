"""What a kit's serial ports print by themselves, for a moment."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import serial

from pytest_nrf_fota.bootlog.text import TextCleaner
from pytest_nrf_fota.console.port_holder import port_refused, require_free
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError

_READ_TIMEOUT_S = 0.1


def listen(ports: Sequence[str], baudrate: int, duration_s: float) -> dict[str, str]:
    """The text that each port prints in this time; nothing is sent and nothing is reset.

    A port that cannot be opened or vanishes has the reason as its text.
    """
    if not ports:
        return {}
    deadline = Deadline.after(duration_s)
    with ThreadPoolExecutor(len(ports), "listen") as pool:
        texts = pool.map(lambda port: _read(port, baudrate, deadline), ports)
        return dict(zip(ports, texts, strict=True))


def _read(port: str, baudrate: int, deadline: Deadline) -> str:
    cleaner = TextCleaner()
    text = ""
    try:
        require_free(port)
        with serial.Serial(port, baudrate, timeout=_READ_TIMEOUT_S, exclusive=True) as opened:
            while not deadline.expired:
                text += cleaner.clean(opened.read(max(1, opened.in_waiting)))
    except ConsoleLostError as error:
        return f"({error.what})"
    except OSError as error:
        return f"({port_refused(port, error).what})"
    return text


def telling_lines(text: str, patterns: Sequence[str], most: int) -> tuple[str, ...]:
    """The lines that say most about what runs: those of a boot, else the last ones."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(re.search(pattern, line) for pattern in patterns)]
    return tuple((telling or lines)[-most:])

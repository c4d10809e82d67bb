"""Time stamps at the start of a line: the board's own, and those of capture tools."""

import re
from typing import NamedTuple

# minicom, picocom's `ts`, tio, Tera Term, Arduino's monitor, pytest, grabserial, RTT viewers.
_CLOCK = r"(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d(?:[.,]\d{1,9})?)"
_CAPTURE = re.compile(
    r"^(?:"
    rf"\[(?:\d{{4}}-\d\d-\d\d[ T])?{_CLOCK}Z?\] ?"
    rf"|(?:\d{{4}}[-/]\d\d[-/]\d\d[ T]){_CLOCK.replace('?P<', '?P<d')}Z?(?: ->|:| -)? "
    rf"|{_CLOCK.replace('?P<', '?P<p')}(?: ->|:| -)? "
    rf"|(?:\[?(?:[A-Z][a-z]{{2}} )?[A-Z][a-z]{{2}} [ \d]\d {_CLOCK.replace('?P<', '?P<t')}"
    r"(?: \d{4}\])?) "
    r"|(?P<epoch>\d{9,10}\.\d{1,9}) "
    r"|\[ *(?P<since>\d+\.\d{3,9})(?: +\d+\.\d+)?\] ?"
    r"|(?P<rtt>\d\d)> "
    r")"
)
# Colours and cursor moves whose ESC byte a capture lost (Zephyr subsys/shell/shell_vt100.h).
_LOST_ESCAPES_FIRST = re.compile(r"^(?:\[(?:\d{1,2}(?:;\d{1,2}){0,3})?[mJKD])+")
_LOST_ESCAPES_LAST = re.compile(r"(?:\[(?:\d{1,2}(?:;\d{1,2}){0,3})?m)+$")
_LOST_PROMPT_REDRAWN = "[8D[J"
_LEVEL_OF_A_TEST = re.compile(r"^(?:DEBUG|INFO) ?[-:] (?:(?:DEVICE|UART|SERIAL|#): )?")
_MAY_BEGIN_STAMP = frozenset("[0123456789")
# Months, days of the week, and levels of a test's own log.
_MAY_BEGIN_NAME = frozenset("JFMASONDTWI")
_UPTIME = re.compile(r"\[(?P<h>\d+):(?P<m>\d\d?):(?P<s>\d\d)\.(?P<ms>\d{3}),(?P<us>\d{3})\] ?")


class Stamped(NamedTuple):
    """A line without its stamps.

    Args:
        time_s: of the capture tool; seconds of any clock.
        uptime_s: of the board.
        text: the line without the capture tool's stamp.
        body: the line without any stamp.
    """

    time_s: float | None
    uptime_s: float | None
    text: str
    body: str


def split_stamps(line: str) -> Stamped:
    """Take the stamps off a line."""
    line = _without_lost_escapes(line)
    first = line[:1]
    if first not in _MAY_BEGIN_STAMP and not (
        first in _MAY_BEGIN_NAME and (line[3:4] == " " or line[:4] in ("DEBU", "INFO"))
    ):
        return Stamped(None, None, line, line)
    if line[17:19] == "] " and line[13] == "," and line[0] == "[":
        uptime_s = _fixed_uptime(line)
        if uptime_s is not None:
            return Stamped(None, uptime_s, line, _without_lost_escapes(line[19:]))
    time_s, text = _capture_stamp(line)
    found = _UPTIME.match(text)
    if found is None:
        return Stamped(time_s, None, text, text)
    h, m, s, ms, us = map(int, found.groups())
    uptime_s = h * 3600 + m * 60 + s + ms / 1000 + us / 1e6
    return Stamped(time_s, uptime_s, text, _without_lost_escapes(text[found.end() :]))


def _without_lost_escapes(text: str) -> str:
    if text[:1] == "[" and (text[1:2] == "m" or "m" in text[2:8] or text[1:3] in ("J[", "8D")):
        text = _LOST_ESCAPES_FIRST.sub("", text)
    if text[-1:] == "m" and "[" in text[-9:]:
        text = _LOST_ESCAPES_LAST.sub("", text)
    if _LOST_PROMPT_REDRAWN in text:
        text = text[text.rindex(_LOST_PROMPT_REDRAWN) + len(_LOST_PROMPT_REDRAWN) :]
    return text


def _fixed_uptime(line: str) -> float | None:
    """`[00:00:05.123,456] `, by place: most lines of an application begin like this."""
    try:
        whole_s = int(line[1:3]) * 3600 + int(line[4:6]) * 60 + int(line[7:9])
        return whole_s + int(line[10:13]) / 1000 + int(line[14:17]) / 1e6
    except ValueError:
        return None


def _capture_stamp(line: str) -> tuple[float | None, str]:
    time_s = None
    found = _CAPTURE.match(line)
    if found is not None:
        groups = found.groupdict()
        for kind in ("", "d", "p", "t"):
            if groups[f"{kind}h"] is not None:
                seconds = float(groups[f"{kind}s"].replace(",", "."))
                time_s = int(groups[f"{kind}h"]) * 3600 + int(groups[f"{kind}m"]) * 60 + seconds
        if groups["epoch"] is not None:
            time_s = float(groups["epoch"])
        if groups["since"] is not None:
            time_s = float(groups["since"])
        line = line[found.end() :]
    level = _LEVEL_OF_A_TEST.match(line)
    return time_s, line[level.end() :] if level is not None else line

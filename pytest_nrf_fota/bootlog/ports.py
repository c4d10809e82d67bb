"""Lines of several ports in one capture, where a tool puts the port's name before each line."""

import re

from pytest_nrf_fota.bootlog.catalogue.levels import APP_LOG
from pytest_nrf_fota.bootlog.matching import NOTHING, LineMatcher
from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.bootlog.stamps import split_stamps

# `board-2 | text`, `[dut1] text`, `ttyACM1: text`, `COM5> text`; no name that firmware prints.
_NAME = r"(?:board|dut|dev(?:ice)?|uart|com|tty[A-Za-z]*|port|node|kit|sn|target|serial)"
_PREFIX = re.compile(
    rf"(?:[\w./-]{{1,24}} ?\| |\[{_NAME}[-_ ]?[\w.-]{{1,16}}\]:? "
    rf"|{_NAME}[-_]?\d[\w.-]{{0,16}}[>:] )",
    re.IGNORECASE,
)
_MOST_SHOWN = 3


class OnePort:
    """Keeps to the port whose line is the first one that the catalogue knows.

    Another board's lines would begin boots and end swaps that are none of this one's.
    """

    def __init__(self, matcher: LineMatcher) -> None:
        self._matcher = matcher
        self._own: str | None = None
        self.others: list[Seen] = []

    def own_text(self, number: int, text: str) -> str | None:
        """A line without its port's name; None for another port's line."""
        found = _PREFIX.match(text)
        if found is None:
            if self._own is None and self._matcher.facts(text) is not NOTHING:
                self._own = ""
            # A tool may name the port of one board alone, and break lines.
            return text
        name, rest = found[0], text[found.end() :]
        is_known = self._matcher.facts(split_stamps(rest).body) is not NOTHING
        if self._own is None and is_known:
            self._own = name
        if self._own == name:
            return rest
        # Tables of an application have such columns, too.
        if not is_known and not APP_LOG.search(rest):
            return text
        if len(self.others) < _MOST_SHOWN:
            self.others.append(Seen(number, text))
        return None

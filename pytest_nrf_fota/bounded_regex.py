"""Regular expressions that somebody else wrote: no search of theirs takes longer than it may.

`re` backtracks without end where a pattern lets it (`^(\\S+\\s*)+ready$`), and nothing can stop it.
"""

import re
from typing import Protocol, cast


class _Match(Protocol):
    def __call__(self, text: str, pos: int = 0, *, timeout: float) -> "re.Match[str] | None": ...


class BoundedRegex:
    """A regular expression, each search of which ends after `limit_s` seconds at the latest.

    Raises `re.error` and `TypeError` as `re.compile` does.
    """

    def __init__(self, text: str, flags: int = 0, *, limit_s: float = 1.0) -> None:
        self.pattern = text
        self.limit_s = limit_s
        self._re = re.compile(text, flags)
        self._search = _search_with_limit(text, flags)

    def search(self, text: str, pos: int = 0) -> "re.Match[str] | None":
        """As `re.Pattern.search`. Raises `TimeoutError` where it would take longer."""
        if self._search is None:
            return self._re.search(text, pos)
        return self._search(text, pos, timeout=self.limit_s)


def _search_with_limit(text: str, flags: int) -> "_Match | None":
    # Heavy, and needed on a board's console only.
    try:
        import regex
    # An environment from before this dependency: as `re` does it.
    except ImportError:
        return None
    try:
        compiled = regex.compile(text, flags)
    except regex.error:
        return None
    # Its matches have all that those of `re` have.
    return cast(_Match, compiled.search)

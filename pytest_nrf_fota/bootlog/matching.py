"""Match lines with the catalogue, once for each text, and find the lines worth matching.

Lines of a log differ by their numbers. So what could match a line is asked of its folded text, in
small letters and with every digit a 0, and remembered: most lines of an application fold to a few.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from pytest_nrf_fota.bootlog.catalogue import LogPattern, Stage, log_patterns

_LONGEST_MATCHED_CHARS = 1000
_MOST_REMEMBERED = 20_000
_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ123456789", "abcdefghijklmnopqrstuvwxyz000000000")
# Patterns that match much; what they say is taken only where nothing better is known of a line.
_WEAK = frozenset(
    {
        *("image_group_error", "smp_transport_error", "app_version", "client_field"),
        *("tfm_line", "flash_debug", "client_error", "fault_registers", "client_image"),
    }
)
# Lines that begin or end a stage, and those of which another reader wants to know.
_NOT_PLAIN = frozenset(
    {
        *("banner", "banner_more", "mcuboot_banner"),
        *("client_image", "client_state", "client_field", "client_error"),
    }
)
# Behind these lines the next stage may begin.
_ENDS_STAGE = frozenset(
    {"nsib_verified", "chainload", "jump", "esp_loads", "tfm_start", "tfm_line"}
)
# What is looked for in a running application's output, besides the watched patterns: prompts,
# level err, what a flash driver says, why the board was reset.
_WATCHED_TEXTS = ("~$", "<err>", "JEDEC", "eset reason", "eset cause", "RESETREAS", "atchdog")
# Parts that many watched texts share: one search instead of many.
_SHARED_TEXTS = (" slot", " boot", "ootloader", "network core", "*** ", "bootable", "gnature")


@dataclass(frozen=True)
class Hit:
    """One pattern that a line matches, and the pattern's groups."""

    pattern: LogPattern
    groups: dict[str, str | None]

    def text(self, group: str) -> str | None:
        """A group; None where the pattern has none of that name, too."""
        return self.groups.get(group)

    def number(self, group: str, base: int = 10) -> int | None:
        """A group as a number; None where it is missing or none."""
        try:
            return int(self.groups.get(group) or "", base)
        except ValueError:
            return None


@dataclass(frozen=True)
class LineFacts:
    """All that the catalogue knows of a line.

    Args:
        stage: the earliest stage that prints it; None where any may.
        strong_stage: the same, from lines that no application prints.
        is_plain: in its own stage it is a line like any other, beginning nothing.
        ends_stage: behind it the next stage may begin.
    """

    hits: tuple[Hit, ...]
    names: frozenset[str]
    stage: Stage | None
    strong_stage: Stage | None
    is_plain: bool = False
    ends_stage: bool = False

    def hit(self, *names: str) -> Hit | None:
        """The first hit of one of these patterns."""
        return next((hit for hit in self.hits if hit.pattern.name in names), None)


NOTHING = LineFacts((), frozenset(), None, None)


class LineMatcher:
    """Matches lines; remembers a bounded number of them, because boots repeat theirs."""

    def __init__(self, patterns: tuple[LogPattern, ...] | None = None) -> None:
        self.patterns = patterns = log_patterns() if patterns is None else patterns
        # Anchors side by side: most lines hold none of them.
        self._anchors = sorted(
            {
                (anchor.translate(_FOLD), place)
                for place, p in enumerate(patterns)
                for anchor in p.anchors
            }
        )
        self._candidates: dict[str, tuple[int, ...]] = {}
        self.remembered: dict[str, LineFacts] = {}

    def facts(self, body: str) -> LineFacts:
        """What a line without stamps says."""
        known = self.remembered.get(body)
        if known is not None:
            return known
        folded = body[:_LONGEST_MATCHED_CHARS].translate(_FOLD)
        places = self._candidates.get(folded)
        if places is None:
            if len(self._candidates) >= _MOST_REMEMBERED:
                self._candidates.clear()
            places = self._candidates[folded] = self._places(folded)
        if not places:
            return NOTHING
        if len(self.remembered) >= _MOST_REMEMBERED:
            self.remembered.clear()
        known = self.remembered[body] = self._match(body, places)
        return known

    def _places(self, folded: str) -> tuple[int, ...]:
        """Which patterns a line with this folded text may match."""
        return tuple(sorted({place for anchor, place in self._anchors if anchor in folded}))

    def _match(self, body: str, places: Iterable[int]) -> LineFacts:
        text = body[:_LONGEST_MATCHED_CHARS]
        hits: list[Hit] = []
        for place in places:
            found = self.patterns[place].regex.search(text)
            if found is not None:
                hits.append(Hit(self.patterns[place], found.groupdict()))
        if not hits:
            return NOTHING
        strong = [hit for hit in hits if hit.pattern.name not in _WEAK]
        hits = strong or hits
        return LineFacts(
            tuple(hits),
            frozenset(hit.pattern.name for hit in hits),
            _earliest([hit.pattern.stage for hit in hits]),
            _earliest([hit.pattern.stage for hit in hits if hit.pattern.watched]),
            _NOT_PLAIN.isdisjoint(hit.pattern.name for hit in hits),
            not _ENDS_STAGE.isdisjoint(hit.pattern.name for hit in hits),
        )


def _earliest(stages: list[Stage | None]) -> Stage | None:
    named = [stage for stage in stages if stage is not None]
    return min(named) if named else None


@cache
def watch_words(patterns: tuple[LogPattern, ...], more: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Texts of which every watched line holds one, and `more`, folded; none holds another."""
    words = {word for pattern in patterns if pattern.watched for word in pattern.anchors}
    words = {word.translate(_FOLD) for word in (*words, *_WATCHED_TEXTS, *_SHARED_TEXTS, *more)}
    return tuple(sorted(word for word in words if not any(o in word for o in words if o != word)))


class WatchedLines:
    """Finds the lines of blocks that hold one of the watch words.

    Which folded lines do is remembered, so a block of lines that were seen like this before is
    passed over without a look at any of them.
    """

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words
        self._plain: set[str] = set()
        self._watched: set[str] = set()

    def starts(self, block: str, position: int = 0) -> list[int]:
        """Where the watched lines at or behind `position` start, and the block's end."""
        folded = block[position:].translate(_FOLD)
        lines = folded.split("\n")
        self._sort(set(lines) - self._plain - self._watched)
        starts: list[int] = []
        if not self._watched.isdisjoint(lines):
            for line in lines:
                if line in self._watched:
                    starts.append(position)
                position += len(line) + 1
        starts.append(len(block))
        return starts

    def _sort(self, fresh: set[str]) -> None:
        if len(self._plain) + len(self._watched) > _MOST_REMEMBERED:
            self._plain.clear()
            self._watched.clear()
            # What was sorted before is sorted again when it comes again.
        text = "\n".join(fresh)
        words = [word for word in self._words if word in text]
        for line in fresh:
            kind = self._watched if any(word in line for word in words) else self._plain
            kind.add(line)


def next_start(starts: list[int], position: int) -> int:
    """The first of these places at or behind `position`."""
    return starts[bisect_left(starts, position)]

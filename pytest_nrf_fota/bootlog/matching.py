"""Match lines with the catalogue, once for each text, and find the lines worth matching."""

from dataclasses import dataclass
from functools import cache

from pytest_nrf_fota.bootlog.catalogue import LogPattern, Stage, log_patterns

_LONGEST_MATCHED_CHARS = 1000
_MOST_REMEMBERED = 20_000
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
        *("client_image", "client_field", "client_error"),
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
        self._anchors = [
            (anchor, place) for place, p in enumerate(patterns) for anchor in p.anchors
        ]
        self.remembered: dict[str, LineFacts] = {}

    def facts(self, body: str) -> LineFacts:
        """What a line without stamps says."""
        known = self.remembered.get(body)
        if known is None:
            if len(self.remembered) >= _MOST_REMEMBERED:
                self.remembered.clear()
            known = self.remembered[body] = self._match(body)
        return known

    def _match(self, body: str) -> LineFacts:
        text = body[:_LONGEST_MATCHED_CHARS]
        hits: list[Hit] = []
        for place in sorted({place for anchor, place in self._anchors if anchor in text}):
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
    """Texts of which every watched line holds one, and `more`; none of them holds another."""
    words = {word for pattern in patterns if pattern.watched for word in pattern.anchors}
    words |= {*_WATCHED_TEXTS, *_SHARED_TEXTS, *more}
    return tuple(sorted(word for word in words if not any(o in word for o in words if o != word)))


class WatchedLines:
    """The next line of a block that holds one of the watch words.

    Where each word occurs next is remembered, so a block is searched once for each word.
    """

    def __init__(self, block: str, words: tuple[str, ...]) -> None:
        self._block = block
        self._next = dict.fromkeys(words, -1)

    def next_line_start(self, position: int) -> int:
        """Start of the first such line at or after `position`; the block's end where none is."""
        block, following = self._block, self._next
        first = len(block)
        for word, place in following.items():
            if place < position:
                place = block.find(word, position)
                following[word] = place = place if place >= 0 else len(block)
            if place < first:
                first = place
        if first == len(block):
            return first
        return max(position, block.rfind("\n", position, first) + 1)

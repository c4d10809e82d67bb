"""Read lines that lost, doubled or changed a character or two, as UARTs do at resets."""

import difflib
import re
from dataclasses import dataclass
from functools import cache, cached_property

from pytest_nrf_fota.bootlog.catalogue import LogPattern, Stage
from pytest_nrf_fota.bootlog.matching import NOTHING, LineFacts, LineMatcher

_LEAST_CHARS = 9
_LONGEST_CHARS = 160
# Values differ; of the pattern's own text, at most a fifth may be damaged.
_LEAST_LIKENESS = 0.6
_MOST_DAMAGED_PART = 0.2
# Damage of a UART is a few characters; more than that and a line is another line.
_MOST_DAMAGED_CHARS = 4
_MOST_ATTEMPTS = 4000
_DOUBLED = re.compile(r"(.)(?=\1)")
_LEVEL = re.compile(r"^(?:[IWED]: |\W{1,4}|<\w{3}> mcuboot: )")


@dataclass(frozen=True)
class _Template:
    """A literal line, and which of its characters are the pattern's own, not a value."""

    text: str
    is_fixed: tuple[bool, ...]
    bigrams: frozenset[str]


class LineRepair:
    """Finds what a damaged bootloader line was; gives up after so many lines that were none."""

    def __init__(self, matcher: LineMatcher) -> None:
        self._matcher = matcher
        self._attempts_left = _MOST_ATTEMPTS
        self._tried: dict[str, LineFacts] = {}

    def facts(self, body: str) -> LineFacts:
        """What the line says once it is repaired; `NOTHING` where it cannot be."""
        text = body.strip()
        known = self._tried.get(text)
        if known is None:
            known = self._tried[text] = self._facts(text)
            if len(self._tried) > _MOST_ATTEMPTS:
                self._tried.clear()
        return known

    def _facts(self, text: str) -> LineFacts:
        if not _LEAST_CHARS <= len(text) <= _LONGEST_CHARS or self._attempts_left <= 0:
            return NOTHING
        self._attempts_left -= 1
        for place in _DOUBLED.finditer(text):
            found = self._matcher.facts(text[: place.start()] + text[place.end() :])
            if found.stage is not None or "banner" in found.names:
                return found
        return self._from_templates(text)

    @cached_property
    def _templates(self) -> tuple[_Template, ...]:
        return _templates(self._matcher.patterns)

    def _from_templates(self, text: str) -> LineFacts:
        plain = _LEVEL.sub("", text)
        bigrams = _bigrams(plain)
        near = [
            template
            for template in self._templates
            if len(bigrams & template.bigrams) >= 0.6 * min(len(bigrams), len(template.bigrams))
            and abs(len(plain) - len(template.text)) <= 12
        ]
        best: LineFacts = NOTHING
        least_damaged = _MOST_DAMAGED_CHARS + 1
        for template in near[:40]:
            compared = difflib.SequenceMatcher(None, plain, template.text, autojunk=False)
            if compared.ratio() < _LEAST_LIKENESS:
                continue
            repaired, damaged = _fill_in(plain, template, compared)
            own_chars = sum(template.is_fixed)
            if not 0 < damaged < least_damaged or damaged > _MOST_DAMAGED_PART * own_chars:
                continue
            found = self._matcher.facts(repaired)
            if found.hits:
                best, least_damaged = found, damaged
        return best


@cache
def _templates(patterns: tuple[LogPattern, ...]) -> tuple[_Template, ...]:
    return tuple(
        _template(pattern, example)
        for pattern in patterns
        if pattern.watched or pattern.stage in (Stage.NSIB, Stage.MCUBOOT)
        for example in pattern.examples
        if len(example) >= _LEAST_CHARS and _is_plain(example)
    )


def _fill_in(
    text: str, template: _Template, compared: "difflib.SequenceMatcher[str]"
) -> tuple[str, int]:
    """The text with the template's own characters where the two differ in them, and how many."""
    parts: list[str] = []
    damaged = 0
    for tag, start, end, wanted_start, wanted_end in compared.get_opcodes():
        fixed = all(template.is_fixed[wanted_start:wanted_end])
        if tag == "equal" or not fixed:
            parts.append(text[start:end])
            continue
        # What stands where the template has nothing may be a longer value: keep it there.
        beside = template.is_fixed[max(0, wanted_start - 1) : wanted_start + 1]
        if tag == "delete" and not all(beside):
            parts.append(text[start:end])
            continue
        damaged += max(end - start, wanted_end - wanted_start)
        parts.append(template.text[wanted_start:wanted_end])
    return "".join(parts), damaged


def _template(pattern: LogPattern, example: str) -> _Template:
    text = _LEVEL.sub("", example)
    found = pattern.regex.search(text) or pattern.regex.search(example)
    fixed = [True] * len(text)
    if found is not None and found.string == text:
        for name in pattern.regex.groupindex:
            start, end = found.span(name)
            fixed[max(0, start) : max(0, end)] = [False] * (max(0, end) - max(0, start))
    return _Template(text, tuple(fixed), _bigrams(text))


def _is_plain(example: str) -> bool:
    """Whether it begins with the line itself, not with stamps, prompts or functions."""
    return not re.match(r"\[|uart:|\ufffd|\]|<inf> (?!mcuboot)|I: main", example)


def _bigrams(text: str) -> frozenset[str]:
    return frozenset(text[place : place + 2] for place in range(len(text) - 1))

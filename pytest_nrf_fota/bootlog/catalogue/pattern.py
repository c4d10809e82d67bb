"""One kind of log line: what it looks like, who prints it, what it means."""

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property


class Stage(IntEnum):
    """The stages of one boot, in their order."""

    NSIB = 1
    MCUBOOT = 2
    TFM = 3
    APP = 4


@dataclass(frozen=True)
class LogPattern:
    """One kind of line.

    Args:
        name: what the line says, by which code refers to it.
        stage: the stage that prints it, or None where any may.
        expression: the regular expression, searched anywhere in a line, because captures carry
            prefixes.
        meaning: one sentence for people.
        source: where the line was read.
        examples: literal lines that it matches.
        anchors: every matching line holds one of these, in large letters or small; other lines are
            not searched.
        since, until: first and last release that prints it so; None where unknown or unlimited.
        refuses: a bootloader says no with it.
        watched: looked for also in the long output of a running application.
    """

    name: str
    stage: Stage | None
    expression: str
    meaning: str
    source: str
    examples: tuple[str, ...]
    anchors: tuple[str, ...]
    since: str | None = None
    until: str | None = None
    refuses: bool = False
    watched: bool = False

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The expression, compiled when a line first holds an anchor: few logs need them all.

        Raises `re.error`.
        """
        return re.compile(self.expression)


@dataclass(frozen=True)
class Family:
    """What the patterns of one module share."""

    stage: Stage | None
    source: str
    prefix: str = ""

    def line(
        self,
        name: str,
        regex: str,
        meaning: str,
        *examples: str,
        stage: Stage | None = None,
        any_stage: bool = False,
        source: str | None = None,
        anchor: str | tuple[str, ...] | None = None,
        since: str | None = None,
        until: str | None = None,
        refuses: bool = False,
        watched: bool = False,
    ) -> LogPattern:
        """A pattern of this family; what is given here wins over what the family says."""
        return LogPattern(
            name=name,
            stage=None if any_stage else stage or self.stage,
            expression=self.prefix + regex,
            meaning=meaning,
            source=source or self.source,
            examples=examples,
            anchors=_anchors(anchor, regex),
            since=since,
            until=until,
            refuses=refuses,
            watched=watched,
        )


def _anchors(given: str | tuple[str, ...] | None, regex: str) -> tuple[str, ...]:
    match given:
        case None:
            return (longest_literal(regex),)
        case str():
            return (given,)
        case _:
            return given


_META = frozenset(".^$*+?{}[]\\|()")


def longest_literal(regex: str) -> str:
    """The longest text that every match must hold, outside all groups and repetitions."""
    runs = [""]
    depth, position = 0, 0
    while position < len(regex):
        char = regex[position]
        length = 1
        is_literal = char not in _META
        if char == "\\":
            length = 2
            char = regex[position + 1]
            is_literal = not char.isalnum()
        elif char == "[":
            length = regex.index("]", position + 2) + 1 - position
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and depth == 0:
            return ""
        elif char in "?*{" and runs[-1]:
            runs[-1] = runs[-1][:-1]
        if char == "{" and not is_literal and length == 1:
            length = regex.index("}", position) + 1 - position
        if is_literal and depth == 0:
            runs[-1] += char
        elif runs[-1]:
            runs.append("")
        position += length
    return max(runs, key=len)

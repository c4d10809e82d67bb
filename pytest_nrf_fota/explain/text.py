"""An explanation as plain text, for a terminal, a pipe or a CI log."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from pytest_nrf_fota.explain.explanation import Explanation
from pytest_nrf_fota.findings.finding import Finding, Origin, Shown

_LONGEST_LINE_CHARS = 300
_SHORT_CAUSES = 3
_SHORT_LINES = 3
_COMMAND = re.compile(r"`[^`]+`")
# textwrap does not break at it.
_KEPT_BLANK = "\N{NO-BREAK SPACE}"


def explanation_text(explanation: Explanation, width: int = 80) -> Iterator[str]:
    """The answer, the boots, the causes with their lines and remedies, what to capture next."""
    yield from _wrapped(explanation.answer, width)
    if explanation.boots:
        yield ""
        yield _boots_title(explanation)
        last_number = 0
        for boot in explanation.boots:
            if boot.number > last_number + 1 and last_number:
                yield f"  ... {boot.number - last_number - 1} more"
            last_number = boot.number
            yield from _wrapped(
                f"{boot.number}. line {boot.line_number}: {boot.text}", width, "  ", "     "
            )
    if explanation.shown:
        yield ""
        yield from _wrapped(f"Evidence: {explanation.why}", width)
        for shown in explanation.shown:
            yield from _line(shown, width, "  ")
    if explanation.causes:
        yield ""
        yield "Causes, most likely first:"
        for number, cause in enumerate(explanation.causes, start=1):
            yield from _cause(f"{number}. ", cause, width)
    if explanation.advice:
        yield ""
        yield "Worth doing:"
        for advice in explanation.advice:
            yield from _cause("- ", advice, width)
    if explanation.notes:
        yield ""
        yield "Seen, and not the cause:"
        for note in explanation.notes:
            yield from _cause("- ", note, width)
    if explanation.capture_next:
        yield ""
        yield "Capture next:"
        for wanted in explanation.capture_next:
            yield from _wrapped(f"- {wanted}", width, "  ", "    ")


def short_text(explanation: Explanation, width: int = 100) -> Iterator[str]:
    """The outcome and the first causes with a few lines each, for a failing test."""
    yield from _wrapped(explanation.outcome if explanation.causes else explanation.answer, width)
    for cause in explanation.causes[:_SHORT_CAUSES]:
        yield from _wrapped(f"- {cause.cause} ({cause.confidence.value})", width, "", "  ")
        for shown in _few(cause.shown):
            yield from _line(shown, width, "    ")
        yield from _wrapped(f"remedy: {cause.remedy}", width, "  ", "    ")
    for advice in explanation.advice[:1]:
        yield from _wrapped(f"- worth doing: {advice.remedy}", width, "", "  ")


def _few(shown: Sequence[Shown]) -> Sequence[Shown]:
    if len(shown) <= _SHORT_LINES:
        return shown
    return (*shown[: _SHORT_LINES - 1], shown[-1])


def _boots_title(explanation: Explanation) -> str:
    count = explanation.boot_count
    return "1 boot:" if count == 1 else f"{count} boots:"


def _cause(mark: str, cause: Finding, width: int) -> Iterator[str]:
    text = f"{mark}{cause.cause} [{cause.code}, {cause.confidence.value}]"
    yield from _wrapped(text, width, "  ", "     ")
    for shown in cause.shown:
        yield from _line(shown, width, "     ")
    yield from _wrapped(f"Remedy: {cause.remedy}", width, "     ", "       ")


def _line(shown: Shown, width: int, indent: str) -> Iterator[str]:
    match shown.origin:
        case Origin.LOG:
            place = f"line {shown.line_number}"
        case Origin.CLIENT:
            place = f"smp log, line {shown.line_number}"
        case Origin.PACKAGE:
            place = "package"
    text = shown.text
    if len(text) > _LONGEST_LINE_CHARS:
        text = f"{text[:_LONGEST_LINE_CHARS]}..."
    yield from _wrapped(f"{place}: {text}", width, f"{indent}| ", f"{indent}|   ")


def _wrapped(text: str, width: int, first: str = "", others: str = "") -> list[str]:
    # A command is copied: it stays on one line, however long. A log's line may be all noise.
    kept = _COMMAND.sub(lambda command: command[0].replace(" ", _KEPT_BLANK), text)
    lines = textwrap.wrap(
        kept,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
        break_long_words=_COMMAND.search(text) is None,
    )
    return [line.replace(_KEPT_BLANK, " ") for line in lines] or [""]

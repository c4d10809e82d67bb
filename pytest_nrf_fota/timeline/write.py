"""Write the page of a recorder."""

import os
from collections.abc import Callable
from pathlib import Path

from pytest_nrf_fota.record.tries import Tries, read_tries
from pytest_nrf_fota.timeline.collect import Diagnose, time_line
from pytest_nrf_fota.timeline.log_rows import log_rows
from pytest_nrf_fota.timeline.other_tries import with_names_of_tries, with_tries
from pytest_nrf_fota.timeline.page import page
from pytest_nrf_fota.timeline.values import Result, TimeLine

PAGE_NAME = "timeline.html"
"""The page's file, beside the recorder's."""


def write_page(
    recorder: Path,
    output: Path,
    result: Result | None = None,
    diagnose: Diagnose | None = None,
) -> TimeLine:
    """Write a recorder's time line to a file, completely or not at all. Returns what is on it.

    Args:
        recorder: the recorder's file.
        output: the page; one that is there is replaced.
        result: how the test ended, where the recorder does not say.
        diagnose: asked why an update is not proven, where the recorder does not say.

    Raises `OSError`, and `InputError` for a file that is no flight recorder.
    """
    line = time_line(recorder, result, diagnose)
    text = page(line, log_rows(recorder, line))
    tries = read_tries(recorder.parent)
    if tries is not None:
        text = with_tries(text, tries, output.parent, PAGE_NAME)
    _replace(output, text)
    return line


def tell_tries(output: Path, tries: Tries) -> None:
    """Put a test's other tries into a page that was written before they ended. Raises `OSError`."""
    text = output.read_text(encoding="utf-8")
    _replace(output, with_tries(text, tries, output.parent, PAGE_NAME))


def tell_attached(attached: Path, tries: Tries, mask: Callable[[str], str]) -> None:
    """The same in a copy of the page that is elsewhere, so that nothing can lead from it to others.

    Raises `OSError`.
    """
    text = attached.read_text(encoding="utf-8")
    _replace(attached, with_names_of_tries(text, tries, mask))


def _replace(output: Path, text: str) -> None:
    part = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)

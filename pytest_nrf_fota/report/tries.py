"""Tries of one test: run again after a failure, repeated on purpose, or on a spare kit.

Where the terminal is, all of them are heard of, whichever worker ran them; so they are numbered
there, and each is told of the others when the session is over.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_nrf_fota.report.masking import Mask

TRY_PROPERTY = "nrf_fota_try"
REPEATED_PROPERTY = "nrf_fota_repeats"
AGAIN_PROPERTY = "nrf_fota_run_again"
ATTACHED_PROPERTY = "nrf_fota_attached"
"""The file that Allure has of a time line, for whoever links tries; no report shows it."""

# pytest-repeat's name of its parameter (pytest_repeat.py, release 0.9.4).
_STEP = "__pytest_repeat_step_number"
# What pages call outcomes that are pytest's words for people who know its plugins.
_SHOWN = {"rerun": "failed", "infrastructure": "kit lost"}


@dataclass(frozen=True)
class Repetition:
    """One of several executions that pytest-repeat makes of a test.

    Args:
        of: the test's node id without the repetition.
        number: from 1.
        count: how many there are.
    """

    of: str
    number: int
    count: int


@dataclass(frozen=True)
class FinishedTry:
    """One execution of a test: how it ended, its folder, and Allure's file of its page."""

    outcome: str
    folder: Path
    attached: str = ""


@dataclass(frozen=True)
class Attachments:
    """Where Allure's files are, and what a text goes through before it is in one.

    Args:
        know_kit: told of each kit first, whose name may have to be hidden.
    """

    folder: Path
    mask: Mask
    know_kit: Callable[[str], None]


def repetition_of(item: pytest.Item) -> Repetition | None:
    """Which repetition a test is; None where pytest-repeat does not repeat it."""
    callspec = getattr(item, "callspec", None)
    step: object = None if callspec is None else callspec.params.get(_STEP)
    if callspec is None or not isinstance(step, int):
        return None
    marker = item.get_closest_marker("repeat")
    count = int(marker.args[0] if marker is not None else item.config.getoption("count"))
    own = f"{step + 1}-{count}"
    parameters = str(callspec.id)
    base = item.nodeid.removesuffix(f"[{parameters}]")
    # It is the last parameter, or the first where a test has a wider scope than the others.
    if parameters == own:
        return Repetition(base, step + 1, count)
    if parameters.endswith(f"-{own}"):
        return Repetition(f"{base}[{parameters.removesuffix(f'-{own}')}]", step + 1, count)
    return Repetition(f"{base}[{parameters.removeprefix(f'{own}-')}]", step + 1, count)


def repeated_properties(item: pytest.Item) -> list[tuple[str, object]]:
    """What a repetition's report says of the test that it is one of."""
    repetition = repetition_of(item)
    return [] if repetition is None else [(REPEATED_PROPERTY, repetition.of)]


def link_tries(
    tries: Sequence[FinishedTry], run: Path, attachments: Attachments | None = None
) -> None:
    """Tell each try's folder and page of the others. Never raises: it is a help.

    Folders of workers on other hosts are not here, and are left out.

    Args:
        tries: of one test, in the order in which they ended.
        run: the run's folder; what is in it is named from there.
        attachments: where Allure has copies of the pages; None where it has none.
    """
    from pytest_nrf_fota.record.tries import Tries, TryInBrief, write_tries
    from pytest_nrf_fota.timeline.write import PAGE_NAME, tell_attached, tell_tries

    brief = tuple(
        TryInBrief(
            outcome=_SHOWN.get(one.outcome, one.outcome),
            folder=_below(one.folder, run),
            kit=_kit(one.folder),
        )
        for one in tries
    )
    for number, one in enumerate(tries, 1):
        with contextlib.suppress(OSError, ValueError):
            if one.folder.is_dir():
                known = Tries(number=number, folder=_below(one.folder, run), tries=brief)
                write_tries(one.folder, known)
                if (one.folder / PAGE_NAME).is_file():
                    tell_tries(one.folder / PAGE_NAME, known)
        if attachments is not None and one.attached:
            for other in brief:
                attachments.know_kit(other.kit)
            known = Tries(number=number, folder="", tries=brief)
            with contextlib.suppress(OSError, ValueError):
                tell_attached(attachments.folder / one.attached, known, attachments.mask)


def _below(folder: Path, run: Path) -> str:
    return folder.relative_to(run).as_posix() if folder.is_relative_to(run) else str(folder)


def _kit(folder: Path) -> str:
    from pytest_nrf_fota.errors import FotaError
    from pytest_nrf_fota.record.result import RESULT_NAME, read_result

    try:
        return read_result(folder / RESULT_NAME).kit
    except (OSError, FotaError):
        return ""

"""How findings become an answer: what counts, what is history, what is asked for."""

from pytest_nrf_fota.explain.case import case_of, case_of_text
from pytest_nrf_fota.explain.explanation import Status, explain
from pytest_nrf_fota.explain.known_lines import KEPT_FIRST, KEPT_LAST
from pytest_nrf_fota.explain.text import explanation_text
from pytest_nrf_fota.findings.finding import Confidence

_REFUSED = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: test
E: Image in the secondary slot is not valid!
I: Bootloader chainload address offset: 0xc000
I: Jumping to the first image slot
*** Booting nRF Connect SDK v2.5.2 ***
[00:00:00.030,273] <inf> app: running
"""
_INVALID = "E: Image in the secondary slot is not valid!\n"
_SWAPPED = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: perm
I: Starting swap using move algorithm.
I: Bootloader chainload address offset: 0xc000
I: Jumping to the first image slot
*** Booting nRF Connect SDK v2.5.2 ***
[00:00:00.030,273] <inf> app: running
"""
_PLAIN = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: none
I: Bootloader chainload address offset: 0xc000
I: Jumping to the first image slot
*** Booting nRF Connect SDK v2.5.2 ***
[00:00:00.030,273] <inf> app: running
"""
_CRASH = """\
[00:00:01.000,000] <err> os: ***** BUS FAULT *****
[00:00:01.000,000] <err> os:   Precise data bus error
[00:00:01.000,000] <err> os: Faulting instruction address (r15/pc): 0x0001bd9c
[00:00:01.000,000] <err> os: Current thread: 0x200009d0 (main)
"""


def test_refusal_before_an_upgrade_is_history() -> None:
    """Shown, but as what it is."""
    explanation = explain(case_of_text(_REFUSED + _SWAPPED))
    assert explanation.status is Status.FINE
    assert explanation.answer == "The upgrade happened."
    assert explanation.causes == ()
    assert [note.code for note in explanation.notes] == ["secondary_image_invalid"]
    assert "Seen, and not the cause:" in list(explanation_text(explanation))


def test_crash_behind_an_upgrade_is_a_cause() -> None:
    """The upgrade happened, and something is wrong all the same."""
    explanation = explain(case_of_text(_SWAPPED + _CRASH))
    assert explanation.status is Status.CAUSE_FOUND
    assert explanation.answer.startswith("The upgrade happened. Cause (certain): BUS FAULT")
    assert "addr2line" in explanation.causes[0].remedy
    assert "0x1bd9c" in explanation.causes[0].remedy


def test_what_is_only_possible_is_no_alarm() -> None:
    """Where no upgrade failed it is worth checking, and the exit code stays 0."""
    doubt = "[00:00:05.000,000] <wrn> bt: Security failed: level 1 err 4\n"
    explanation = explain(case_of_text(_PLAIN + doubt))
    assert explanation.status is Status.FINE
    assert explanation.answer.startswith("No upgrade was attempted. Worth checking (possible): ")


def test_certain_cause_asks_for_nothing_more() -> None:
    """What is settled needs no further capture; what is not says which."""
    downgrade = "E: insufficient version in secondary slot\n"
    assert explain(case_of_text(_REFUSED)).capture_next == (
        "The package: `--package dfu_application.zip`.",
    )
    certain = explain(case_of_text(_REFUSED.replace(_INVALID, downgrade)))
    assert certain.causes[0].confidence is Confidence.CERTAIN
    assert certain.capture_next == ()
    silent = _SWAPPED.splitlines()[0] + "\n[00:00:00.030,273] <inf> app: running\n"
    assert explain(case_of_text(silent)).capture_next


def test_memory_is_bounded() -> None:
    """Of each pattern the first and the last lines are kept, with their numbers."""
    count = 5000
    case = case_of([b"E: Image in the secondary slot is not valid!\n" * count])
    kept = case.known("image_invalid")
    assert len(kept) == KEPT_FIRST + KEPT_LAST
    assert (kept[0].seen.line_number, kept[-1].seen.line_number) == (1, count)

"""Steps are asked for, timed, recorded; none that fails ends the others."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.first_contact.bench import Bench, SkippedError
from pytest_nrf_fota.first_contact.run import STEPS, Contact, NobodyToAskError, make_contact
from pytest_nrf_fota.first_contact.step import Found, Result, Step, held
from pytest_nrf_fota.record.events import ContactMade
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording


def _raises(error: BaseException) -> Step:
    def run(bench: Bench) -> Found:
        raise error

    return Step(type(error).__name__, "Fails.", run)


HELD = Step("fine", "Does nothing.", lambda bench: held(True, "as it was"))
NOT_HELD = Step("odd", "Does nothing.", lambda bench: held(False, "otherwise"))
ERASES = Step("erase", "Erases all.", lambda bench: held(True, "gone"), erases=True)


def _contact(tmp_path: Path, *steps: Step, agrees: bool | None = True) -> Contact:
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "first contact")
    bench = Bench(load_board("nrf5340dk"), tmp_path / "merged.hex", tmp_path, recorder)

    def ask(step: Step) -> bool:
        if agrees is None:
            raise NobodyToAskError
        return agrees

    contact = make_contact(bench, ask, lambda number, step: None, lambda done: None, steps)
    recorder.close()
    return contact


def test_step_that_fails_ends_no_other(tmp_path: Path) -> None:
    """Whatever it raises: the board's no, a reason to skip, a mistake of its own."""
    contact = _contact(
        tmp_path,
        _raises(BoardError("it said no", next_step="Ask again.")),
        _raises(SkippedError("there is none")),
        _raises(ZeroDivisionError("by zero")),
        NOT_HELD,
        HELD,
    )
    found = [(one.found.result, one.found.text) for one in contact.done]
    assert found == [
        (Result.FAILED, "it said no Ask again."),
        (Result.SKIPPED, "there is none"),
        (Result.FAILED, "ZeroDivisionError: by zero"),
        (Result.NOT_HELD, "otherwise"),
        (Result.HELD, "as it was"),
    ]
    assert not contact.all_held
    events = [one.event for one in read_recording(tmp_path / "recorder.jsonl")]
    made = [event for event in events if isinstance(event, ContactMade)]
    assert [event.result for event in made] == [result.value for result, _ in found]


def test_whoever_does_not_agree_erases_nothing(tmp_path: Path) -> None:
    contact = _contact(tmp_path, ERASES, HELD, agrees=False)
    assert [one.found.text for one in contact.done] == ["you did not agree", "as it was"]
    assert contact.all_held


def test_nobody_to_ask_ends_before_the_first_step_that_erases(tmp_path: Path) -> None:
    contact = _contact(tmp_path, HELD, ERASES, HELD, agrees=None)
    assert [one.step for one in contact.done] == [HELD]
    assert "'erase' erases, and nobody can be asked here: give --yes" in contact.ended_early
    assert not contact.all_held


def test_interrupt_ends_the_steps_and_keeps_what_was_found(tmp_path: Path) -> None:
    contact = _contact(tmp_path, HELD, _raises(KeyboardInterrupt()), HELD)
    assert [one.found.text for one in contact.done] == ["as it was", "interrupted"]
    assert contact.ended_early == "It was interrupted in 'KeyboardInterrupt'."


def test_what_erases_says_so() -> None:
    """A step whose sentence speaks of erasing or writing asks first."""
    for step in STEPS:
        words = ("Erases", "Writes", "Recovers", "Closes")
        assert step.erases == step.does.startswith(words), step.name


@pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
def test_each_step_says_what_it_does(step: Step) -> None:
    assert step.does.endswith(".")

"""A test's result in its file, and what is known without one."""

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.findings.finding import Finding, Weight
from pytest_nrf_fota.record.events import (
    FailureExplained,
    Measurement,
    SmpMessage,
    StepEnded,
    UartLine,
    UnitTaken,
    VerdictReached,
)
from pytest_nrf_fota.record.recorded_facts import result_of_recorder
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.record.result import (
    CauseOfFailure,
    Measured,
    TestResult,
    read_result,
    write_result,
)

STARTED = datetime(2026, 11, 1, 23, 30, tzinfo=timezone.utc)
RESULT = TestResult(
    node_id="tests/hil/test_a.py::test_b[x]",
    board="nrf5340dk",
    kit="1050012345",
    outcome="failed",
    side="firmware",
    phase="call",
    try_number=2,
    causes=(CauseOfFailure(code="nothing_pending", text="Nothing was pending."),),
    measurements=(Measured(name="boot time", value=1.5, unit="s"),),
    started=STARTED,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_result(tmp_path / "result.json", RESULT)
    assert read_result(tmp_path / "result.json") == RESULT
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert json.loads((tmp_path / "result.json").read_text())["format"] == 1


def test_scenario_is_the_same_wherever_it_was_collected() -> None:
    elsewhere = RESULT.model_copy(
        update={"node_id": "pytest_nrf_fota/scenarios/test_a.py::test_b[x]"}
    )
    assert RESULT.scenario == elsewhere.scenario == "test_a.py::test_b[x]"
    slashes = RESULT.model_copy(update={"node_id": "test_a.py::test_b[a/b::c]"})
    assert slashes.scenario == "test_a.py::test_b[a/b::c]"


def test_a_later_version_may_say_more(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    values = json.loads(RESULT.model_dump_json())
    path.write_text(json.dumps({**values, "format": 2, "weather": "rain"}))
    assert read_result(path).causes == RESULT.causes


@pytest.mark.parametrize("text", ["", "{", "[]", '{"node_id": "a"}', '{"outcome": "great"}'])
def test_damaged_results_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        read_result(path)


def recorded(folder: Path) -> Path:
    """A recorder of a failing test, as an older version left it."""
    recorder = FlightRecorder()
    path = folder / "recorder.jsonl"
    recorder.open(path, "tests/t.py::test_a", {"pytest": "9"}, {"host": "lab1"})
    recorder.record(
        UnitTaken(unit="1050012345", board="nrf5340dk", settings={"boot": {"ncs": "2.9"}})
    )
    recorder.record(StepEnded(step="erase external flash", duration_s=52.1))
    recorder.record(UartLine(port="p", text='"event":{"kind":"verdict"'))
    recorder.record(
        SmpMessage(
            direction="answer",
            name="image state",
            sequence=1,
            size_bytes=1,
            payload={"images": [{"active": True, "version": "1.2.0"}]},
        )
    )
    recorder.record(Measurement(name="boot time", value=1.25, unit="s"))
    evidence = (Evidence(Source.UART, Says.OLD, "old"),)
    recorder.record(
        VerdictReached(outcome="not upgraded", subject="a", reason="b", evidence=evidence)
    )
    note = Finding("just_a_note", "Harmless.", weight=Weight.NOTE)
    follows = Finding("follows", "It follows.", weight=Weight.CONSEQUENCE)
    cause = Finding("nothing_pending", "Nothing was pending.", "Set it pending.")
    recorder.record(FailureExplained(ending="e", causes=(note, follows, cause), text="t"))
    recorder.close()
    return path


def test_a_recorder_without_a_result(tmp_path: Path) -> None:
    result = result_of_recorder(recorded(tmp_path))
    assert (result.node_id, result.board, result.kit) == (
        "tests/t.py::test_a",
        "nrf5340dk",
        "1050012345",
    )
    assert (result.outcome, result.side, result.host, result.ncs) == (
        "failed",
        "firmware",
        "lab1",
        "2.9",
    )
    assert [one.code for one in result.causes] == ["nothing_pending", "follows"]
    assert result.failure == "Nothing was pending."
    assert result.verdicts[0].outcome == "not upgraded"
    assert result.firmware == {"image 0": "1.2.0"}
    assert {(one.name, one.value) for one in result.measurements} == {
        ("boot time", 1.25),
        ("erase time", 52.1),
    }


@pytest.mark.parametrize("cut_bytes", [2, 40, 400])
def test_a_recorder_that_was_cut(tmp_path: Path, cut_bytes: int) -> None:
    """A kill ends it anywhere: what is there is read."""
    path = recorded(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut_bytes])
    result = result_of_recorder(path)
    assert result.kit == "1050012345"
    assert result.outcome == "unknown"


def test_a_damaged_line_costs_itself_alone(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = b'{"t_s":1,"event":{"kind":"unit","unit":17}}\n'
    path.write_bytes(b"".join(lines))
    result = result_of_recorder(path)
    assert (result.kit, result.outcome) == ("", "failed")


def test_no_recorder(tmp_path: Path) -> None:
    path = tmp_path / "recorder.jsonl"
    path.write_bytes(b"\x00\xff" * 100)
    with pytest.raises(InputError, match="does not begin"):
        result_of_recorder(path)


def test_which_try_a_folder_is_of(tmp_path: Path) -> None:
    folder = tmp_path / "t.py--test_a--3"
    folder.mkdir()
    assert result_of_recorder(recorded(folder)).try_number == 3

"""What a time line is made of, from the events of a recorder."""

from pathlib import Path

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.findings.finding import Finding, Origin, Shown
from pytest_nrf_fota.record.events import (
    Event,
    FailureExplained,
    KitLost,
    PhaseEnded,
    PowerCycled,
    ProbeOperation,
    RadioState,
    StepStarted,
    UnitTaken,
)
from pytest_nrf_fota.timeline.collect import time_line
from pytest_nrf_fota.timeline.values import Lane, Result, TimeLine, Tone
from tests.unit.timeline.recorded import (
    BOOT,
    REFUSED_BOOT,
    refused_update,
    smp,
    step,
    uart,
    write_recorder,
)


def _lane(line: TimeLine, name: str) -> Lane:
    return next(lane for lane in line.lanes if lane.name == name)


def test_a_refusal_is_decided_by_the_lines_that_its_reason_and_evidence_name(
    tmp_path: Path,
) -> None:
    line = time_line(write_recorder(tmp_path / "r", refused_update()))
    said = [(one.text, one.tone) for one in line.decisive]
    # Of the boot before the update there are the same lines; none of those is meant.
    assert said == [
        ("Failed to validate signature.", Tone.BAD),
        ("Failed to validate, permanently invalidating!", Tone.BAD),
        ("Attempting to boot slot 0.", Tone.BAD),
        ("Firmware version 14", Tone.BAD),
    ]
    first = 1 + len(BOOT) + 1 + 1
    assert [one.number for one in line.decisive] == [first + 2, first + 3, first + 4, first + 5]
    (verdict,) = line.verdicts
    assert [item.number for item in verdict.evidence] == [first + 2, None]


def test_lines_of_boots_before_the_update_decide_nothing(tmp_path: Path) -> None:
    """Though they are the same, word for word."""
    before = uart(REFUSED_BOOT)
    line = time_line(write_recorder(tmp_path / "r", [*before, *refused_update()]))
    assert [one.text for one in line.decisive].count("Failed to validate signature.") == 1
    assert all(one.number > 1 + len(before) + len(BOOT) for one in line.decisive)


def test_the_boards_own_ready_line_begins_its_application(tmp_path: Path) -> None:
    """Where nothing else tells that the bootloader is over."""
    settings = load_board("nrf5340dk_sim").model_copy(deep=True).model_dump(mode="json")
    settings["boot"]["app_ready"] = "^here I am$"
    unit = UnitTaken(unit="1", board="mine", settings=settings)
    lines = uart(["I: Starting bootloader 14", "here I am"])
    cases: list[tuple[list[Event], int]] = [([unit, *lines], 2), ([*lines], 1)]
    for events, stages in cases:
        line = time_line(write_recorder(tmp_path / "r", events))
        assert len(_lane(line, "Boot stages").rows[0]) == stages


def test_boot_stages_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    line = time_line(write_recorder(tmp_path / "r", refused_update()))
    (marks,) = _lane(line, "Boot stages").rows
    assert [mark.label for mark in marks] == [
        *("NSIB → S0", "MCUboot 14", "application"),
        *("NSIB → S0", "MCUboot 14", "application"),
    ]
    for one, following in zip(marks, [*marks[1:], None], strict=True):
        assert one.end_s == (following.start_s if following else line.duration_s)


def test_lines_that_refuse_are_told_from_others(tmp_path: Path) -> None:
    line = time_line(write_recorder(tmp_path / "r", uart([*REFUSED_BOOT, "E: no room left"])))
    (marks,) = _lane(line, "UART lines").rows
    assert [mark.text for mark in marks if mark.tone is Tone.BAD] == [
        "Failed to validate signature.",
        "Failed to validate, permanently invalidating!",
        "E: no room left",
    ]


def test_steps_are_nested_and_one_that_never_ended_is_named(tmp_path: Path) -> None:
    inner = step("connect", error="RadioLostError: gone")
    path = write_recorder(tmp_path / "r", [*step("upgrade", inner), StepStarted(step="upload")])
    line = time_line(path)
    outer, nested = _lane(line, "Steps").rows
    assert [(mark.label, mark.tone) for mark in outer] == [
        ("upgrade", Tone.PLAIN),
        ("upload", Tone.BAD),
    ]
    assert [(mark.label, mark.tone) for mark in nested] == [("connect", Tone.BAD)]
    assert line.broken_off_in == "upload"
    assert [one.text for one in line.decisive] == [
        "◂ connect (0.100 s, broken off): RadioLostError: gone"
    ]


def test_upload_speed_and_what_was_sent_again(tmp_path: Path) -> None:
    events: list[tuple[float, Event]] = [
        (1.0, smp("request", 1, off=0, len=3000)),
        (2.0, smp("answer", 1, off=1000)),
        (2.0, smp("request", 2, off=1000)),
        (4.0, smp("request", 3, off=1000)),
        (5.0, smp("answer", 3, off=2000)),
        (5.0, smp("request", 4, off=2000)),
        (5.5, smp("answer", 4, off=3000)),
    ]
    line = time_line(write_recorder(tmp_path / "r", events))
    (upload,) = line.uploads
    assert (upload.size_bytes, upload.sent_bytes) == (3000, 3000)
    speeds = [(rate.start_s, rate.end_s, round(rate.bytes_per_s)) for rate in upload.rates]
    assert speeds == [(1.0, 2.0, 1000), (2.0, 5.0, 333), (5.0, 5.5, 2000)]
    assert [(mark.start_s, mark.number) for mark in upload.retries] == [(4.0, 5)]


def test_requests_that_nobody_answers_last_until_the_connection_ends(tmp_path: Path) -> None:
    events: list[tuple[float, Event]] = [
        (0.5, RadioState(state="connecting")),
        (1.0, RadioState(state="connected")),
        (2.0, smp("request", 1, "os reset")),
        (2.5, smp("answer", 1, "os reset", rc=3)),
        (3.0, smp("request", 2, "image state")),
        (5.0, RadioState(state="failed", detail="no answer")),
    ]
    line = time_line(write_recorder(tmp_path / "r", events))
    (marks,) = _lane(line, "SMP requests").rows
    assert [(m.start_s, m.end_s, m.look, m.tone) for m in marks] == [
        (2.0, 2.5, "request", Tone.BAD),
        (3.0, 5.0, "unanswered", Tone.BAD),
    ]
    states, troubles = _lane(line, "Radio").rows
    assert [(m.label, m.start_s, m.end_s) for m in states] == [
        ("connecting", 0.5, 1.0),
        ("connected", 1.0, 5.0),
    ]
    assert [m.tone for m in troubles] == [Tone.BAD]


def test_a_probe_operation_lasts_until_it_is_recorded(tmp_path: Path) -> None:
    read = ProbeOperation(operation="read", detail="64 bytes", duration_s=0.75)
    line = time_line(write_recorder(tmp_path / "r", [(2.0, read)]))
    (mark,) = _lane(line, "Probe").rows[0]
    assert (mark.start_s, mark.end_s) == (1.25, 2.0)


def test_causes_lead_to_the_lines_that_show_them(tmp_path: Path) -> None:
    """A line of uart.log by its number there, one of the client by that in the recorder."""
    shown = (Shown(Origin.LOG, 2, "two"), Shown(Origin.CLIENT, 2, ""), Shown(Origin.LOG, 99, ""))
    cause = Finding(code="x", cause="It broke.", shown=shown)
    events: list[Event] = [
        smp("request", 1, off=0),
        *uart(["one", "two"]),
        FailureExplained(ending="unknown", causes=(cause,), text=""),
    ]
    line = time_line(write_recorder(tmp_path / "r", events))
    assert line.problems[0].numbers == (4, 2)
    assert [(one.number, one.source) for one in line.decisive] == [(2, "SMP"), (4, "UART")]


def test_who_diagnoses_is_asked_only_where_nobody_has(tmp_path: Path) -> None:
    asked: list[UnitTaken | None] = []

    def diagnose(_recorder: Path, unit: UnitTaken | None) -> FailureExplained | None:
        asked.append(unit)
        return FailureExplained(
            ending="refused", causes=(Finding(code="x", cause="It broke."),), text=""
        )

    unit = UnitTaken(unit="1", board="nrf5340dk")
    path = write_recorder(tmp_path / "r", [unit, *refused_update()])
    assert time_line(path, diagnose=diagnose).problems[0].finding.cause == "It broke."
    assert asked == [unit]
    explained = FailureExplained(ending="refused", causes=(), text="")
    write_recorder(path, [unit, *refused_update(), explained])
    assert time_line(path, diagnose=diagnose).problems == ()
    assert asked == [unit]


def test_the_tests_own_result_is_the_first_bad_one(tmp_path: Path) -> None:
    phases = [PhaseEnded(phase="call", outcome="failed", why="assert 1 == 2")]
    path = write_recorder(tmp_path / "r", phases)
    line = time_line(path)
    assert line.result == Result("failed", "assert 1 == 2")
    assert [one.source for one in line.decisive] == ["pytest"]
    assert time_line(path, Result("error", "teardown")).result == Result("error", "teardown")
    write_recorder(path, [PhaseEnded(phase="call", outcome="passed")])
    assert time_line(path).result == Result("passed")


def test_a_lost_kit_decides(tmp_path: Path) -> None:
    """The kit, not the step that failed by it; how its power was switched stands before."""
    events: list[Event] = [
        *step("upload", error="no answer"),
        PowerCycled(unit="1050", how="uhubctl", duration_s=2.0, error="not on USB"),
        KitLost(unit="1050", why="It is not on USB any more.", becomes="quarantined"),
    ]
    line = time_line(write_recorder(tmp_path / "r", events))
    assert "1050 is lost, and quarantined: It is not on USB any more." in [
        one.text for one in line.decisive
    ]
    (marks,) = _lane(line, "Resets, moments").rows
    assert [mark.label for mark in marks] == ["power", "kit lost"]

"""Which kits are suspects, from their last runs."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

from pytest_nrf_fota.farm.kit_results import (
    KitHistory,
    KitRun,
    add_run,
    all_histories,
    history_of,
)
from pytest_nrf_fota.farm.quarantine import add_quarantine, clear_quarantine
from pytest_nrf_fota.farm.suspicion import suspects

NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


def run(
    number: int, *, passed: str = "", failed: str = "", errors: str = "", build: str = "1"
) -> KitRun:
    """A run; tests are named by one letter each."""
    when = NOON + timedelta(hours=number)
    return KitRun(
        run=f"run{number}",
        when=when,
        board="nrf5340dk",
        passed=tuple(passed),
        failed=tuple(failed),
        errors=tuple(errors),
        firmware_id=build,
    )


def suspected(**histories: tuple[KitRun, ...]) -> list[str]:
    known = {name: KitHistory(runs=runs) for name, runs in histories.items()}
    return [one.kit for one in suspects(known)]


def test_three_runs_that_failed_where_others_passed() -> None:
    """The same tests pass on another kit with the same firmware; an error counts as a failure."""
    bad = (run(1, failed="a"), run(2, passed="b", errors="a"), run(3, failed="ab"))
    assert suspected(bad=bad, good=(run(1, passed="a"),)) == ["bad"]
    assert suspected(bad=bad, good=(run(9, passed="a"),)) == ["bad"]


def test_what_fails_everywhere_is_the_firmware_s() -> None:
    bad = (run(1, failed="a"), run(2, failed="a"), run(3, failed="a"))
    assert suspected(bad=bad, worse=bad) == []
    # It passed once, long ago.
    assert suspected(bad=bad, good=(run(0, passed="a"), run(4, failed="a"))) == []
    assert suspected(bad=bad, other=(run(1, passed="z"),)) == []
    assert suspected(bad=bad) == []


def test_what_passed_elsewhere_with_older_firmware_is_a_regression() -> None:
    """The kit that is always taken first has it alone."""
    older = run(0, passed="a", build="0")
    bad = tuple(run(number, failed="a", build=str(number)) for number in (1, 2, 3))
    assert suspected(bad=bad, good=(older,)) == []
    # Also where all nights are given one folder.
    in_one = [one.model_copy(update={"run": "runs"}) for one in (older, *bad)]
    assert suspected(bad=tuple(in_one[1:]), good=(in_one[0],)) == []
    # What runs later elsewhere does not hide what was seen with the same firmware.
    same = tuple(run(number, passed="a", build=str(number)) for number in (1, 2, 3))
    assert suspected(bad=bad, good=(*same, run(4, failed="a", build="4"))) == ["bad"]


def test_what_passes_elsewhere_between_two_failures_here_counts() -> None:
    """Each night has another build, and gives a test to one kit; it comes to both in turn."""
    bad = tuple(run(number, failed="a", build=str(number)) for number in (1, 3, 5))
    good = (run(2, passed="a", build="2"), run(4, passed="a", build="4"))
    assert suspected(bad=bad, good=good) == ["bad"]
    # Since it broke it fails there, too.
    broken = (run(2, passed="a", build="2"), run(4, failed="a", build="4"))
    assert suspected(bad=bad, good=broken) == []
    # It was mended, and nobody has seen it on this kit since.
    assert suspected(bad=bad, good=(run(6, passed="a", build="6"),)) == []


def test_firmware_that_nobody_knows_is_one_run_s() -> None:
    bad = tuple(run(number, failed="a", build="") for number in (1, 2, 3))
    assert suspected(bad=bad, good=(run(9, passed="a", build=""),)) == []
    good = tuple(run(number, passed="a", build="") for number in (1, 2, 3))
    assert suspected(bad=bad, good=good) == ["bad"]


def test_a_kit_that_was_looked_at_begins_anew() -> None:
    """What it did before its repair counts no more, and is shown all the same."""
    now = datetime.now(timezone.utc)
    add_run("2", run(9, passed="a"))

    def fail(number: int, *, is_before: bool) -> None:
        when = now + timedelta(minutes=number - 60 if is_before else number)
        add_run("1", run(number, failed="a").model_copy(update={"when": when}))

    for number in range(4):
        fail(number, is_before=True)
    assert [one.kit for one in suspects(all_histories())] == ["1"]
    add_quarantine("1", "suspect")
    assert clear_quarantine("0001")
    assert suspects(all_histories()) == ()
    last = history_of("1").last
    assert last is not None and last.run == "run3"
    for number in (4, 5):
        fail(number, is_before=False)
        assert suspects(all_histories()) == ()
    fail(6, is_before=False)
    assert [one.kit for one in suspects(all_histories())] == ["1"]


def test_a_suspect_that_is_not_set_aside_begins_anew(state: Path) -> None:
    """Clearing a kit that nothing is known of notes nothing."""
    for number in range(3):
        add_run("1", run(number, failed="a"))
    add_run("2", run(9, passed="a"))
    assert [one.kit for one in suspects(all_histories())] == ["1"]
    assert not clear_quarantine("1") and not clear_quarantine("3")
    assert suspects(all_histories()) == ()
    assert not list(state.glob("3.*"))


def test_one_run_that_passed_clears_it() -> None:
    runs = (run(1, failed="a"), run(2, passed="a"), run(3, failed="a"))
    assert suspected(bad=runs, good=(run(1, passed="a"),)) == []
    assert suspected(bad=runs[:1] * 2, good=(run(1, passed="a"),)) == []


def test_the_history_is_short() -> None:
    """Of runs, of tests, and of their names; the latest firmware that was read stays."""
    add_run("1", run(0).model_copy(update={"firmware": "2.0"}))
    for number in range(1, 5):
        many = tuple(f"{'x' * 900}{test}" for test in range(500))
        add_run("1", run(number).model_copy(update={"passed": many}))
    history = history_of("01")
    assert history.firmware == "2.0"
    assert history.last is not None and history.last.run == "run4"
    for number in range(5, 30):
        add_run("1", run(number, failed="a"))
    history = history_of("1")
    assert len(history.runs) == 8 and history.firmware == ""
    assert len(history.model_dump_json()) < 20_000


def test_two_builds_in_one_folder_are_two_runs() -> None:
    """What passed with one says nothing of the other."""
    for build in ("1", "1", "2"):
        add_run("1", run(1, passed="a", build=build))
    assert [one.firmware_id for one in history_of("1").runs] == ["1", "2"]

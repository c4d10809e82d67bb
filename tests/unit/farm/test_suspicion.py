"""Which kits are suspects, from their last runs."""

from datetime import datetime, timedelta, timezone

from pytest_nrf_fota.farm.kit_results import KitHistory, KitRun, add_run, history_of
from pytest_nrf_fota.farm.suspicion import suspects

NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)


def run(number: int, *, passed: str = "", failed: str = "", errors: str = "") -> KitRun:
    """A run; tests are named by one letter each."""
    when = NOON + timedelta(hours=number)
    return KitRun(
        run=f"run{number}",
        when=when,
        board="nrf5340dk",
        passed=tuple(passed),
        failed=tuple(failed),
        errors=tuple(errors),
    )


def suspected(**histories: tuple[KitRun, ...]) -> list[str]:
    known = {name: KitHistory(runs=runs) for name, runs in histories.items()}
    return [one.kit for one in suspects(known)]


def test_three_runs_that_failed_where_others_passed() -> None:
    """In the same run, or by the same tests on another kit; an error counts as a failure."""
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

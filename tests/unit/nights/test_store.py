"""One file for many writers: at once, killed in the middle, pruned, of another make."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.nights.collect import make_report
from pytest_nrf_fota.nights.store import SCHEMA_VERSION, STORE_NAME, Keep, Row, open_store
from tests.unit.nights.month import Farm, night_date, write_month, write_night

FARM = Farm(nights=6, kits=4, scenarios=5)
# What the farm leaves behind of a night, without second tries: 4 kits, 5 scenarios.
TESTS_OF_NIGHT = 20


def rows_in(path: Path) -> list[Row]:
    """All executions that a store holds."""
    with open_store(path) as store:
        nights = store.nights(date.max, 1000)
        return [*store.rows(nights)] if nights else []


def report_night(folder: Path, run: Path) -> None:
    """What a process of its own does: report a run."""
    make_report([run], folder / STORE_NAME)


def test_many_processes_at_once(tmp_path: Path) -> None:
    """On a file that none of them has made yet, each with a run of its own and one of all."""
    farm = Farm(nights=8, kits=4, scenarios=12)
    runs = write_month(farm, tmp_path)
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=report_night, args=(tmp_path, run)) for run in (*runs, *runs[:4])
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * len(processes)
    found = rows_in(tmp_path / STORE_NAME)
    assert len({(row.folder) for row in found}) == len(found)
    assert len(found) == len(list(tmp_path.glob("*/*/*/result.json")))


WRITER = """
import os, signal, sys
from pathlib import Path
from pytest_nrf_fota.nights.store import open_store
from tests.unit.nights.month import Farm, results

with open_store(Path(sys.argv[1])) as store:
    tests = [(f"{n}", "", r) for n, (_, r) in enumerate(results(Farm(kits=4, scenarios=40), 3))]
    # So small that pages are written into the file long before the end of the transaction.
    store._db.execute("PRAGMA cache_size = 1")
    with store._writing():
        run_id = store._run_id("killed", "", tests)
        for folder, stamp, result in tests:
            store._put_test("killed", run_id, folder, stamp, result)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_in_the_middle_of_a_write(tmp_path: Path) -> None:
    """Its half is gone, what was there before is not, and the next writer goes on."""
    write_month(FARM, tmp_path)
    make_report([tmp_path])
    before = rows_in(tmp_path / STORE_NAME)
    killed = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / STORE_NAME)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # What the next one has to roll back.
    assert (tmp_path / f"{STORE_NAME}-journal").stat().st_size > 0
    assert rows_in(tmp_path / STORE_NAME) == before
    more = write_night(Farm(nights=7, kits=4, scenarios=5), 6, tmp_path)
    make_report(more)
    assert len(rows_in(tmp_path / STORE_NAME)) > len(before)


def test_a_run_that_is_given_again_is_read_once(tmp_path: Path) -> None:
    (run,) = write_night(FARM, 0, tmp_path)
    first = make_report([run]).report
    before = rows_in(tmp_path / STORE_NAME)
    # A result that nobody has touched is not opened again.
    one = next(run.glob("*/*/result.json"))
    state = one.stat()
    one.write_bytes(b" " * state.st_size)
    os.utime(one, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert make_report([run]).report == first
    assert rows_in(tmp_path / STORE_NAME) == before


def test_a_test_that_ended_since_replaces_what_was_there(tmp_path: Path) -> None:
    (run,) = write_night(FARM, 0, tmp_path)
    make_report([run])
    one = next(run.glob("*/*/result.json"))
    text = one.read_text().replace('"passed"', '"failed"')
    one.write_text(text)
    assert make_report([run]).report.total.ran == TESTS_OF_NIGHT
    assert sum(row.outcome == "failed" for row in rows_in(tmp_path / STORE_NAME)) == 1


@pytest.mark.parametrize(
    ("keep", "today", "kept"),
    [
        (Keep(nights=2), night_date(5), 2),
        (Keep(nights=60), night_date(5), 6),
        (Keep(days=3), night_date(6), 3),
        (Keep(nights=4, days=2), night_date(5), 3),
    ],
)
def test_prune(tmp_path: Path, keep: Keep, today: date, kept: int) -> None:
    write_month(FARM, tmp_path)
    make_report([tmp_path])
    with open_store(tmp_path / STORE_NAME) as store:
        assert store.prune(keep, today) == 6 - kept
        assert len(store.nights(date.max, 100)) == kept
    assert {row.night for row in rows_in(tmp_path / STORE_NAME)} == set(range(kept))
    # Folders are the user's.
    assert len(list(tmp_path.glob("2024*"))) == 6


def test_what_was_pruned_is_not_read_again_while_it_would_be_pruned(tmp_path: Path) -> None:
    runs = write_month(FARM, tmp_path)
    make_report([tmp_path], keep=Keep(nights=2))
    for path in runs[0].glob("*/*/result.json"):
        path.write_text("{")
    report = make_report([tmp_path], keep=Keep(nights=2)).report
    assert not report.unreadable
    assert report.nights == (night_date(4), night_date(5))
    # Without --keep everything that is given counts.
    assert len(make_report([tmp_path]).report.nights) == 5


def test_measurements_leave_with_their_tests(tmp_path: Path) -> None:
    write_month(FARM, tmp_path)
    make_report([tmp_path], keep=Keep(nights=1))
    with sqlite3.connect(tmp_path / STORE_NAME) as connection:
        (left,) = connection.execute(
            "SELECT COUNT(*) FROM measurements WHERE test_id NOT IN (SELECT test_id FROM tests)"
        ).fetchone()
    assert left == 0


def test_a_store_of_the_first_version_is_read_on(tmp_path: Path) -> None:
    """What it holds keeps its meaning, and new nights are added."""
    runs = write_month(FARM, tmp_path)
    make_report(runs[:-1])
    before = rows_in(tmp_path / STORE_NAME)
    with sqlite3.connect(tmp_path / STORE_NAME) as connection:
        connection.execute("ALTER TABLE tests DROP COLUMN node")
        connection.execute("ALTER TABLE tests DROP COLUMN run_again")
        connection.execute("PRAGMA user_version = 1")
    assert rows_in(tmp_path / STORE_NAME) == before
    make_report(runs)
    assert len(rows_in(tmp_path / STORE_NAME)) > len(before)


def test_a_store_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / STORE_NAME
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(InputError, match="later version"), open_store(path):
        pass


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (a)")
    with pytest.raises(InputError, match="another program's"), open_store(other):
        pass
    text = tmp_path / "text.sqlite"
    text.write_text("This is no database, and long enough to be looked at. " * 20)
    with pytest.raises(InputError, match="cannot be used"), open_store(text):
        pass
    assert text.read_text().startswith("This is no database")


def test_hosts_that_share_a_folder_are_one_night(tmp_path: Path) -> None:
    farm = Farm(nights=1, kits=8, scenarios=5)
    first, second = write_night(farm, 0, tmp_path)
    make_report([first])
    report = make_report([second]).report
    assert report.hosts == ("lab1", "lab2")
    assert report.total.ran == 2 * TESTS_OF_NIGHT


def test_an_earlier_night_is_reported_as_it_was(tmp_path: Path) -> None:
    runs = write_month(FARM, tmp_path)
    make_report([tmp_path])
    report = make_report([runs[2]]).report
    assert report.night == night_date(2)
    assert report.nights[0] == night_date(2) - timedelta(days=2)

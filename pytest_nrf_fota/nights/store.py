"""The results of all runs in one SQLite file, which several processes may write to at once.

The journal is SQLite's default one, not WAL: that needs memory which all writers share, and the
file may lie on a share of several hosts (sqlite.org, *Write-Ahead Logging*, "Disadvantages"). Each
transaction is short and begins with the lock, so writers wait for each other and never fail in the
middle; a writer that is killed leaves a journal, which the next one rolls back.
"""

import sqlite3
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from sys import intern
from typing import NamedTuple, TypeVar

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.nights.printable import printable
from pytest_nrf_fota.record.result import TestResult

STORE_NAME = "nrf_fota_nights.sqlite"
SCHEMA_VERSION = 2

_BUSY_S = 60.0
_TESTS_PER_TRANSACTION = 500
_NIGHT_BEGINS = timedelta(hours=12)
_SCHEMA = """
CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,         -- from the folder of this file, with slashes
    session TEXT NOT NULL,      -- a folder may be given to several
    night TEXT NOT NULL,        -- ISO date of its evening
    started_s REAL NOT NULL,
    is_pruned INTEGER NOT NULL DEFAULT 0,
    UNIQUE (path, session)
);
CREATE INDEX runs_by_night ON runs (night);
CREATE TABLE tests (
    test_id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
    folder TEXT NOT NULL, stamp TEXT NOT NULL,
    scenario TEXT NOT NULL, board TEXT NOT NULL, kit TEXT NOT NULL,
    host TEXT NOT NULL, worker TEXT NOT NULL,
    outcome TEXT NOT NULL, side TEXT NOT NULL, phase TEXT NOT NULL,
    try_number INTEGER NOT NULL,
    cause TEXT NOT NULL, cause_text TEXT NOT NULL, remedy TEXT NOT NULL, failure TEXT NOT NULL,
    firmware TEXT NOT NULL, ncs TEXT NOT NULL,
    started_s REAL NOT NULL, duration_s REAL NOT NULL,
    node TEXT NOT NULL DEFAULT '',      -- the scenario, each repetition on its own
    run_again TEXT NOT NULL DEFAULT '',
    UNIQUE (run_id, folder)
);
CREATE TABLE measurements (
    test_id INTEGER NOT NULL REFERENCES tests ON DELETE CASCADE,
    name TEXT NOT NULL, unit TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (test_id, name)
) WITHOUT ROWID;
"""
# From version 1, which knew neither repetitions nor spares.
_TO_VERSION_2 = (
    "ALTER TABLE tests ADD COLUMN node TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE tests ADD COLUMN run_again TEXT NOT NULL DEFAULT ''",
    "UPDATE tests SET node = scenario",
)
# A test that another worker ran again because its kit was lost is one test; else each worker's
# executions are its own, as with `--dist each`.
_ROWS = """
    WITH told AS (
        SELECT tests.*, night, path,
            MAX(run_again = 'by others') OVER (PARTITION BY run_id, node) AS is_shared
        FROM tests JOIN runs USING (run_id) WHERE night BETWEEN ? AND ?
    ), numbered AS (
        SELECT *, CASE WHEN is_shared THEN '' ELSE worker END AS whose,
            CASE WHEN is_shared
                THEN ROW_NUMBER() OVER (PARTITION BY run_id, node ORDER BY started_s, test_id)
                ELSE try_number END AS number
        FROM told
    )
    SELECT night, board, scenario, kit, host, outcome, side, cause, cause_text, remedy,
        failure, firmware, ncs, node, run_again, number,
        number = MAX(number) OVER (PARTITION BY run_id, node, whose),
        path || '/' || folder, started_s
    FROM numbered ORDER BY night, started_s, test_id
"""
_COLUMNS = (
    *("run_id", "folder", "stamp", "scenario", "board", "kit", "host", "worker", "outcome"),
    *("side", "phase", "try_number", "cause", "cause_text", "remedy", "failure", "firmware"),
    *("ncs", "started_s", "duration_s", "node", "run_again"),
)

_T = TypeVar("_T")


class Row(NamedTuple):
    """One execution of a test, as the store has it.

    `night` counts from 0 among the nights that were asked for; `node` is the scenario, each
    repetition on its own; `run_again` is said of a kit that was lost; `is_final` is whether no
    later try of the same test followed; `folder` is that of the test, from the folder of the store.
    """

    night: int
    board: str
    scenario: str
    kit: str
    host: str
    outcome: str
    side: str
    cause: str
    cause_text: str
    remedy: str
    failure: str
    firmware: str
    ncs: str
    node: str
    run_again: str
    try_number: int
    is_final: bool
    folder: str
    started_s: float


class Value(NamedTuple):
    """The median of what a kit's tests measured in a night."""

    name: str
    unit: str
    board: str
    kit: str
    night: int
    value: float


@dataclass(frozen=True)
class Keep:
    """What is not pruned: the last `nights`, or those of the last `days`."""

    nights: int | None = None
    days: int | None = None


def night_of(result: TestResult) -> date:
    """The evening's date: a night goes from noon to noon, by the clock of the run's host."""
    return (result.started - _NIGHT_BEGINS).date()


class Store:
    """An open store. Made by `open_store`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    def stamps(self, run: str) -> dict[str, str]:
        """The stamp of each test folder of a run that is in here."""
        query = "SELECT folder, stamp FROM tests JOIN runs USING (run_id) WHERE path = ?"
        return dict(self._db.execute(query, (run,)))

    def put(self, run: str, tests: Iterable[tuple[str, str, TestResult]]) -> date | None:
        """Add tests of a run: folder, stamp, result; those that are in here are replaced.

        Returns the run's night; None where it has no test.
        """
        rest = iter(tests)
        while batch := list(islice(rest, _TESTS_PER_TRANSACTION)):
            sessions: defaultdict[str, list[tuple[str, str, TestResult]]] = defaultdict(list)
            for test in batch:
                sessions[test[2].session].append(test)
            with self._writing():
                for session, of_session in sessions.items():
                    run_id = self._run_id(run, session, of_session)
                    for folder, stamp, result in of_session:
                        self._put_test(run, run_id, folder, stamp, result)
        return self.night_of_run(run)

    def night_of_run(self, run: str) -> date | None:
        """The newest night of a run folder; None where it is not in here."""
        query = "SELECT MAX(night) FROM runs WHERE path = ?"
        (night,) = self._db.execute(query, (run,)).fetchone()
        return date.fromisoformat(night) if night is not None else None

    def is_pruned(self, run: str) -> bool:
        """Whether a run was in here, and its tests were taken out."""
        query = "SELECT MIN(is_pruned) FROM runs WHERE path = ?"
        (is_pruned,) = self._db.execute(query, (run,)).fetchone()
        return bool(is_pruned)

    def _run_id(self, run: str, session: str, batch: Sequence[tuple[str, str, TestResult]]) -> int:
        first = min((result for _, _, result in batch), key=lambda one: one.started)
        # A run belongs to the night in which it began, whichever of its tests came first in here.
        self._db.execute(
            "INSERT INTO runs (path, session, night, started_s) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (path, session) DO UPDATE SET started_s = excluded.started_s,"
            " night = excluded.night WHERE excluded.started_s < started_s",
            (run, session, night_of(first).isoformat(), first.started.timestamp()),
        )
        of_session = "WHERE path = ? AND session = ?"
        self._db.execute(f"UPDATE runs SET is_pruned = 0 {of_session}", (run, session))
        query = f"SELECT run_id FROM runs {of_session}"
        (run_id,) = self._db.execute(query, (run, session)).fetchone()
        return int(run_id)

    def _put_test(self, run: str, run_id: int, folder: str, stamp: str, result: TestResult) -> None:
        # Its recorder, read before its result was there, tells no session.
        self._db.execute(
            "DELETE FROM tests WHERE folder = ?"
            " AND run_id IN (SELECT run_id FROM runs WHERE path = ?)",
            (folder, run),
        )
        values = (run_id, folder, stamp, *_values(result))
        places = ", ".join("?" * len(_COLUMNS))
        done = self._db.execute(
            f"INSERT INTO tests ({', '.join(_COLUMNS)}) VALUES ({places})", values
        )
        by_name: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for one in result.measurements:
            by_name[one.name, one.unit].append(one.value)
        self._db.executemany(
            "INSERT OR REPLACE INTO measurements (test_id, name, unit, value) VALUES (?, ?, ?, ?)",
            [
                (done.lastrowid, name, unit, statistics.median(values))
                for (name, unit), values in by_name.items()
            ],
        )

    def nights(self, until: date, at_most: int) -> tuple[date, ...]:
        """The last nights that have tests, up to one of them; by date."""
        found = self._db.execute(
            "SELECT DISTINCT night FROM runs WHERE night <= ?"
            " AND run_id IN (SELECT run_id FROM tests) ORDER BY night DESC LIMIT ?",
            (until.isoformat(), at_most),
        )
        return tuple(sorted(date.fromisoformat(night) for (night,) in found))

    def rows(self, nights: Sequence[date]) -> Iterator[Row]:
        """All executions of some nights, by time."""
        number = {night.isoformat(): n for n, night in enumerate(nights)}
        for values in self._db.execute(_ROWS, self._between(nights)):
            night, *texts, try_number, is_final, folder, started_s = values
            known = (intern(text) for text in texts)
            yield Row._make((number[night], *known, try_number, bool(is_final), folder, started_s))

    def values(self, nights: Sequence[date]) -> Iterator[Value]:
        """The medians of what was measured, for each measurement, board, kit and night."""
        number = {night.isoformat(): n for n, night in enumerate(nights)}
        query = """
            SELECT name, unit, board, kit, night, value
            FROM measurements JOIN tests USING (test_id) JOIN runs USING (run_id)
            WHERE night BETWEEN ? AND ? AND kit != '' AND outcome != 'error'
            ORDER BY name, unit, board, kit, night
        """
        group: tuple[str, str, str, str, str] | None = None
        values: list[float] = []
        for *key, value in self._db.execute(query, self._between(nights)):
            name, unit, board, kit, night = key
            if group != (name, unit, board, kit, night):
                if group is not None:
                    yield Value(*group[:4], number[group[4]], statistics.median(values))
                group, values = (name, unit, board, kit, night), []
            values.append(value)
        if group is not None:
            yield Value(*group[:4], number[group[4]], statistics.median(values))

    def prune(self, keep: Keep, today: date) -> int:
        """Take the tests of old nights out; their run folders stay where they are.

        The runs' names are kept, so that they are not read again. Returns how many were pruned.
        """
        with self._writing():
            oldest = self._oldest_kept(keep, today).isoformat()
            done = self._db.execute(
                "UPDATE runs SET is_pruned = 1 WHERE night < ? AND NOT is_pruned", (oldest,)
            )
            self._db.execute(
                "DELETE FROM tests WHERE run_id IN (SELECT run_id FROM runs WHERE is_pruned)"
            )
            return done.rowcount

    def _oldest_kept(self, keep: Keep, today: date) -> date:
        oldest = date.min
        if keep.days is not None:
            oldest = max(oldest, today - timedelta(days=keep.days))
        if keep.nights is not None:
            found = self._db.execute(
                "SELECT DISTINCT night FROM runs WHERE NOT is_pruned"
                " ORDER BY night DESC LIMIT 1 OFFSET ?",
                (keep.nights - 1,),
            ).fetchone()
            oldest = max(oldest, date.fromisoformat(found[0]) if found is not None else date.min)
        return oldest

    @staticmethod
    def _between(nights: Sequence[date]) -> tuple[str, str]:
        return nights[0].isoformat(), nights[-1].isoformat()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is read in here is of one moment, whatever others write meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _values(result: TestResult) -> tuple[str | int | float, ...]:
    cause = result.causes[0] if result.causes else None
    values = (
        *(result.scenario, result.board, result.kit, result.host, result.worker),
        *(result.outcome, result.side, result.phase, result.try_number),
        *((cause.code, cause.text, cause.remedy) if cause is not None else ("", "", "")),
        *(result.failure, result.firmware_id, result.ncs),
        *(result.started.timestamp(), result.duration_s, result.node, result.run_again),
    )
    return tuple(printable(value) if isinstance(value, str) else value for value in values)


@contextmanager
def open_store(path: Path) -> Iterator[Store]:
    """Open the store, and make it where there is none.

    Raises:
        InputError: the file is no store, of a later version, damaged, or others held it too long.
    """
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        try:
            _prepare(connection, path)
            yield Store(path, connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise InputError(
            f"The store of the nights cannot be used: {error}.",
            where=str(path),
            next_step="Another: --store FILE. Or move this one away: it is made anew from the run "
            "folders that are still there.",
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    if _version(connection) == SCHEMA_VERSION:
        return
    # Asked again behind the lock: another process may be making it.
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > SCHEMA_VERSION:
            raise InputError(
                f"The store of the nights is of a later version ({version}) than this program "
                f"knows ({SCHEMA_VERSION}).",
                where=str(path),
                next_step="Update pytest-nrf-fota here, or name another file: --store FILE.",
            )
        if version < SCHEMA_VERSION:
            if version == 0:
                _require_empty(connection, path)
            for statement in _SCHEMA.split(";\n") if version == 0 else _TO_VERSION_2:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _require_empty(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
        raise InputError(
            "This SQLite file is another program's.",
            where=str(path),
            next_step="Name another for the store of the nights: --store FILE.",
        )


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)

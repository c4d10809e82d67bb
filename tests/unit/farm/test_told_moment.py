"""Times in messages about kits: the reader's own, with its zone."""

import os
import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from pytest_nrf_fota.farm.holder import Holder
from pytest_nrf_fota.farm.kit_condition import LastResult
from pytest_nrf_fota.farm.quarantine import Quarantine

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX's time zones")

WHEN = datetime(2026, 11, 29, 1, 10, 7, 123456, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def _two_hours_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_all_that_boards_shows_has_one_zone() -> None:
    """Hosts of a farm, and a job's log, are read elsewhere."""
    holder = Holder(user="anna", pid=1, host="lab1", since=WHEN, command="pytest")
    quarantine = Quarantine(kit="7", since=WHEN, why="gone", by="ci@lab1")
    last = LastResult(
        outcome="passed", when=WHEN, run="/runs/1", board="x", passed=1, failed=0, errors=0
    )
    for told in (holder, quarantine, last):
        assert "2026-11-29 03:10:07+02:00" in str(told)

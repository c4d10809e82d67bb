"""On kits the tests that take longest begin first, as pytest's cache remembers them."""

import json

import pytest

from tests.farm.conftest import Finish
from tests.farm.desk import Desk
from tests.farm.meeting import Meeting

TESTS = """
import pytest
from meeting import meet

@pytest.mark.parametrize("number", range(3))
def test_mine(unit, number):
    meet(str(number))
"""


@pytest.mark.long_proof
def test_what_took_longest_begins_first(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """The first run knows nothing and keeps the order; the next one knows all but what is new."""
    (desk.work / "test_it.py").write_text(TESTS)
    command = ("-m", "pytest", "--board=nrf5340dk", "--runner=nrfutil", "-n", "1")
    meeting.let_go(6)
    run = desk.start(*command)
    assert [meeting.wait() for _ in range(3)] == ["0", "1", "2"]
    assert finish(run)[0] == 0
    kept = desk.work / ".pytest_cache" / "v" / "nrf_fota" / "durations_s"
    took_s: dict[str, float] = json.loads(kept.read_text())
    assert set(took_s) == {f"test_it.py::test_mine[{number}]" for number in range(3)}
    del took_s["test_it.py::test_mine[1]"]
    took_s["test_it.py::test_mine[0]"] = 1.0
    took_s["test_it.py::test_mine[2]"] = 100.0
    kept.write_text(json.dumps(took_s))
    run = desk.start(*command)
    assert [meeting.wait() for _ in range(3)] == ["2", "1", "0"]
    assert finish(run)[0] == 0

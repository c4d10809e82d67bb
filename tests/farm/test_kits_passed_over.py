"""A run that has fewer kits than its owner thinks says which it has not, before it begins."""

import json

import pytest

from tests.farm.conftest import Finish
from tests.farm.desk import Desk
from tests.farm.meeting import Meeting

FIRST, SECOND, THIRD = "1050000001", "1050000002", "1050000003"
ON_THE_KIT = """
from meeting import meet

def test_on_the_kit(unit):
    meet(unit.name)
"""


@pytest.fixture(autouse=True)
def _user_tests(desk: Desk) -> None:
    (desk.work / "test_mine.py").write_text(ON_THE_KIT)


def test_what_the_map_leaves_out_is_in_the_header(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """A mistyped platform, a loose cable, and a switch that will be missing in the night."""
    desk.attach(FIRST, SECOND)
    given = desk.write_map(
        {
            FIRST: {"platform": "nrf5430dk/nrf5340/cpuapp"},
            SECOND: {"power": {"command": {"cycle": "no-such-pdu 3"}}},
        }
    )
    run = desk.pytest(given)
    assert meeting.wait() == SECOND
    meeting.let_go()
    code, output = finish(run)
    assert code == 0, output
    assert f"nrf-fota: kit {FIRST} is not taken: is nrf5430dk/nrf5340/cpuapp" in output
    assert f"nrf-fota: kit {THIRD} is not taken: in the map, not attached" in output
    assert f"the power of kit {SECOND} is not switchable: 'no-such-pdu' is not on" in output


def test_an_entry_that_names_no_kit_is_in_the_header(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """As twister writes one for a port without a serial number."""
    desk.attach(FIRST)
    given = desk.write_map()
    entries = json.loads(desk.map_file.read_text())
    entries[1]["id"] = None
    desk.map_file.write_text(json.dumps(entries))
    run = desk.pytest(given)
    assert meeting.wait() == FIRST
    meeting.let_go()
    code, output = finish(run)
    assert code == 0, output
    assert "nrf-fota: entry 2 of the hardware map is passed over: it has no id" in output


def test_a_kit_that_was_asked_for_and_is_not_there(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """In the header, and where its worker has no kit."""
    given = (f"--device-id={FIRST}", "--device-id=1059999999")
    run = desk.pytest(*given)
    assert meeting.wait() == FIRST
    meeting.let_go()
    code, output = finish(run)
    assert code == 0, output
    assert "nrf-fota: kit 1059999999 is not taken: not attached\n" in output
    code, output = finish(desk.pytest(*given, "-n", "2"))
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "2 workers want a kit each, and 1 may be taken." in output
    assert f"kits: {FIRST}; 1059999999: not attached" in output


def test_auto_names_the_kits_that_others_have(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """Else nobody knows why the night took twice as long."""
    first = desk.pytest(f"--device-id={FIRST}")
    assert meeting.wait() == FIRST
    second = desk.pytest("-n", "auto")
    assert meeting.wait() in (SECOND, THIRD)
    meeting.let_go(2)
    code, output = finish(second)
    assert code == 0, output
    assert f"nrf-fota: kits {SECOND}, {THIRD}\n" in output
    assert f"nrf-fota: kit {FIRST} is not taken: held by " in output
    assert f"(pid {first.pid})" in output
    code, output = finish(first)
    assert code == 0, output
    assert "is not taken" not in output


def test_an_entry_without_its_keys_is_refused(desk: Desk, finish: Finish) -> None:
    """Before anything is collected: passed over in silence, a kit idles for months."""
    given = desk.write_map()
    entries = json.loads(desk.map_file.read_text())
    entries[1]["conected"] = entries[1].pop("connected")
    desk.map_file.write_text(json.dumps(entries))
    code, output = finish(desk.pytest(given))
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert f"entry 2 (id {SECOND.zfill(12)}) has no `connected`" in output
    assert "did you mean it by `conected`?" in output
    assert "collected" not in output


def test_a_mistyped_number_is_set_aside_with_a_word(desk: Desk, finish: Finish) -> None:
    """It may be a place of the farm; else the sick kit is taken all the same."""
    code, output = finish(desk.nrf_fota("quarantine", "add", "1050000099", "--reason=port"))
    assert code == 0 and "1050000099: quarantined since " in output, output
    assert "No kit with this number is attached here." in output
    assert "nrf-fota quarantine clear 1050000099" in output
    code, output = finish(desk.nrf_fota("quarantine", "add", f"00{FIRST}", "--reason=port"))
    assert code == 0 and "No kit" not in output, output

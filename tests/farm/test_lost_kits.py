"""Kits that are lost in the middle of a test: not the firmware's fault, and nothing is lost."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.farm.kit_results import history_of
from tests.farm.conftest import Finish
from tests.farm.desk import HANDS, Desk, VirtualKits
from tests.farm.meeting import Meeting

FIRST, SECOND = "1050000001", "1050000002"
RIG_LOST = 75
# The first kit's process ends when it is sent the fifth part of the upload.
DIES_IN_UPLOAD = """
from hands import kill
from pytest_nrf_fota import assert_upgraded
from pytest_nrf_fota.record.events import SmpMessage

def test_upgrade(dut, firmware, monkeypatch):
    record, parts = dut.recorder.record, []

    def recorded(event, *more):
        record(event, *more)
        if isinstance(event, SmpMessage) and event.name == "image upload":
            parts.append(event)
            if dut.name == "1050000001" and len(parts) == 10:
                kill(dut.name)

    monkeypatch.setattr(dut.recorder, "record", recorded)
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))

def test_after_it(dut):
    assert dut.name != "1050000001"
"""
UNPLUGS_ITSELF = """
import pytest
from hands import unplug
from pathlib import Path

@pytest.mark.parametrize("number", range(4))
def test_on_a_kit(dut, number):
    if dut.name == "1050000001" and not Path("unplugged").exists():
        Path("unplugged").touch()
        unplug(dut.name)
        dut.read_memory(0, 4)
    assert dut.read_memory(0, 4)

def test_without_a_kit():
    pass
"""


SECOND_UNPLUGGED = """
from hands import unplug

def test_two(dut, dut_factory):
    other = dut_factory()
    unplug(other.name)
    other.read_memory(0, 4)

def test_after_it(dut):
    assert dut.read_memory(0, 4)
"""


@pytest.fixture
def kits(tmp_path: Path) -> Iterator[VirtualKits]:
    """Two kits that may die."""
    started = VirtualKits(tmp_path / "kits", (FIRST, SECOND))
    yield started
    started.end()


@pytest.fixture(autouse=True)
def _hands(desk: Desk) -> None:
    (desk.work / "hands.py").write_text(HANDS)


def quarantined(desk: Desk, finish: Finish) -> str:
    """What the command lists."""
    code, output = finish(desk.nrf_fota("quarantine", "list"))
    assert code == 0, output
    return output


@pytest.fixture
def builds(desk: Desk) -> tuple[str, ...]:
    """Firmware that is uploaded."""
    firmware = DemoSource(load_board("nrf5340dk_sim"), desk.work.parent / "firmware")
    return f"--baseline={firmware.baseline}", f"--update={firmware.mcuboot_update}"


@pytest.mark.long_proof
def test_a_kit_that_dies_in_an_upload(desk: Desk, finish: Finish, builds: tuple[str, ...]) -> None:
    """The upgrade is proven on the spare; the run is green, and says what happened."""
    (desk.work / "test_mine.py").write_text(DIES_IN_UPLOAD)
    code, output = finish(desk.pytest(desk.write_map(), *builds, "--junitxml=junit.xml"))
    assert code == 0, output
    assert "2 passed, 1 infrastructure" in output
    assert f"the kit {FIRST} is quarantined: It is not on USB any more." in output
    assert f"run again on the kit {SECOND}" in output
    summary = output.partition("nRF FOTA: results")[2]
    assert summary.count(": UPGRADED") == 1, output
    first, _, second = summary.partition("PASSED test_mine.py::test_upgrade")
    assert "INFRASTRUCTURE test_mine.py::test_upgrade\n    try 1 of 2: " in first
    assert second.startswith("\n    try 2 of 2: ")
    listed = quarantined(desk, finish)
    assert listed.startswith(f"{FIRST}: quarantined since ") and "not on USB" in listed
    (run,) = re.findall(r"run: ([^)]+)", listed)
    assert Path(run).is_dir()
    junit = (desk.work / "junit.xml").read_text()
    assert "infrastructure: the kit" in junit
    assert len(re.findall(r'<testcase classname="[^"]*" name="[^"]* \(try 1\)"', junit)) == 1
    assert '<property name="nrf_fota_infrastructure" value="the kit' in junit
    assert 'errors="0" failures="0" skipped="1" tests="3"' in junit
    assert '<property name="nrf_fota_try" value="2"' in junit
    (page,) = desk.work.glob("nrf_fota_runs/*/*/timeline.html")
    told = page.read_text()
    assert "(try 1 of 2)</title>" in told
    assert f"1 kit lost on {FIRST}" in told and f"2 passed on {SECOND}" in told
    code, reported = finish(desk.nrf_fota("report", "nrf_fota_runs"))
    assert f"1. Kit {FIRST} was lost in test_upgrade, which ran again on {SECOND} and passed." in (
        reported.splitlines()
    )
    # The next run leaves it alone, also where it is asked for it.
    code, output = finish(desk.pytest(desk.write_map(), "-k", "after_it"))
    assert code == 0, output
    assert f"kit {SECOND}\n" in output


@pytest.mark.long_proof
def test_without_a_spare(desk: Desk, finish: Finish) -> None:
    """The rest is said once; what needs no kit runs; the exit code tells it from a failure."""
    (desk.work / "test_mine.py").write_text(UNPLUGS_ITSELF)
    desk.attach(FIRST)
    code, output = finish(desk.pytest("--junitxml=junit.xml"))
    assert code == RIG_LOST, output
    assert "1 passed, 1 error, 3 not run" in output
    assert output.count("3 tests were not run, because no kit is left: ") == 1
    assert f"the kit {FIRST} was lost" in output
    assert f"looked at it: nrf-fota quarantine clear {FIRST}\n" in output
    assert "Nothing failed but kits: exit code 75." in output
    assert FIRST in quarantined(desk, finish)
    desk.attach(FIRST)
    code, output = finish(desk.pytest(f"--device-id={FIRST}"))
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert f"{FIRST}: quarantined since " in output and "collected" not in output
    assert f"nrf-fota quarantine clear {FIRST}" in output
    code, output = finish(desk.nrf_fota("boards"))
    assert f"{FIRST}  not attached here" in output and "quarantined since" in output
    code, output = finish(desk.nrf_fota("quarantine", "clear", f"00{FIRST}"))
    assert code == 0, output
    code, output = finish(desk.pytest())
    assert code == 0 and "5 passed" in output, output


@pytest.mark.long_proof
@pytest.mark.parametrize(
    ("program", "place", "power"),
    [
        ("uhubctl", "-l 1-1.4 -p 2", {"uhubctl": {"location": "1-1.4", "port": 2}}),
        ("ykushcmd", "-s YK25838 -u 1", {"ykush": {"serial": "YK25838", "port": 1}}),
    ],
)
def test_a_kit_that_comes_back_when_it_is_switched_on(
    desk: Desk, finish: Finish, program: str, place: str, power: dict[str, object]
) -> None:
    """Nothing is quarantined, and its test passes on it."""
    (desk.work / "test_mine.py").write_text(UNPLUGS_ITSELF)
    desk.attach(FIRST)
    desk.connect_to_hub(program, place, FIRST)
    given = desk.write_map({FIRST: {"power": {**power, "off_s": 0.1}}})
    code, output = finish(desk.pytest(given))
    assert code == 0, output
    assert "5 passed, 1 infrastructure" in output
    assert f"the power of the kit {FIRST} was switched off and on ({program} " in output
    assert f"run again on the kit {FIRST}, which came back" in output
    calls = (
        ["-l 1-1.4 -p 2 -a cycle -d 0.1"]
        if program == "uhubctl"
        else [
            "-s YK25838 -d 1",
            "-s YK25838 -u 1",
        ]
    )
    assert desk.hub_calls(program) == calls
    assert "quarantine" not in output
    assert "No kit is quarantined." in quarantined(desk, finish)
    recorders = list(desk.work.glob("nrf_fota_runs/*/*/recorder.jsonl"))
    assert sum('"kind":"power"' in path.read_text() for path in recorders) == 1


@pytest.mark.long_proof
def test_a_switch_that_does_not_help(desk: Desk, finish: Finish) -> None:
    """What it said is part of the reason."""
    (desk.work / "test_mine.py").write_text(UNPLUGS_ITSELF)
    desk.attach(FIRST)
    desk.connect_to_hub("uhubctl", "elsewhere", FIRST)
    given = desk.write_map({FIRST: {"power": {"uhubctl": {"location": "1-1", "port": 1}}}})
    code, output = finish(desk.pytest(given, "-k", "kit[0]"))
    assert code == RIG_LOST, output
    assert f"the power of the kit {FIRST} could not be switched (uhubctl " in output
    # As pytest calls it.
    shown = output.partition("nRF FOTA: results")[2].partition("short test summary")[0]
    assert "ERROR test_mine.py::test_on_a_kit[0]" in shown and "FAILED" not in shown
    assert "No compatible devices detected!" in quarantined(desk, finish)


def _one_test_of_two_tries(desk: Desk, finish: Finish, output: str) -> None:
    """Two workers ran one test: the summary numbers them, the night counts them as one."""
    lost, passed = re.findall(r"    try ([12]) of 2: (gw\d)/(\S+)", output)
    assert (lost[0], passed[0]) == ("1", "2")
    assert lost[1] != passed[1] and lost[2] == passed[2]
    code, reported = finish(desk.nrf_fota("report", "nrf_fota_runs"))
    assert code == 0, reported
    assert ": 8 tests, 8 passed, 0 failed, 0 lost to the test setup, 1 run again\n" in reported
    assert f"Kit {FIRST} was lost in test_on_a_kit[" in reported
    assert f"which ran again on {SECOND} and passed." in reported
    assert "Flaky" not in reported


@pytest.mark.long_proof
@pytest.mark.parametrize("distribution", ["load", "loadfile"])
def test_two_workers_and_one_dies(
    desk: Desk, meeting: Meeting, finish: Finish, distribution: str
) -> None:
    """Nothing is lost: the other worker runs what is left, and the test that it died in."""
    text = UNPLUGS_ITSELF.replace("unplug(dut.name)", "kill(dut.name)")
    text = text.replace("import unplug", "import kill")
    meets = "from meeting import meet\n" + text.replace(
        "    if dut", "    meet(dut.name)\n    if dut"
    )
    for name in ("test_mine", "test_other"):
        (desk.work / f"{name}.py").write_text(meets)
    run = desk.pytest("-n", "2", f"--dist={distribution}")
    assert {meeting.wait(), meeting.wait()} == {FIRST, SECOND}
    meeting.let_go(12)
    code, output = finish(run)
    assert FIRST in quarantined(desk, finish)
    if distribution == "load":
        assert code == 0, output
        assert "10 passed, 1 infrastructure" in output
        assert "run again by another worker" in output
        _one_test_of_two_tries(desk, finish, output)
    else:
        # xdist gives them out; those of the lost kit's worker are said, and are no failure.
        assert code == RIG_LOST, output
        assert "1 error" in output and "tests were not run" in output


@pytest.mark.long_proof
def test_both_kits_are_lost(desk: Desk, meeting: Meeting, finish: Finish) -> None:
    """A test that two kits were lost in is not tried on a third; the run says so once."""
    (desk.work / "test_mine.py").write_text(
        "import pytest\nfrom hands import kill\n"
        "@pytest.mark.parametrize('number', range(9))\n"
        "def test_kills(dut, number):\n    kill(dut.name)\n    dut.read_memory(0, 4)\n"
    )
    code, output = finish(desk.pytest("-n", "2"))
    assert code == RIG_LOST, output
    assert output.count("because no kit is left") == 1
    listed = quarantined(desk, finish)
    assert FIRST in listed and SECOND in listed


@pytest.mark.long_proof
def test_a_kit_that_is_sick_when_it_is_taken(desk: Desk, finish: Finish) -> None:
    """It is set aside for this run, and the next one is taken."""
    (desk.work / "test_mine.py").write_text("def test_mine(dut):\n    print(dut.name)\n")
    desk.make_sick(FIRST, "ERROR: Low voltage detected at the target.")
    code, output = finish(desk.pytest("-s"))
    assert code == 0, output
    assert f"\n{SECOND}" in output or f" {SECOND}" in output
    assert f"the kit {FIRST} is set aside in this run: " in output and "Low voltage" in output
    assert "quarantine" not in output
    assert "No kit is quarantined." in quarantined(desk, finish)
    desk.make_sick(SECOND, "ERROR: Low voltage detected at the target.")
    code, output = finish(desk.pytest())
    assert code == RIG_LOST, output
    assert "1 error" in output and "No kit is left that can be used" in output


@pytest.mark.long_proof
def test_a_kit_that_fails_where_others_pass(desk: Desk, finish: Finish) -> None:
    """Three runs in a row make it a suspect, which can be set aside, and begins anew then."""
    (desk.work / "test_mine.py").write_text(
        f"def test_mine(dut):\n    assert dut.name != '{FIRST}'\n"
    )
    assert finish(desk.pytest(f"--device-id={SECOND}"))[0] == 0
    for number in range(3):
        code, output = finish(desk.pytest(f"--device-id={FIRST}"))
        assert code == pytest.ExitCode.TESTS_FAILED, output
        assert ("is suspect: its last 3 runs failed where others passed" in output) == (number == 2)
        assert "quarantine" not in output
    setting_aside = (f"--device-id={FIRST}", "--quarantine-suspects")
    code, output = finish(desk.pytest(*setting_aside))
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert f"looked at it: nrf-fota quarantine clear {FIRST}\n" in output
    assert FIRST in quarantined(desk, finish)
    assert finish(desk.nrf_fota("quarantine", "clear", FIRST))[0] == 0
    code, output = finish(desk.pytest(*setting_aside))
    assert code == pytest.ExitCode.TESTS_FAILED and "suspect" not in output, output
    assert "No kit is quarantined." in quarantined(desk, finish)


@pytest.mark.long_proof
def test_a_regression_makes_no_suspect(desk: Desk, finish: Finish, builds: tuple[str, ...]) -> None:
    """The other kit passed with older firmware; its own pass with the new one would count."""
    (desk.work / "test_mine.py").write_text(
        f"def test_mine(dut):\n    assert dut.name != '{FIRST}'\n"
    )
    assert finish(desk.pytest(f"--device-id={SECOND}"))[0] == 0
    for _ in range(3):
        code, output = finish(desk.pytest(f"--device-id={FIRST}", *builds))
        assert code == pytest.ExitCode.TESTS_FAILED and "suspect" not in output, output
    assert finish(desk.pytest(f"--device-id={SECOND}", *builds))[0] == 0
    code, output = finish(desk.pytest(f"--device-id={FIRST}", *builds))
    assert "is suspect: its last 3 runs failed where others passed" in output


def test_a_failure_before_a_repair_does_not_count_though_the_run_went_on(
    desk: Desk, meeting: Meeting, finish: Finish
) -> None:
    """It is as old as the kit's last test."""
    (desk.work / "test_mine.py").write_text(
        "from meeting import meet\n"
        "def test_mine(dut):\n    assert False\n"
        "def test_without_a_kit():\n    meet('on')\n"
    )
    desk.attach(FIRST)
    run = desk.pytest()
    meeting.wait()
    now = datetime.now().astimezone()
    meeting.let_go()
    assert finish(run)[0] == pytest.ExitCode.TESTS_FAILED
    (noted,) = history_of(FIRST, desk.locks / "state").runs
    assert noted.failed and noted.when < now


def test_a_test_s_own_failure_is_no_rig_s(desk: Desk, finish: Finish) -> None:
    """The kit is there, so the firmware has failed."""
    (desk.work / "test_mine.py").write_text("def test_mine(dut):\n    assert False\n")
    desk.attach(FIRST)
    code, output = finish(desk.pytest())
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 failed" in output and "infrastructure" not in output
    assert "No kit is quarantined." in quarantined(desk, finish)


@pytest.mark.long_proof
def test_the_second_kit_of_a_test_is_lost(desk: Desk, finish: Finish) -> None:
    """It is quarantined and the session's own is not blamed; there is none in its place."""
    (desk.work / "test_mine.py").write_text(SECOND_UNPLUGGED)
    code, output = finish(desk.pytest())
    assert code == RIG_LOST, output
    assert "1 passed, 1 error, 1 infrastructure" in output
    assert f"the kit {SECOND} is quarantined: It is not on USB any more." in output
    assert f"no other kit in its place: {SECOND}: It is not on USB any more." in output
    listed = quarantined(desk, finish)
    assert SECOND in listed and FIRST not in listed

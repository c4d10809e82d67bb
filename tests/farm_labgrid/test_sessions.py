"""pytest with --farm: a kit for each worker before anything is collected, and none left behind."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_nrf_fota.farm.kit_lock import try_claim
from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess
from tests.farm.meeting import Meeting
from tests.farm.reading import read_until
from tests.farm_labgrid.conftest import StartBroker, User, program
from tests.farm_labgrid.farm import Farm, owners, wait_for

pytestmark = pytest.mark.long_proof
# Stays on its kit until it may go on.
ON_KITS = """
import os
import pytest
from meeting import meet
from pytest_nrf_fota.session_farm import leased_kit

@pytest.mark.parametrize("number", range(6))
def test_on_a_kit(pytestconfig, number):
    kit = leased_kit(pytestconfig)
    meet(f"{kit.serial_number} {os.getpid()} {os.environ.get('HOST_OF_WORKER', '')}")
"""

Held = Callable[[], "dict[str, str]"]


@pytest.fixture(autouse=True)
def _user_tests(user: User) -> None:
    (user.folder / "test_mine.py").write_text(ON_KITS)


@pytest.fixture
def held(farm: Farm, labgrid_python: Path) -> Held:
    """Asks the coordinator who has which place."""

    def ask() -> dict[str, str]:
        with BrokerProcess(farm.address, labgrid_python) as broker:
            return dict(owners(broker.look()))

    return ask


def test_each_worker_has_a_kit(farm: Farm, user: User, meeting: Meeting, held: Held) -> None:
    """Of this host's; the others are another's. The replacement of a killed one has its kit."""
    run = user.pytest("-n", "auto", "--farm", f"{farm.url}?host=lab1")
    first = [meeting.wait().split() for _ in range(2)]
    came = {process: number for number, process in first}
    assert set(came.values()) == {"1050000001", "1050000002"}
    code, output = user.finish(user.pytest("--farm", f"{farm.url}?host=lab1"))
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "Too few of the farm's fitting places are free." in output
    assert f".nrf-fota.{run.pid}." in output and "collected" not in output
    killed, kit = next(iter(came.items()))
    os.kill(int(killed), signal.SIGKILL)
    number, replacement = meeting.wait().split()
    assert number == kit and replacement not in came
    meeting.let_go(6)
    code, output = user.finish(run)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "1 failed, 5 passed" in output
    assert "1050000001 (kit-1050000001 on lab1)" in output
    assert held() == {}


def test_a_killed_session_leaves_no_lease(
    farm: Farm, user: User, meeting: Meeting, held: Held
) -> None:
    """Nor does one that Ctrl-C ends, which reaches all processes of a terminal."""
    run = user.pytest("--farm", f"{farm.url}?host=lab2")
    assert meeting.wait().split() == ["1050000003", str(run.pid)]
    run.send_signal(signal.SIGKILL)
    user.finish(run)
    assert wait_for(held, lambda places: not places) == {}
    run = user.pytest("--farm", f"{farm.url}?host=lab2")
    meeting.wait()
    os.killpg(run.pid, signal.SIGINT)
    code, output = user.finish(run)
    assert code == pytest.ExitCode.INTERRUPTED, output
    assert "farm: " not in output.partition("test session starts")[2].partition("rootdir")[2]
    assert held() == {}


LOSES_IT = """
from meeting import meet

def test_first():
    meet("here")

def test_then(unit):
    pass
"""


@pytest.mark.parametrize("workers", [(), ("-n", "auto")])
def test_nothing_runs_on_a_kit_that_somebody_took(
    farm: Farm, user: User, meeting: Meeting, workers: tuple[str, ...]
) -> None:
    """With `labgrid-client release --kick`; the summary says so, too."""
    (user.folder / "test_mine.py").write_text(LOSES_IT)
    run = user.pytest("--farm", f"{farm.url}?host=lab2", *workers)
    assert meeting.wait() == "here"
    farm.take_away("kit-1050000003")
    wait_for(lambda: list(user.folder.glob("nrf_fota_runs/*/farm-lost-*")), bool)
    meeting.let_go()
    code, output = user.finish(run)
    assert code == 75, output
    assert "1 passed, 1 error" in output
    assert "The kit 1050000003 is no longer this session's." in output
    assert "farm: the lease of kit-1050000003 was lost" in output


def test_mistakes_are_said_before_collection(farm: Farm, user: User) -> None:
    """No such place, more workers than places, no farm, no board, none on this host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    mistakes = {
        ("--farm", f"{farm.url}?rack=9"): "no place, or too few, that fit",
        ("--farm", f"{farm.url}?host=lab1", "-n", "3"): "3 needed, 2 found with board=nrf5340dk",
        ("--farm", f"labgrid://127.0.0.1:{closed}"): "The farm does not answer.",
        ("--farm", farm.url): "The farm has no Nordic nRF5340 DK on this host.",
        ("--farm", "lab:1"): "'lab:1' is no farm",
        ("--farm", farm.url, "--tx", "2*ssh=lab1"): "--tx alone starts no workers",
        ("--farm", farm.url, "--board=nrf5340dk_sim"): "--farm is for kits on USB",
        ("--farm", farm.url, "--farm-python=/nowhere"): "no such Python to run labgrid with",
    }
    runs = {arguments: user.pytest(*arguments) for arguments in mistakes}
    for arguments, said in mistakes.items():
        code, output = user.finish(runs[arguments])
        assert code == pytest.ExitCode.USAGE_ERROR, output
        assert said in output and "collected" not in output


def test_who_waits_says_for_whom(farm: Farm, user: User, start_broker: StartBroker) -> None:
    """Before it waits, not only when it has waited in vain."""
    holder = start_broker(farm)
    holder.lease(({"host": "lab2"},), at_least=1, at_most=1, wait_s=0)
    code, output = user.finish(
        user.pytest("--farm", f"{farm.url}?host=lab2", "--wait-for-kit=1", "-n", "auto")
    )
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "nrf-fota: waiting up to 1 s for the farm; " in output
    assert output.count(f"kit-1050000003: held by {holder.owner}") == 2
    assert "Too few of the farm's fitting places are free, after 1 s." in output


# As `dut_factory` does, after it has seen that the test's own kit is there.
WANTS_ANOTHER = """
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.session_farm import one_more_leased

def test_two(pytestconfig):
    one_more_leased(pytestconfig, load_board("nrf5340dk"), None)
"""


def test_what_the_session_has_itself_is_not_waited_for(farm: Farm, user: User) -> None:
    """A second kit for a test, where this session's workers have all."""
    (user.folder / "test_mine.py").write_text(WANTS_ANOTHER)
    of_lab_2 = ("--farm", f"{farm.url}?host=lab2", "--wait-for-kit=100000")
    for workers in ((), ("-n", "auto")):
        code, output = user.finish(user.pytest(*of_lab_2, *workers))
        assert code == pytest.ExitCode.TESTS_FAILED, output
        assert "This session itself has all of the farm's fitting places" in output
        assert "kit-1050000003" in output


def test_a_leased_kit_that_somebody_uses_at_its_host_is_waited_for(farm: Farm, user: User) -> None:
    """Who sits there asked for the host's lock, not the farm."""
    (user.folder / "test_mine.py").write_text("def test_mine(unit):\n    pass\n")
    claim = try_claim("1050000003")
    assert claim is not None
    claim.announce()
    run = user.pytest("--farm", f"{farm.url}?host=lab2", "--wait-for-kit=600")
    read_until(run, "waiting up to 600 s for 1 kit; 1050000003: held by")
    claim.release()
    code, output = user.finish(run)
    # There is no such kit on this host.
    assert code == 75, output
    assert "The kit is taken" not in output
    assert "the kit 1050000003 is set aside in this run: It is not on USB any more." in output


def test_a_host_that_ssh_does_not_reach_ends_the_run(farm: Farm, user: User, held: Held) -> None:
    """Before it begins, in words; what was leased for it is given back."""
    program("ssh")
    nobody = "-o BatchMode=yes -o HostName=127.0.0.1 -o Port=1 ci@lab2"
    code, output = user.finish(
        user.pytest("--farm", farm.url, "--dist", "load", "--tx", f"ssh={nobody}")
    )
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "No worker can be started over SSH." in output
    assert "ssh -o BatchMode=yes lab2 true" in output
    assert "INTERNALERROR" not in output and "Traceback" not in output
    assert held() == {}


def test_workers_run_on_the_kits_hosts(
    farm: Farm, user: User, meeting: Meeting, ssh_config: Path
) -> None:
    """Over SSH, each on a kit of its own host."""
    there = f"//python={sys.executable}//chdir={user.folder}//env:MEETING={meeting.folder}"
    run = user.pytest(
        *("--dist", "load", "--farm", farm.url),
        *("--tx", f"2*ssh=-F {ssh_config} lab1{there}//env:HOST_OF_WORKER=lab1"),
        *("--tx", f"ssh=-F {ssh_config} lab2{there}//env:HOST_OF_WORKER=lab2"),
    )
    came = [meeting.wait().split() for _ in range(3)]
    meeting.let_go(6)
    code, output = user.finish(run)
    assert code == 0, output
    assert {(host, number) for number, _, host in came} == {
        ("lab1", "1050000001"),
        ("lab1", "1050000002"),
        ("lab2", "1050000003"),
    }
    assert len({process for _, process, _ in came}) == 3

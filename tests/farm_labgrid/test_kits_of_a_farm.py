"""Leased kits under test: virtual kits that appear as kits, with their probes, ports and radios."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess
from tests.farm.desk import HANDS, Desk, VirtualKits
from tests.farm.meeting import MEET, Meeting
from tests.farm_labgrid.conftest import StartFarm
from tests.farm_labgrid.farm import Farm, Kit, owners, wait_for

pytestmark = pytest.mark.long_proof
NUMBERS = ("1050000001", "1050000002", "1050000003")
# Each is on its kit until the others are on theirs; one takes a second kit.
ON_KITS = """
import pytest
from meeting import meet
from pytest_nrf_fota.deadline import Deadline

@pytest.mark.parametrize("number", range(4))
def test_on_a_kit(dut, unit, number):
    assert dut.probe.info(Deadline.after(60)).serial_number.lstrip("0") == unit.name
    meet(f"{unit.name} {dut.wires.radio.description}")

def test_two(dut, dut_factory):
    other = dut_factory()
    meet(f"{dut.name} {other.name}")
"""


@pytest.fixture(scope="module")
def kits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualKits]:
    """Three virtual kits."""
    started = VirtualKits(tmp_path_factory.mktemp("kits"), NUMBERS)
    yield started
    started.end()


@pytest.fixture
def desk(
    kits: VirtualKits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meeting: Meeting
) -> Iterator[Desk]:
    """They are on the desk of lab1."""
    monkeypatch.setenv("MEETING", str(meeting.folder))
    (tmp_path / "desk").mkdir()
    made = Desk(tmp_path / "desk", kits, meeting)
    (made.work / "meeting.py").write_text(MEET)
    (made.work / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    (made.work / "test_mine.py").write_text(ON_KITS)
    yield made
    made.end()


@pytest.fixture
def kit_farm(start_farm: StartFarm, kits: VirtualKits) -> Farm:
    """All three in rack 1 but the last."""
    return start_farm(
        *(
            Kit(number, "lab1", (("rack", rack), ("radio", f"bumble:{kits.units[number].hci}")))
            for number, rack in zip(NUMBERS, ("1", "1", "2"), strict=True)
        )
    )


def test_workers_are_on_their_leased_kits(
    desk: Desk, kit_farm: Farm, meeting: Meeting, labgrid_python: Path
) -> None:
    """With the radios that the places name; who does not ask the farm still cannot have them."""
    farm = f"--farm={kit_farm.url}?host=lab1"
    run = desk.pytest(
        *("-n", "auto", farm, "--board-tag=rack=1", f"--farm-python={labgrid_python}"),
        *("-k", "on_a_kit"),
    )
    came = dict(_pair(meeting.wait()) for _ in range(2))
    assert set(came) == set(NUMBERS[:2])
    for number, radio in came.items():
        assert desk.units[number].hci in radio
    other = desk.pytest(f"--device-id={NUMBERS[0]}", "-k", "on_a_kit")
    output, _ = other.communicate(timeout=60)
    assert other.returncode == pytest.ExitCode.USAGE_ERROR, output
    assert f"{NUMBERS[0]}: held by" in output
    meeting.let_go(4)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 0, output
    with BrokerProcess(kit_farm.address, labgrid_python) as broker:
        assert owners(broker.look()) == {}


def test_a_rig_of_two(desk: Desk, kit_farm: Farm, meeting: Meeting, labgrid_python: Path) -> None:
    """The second kit is of the same host and farm, and is given back with the test."""
    farm = f"--farm={kit_farm.url}?host=lab1"
    run = desk.pytest(farm, f"--farm-python={labgrid_python}", "-k", "test_two")
    first, second = meeting.wait().split()
    assert first != second
    with BrokerProcess(kit_farm.address, labgrid_python) as broker:
        assert set(owners(broker.look())) == {f"kit-{first}", f"kit-{second}"}
        meeting.let_go()
        output, _ = run.communicate(timeout=60)
        assert run.returncode == 0, output
        assert owners(broker.look()) == {}


LOSES_IT = """
import pytest
from hands import unplug
from pathlib import Path

@pytest.mark.parametrize("number", range(2))
def test_on_a_kit(dut, number):
    if not Path("unplugged").exists():
        Path("unplugged").write_text(dut.name)
        unplug(dut.name)
    assert dut.read_memory(0, 4)
    Path("last").write_text(dut.name)
"""


def test_a_leased_kit_that_is_lost(desk: Desk, kit_farm: Farm, labgrid_python: Path) -> None:
    """Its test passes on a spare of the farm; the next run is not given it."""
    (desk.work / "test_mine.py").write_text(LOSES_IT)
    (desk.work / "hands.py").write_text(HANDS)
    farm = (f"--farm={kit_farm.url}?host=lab1", f"--farm-python={labgrid_python}")
    run = desk.pytest(*farm)
    output, _ = run.communicate(timeout=90)
    assert run.returncode == 0, output
    lost, spare = ((desk.work / name).read_text() for name in ("unplugged", "last"))
    assert "2 passed, 1 infrastructure" in output and f"run again on the kit {spare}" in output
    assert lost != spare
    with BrokerProcess(kit_farm.address, labgrid_python) as broker:
        assert owners(broker.look()) == {}
    desk.attach(*NUMBERS)
    run = desk.pytest(*farm, f"--board-tag=name=kit-{lost}")
    output, _ = run.communicate(timeout=90)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, output
    assert f"nrf-fota quarantine clear {lost}" in output


ON_ONE_KIT = """
from meeting import meet

def test_first(dut):
    meet(dut.name)

def test_then(dut):
    assert dut.read_memory(0, 4)
    meet(dut.name)

def test_on_the_spare(dut):
    assert dut.read_memory(0, 4)
    meet(dut.name)

def test_after_it():
    pass
"""


def test_nothing_more_runs_on_a_kit_whose_lease_was_ended(
    desk: Desk, kit_farm: Farm, meeting: Meeting, labgrid_python: Path
) -> None:
    """Though it is open: what was to run on it runs on a spare, which is leased then.

    The spare's lease is ended, too.
    """
    (desk.work / "test_mine.py").write_text(ON_ONE_KIT)
    run = desk.pytest(f"--farm={kit_farm.url}?host=lab1", f"--farm-python={labgrid_python}")
    seen: list[str] = []
    for _ in range(3):
        seen.append(meeting.wait())
        if len(seen) < len(NUMBERS):
            kit_farm.take_away(f"kit-{seen[-1]}")
            pattern = f"nrf_fota_runs/*/farm-lost-*-kit-{seen[-1]}"
            wait_for(lambda: list(desk.work.glob(pattern)), bool)  # noqa: B023
        meeting.let_go()
    first, spare, last = seen
    assert {first, spare, last} == set(NUMBERS)
    output, _ = run.communicate(timeout=90)
    assert run.returncode == 0, output
    assert "4 passed, 2 infrastructure" in output
    for lost, instead in ((first, spare), (spare, last)):
        assert f"run again on the kit {instead}" in output
        assert f"the kit {lost} is set aside in this run: the lease of kit-{lost} was" in output


def _pair(text: str) -> tuple[str, str]:
    first, _, second = text.partition(" ")
    return first, second

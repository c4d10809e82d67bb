"""Places of a farm whose kits are set aside, or whose power is switched."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess, FarmError
from pytest_nrf_fota.farm.labgrid.leases import FarmLeases, FarmNews, WorkersOfHost
from pytest_nrf_fota.farm.labgrid.overview import look_at_farm
from pytest_nrf_fota.farm.labgrid.place_kits import kit_of_place
from pytest_nrf_fota.farm.labgrid.place_power import cycle_place
from pytest_nrf_fota.farm.power import PowerError
from pytest_nrf_fota.farm.quarantine import add_quarantine, clear_quarantine
from tests.farm.meeting import Meeting
from tests.farm_labgrid.conftest import StartBroker, StartFarm, User
from tests.farm_labgrid.farm import Farm, Kit, owners

pytestmark = pytest.mark.long_proof
FIRST, SECOND, THIRD = "1050000001", "1050000002", "1050000003"
BOARD = load_board("nrf5340dk")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What this host knows of kits."""
    monkeypatch.setenv("NRF_FOTA_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def switched() -> Iterator[tuple[str, list[str]]]:
    """A power switch that answers HTTP: its address, and what it was asked for."""
    asked: list[str] = []

    class Switch(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Switch)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{{index}}/{{value}}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def leases_of(broker: BrokerProcess) -> FarmLeases:
    return FarmLeases(broker, FarmNews())


def test_quarantined_places_are_passed_over(farm: Farm, start_broker: StartBroker) -> None:
    """Under the kit's number or the place's name; nobody else is kept from them."""
    add_quarantine(FIRST, "no USB")
    session = start_broker(farm)
    wanted = WorkersOfHost("lab1", at_most=None)
    leased = leases_of(session)
    kits = leased.lease(BOARD, farm.address, wanted, 0)
    assert [kit.serial_number for kit in kits] == [SECOND]
    assert [one.place for one in leased.set_aside] == [f"kit-{FIRST}"]
    assert "no USB" in leased.set_aside[0].why
    assert f"nrf-fota quarantine clear {FIRST}" in leased.set_aside[0].why
    assert set(owners(session.look())) == {f"kit-{SECOND}"}
    entry = next(e for e in look_at_farm(farm.address, session) if e.serial_number == FIRST)
    assert entry.state == "quarantined" and "no USB" in entry.detail
    session.release(f"kit-{SECOND}")
    clear_quarantine(FIRST)
    add_quarantine(f"kit-{SECOND}", "borrowed")
    kits = leases_of(session).lease(BOARD, farm.address, wanted, 0)
    assert [kit.serial_number for kit in kits] == [FIRST]
    with pytest.raises(FarmError) as raised:
        leases_of(start_broker(farm)).lease(BOARD, farm.address, WorkersOfHost("lab1"), 0, {FIRST})
    assert raised.value.reason == "set_aside" and "lost in this run" in raised.value.where


def test_a_run_names_what_it_passes_over(farm: Farm, user: User, meeting: Meeting) -> None:
    """And is refused where nothing else is left."""
    (user.folder / "test_mine.py").write_text("def test_mine(): pass\n")
    add_quarantine(FIRST, "no USB")
    code, output = user.finish(user.pytest("-n", "auto", "--farm", f"{farm.url}?host=lab1"))
    assert code == 0, output
    assert f"{SECOND} (kit-{SECOND} on lab1)" in output
    assert f"farm: kit-{FIRST} is of no use: quarantined since " in output
    add_quarantine(SECOND, "no port")
    code, output = user.finish(user.pytest("--farm", f"{farm.url}?host=lab1"))
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "no USB" in output and "no port" in output and "quarantine clear" in output
    assert "next:  Look at the kits that are set aside, for the reasons above" in output


def test_power_is_switched_by_labgrid(
    start_farm: StartFarm,
    start_broker: StartBroker,
    labgrid_python: Path,
    switched: tuple[str, list[str]],
) -> None:
    """With its own driver, in the name of who has leased the place; nobody else may."""
    address, asked = switched
    farm = start_farm(Kit(FIRST, "lab1", power=address), Kit(THIRD, "lab2"))
    session = start_broker(farm)
    (place,) = session.lease(({"name": f"kit-{FIRST}"},), at_least=1, at_most=1, wait_s=0).places
    kit = kit_of_place(place)
    assert kit.switches_power and kit.owner == session.owner
    cycle_place(kit, farm.address, labgrid_python, Deadline.after(60))
    assert asked == ["/1/0", "/1/1"]
    stranger = kit.model_copy(update={"owner": "lab1/stranger"})
    with pytest.raises(PowerError, match="is not acquired by your user"):
        cycle_place(stranger, farm.address, labgrid_python, Deadline.after(60))
    (other,) = session.lease(({"name": f"kit-{THIRD}"},), at_least=1, at_most=1, wait_s=0).places
    assert not kit_of_place(other).switches_power

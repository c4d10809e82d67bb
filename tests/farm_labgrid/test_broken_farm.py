"""Parts of the farm that are gone, hang, or come back."""

import errno
import queue
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.farm.labgrid.broker_process import FarmError, Listeners
from pytest_nrf_fota.farm.labgrid.leases import WorkersOfHost, open_farm
from pytest_nrf_fota.farm.quarantine import add_quarantine
from tests.farm_labgrid.conftest import KITS, StartBroker, StartFarm
from tests.farm_labgrid.farm import Kit, owners, wait_for

pytestmark = pytest.mark.long_proof
ALL = ({"board": "nrf5340dk"},)
BOARD = load_board("nrf5340dk")
LAB_2 = ({"board": "nrf5340dk", "host": "lab2"},)


def test_a_place_without_resources_is_passed_over(
    start_farm: StartFarm, start_broker: StartBroker
) -> None:
    """labgrid hands it out like any other; it is free again afterwards."""
    farm = start_farm(Kit("1050000001", "lab1"), Kit("1050000002", "lab2"), gone=("lab1",))
    session = start_broker(farm)
    leased = session.lease(ALL, at_least=1, at_most=2, wait_s=0)
    assert [place.name for place in leased.places] == ["kit-1050000002"]
    assert [one.place for one in leased.set_aside] == ["kit-1050000001"]
    assert "its exporter is not there" in leased.set_aside[0].why
    assert set(owners(session.look())) == {"kit-1050000002"}
    with pytest.raises(FarmError) as error:
        start_broker(farm).lease(ALL, at_least=2, at_most=2, wait_s=0)
    assert error.value.reason == "unusable"
    assert set(owners(session.look())) == {"kit-1050000002"}


def test_who_waits_gets_a_place_whose_exporter_comes_back(
    start_farm: StartFarm, start_broker: StartBroker
) -> None:
    """Until then it is nobody's for longer than a look takes."""
    farm = start_farm(Kit("1050000001", "lab1"), gone=("lab1",))
    session = start_broker(farm)
    with pytest.raises(FarmError) as error:
        session.lease(ALL, at_least=1, at_most=1, wait_s=0.1)
    assert error.value.reason == "unusable"
    with ThreadPoolExecutor(1) as pool:
        leased = pool.submit(session.lease, ALL, at_least=1, at_most=1, wait_s=60)
        farm.start_exporter("lab1")
        assert [place.name for place in leased.result().places] == ["kit-1050000001"]


def test_who_waits_gets_a_coordinator_that_comes_back(
    start_farm: StartFarm, labgrid_python: Path
) -> None:
    """As while systemd restarts it; it is said for what is waited."""
    farm = start_farm(Kit("1050000001", "lab1"))
    farm.kill_coordinator()
    told: queue.Queue[str] = queue.Queue()
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(open_farm, farm.address, labgrid_python, wait_s=60, on_wait=told.put)
        assert "waiting up to 60 s for the farm; labgrid://127.0.0.1" in told.get(timeout=20)
        farm.restart_coordinator()
        opened.result().release_all()
    assert told.empty()


def test_a_hung_exporter_s_place_is_passed_over(
    start_farm: StartFarm, start_broker: StartBroker
) -> None:
    """After the 10 s that the coordinator waits for it; the place is nobody's then."""
    farm = start_farm(Kit("1050000001", "lab1"), Kit("1050000002", "lab2"))
    session = start_broker(farm)
    farm.signal_exporter("lab2", signal.SIGSTOP)
    leased = session.lease((*LAB_2, *ALL), at_least=1, at_most=1, wait_s=0)
    assert [place.name for place in leased.places] == ["kit-1050000001"]
    assert [one.place for one in leased.set_aside] == ["kit-1050000002"]
    assert "its exporter hangs" in leased.set_aside[0].why
    assert set(owners(session.look())) == {"kit-1050000001"}
    farm.signal_exporter("lab2", signal.SIGCONT)


def test_a_hung_exporter_makes_nobody_dead(
    start_farm: StartFarm, start_broker: StartBroker
) -> None:
    """The coordinator lets renewals wait meanwhile, for longer than a reaper watches here."""
    farm = start_farm(*(Kit(f"105000000{n}", "lab1") for n in range(4)), Kit("1050000009", "lab2"))
    living, patient, other = start_broker(farm), start_broker(farm), start_broker(farm)
    living.lease(({"host": "lab1"},), at_least=4, at_most=4, wait_s=0)
    farm.signal_exporter("lab2", signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(patient.lease, LAB_2, at_least=1, at_most=1, wait_s=0)
        # Its reservation is there before the coordinator waits for the exporter.
        wait_for(other.look, lambda places: any(place.reservation for place in places))
        assert other.reap(watch_s=4.0).leases == ()
        with pytest.raises(FarmError):
            waiting.result()
    assert list(owners(living.look()).values()) == [living.owner] * 4
    farm.signal_exporter("lab2", signal.SIGCONT)


def test_a_hung_exporter_is_tried_once(start_farm: StartFarm, start_broker: StartBroker) -> None:
    """Each of its places would cost 10 s, and the whole farm waits meanwhile."""
    farm = start_farm(Kit("1050000009", "lab2"), *(Kit(f"105000000{n}", "lab1") for n in range(3)))
    session = start_broker(farm)
    farm.signal_exporter("lab1", signal.SIGSTOP)
    leased = session.lease(ALL, at_least=1, at_most=4, wait_s=0)
    assert [place.name for place in leased.places] == ["kit-1050000009"]
    why = [one.why for one in leased.set_aside]
    assert sum("Failed to acquire resources" in text for text in why) == 1
    assert why.count("its exporter hangs: lab1") == 2
    farm.signal_exporter("lab1", signal.SIGCONT)


def test_what_is_given_back_when_the_session_ends_is_not_forgotten(
    start_farm: StartFarm, start_broker: StartBroker
) -> None:
    """As when Ctrl-C comes while a coordinator waits for a hung exporter."""
    farm = start_farm(Kit("1050000001", "lab1"), Kit("1050000002", "lab2"))
    session, patient, other = start_broker(farm), start_broker(farm), start_broker(farm)
    session.lease(({"host": "lab1"},), at_least=1, at_most=1, wait_s=0)
    farm.signal_exporter("lab2", signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(patient.lease, LAB_2, at_least=1, at_most=1, wait_s=0)
        wait_for(other.look, lambda places: any(place.reservation for place in places))
        giving_back = pool.submit(session.release, "kit-1050000001")
        session.close()
        with pytest.raises(FarmError):
            giving_back.result()
        with pytest.raises(FarmError):
            waiting.result()
    wait_for(other.look, lambda places: owners(places) == {})
    farm.signal_exporter("lab2", signal.SIGCONT)


def test_who_waits_for_a_kit_waits_for_a_coordinator_that_comes_back(
    start_farm: StartFarm, labgrid_python: Path, start_broker: StartBroker
) -> None:
    """Its place in the queue is gone with the old one."""
    farm = start_farm(Kit("1050000001", "lab1"))
    holder = start_broker(farm)
    holder.lease(ALL, at_least=1, at_most=1, wait_s=0)
    told: queue.Queue[str] = queue.Queue()
    leases = open_farm(farm.address, labgrid_python)
    with ThreadPoolExecutor(1) as pool:
        leasing = pool.submit(
            leases.lease, BOARD, farm.address, WorkersOfHost("lab1"), 60, on_wait=told.put
        )
        assert "held by" in told.get(timeout=20)
        farm.kill_coordinator()
        holder.close()
        farm.restart_coordinator()
        assert [kit.serial_number for kit in leasing.result()] == ["1050000001"]
    leases.release_all()


def test_who_waits_does_not_get_a_place_whose_kit_was_quarantined_meanwhile(
    start_farm: StartFarm,
    start_broker: StartBroker,
    labgrid_python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NRF_FOTA_STATE_DIR", str(tmp_path / "state"))
    farm = start_farm(Kit("1050000001", "lab1"), Kit("1050000002", "lab1"))
    holder = start_broker(farm)
    holder.lease(ALL, at_least=2, at_most=2, wait_s=0)
    told: queue.Queue[str] = queue.Queue()
    leases = open_farm(farm.address, labgrid_python)
    with ThreadPoolExecutor(1) as pool:
        leasing = pool.submit(
            leases.lease, BOARD, farm.address, WorkersOfHost("lab1"), 60, on_wait=told.put
        )
        told.get(timeout=20)
        add_quarantine("1050000001", "loose cable")
        holder.release("kit-1050000001")
        # It had it for a moment, and gave it back.
        wait_for(lambda: told.qsize(), lambda count: count == 1)
        holder.release("kit-1050000002")
        assert [kit.serial_number for kit in leasing.result()] == ["1050000002"]
    leases.release_all()
    assert owners(holder.look()) == {}


def test_a_full_disk_makes_nobody_deaf(start_farm: StartFarm, start_broker: StartBroker) -> None:
    """Who hears of a lost lease cannot write it down; the broker answers all the same."""
    farm = start_farm(Kit("1050000001", "lab1"))
    heard: queue.Queue[str] = queue.Queue()

    def lost(place: str, why: str) -> None:
        heard.put(place)
        raise OSError(errno.ENOSPC, "No space left on device")

    session = start_broker(farm, Listeners(lost))
    (place,) = session.lease(ALL, at_least=1, at_most=1, wait_s=0).places
    farm.take_away(place.name)
    assert heard.get(timeout=20) == place.name
    assert owners(session.look()) == {}


def test_leases_outlive_the_coordinator(start_farm: StartFarm, start_broker: StartBroker) -> None:
    """It forgets them when it is started again; sessions take what is theirs before others do."""
    farm = start_farm(*KITS)
    told: queue.Queue[str] = queue.Queue()
    lost: list[str] = []
    session = start_broker(farm, Listeners(lambda place, why: lost.append(place), told.put))
    leased = session.lease(ALL, at_least=2, at_most=2, wait_s=0)
    names = {place.name for place in leased.places}
    farm.restart_coordinator()
    assert told.get(timeout=20).endswith("is gone") and told.get(timeout=20).endswith("is back")
    assert owners(session.look()) == dict.fromkeys(names, session.owner)
    assert lost == []
    other = start_broker(farm)
    wait_for(other.look, lambda places: all(place.resources for place in places))
    (rest,) = other.lease(ALL, at_least=1, at_most=3, wait_s=0).places
    assert rest.name not in names


def test_what_an_outage_took_from_us_is_given_back(
    start_farm: StartFarm, start_broker: StartBroker
) -> None:
    """The coordinator went on meanwhile, and had the place in our name all the time."""
    farm = start_farm(Kit("1050000001", "lab1"))
    told: queue.Queue[str] = queue.Queue()
    lost: queue.Queue[str] = queue.Queue()
    session = start_broker(farm, Listeners(lambda place, why: lost.put(why), told.put))
    session.lease(ALL, at_least=1, at_most=1, wait_s=0)
    farm.signal_coordinator(signal.SIGSTOP)
    try:
        assert "for 60 s" in lost.get(timeout=150)
    finally:
        farm.signal_coordinator(signal.SIGCONT)
    assert told.get(timeout=20).endswith("is gone") and told.get(timeout=60).endswith("is back")
    wait_for(session.look, lambda places: owners(places) == {})


def test_a_lease_outlives_its_exporter(start_farm: StartFarm, start_broker: StartBroker) -> None:
    """The kit is on the host, whether its exporter runs or not."""
    farm = start_farm(Kit("1050000001", "lab1"))
    lost: list[str] = []
    session = start_broker(farm, Listeners(lambda place, why: lost.append(place)))
    session.lease(ALL, at_least=1, at_most=1, wait_s=0)
    farm.signal_exporter("lab1", signal.SIGKILL)
    wait_for(session.look, lambda places: not places[0].resources)
    farm.start_exporter("lab1")
    wait_for(session.look, lambda places: bool(places[0].resources))
    assert owners(session.look()) == {"kit-1050000001": session.owner}
    session.close()
    assert lost == []
    (place,) = start_broker(farm).lease(ALL, at_least=1, at_most=1, wait_s=20).places
    assert place.resources

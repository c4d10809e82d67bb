"""Parts of the farm that are gone, hang, or come back."""

import queue
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_nrf_fota.farm.labgrid.broker_process import FarmError, Listeners
from pytest_nrf_fota.farm.labgrid.leases import open_farm
from tests.farm_labgrid.conftest import KITS, StartBroker, StartFarm
from tests.farm_labgrid.farm import Kit, owners, wait_for

pytestmark = pytest.mark.long_proof
ALL = ({"board": "nrf5340dk"},)
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
    farm = start_farm(Kit("1050000001", "lab1"), Kit("1050000002", "lab2"))
    living, patient, other = start_broker(farm), start_broker(farm), start_broker(farm)
    living.lease(({"host": "lab1"},), at_least=1, at_most=1, wait_s=0)
    farm.signal_exporter("lab2", signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(patient.lease, LAB_2, at_least=1, at_most=1, wait_s=0)
        # Its reservation is there before the coordinator waits for the exporter.
        wait_for(other.look, lambda places: any(place.reservation for place in places))
        assert other.reap(watch_s=2.0).leases == ()
        with pytest.raises(FarmError):
            waiting.result()
    assert owners(living.look()) == {"kit-1050000001": living.owner}
    farm.signal_exporter("lab2", signal.SIGCONT)


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

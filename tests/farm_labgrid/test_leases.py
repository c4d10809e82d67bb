"""A session's leases: so many or none, its own until its end, and no wait without a limit."""

import os
import queue
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_nrf_fota.farm.labgrid.address import FarmAddress
from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess, FarmError, Listeners
from tests.farm_labgrid.conftest import StartBroker
from tests.farm_labgrid.farm import Farm, owners, wait_for

pytestmark = pytest.mark.long_proof
ALL = ({"board": "nrf5340dk"},)
# Eight times what lies between renewals here, as with a real reaper.
WATCH_S = 4.0
LAB_1 = ({"board": "nrf5340dk", "host": "lab1"},)


def test_so_many_or_none(farm: Farm, start_broker: StartBroker) -> None:
    """Two who want two of three each: one has them, the other keeps nothing and says who does."""
    first, second = start_broker(farm), start_broker(farm)
    leased = first.lease(ALL, at_least=2, at_most=2, wait_s=0)
    with pytest.raises(FarmError) as error:
        second.lease(ALL, at_least=2, at_most=2, wait_s=0)
    assert error.value.reason == "taken" and first.owner in error.value.where
    held = owners(second.look())
    assert held == dict.fromkeys((place.name for place in leased.places), first.owner)
    # What is free is more than nothing, where one is enough.
    (third,) = second.lease(ALL, at_least=1, at_most=3, wait_s=0).places
    assert third.name not in held
    second.close()
    first.close()
    assert owners(start_broker(farm).look()) == {}


def test_who_waits_gets_it_when_it_is_given_back(farm: Farm, start_broker: StartBroker) -> None:
    """Not before, and no later than it may wait."""
    first, second = start_broker(farm), start_broker(farm)
    first.lease(ALL, at_least=3, at_most=3, wait_s=0)
    with pytest.raises(FarmError) as error:
        second.lease(LAB_1, at_least=1, at_most=1, wait_s=0.2)
    assert error.value.reason == "taken"
    first.release("kit-1050000002")
    (place,) = second.lease(LAB_1, at_least=1, at_most=1, wait_s=20).places
    assert place.name == "kit-1050000002"


def test_nobody_keeps_a_part_of_what_is_needed(farm: Farm, start_broker: StartBroker) -> None:
    """Who waits for three kits and has two gives them back to others, until all three are free."""
    holder, patient, other = start_broker(farm), start_broker(farm), start_broker(farm)
    holder.lease(({"name": "kit-1050000003"},), at_least=1, at_most=1, wait_s=0)
    with ThreadPoolExecutor(1) as pool:
        three = pool.submit(patient.lease, ALL, at_least=3, at_most=3, wait_s=60)
        wait_for(lambda: owners(other.look()), lambda held: len(held) == 3)
        other.lease(({"name": "kit-1050000001"},), at_least=1, at_most=1, wait_s=20)
        holder.close()
        other.close()
        assert len(three.result().places) == 3


@pytest.mark.parametrize("count", [1, 4])
def test_what_can_never_be_is_refused_at_once(
    farm: Farm, start_broker: StartBroker, count: int
) -> None:
    """A tag that no place has, or more than there are; whatever the time to wait."""
    tags = {"board": "nrf5340dk"} if count > 1 else {"board": "nrf52840dk"}
    with pytest.raises(FarmError) as error:
        start_broker(farm).lease((tags,), at_least=count, at_most=count, wait_s=3600)
    assert error.value.reason == "no_match"
    assert "kit-1050000001: board=nrf5340dk host=lab1" in error.value.where


def test_nobody_listens(labgrid_python: Path) -> None:
    """Neither a closed port, nor one that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(FarmError) as error:
            BrokerProcess(FarmAddress("127.0.0.1", port), labgrid_python)
    assert error.value.reason == "no_answer"
    with pytest.raises(FarmError) as error:
        BrokerProcess(FarmAddress("127.0.0.1", port), labgrid_python)
    assert error.value.reason == "no_answer"


def test_another_broker_takes_a_killed_one_s_leases_over(
    farm: Farm, start_broker: StartBroker
) -> None:
    """Nobody gets them in between, and they end with the session."""
    told: queue.Queue[str] = queue.Queue()
    lost: list[str] = []
    first = start_broker(farm, Listeners(lambda place, why: lost.append(place), told.put))
    second = start_broker(farm)
    (place,) = first.lease(ALL, at_least=1, at_most=1, wait_s=0).places
    killed = first.pid
    os.kill(killed, signal.SIGKILL)
    assert "another one takes its leases over" in told.get(timeout=20)
    assert owners(first.look()) == {place.name: first.owner}
    assert first.pid != killed
    assert [p.name for p in second.lease(ALL, at_least=2, at_most=3, wait_s=0).places]
    first.close()
    assert place.name not in owners(second.look())
    assert lost == []


def test_a_lease_that_somebody_ends_is_told(farm: Farm, start_broker: StartBroker) -> None:
    """As with `labgrid-client release --kick`, or after a reaper."""
    lost: queue.Queue[tuple[str, str]] = queue.Queue()
    first = start_broker(farm, Listeners(lambda place, why: lost.put((place, why))))
    second = start_broker(farm)
    first.lease(ALL, at_least=1, at_most=1, wait_s=0)
    # Stopped, it renews nothing; its last renewal may still be under way.
    os.kill(first.pid, signal.SIGSTOP)
    (dead,) = wait_for(lambda: second.reap(WATCH_S), lambda reaped: bool(reaped.leases)).leases
    assert dead.owner == first.owner
    os.kill(first.pid, signal.SIGCONT)
    # The coordinator's news, or the answer to a renewal: whichever comes first.
    place, why = lost.get(timeout=20)
    assert place == dead.place
    assert "somebody released it" in why or "it is not ours any more" in why


def test_only_the_leases_of_the_dead_are_reaped(farm: Farm, start_broker: StartBroker) -> None:
    living, dying, other = start_broker(farm), start_broker(farm), start_broker(farm)
    (kept,) = living.lease(ALL, at_least=1, at_most=1, wait_s=0).places
    (left,) = dying.lease(ALL, at_least=1, at_most=1, wait_s=0).places
    os.kill(dying.pid, signal.SIGSTOP)
    # The last renewal of the stopped one may still be under way.
    reaped = wait_for(lambda: other.reap(WATCH_S), lambda reaped: bool(reaped.leases))
    os.kill(dying.pid, signal.SIGCONT)
    assert reaped.watched == 2
    assert [lease.place for lease in reaped.leases] == [left.name]
    assert wait_for(lambda: owners(other.look()), lambda held: len(held) == 1) == {
        kept.name: living.owner
    }


def test_a_reaper_that_was_stopped_takes_nobody_for_dead(
    farm: Farm, start_broker: StartBroker
) -> None:
    """What the coordinator told while a busy host gave it no time counts, before and after."""
    living, other = start_broker(farm), start_broker(farm)
    with ThreadPoolExecutor(1) as pool:
        os.kill(other.pid, signal.SIGSTOP)
        (kept,) = living.lease(ALL, at_least=1, at_most=1, wait_s=0).places
        reaped = pool.submit(other.reap, WATCH_S)
        os.kill(other.pid, signal.SIGCONT)
        # It has looked by now, and its watch ends while it is stopped again.
        time.sleep(WATCH_S / 2)
        os.kill(other.pid, signal.SIGSTOP)
        time.sleep(WATCH_S)
        os.kill(other.pid, signal.SIGCONT)
        assert (reaped.result().watched, reaped.result().leases) == (1, ())
    assert owners(living.look()) == {kept.name: living.owner}

"""Ends leases whose owners are dead: labgrid never does."""

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from pytest_nrf_fota.farm.labgrid.address import FarmAddress
from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess
from pytest_nrf_fota.farm.labgrid.messages import DeadLease, Reaped
from pytest_nrf_fota.farm.told_moment import told_moment


def reap(address: FarmAddress, python: Path, watch_s: float) -> Reaped:
    """Release what sessions of this plugin lease, and nobody renews for `watch_s` seconds.

    Leases of others - people, labgrid's own tools - are never touched: nothing tells whether those
    are in use. A session that was only asleep learns that it has lost its kit.

    Raises `FarmError`.
    """
    with BrokerProcess(address, python) as broker:
        return broker.reap(watch_s)


def reaped_lines(reaped: Reaped, watch_s: float) -> list[str]:
    """What became of it, for a terminal."""
    if not reaped.watched:
        return ["No session of pytest-nrf-fota leases anything."]
    alive = reaped.watched - len(reaped.leases)
    return [
        *_released(reaped.leases),
        f"{alive} of {reaped.watched} leases {'was' if alive == 1 else 'were'} renewed or given "
        f"back within {watch_s:g} s.",
    ]


def _released(leases: Sequence[DeadLease]) -> list[str]:
    return [
        f"released {one.place}: {one.owner} is dead; its lease changed last "
        f"{told_moment(datetime.fromtimestamp(one.changed, timezone.utc))}"
        for one in leases
    ]

"""Leases of the dead: what owners with our mark lease and do not renew is released."""

import asyncio
import contextlib

from pytest_nrf_fota.farm.labgrid.broker.coordinator import Coordinator
from pytest_nrf_fota.farm.labgrid.broker.farm_values import OWNER_MARK, Json, RefusedError


async def release_the_dead(coordinator: Coordinator, address: str, watch_s: float) -> Json:
    """Release what owners with `OWNER_MARK` do not renew while we watch.

    Raises `RefusedError` where the coordinator goes away meanwhile.
    """
    await coordinator.settle()
    before = {
        place.name: (place.owner, place.changed)
        for place in coordinator.places.values()
        if OWNER_MARK in place.owner
    }
    if before:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(coordinator.is_lost.wait(), watch_s)
    if coordinator.is_lost.is_set():
        raise RefusedError("no_answer", f"the coordinator at {address} went away")
    # A coordinator that waits for a hung exporter lets all others wait, renewals as well; it
    # serves them in their order, so ours comes behind those. Then what it told is heard.
    reservations = await coordinator.reservations()
    await coordinator.settle()
    dead: list[Json] = []
    for name, (owner, changed) in sorted(before.items()):
        place = coordinator.places.get(name)
        if place is None or (place.owner, place.changed) != (owner, changed):
            continue
        # One that cannot be released, as where its exporter hangs, does not keep the others.
        with contextlib.suppress(RefusedError):
            await coordinator.release(name, owner)
            dead.append({"place": name, "owner": owner, "changed": changed})
    owners = {one["owner"] for one in dead}
    for owner, token in reservations:
        if owner in owners:
            await coordinator.cancel(token)
    return {"kind": "reaped", "leases": dead, "watched": len(before)}

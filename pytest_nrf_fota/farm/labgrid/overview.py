"""All kits of a farm, for `nrf-fota boards --farm`."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.kit_condition import KitCondition, KitConditions
from pytest_nrf_fota.farm.labgrid.address import FarmAddress
from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess
from pytest_nrf_fota.farm.labgrid.messages import FarmPlace
from pytest_nrf_fota.farm.labgrid.place_kits import host_of_place, kit_of_place


class FarmEntry(BaseModel):
    """A place of the farm as a person looks at it.

    `state` is `free`, `held`, `reserved`, `gone` or `quarantined`; `detail` says by whom, or why.
    `condition` is what this host knows of it, from runs that were started here or ran here.
    """

    model_config = ConfigDict(frozen=True)

    place: str
    serial_number: str
    host: str
    state: str
    detail: str
    tags: dict[str, str]
    ports: tuple[str, ...]
    condition: KitCondition = KitCondition()


def farm_overview(address: FarmAddress, python: Path) -> tuple[FarmEntry, ...]:
    """All places with the address's tags, by host and name. Raises `FarmError`."""
    with BrokerProcess(address, python) as broker:
        return look_at_farm(address, broker)


def look_at_farm(address: FarmAddress, broker: BrokerProcess) -> tuple[FarmEntry, ...]:
    """The same through a broker that is connected. Raises `RigError`."""
    known = KitConditions()
    wanted = dict(address.tags)
    entries = (
        _entry(place, known)
        for place in broker.look()
        if all(place.tags.get(name) == value for name, value in wanted.items())
    )
    return tuple(sorted(entries, key=lambda one: (one.host, one.place)))


def overview_lines(entries: Sequence[FarmEntry]) -> list[str]:
    """A table, a line for each place."""
    if not entries:
        return ["The farm has no places."]
    rows = [("place", "kit", "host", "state", "tags", "")]
    for one in entries:
        tags = " ".join(f"{n}={v}" for n, v in sorted(one.tags.items()) if n != "host")
        rows.append((one.place, one.serial_number or "?", one.host, one.state, tags, one.detail))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    table = [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]
        ).rstrip()
        for row in rows
    ]
    lines = [table[0]]
    for one, row in zip(entries, table[1:], strict=True):
        lines += [row, *(f"    {line}" for line in one.condition.lines)]
    return lines


def _entry(place: FarmPlace, known: KitConditions) -> FarmEntry:
    state, detail = _state(place)
    try:
        kit = kit_of_place(place)
        number, ports = kit.serial_number, (kit.console,) if kit.console else ()
    except RigError as error:
        number, ports = "", ()
        detail = detail or error.what
    condition = known.of(*filter(None, (number, place.name)))
    if condition.quarantine is not None:
        state = "quarantined" if state == "free" else state
        detail = "; ".join(filter(None, (detail, str(condition.quarantine))))
    return FarmEntry(
        place=place.name,
        serial_number=number,
        host=host_of_place(place),
        state=state,
        detail=detail,
        tags=place.tags,
        ports=ports,
        condition=condition,
    )


def _state(place: FarmPlace) -> tuple[str, str]:
    if place.owner:
        return "held", place.owner
    missing = [str(resource) for resource in place.resources if not resource.available]
    if not place.resources:
        return "gone", "no resource: its exporter is not there"
    if missing:
        return "gone", f"not available: {', '.join(missing)}"
    if place.reservation:
        return "reserved", place.reservation
    return "free", ""

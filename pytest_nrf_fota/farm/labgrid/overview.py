"""All kits of a farm, for `nrf-fota boards --farm`."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.labgrid.address import FarmAddress
from pytest_nrf_fota.farm.labgrid.broker_process import BrokerProcess
from pytest_nrf_fota.farm.labgrid.messages import FarmPlace
from pytest_nrf_fota.farm.labgrid.place_kits import host_of_place, kit_of_place


class FarmEntry(BaseModel):
    """A place of the farm as a person looks at it.

    `state` is `free`, `held`, `reserved` or `gone`; `detail` says by whom, or why.
    """

    model_config = ConfigDict(frozen=True)

    place: str
    serial_number: str
    host: str
    state: str
    detail: str
    tags: dict[str, str]
    ports: tuple[str, ...]


def farm_overview(address: FarmAddress, python: Path) -> tuple[FarmEntry, ...]:
    """All places with the address's tags, by host and name. Raises `FarmError`."""
    with BrokerProcess(address, python) as broker:
        places = broker.look()
    wanted = dict(address.tags)
    fitting = [p for p in places if all(p.tags.get(n) == v for n, v in wanted.items())]
    return tuple(sorted(map(_entry, fitting), key=lambda one: (one.host, one.place)))


def overview_lines(entries: Sequence[FarmEntry]) -> list[str]:
    """A table, a line for each place."""
    if not entries:
        return ["The farm has no places."]
    rows = [("place", "kit", "host", "state", "tags", "")]
    for one in entries:
        tags = " ".join(f"{n}={v}" for n, v in sorted(one.tags.items()) if n != "host")
        rows.append((one.place, one.serial_number or "?", one.host, one.state, tags, one.detail))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]
        ).rstrip()
        for row in rows
    ]


def _entry(place: FarmPlace) -> FarmEntry:
    state, detail = _state(place)
    try:
        kit = kit_of_place(place)
        number, ports = kit.serial_number, (kit.console,) if kit.console else ()
    except RigError as error:
        number, ports = "", ()
        detail = detail or error.what
    return FarmEntry(
        place=place.name,
        serial_number=number,
        host=host_of_place(place),
        state=state,
        detail=detail,
        tags=place.tags,
        ports=ports,
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

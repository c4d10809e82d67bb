"""What places name, and which of them are meant."""

import dataclasses

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.errors import InputError, RigError
from pytest_nrf_fota.farm.labgrid.address import FarmAddress
from pytest_nrf_fota.farm.labgrid.leases import filters_for
from pytest_nrf_fota.farm.labgrid.messages import FarmPlace, FarmResource
from pytest_nrf_fota.farm.labgrid.overview import FarmEntry, overview_lines
from pytest_nrf_fota.farm.labgrid.place_kits import is_same_host, kit_of_place

KIT = load_board("nrf5340dk")
FARM = FarmAddress("farm")


def place(name: str, *resources: FarmResource, **tags: str) -> FarmPlace:
    return FarmPlace(
        name=name,
        tags=tags,
        comment="",
        owner="",
        reservation="",
        changed=0.0,
        resources=resources,
    )


def resource(cls: str, name: str = "", **params: str | bool | int) -> FarmResource:
    return FarmResource(
        exporter="lab1", group="a", cls=cls, name=name or cls, params=params, available=True
    )


def port(name: str, number: int, **params: str | bool | int) -> FarmResource:
    return resource("NetworkSerialPort", name, host="lab1.lan", port=number, **params)


def test_the_kit_s_number_is_a_resource_s_or_a_tag_s() -> None:
    named = place("p", resource("NrfDevKit", serial_number="001050012345"), serial="1")
    assert kit_of_place(named).serial_number == "1050012345"
    # YAML reads a number without quotes as one.
    number = place("p", resource("NrfDevKit", serial_number=1050012345))
    assert kit_of_place(number).serial_number == "1050012345"
    assert kit_of_place(place("p", serial="001050012345")).serial_number == "1050012345"
    with pytest.raises(RigError, match="The place p names no kit"):
        kit_of_place(place("p", resource("NetworkSerialPort")))


def test_its_host_is_the_tag_or_the_exporter() -> None:
    assert kit_of_place(place("p", port("console", 1), serial="1")).host == "lab1"
    assert kit_of_place(place("p", port("console", 1), serial="1", host="lab9")).host == "lab9"


@pytest.mark.parametrize(
    ("ports", "console"),
    [
        ((port("vcom", 4001),), "rfc2217://lab1.lan:4001?ign_set_control"),
        ((port("vcom", 4001, protocol="raw"),), "socket://lab1.lan:4001"),
        ((port("a", 1), port("console", 2)), "rfc2217://lab1.lan:2?ign_set_control"),
        # Which of two would be a guess, and an isolated exporter's is for its own host.
        ((port("a", 1), port("b", 2)), ""),
        ((port("console", 1, proxy_required=True),), ""),
    ],
)
def test_its_console(ports: tuple[FarmResource, ...], console: str) -> None:
    assert kit_of_place(place("p", *ports, serial="1")).console == console


def test_one_host_has_a_short_and_a_long_name() -> None:
    assert is_same_host("lab1", "LAB1.example.org")
    assert not is_same_host("lab1.a", "lab1.b") and not is_same_host("lab1", "lab11")


PLACES = (
    place("p1", board="nrf5340dk", host="lab1", rack="3"),
    place("p2", board="nrf5340dk/nrf5340/cpuapp", host="lab2"),
    place("p3", board="nrf52840dk", host="lab1"),
)


def test_a_bluetooth_board_is_on_the_worker_s_host() -> None:
    """This process's, or the one that a worker is started on; in each spelling of the board."""
    boards = ("nrf5340dk", "nrf5340dk/nrf5340/cpuapp")
    assert filters_for(KIT, FARM, None, PLACES, this_host="lab1.lan") == tuple(
        {"board": name, "host": "lab1"} for name in boards
    )
    assert filters_for(KIT, FARM, "lab2", PLACES, this_host="lab1") == tuple(
        {"board": name, "host": "lab2"} for name in boards
    )
    for host in (None, "lab9"):
        with pytest.raises(InputError, match="The farm has no") as error:
            filters_for(KIT, FARM, host, PLACES, this_host="desk")
        assert "kits on lab1, lab2" in error.value.where


def test_a_host_that_the_farm_s_address_names_is_believed() -> None:
    """In a container this host has another name than for the farm."""
    address = dataclasses.replace(FARM, tags=(("host", "lab1"),))
    (only,) = filters_for(KIT, address, None, PLACES, this_host="runner-7")
    assert only == {"board": "nrf5340dk", "host": "lab1"}


def test_tags_narrow_down() -> None:
    """And `board` stands in for the board's own name."""
    address = dataclasses.replace(FARM, tags=(("rack", "3"),))
    (only,) = filters_for(KIT, address, None, PLACES, this_host="lab1")
    assert only == {"board": "nrf5340dk", "host": "lab1", "rack": "3"}
    other = load_board("nrf5340dk_mcuboot")
    address = dataclasses.replace(FARM, tags=(("board", "nrf5340dk"),))
    (only,) = filters_for(other, address, None, PLACES, this_host="lab1")
    assert only == {"board": "nrf5340dk", "host": "lab1"}


def test_a_board_without_radio_may_be_elsewhere() -> None:
    """Rather here, though."""
    wired = KIT.model_copy(update={"radio": KIT.radio.model_copy(update={"kind": "serial"})})
    filters = filters_for(wired, FARM, None, PLACES, this_host="lab2")
    assert filters[0] == {"board": "nrf5340dk", "host": "lab2"}
    assert {"board": "nrf5340dk"} in filters


def test_what_no_place_has_is_left_to_the_farm_to_refuse() -> None:
    """It knows what there is."""
    address = dataclasses.replace(FARM, tags=(("rack", "9"),))
    assert filters_for(KIT, address, None, PLACES, this_host="desk") == (
        {"board": "nrf5340dk", "rack": "9"},
    )


def test_the_list_has_a_line_for_each_place() -> None:
    entry = FarmEntry(
        place="kit-1",
        serial_number="1050012345",
        host="lab1",
        state="held",
        detail="lab1/anna.nrf-fota.4711.ab12cd",
        tags={"board": "nrf5340dk", "host": "lab1"},
        ports=(),
    )
    assert overview_lines((entry,)) == [
        "place  kit         host  state  tags",
        "kit-1  1050012345  lab1  held   board=nrf5340dk  lab1/anna.nrf-fota.4711.ab12cd",
    ]
    assert overview_lines(()) == ["The farm has no places."]

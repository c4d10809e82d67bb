"""Where a farm is, as the command line says it."""

import pytest

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.labgrid.address import FarmAddress, read_farm_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("labgrid://farm", FarmAddress("farm", 20408)),
        ("labgrid://farm.example.org:1234/", FarmAddress("farm.example.org", 1234)),
        ("labgrid://[::1]:1234", FarmAddress("[::1]", 1234)),
        (
            "labgrid://10.0.0.1:1234?host=lab1&rack=3",
            FarmAddress("10.0.0.1", 1234, (("host", "lab1"), ("rack", "3"))),
        ),
    ],
)
def test_an_address(text: str, address: FarmAddress) -> None:
    assert read_farm_address(text) == address
    assert read_farm_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "farm:20408",
        "http://farm",
        "labgrid://",
        "labgrid://farm:port",
        "labgrid://user@farm",
        "labgrid://farm/place",
        "labgrid://farm?rack",
        "labgrid://farm?rack=",
        "labgrid://[::1",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(InputError, match="is no farm"):
        read_farm_address(text)

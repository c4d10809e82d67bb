"""Which kits may be taken, and why not the others."""

import json
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.ports import AttachedKit
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.desk import (
    KitChoice,
    NoKitError,
    fitting_kits,
    passed_over,
    read_tag,
)

ATTACHED = tuple(AttachedKit(number, ()) for number in ("1", "2", "3"))
BOARD = load_board("nrf5340dk")


def numbers(choice: KitChoice, attached: tuple[AttachedKit, ...] = ATTACHED) -> list[str]:
    return [kit.serial_number for kit in fitting_kits(BOARD, choice, attached)]


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    kits = [
        {"id": "0001", "connected": True, "platform": "nrf5340dk/nrf5340/cpuapp", "rack": "a"},
        {"id": "0002", "connected": True, "platform": "nrf52840dk/nrf52840", "rack": "a"},
        {"id": "0003", "connected": False, "platform": "nrf5340dk"},
        {"id": "0004", "connected": True, "platform": "nrf5340dk", "fixtures": ["ppk2", "rack:b"]},
    ]
    path = tmp_path / "map.yaml"
    path.write_text(json.dumps(kits))
    return path


def test_without_a_map_every_attached_kit() -> None:
    """Nobody says what they are; serial numbers choose."""
    assert numbers(KitChoice()) == ["1", "2", "3"]
    assert numbers(KitChoice(("003", "1"))) == ["1", "3"]


def test_a_map_says_what_they_are(map_file: Path) -> None:
    """Connected, attached, and this board; what the map leaves out is left alone."""
    attached = (*ATTACHED, AttachedKit("4", ()), AttachedKit("5", ()))
    assert numbers(KitChoice(map_file=map_file), attached) == ["1", "4"]
    assert numbers(KitChoice(map_file=map_file)) == ["1"]


@pytest.mark.parametrize(("tag", "expected"), [("rack=b", "4"), ("rack=a", "1"), ("ppk2", "4")])
def test_tags_choose(map_file: Path, tag: str, expected: str) -> None:
    """A fixture with or without a value, or a key."""
    attached = (*ATTACHED, AttachedKit("4", ()))
    assert numbers(KitChoice(map_file=map_file, tags=(read_tag(tag),)), attached) == [expected]


def test_no_kit_fits(map_file: Path) -> None:
    """Each that is there with its reason."""
    with pytest.raises(NoKitError) as raised:
        numbers(KitChoice(("2", "3", "9"), map_file, (("rack", "c"),)))
    why = raised.value.where
    assert "1: not among --device-id" in why and "2: is nrf52840dk/nrf52840" in why
    assert "3: connected: false" in why and "4: in the map, not attached" in why
    assert "9: not attached" in why
    assert "--device-id, --hardware-map, --board-tag" in raised.value.next_step
    with pytest.raises(NoKitError, match="No Nordic nRF5340 DK is attached"):
        numbers(KitChoice(), ())


def test_tags_that_cannot_be() -> None:
    with pytest.raises(InputError, match="in a hardware map only"):
        numbers(KitChoice(tags=(("rack", "a"),)))
    with pytest.raises(InputError, match="is no tag"):
        read_tag("=a")


def test_a_mistyped_tag_is_told_with_those_that_there_are(map_file: Path) -> None:
    """`:` is the map's way to write it, `=` the option's."""
    attached = (*ATTACHED, AttachedKit("4", ()))
    with pytest.raises(NoKitError) as raised:
        numbers(KitChoice(map_file=map_file, tags=(("rack:b", ""),)), attached)
    assert "4: has no tag rack:b (it has ppk2, rack=b)" in raised.value.where
    assert f"nrf-fota boards --hardware-map={map_file}" in raised.value.next_step


def test_what_a_map_leaves_out_of_a_run(map_file: Path) -> None:
    """A cable that is loose, and what may be mistyped; not what other options leave out."""
    reasons = passed_over(BOARD, KitChoice(map_file=map_file), ATTACHED)
    assert reasons == {
        "2": "is nrf52840dk/nrf52840",
        "3": "connected: false in the map",
        "4": "in the map, not attached",
    }
    assert set(passed_over(BOARD, KitChoice(("4", "1"), map_file), ATTACHED)) == {"4"}
    tagged = KitChoice(map_file=map_file, tags=(("rack", "a"),))
    assert set(passed_over(BOARD, tagged, ATTACHED)) == {"2"}
    assert passed_over(BOARD, KitChoice(), ATTACHED) == {}


def test_what_was_asked_for_by_number_and_is_not_had(map_file: Path) -> None:
    """Whatever the reason, while another of those that were asked for is taken."""
    assert passed_over(BOARD, KitChoice(("1", "009")), ATTACHED) == {"9": "not attached"}
    assert passed_over(BOARD, KitChoice(("1", "2", "3", "5"), map_file), ATTACHED) == {
        "2": "is nrf52840dk/nrf52840",
        "3": "connected: false in the map",
        "5": "not attached",
    }
    attached = (*ATTACHED, AttachedKit("5", ()))
    assert passed_over(BOARD, KitChoice(("1", "5"), map_file), attached) == {
        "5": "not in the hardware map"
    }


def test_numbers_in_one_option_are_told_how_to_be_two() -> None:
    with pytest.raises(NoKitError) as raised:
        numbers(KitChoice(("1,2",)))
    assert "1,2: not attached; several kits are --device-id=FIRST" in raised.value.where

"""Ports that are away for a while after the probe's first contact."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_nrf_fota.console.port_presence import is_there, kit_with_its_ports, wait_for_port
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names of ports as POSIX has them")

_LONG_S = 30.0


def _kit(folder: Path, *names: str) -> AttachedKit:
    vcoms = tuple(Vcom(str(folder / name), name, place) for place, name in enumerate(names))
    return AttachedKit("1050012345", vcoms)


def _looks(*kits: AttachedKit | None) -> Callable[[], tuple[AttachedKit, ...]]:
    """What each look finds; the last one stays."""
    left = list(kits)

    def look() -> tuple[AttachedKit, ...]:
        kit = left.pop(0) if len(left) > 1 else left[0]
        return (AttachedKit("7", ()), *((kit,) if kit else ()))

    return look


@pytest.fixture
def both(tmp_path: Path) -> AttachedKit:
    for name in ("ttyACM0", "ttyACM1"):
        (tmp_path / name).touch()
    return _kit(tmp_path, "ttyACM0", "ttyACM1")


def test_ports_that_are_there(both: AttachedKit) -> None:
    assert kit_with_its_ports(both, _looks(both), Deadline.after(0), _LONG_S) == both


def test_ports_that_come_back_under_other_names(both: AttachedKit, tmp_path: Path) -> None:
    """First the kit is away, then one of its ports, then it has all of them again."""
    (tmp_path / "ttyACM2").touch()
    one, again = _kit(tmp_path, "ttyACM2"), _kit(tmp_path, "ttyACM2", "ttyACM1")
    look = _looks(None, _kit(tmp_path), one, again)
    assert kit_with_its_ports(both, look, Deadline.after(_LONG_S), _LONG_S) == again


def test_ports_that_are_listed_and_have_no_node_yet(both: AttachedKit, tmp_path: Path) -> None:
    """As before udev has made its link."""
    before = _kit(tmp_path, "later")

    def look() -> tuple[AttachedKit, ...]:
        looks.append(1)
        if len(looks) == 3:
            (tmp_path / "later").touch()
        return (before,)

    looks: list[int] = []
    kit_with_its_ports(before, look, Deadline.after(_LONG_S), _LONG_S)
    assert len(looks) == 3


def test_new_firmware_with_fewer_ports(both: AttachedKit, tmp_path: Path) -> None:
    """They count once they stay the same."""
    one = _kit(tmp_path, "ttyACM0")
    assert kit_with_its_ports(both, _looks(one), Deadline.after(_LONG_S), 0.0) == one


@pytest.mark.parametrize("has_kit", [False, True])
def test_ports_that_stay_away(both: AttachedKit, tmp_path: Path, has_kit: bool) -> None:
    look = _looks(_kit(tmp_path) if has_kit else None)
    with pytest.raises(ConsoleLostError, match="did not come back") as raised:
        kit_with_its_ports(both, look, Deadline.after(0.2), 0.0)
    assert "--flash-timeout" in raised.value.next_step


def test_waiting_for_one_port(tmp_path: Path) -> None:
    """It never raises: whoever opens the port says why not."""
    wait_for_port(str(tmp_path / "never"), Deadline.after(0.2))
    assert not is_there(str(tmp_path / "never"))
    for name in ("COM7", "socket://localhost:7000", "hwgrep://1366"):
        assert is_there(name)

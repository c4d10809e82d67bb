"""Power switches of the hardware map, and programs that switch, fail or hang."""

import json
import os
import select
from pathlib import Path

import pytest

from pytest_nrf_fota.console.ports import AttachedKit
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.hardware_map import read_hardware_map
from pytest_nrf_fota.farm.power import PowerError, PowerSwitch, cycle_power, wait_for_return

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs are scripts")

_TIME_LIMIT_S = 30.0


def mapped(tmp_path: Path, power: object) -> PowerSwitch | None:
    """What a map with this key says."""
    path = tmp_path / "map.yaml"
    path.write_text(
        json.dumps([{"id": "1", "connected": True, "platform": "unknown", "power": power}])
    )
    (kit,) = read_hardware_map(path)
    return kit.power


@pytest.mark.parametrize(
    ("power", "commands"),
    [
        (
            {"uhubctl": {"location": "1-1.4", "port": 2}},
            ["uhubctl -l 1-1.4 -p 2 -a cycle -d 2"],
        ),
        (
            {"ykush": {"serial": "YK25838", "port": 1}, "off_s": 0.5},
            ["ykushcmd -s YK25838 -d 1", "ykushcmd -s YK25838 -u 1"],
        ),
        (
            {"ykush": {"serial": "Y3", "port": 3, "board": "ykush3"}},
            ["ykushcmd ykush3 -s Y3 -d 3", "ykushcmd ykush3 -s Y3 -u 3"],
        ),
        ({"command": {"cycle": "pdu 'rack 3' again"}}, ["pdu 'rack 3' again"]),
        ({"command": {"off": "pdu off", "on": "pdu on"}}, ["pdu off", "pdu on"]),
    ],
)
def test_command_lines(tmp_path: Path, power: object, commands: list[str]) -> None:
    """As the programs' manuals have them."""
    assert str(mapped(tmp_path, power)) == "; ".join(commands)


@pytest.mark.parametrize(
    ("power", "said"),
    [
        ({}, "give one of `uhubctl`, `ykush` and `command`"),
        ({"uhubctl": {"location": "1-1", "port": 0}}, "power.uhubctl.port"),
        ({"uhubctl": {"location": "1-1", "port": 1, "prot": 2}}, "power.uhubctl.prot"),
        ({"command": {"off": "a"}}, "give `cycle`, or both `off` and `on`"),
        ({"command": {"cycle": "a", "off": "b"}}, "give `cycle`, or both `off` and `on`"),
        ({"command": {"cycle": " "}}, "a command is empty"),
        ({"command": {"cycle": "a"}, "ykush": {"serial": "1", "port": 1}}, "give one of"),
    ],
)
def test_mistakes_in_the_map(tmp_path: Path, power: object, said: str) -> None:
    """Before anything is collected, with the key."""
    with pytest.raises(InputError) as raised:
        mapped(tmp_path, power)
    assert said in raised.value.what


def test_on_and_off_need_no_quotes(tmp_path: Path) -> None:
    """In YAML 1.1 they are truth values; `connected: yes` still is one."""
    path = tmp_path / "map.yaml"
    command = "{command: {off: pdu 3 off, on: pdu 3 on}}"
    path.write_text(f"- id: 7\n  connected: yes\n  platform: unknown\n  power: {command}\n")
    (kit,) = read_hardware_map(path)
    assert kit.is_connected and str(kit.power) == "pdu 3 off; pdu 3 on"


def switch(**commands: str) -> PowerSwitch:
    return PowerSwitch.model_validate({"command": commands, "off_s": 0})


def test_a_program_that_fails_is_told_with_its_words() -> None:
    with pytest.raises(PowerError, match="exit code 3, No compatible devices") as raised:
        cycle_power(
            switch(cycle="sh -c 'echo No compatible devices detected; exit 3'"), within_s=20
        )
    assert raised.value.where.startswith("sh -c")
    with pytest.raises(PowerError, match="no-such-program: No such file"):
        cycle_power(switch(cycle="no-such-program"), within_s=20)


@pytest.mark.parametrize(("off", "within_s"), [("false", 20), ("sleep 1000", 3)])
def test_power_is_switched_on_whatever_became_of_switching_off(
    tmp_path: Path, off: str, within_s: float
) -> None:
    """It failed, or took all its time."""
    on = tmp_path / "on"
    with pytest.raises(PowerError):
        cycle_power(switch(off=off, on=f"touch {on}"), within_s)
    assert on.exists()


def test_a_program_that_hangs_ends_with_all_that_it_started(tmp_path: Path) -> None:
    """At the deadline; what it started would hold its output open."""
    life_line = tmp_path / "life-line"
    os.mkfifo(life_line)
    reader = os.open(life_line, os.O_RDONLY | os.O_NONBLOCK)
    script = f"exec 3>{life_line}; echo up >&3; sleep 1000 & wait"
    with pytest.raises(PowerError, match="not done within 1 s"):
        cycle_power(switch(cycle=f"sh -c '{script}'"), within_s=1)
    written = [_read_within_limit(reader), _read_within_limit(reader)]
    os.close(reader)
    assert written == [b"up\n", b""], "what it started outlived it"


def _read_within_limit(reader: int) -> bytes:
    """What was written, or nothing where everybody who could write is gone."""
    readable, _, _ = select.select([reader], [], [], _TIME_LIMIT_S)
    assert readable, "nobody wrote, and somebody still could"
    return os.read(reader, 100)


def test_waiting_for_a_kit_ends() -> None:
    looked = iter([(), (AttachedKit("2", ()),), (AttachedKit("1", ()),)])
    wait_for_return("1", lambda: next(looked), Deadline.after(30))
    with pytest.raises(PowerError, match=r"is not on USB 0\.2 s after"):
        wait_for_return("1", lambda: (), Deadline.after(0.2))

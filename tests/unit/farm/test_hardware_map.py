"""twister's hardware map: as twister writes it, and as people write it on."""

from pathlib import Path

import pytest

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.hardware_map import entries_without_kit, read_hardware_map

# `twister --generate-hardware-map` for one nRF5340 DK: an entry for each of its ports, keys sorted.
GENERATED = """\
- connected: true
  id: 001050012345
  platform: unknown
  product: J-Link
  runner: jlink
  serial: /dev/ttyACM0
- connected: true
  id: 001050012345
  platform: unknown
  product: J-Link
  runner: jlink
  serial: /dev/ttyACM1
- connected: false
  id: '000683759358'
  platform: nrf52840dk/nrf52840
  product: J-Link
  runner: nrfutil
"""
ENTRY = "- id: 05\n  connected: true\n  platform: nrf5340dk\n"


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    return tmp_path / "map.yaml"


def test_generated_map(map_file: Path) -> None:
    """Two ports are one kit; digits stay as they are written, though YAML 1.1 has octal numbers."""
    map_file.write_text(GENERATED)
    first, second = read_hardware_map(map_file)
    assert (first.serial_number, first.is_connected, first.platforms) == ("1050012345", True, ())
    assert [entry.serial for entry in first.entries] == ["/dev/ttyACM0", "/dev/ttyACM1"]
    assert (second.serial_number, second.is_connected) == ("683759358", False)
    assert second.platforms == ("nrf52840dk/nrf52840",)


def test_all_that_people_write(map_file: Path) -> None:
    """Keys that nobody knows here are kept, and are tags as fixtures are."""
    map_file.write_text(
        "- id: 1050012345\n  connected: yes\n  platform: nrf5340dk/nrf5340/cpuapp nrf5340dk/ns\n"
        "  baud: 115200\n  notes:\n  rack: 03\n  since: 2026-01-31\n  wiring: {tool: uhubctl}\n"
        "  fixtures: [ppk2, 'radio:bumble:tcp-client:127.0.0.1:9544']\n"
        "- id: 1050012346\n  connected: true\n  platform: [nrf5340dk, nrf52840dk]\n"
    )
    first, second = read_hardware_map(map_file)
    assert first.platforms == ("nrf5340dk/nrf5340/cpuapp", "nrf5340dk/ns")
    assert second.platforms == ("nrf5340dk", "nrf52840dk")
    assert {("ppk2", ""), ("rack", "03"), ("since", "2026-01-31")} <= first.tags
    assert ("radio", "bumble:tcp-client:127.0.0.1:9544") in first.tags
    assert first.entries[0].model_extra is not None
    assert first.entries[0].model_extra["wiring"] == {"tool": "uhubctl"}


@pytest.mark.parametrize("text", ["", "[]", "- connected: true\n  platform: qemu_x86\n"])
def test_a_map_without_kits(map_file: Path, text: str) -> None:
    map_file.write_text(text)
    assert read_hardware_map(map_file) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id: 1", "valid list"),
        ("- id: [1]", "entry 1: id: "),
        ("- id: 1\n- id: 05\n  fixtures: ppk2", "entry 2 (id 05): fixtures: "),
        ("- id: 05\n  platform: nrf5340dk\n  conected: true", "(id 05) has no `connected`"),
        ("- id: 05\n  connected: true\n  platfrom: nrf5340dk", "(id 05) has no `platform`"),
        ("- id: 05\n  connected: true\n  platform: x\n  fixture: ppk2", "mean it by `fixture`?"),
        (
            "- Id: 05\n  connected: true\n  platform: x",
            "entry 1 has no `id`; did you mean it by `Id`?",
        ),
        ("- idd: 05\n  connected: true\n  platform: x", "has no `id`; did you mean it by `idd`?"),
        (f"{ENTRY}  pwoer: {{command: {{cycle: x}}}}", "no `power`; did you mean it by `pwoer`?"),
        (f"{ENTRY}  fixtures: [ppk2, radio:bumblee:x]", "(id 05): radio: 'bumblee:x' names no"),
        (f"{ENTRY}  radio: bumble:ubs:0", "entry 1 (id 05): radio: 'bumble:ubs:0' names no radio"),
        ("- id: 'x", "no YAML"),
        ("- !!python/object/apply:os.system [ls]", "no YAML"),
    ],
)
def test_what_is_no_map(map_file: Path, text: str, why: str) -> None:
    """With the place in it."""
    map_file.write_text(text)
    with pytest.raises(InputError) as raised:
        read_hardware_map(map_file)
    assert why in raised.value.what and str(map_file) in raised.value.where
    form = "bumble:usb:0" if "radio" in why else "--generate-hardware-map"
    assert form in raised.value.next_step


def test_tags_of_people_are_no_slips(map_file: Path) -> None:
    """However near to a key."""
    tags = {"owner": "anna", "tower": "3", "features": "nfc", "uid": "7", "board": "v2"}
    lines = "".join(f"  {name}: {value}\n" for name, value in tags.items())
    map_file.write_text(f"{ENTRY}{lines}")
    (kit,) = read_hardware_map(map_file)
    assert set(tags.items()) <= kit.tags


def test_entries_that_name_no_kit(map_file: Path) -> None:
    """twister writes a null where USB has no serial number."""
    other = "- connected: true\n  id: null\n  platform: unknown\n  product: FT232R\n"
    map_file.write_text(f"{other}{ENTRY}- connected: true\n  platform: qemu_x86\n")
    (kit,) = read_hardware_map(map_file)
    assert kit.serial_number == "5"
    assert entries_without_kit(map_file) == (1, 3)


def test_an_entry_that_is_not_connected_says_nothing_of_one_that_is(map_file: Path) -> None:
    """What the kit was, or where it was; a kit that is away altogether is still known by it."""
    gone = "- id: 05\n  connected: false\n  platform: nrf52840dk\n  rack: 1\n"
    map_file.write_text(f"{gone}{ENTRY}  rack: 2\n")
    (kit,) = read_hardware_map(map_file)
    assert kit.is_connected and kit.platforms == ("nrf5340dk",)
    assert kit.tags == {("rack", "2")}
    map_file.write_text(gone)
    (kit,) = read_hardware_map(map_file)
    assert not kit.is_connected and kit.platforms == ("nrf52840dk",)


@pytest.mark.parametrize(
    ("power", "why"),
    [
        ("{uhubctrl: {location: 1-1, port: 2}}", "power.uhubctrl: no such key"),
        ("{uhubctl: {location: 1-1, prot: 2}}", "power.uhubctl.port: it is missing"),
        ("{command: {off: pdu 3 off}}", "power.command: give `cycle`, or both `off` and `on`"),
        ("pdu 3", "power: "),
    ],
)
def test_a_power_switch_that_is_none(map_file: Path, power: str, why: str) -> None:
    """Which kit's, and how one is written; twister, which does not know the key, is no help."""
    map_file.write_text(f"{GENERATED}  power: {power}\n")
    with pytest.raises(InputError) as raised:
        read_hardware_map(map_file)
    assert f"entry 3 (id 000683759358): {why}" in raised.value.what
    assert "uhubctl: {location" in raised.value.next_step and "twister" not in str(raised.value)


def test_no_file(map_file: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_hardware_map(map_file)
    map_file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_hardware_map(map_file)

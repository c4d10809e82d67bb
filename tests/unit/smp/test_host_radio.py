"""Which radio `--radio` and the board file mean, and which worker gets which."""

import sys
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.errors import BoardFileError, InputError
from pytest_nrf_fota.smp.host_radio import (
    BleakRadio,
    BumbleRadio,
    HciController,
    HostBluetooth,
    HostRadio,
    host_radio,
    open_radio,
    radio_of_worker,
)
from pytest_nrf_fota.smp.pairing import HostPairing

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="BlueZ exists on Linux only")
FIRST, SECOND = HciController("usb:0"), HciController("usb:1")


@pytest.mark.parametrize(
    ("text", "radio"),
    [
        ("bleak", HostBluetooth()),
        pytest.param("bleak:hci1", HostBluetooth("hci1"), marks=ON_LINUX),
        ("bumble:usb:0", HciController("usb:0")),
        ("bumble:usb:2fe3:000b#1!", HciController("usb:2fe3:000b#1!")),
        ("bumble:vhci", HciController("vhci")),
        ("bumble:usb:2FE3:000B/1234", HciController("usb:2FE3:000B/1234")),
        (
            "bumble:serial:/dev/ttyACM0,1000000,rtscts",
            HciController("serial:/dev/ttyACM0,1000000,rtscts"),
        ),
        ("bumble:tcp-client:127.0.0.1:6789", HciController("tcp-client:127.0.0.1:6789")),
    ],
)
def test_forms(text: str, radio: HostRadio) -> None:
    assert host_radio(text) == radio


@pytest.mark.parametrize(
    "text",
    [
        *("", "bluez", "bumble", "bumble:", "bumble::0", "bumble:nonsense:0", "bleak:"),
        *("bleak:0", "bleak:hci", "bleak:hci0:1"),
        *("bumble:usb:x", "bumble:usb:", "bumble:serial:", "bumble:unix-client:"),
        *("bumble:tcp-client:localhost", "bumble:tcp-client:localhost:99999"),
        *("bumble:tcp-client:localhost:http", "bumble:udp:localhost:1,localhost:0"),
    ],
)
def test_unknown_forms_list_the_known_ones(text: str) -> None:
    with pytest.raises(InputError, match="names no radio") as refusal:
        host_radio(text)
    assert "bumble:usb:0" in refusal.value.next_step


@pytest.mark.parametrize(
    ("radios", "worker", "radio"),
    [
        ([], "gw1", None),
        ([FIRST], "main", FIRST),
        ([FIRST, SECOND], "main", FIRST),
        ([FIRST, SECOND], "gw1", SECOND),
        ([HostBluetooth()], "gw7", HostBluetooth()),
        ([FIRST, HostBluetooth()], "gw2", HostBluetooth()),
    ],
)
def test_radio_of_each_worker(
    radios: list[HostRadio], worker: str, radio: HostRadio | None
) -> None:
    """A controller serves one process, the operating system's Bluetooth all of them."""
    assert radio_of_worker(radios, worker) == radio


def test_worker_without_a_controller_is_told_how_many_are_needed() -> None:
    with pytest.raises(InputError, match=r"gw2 has no radio: 2 given") as refusal:
        radio_of_worker([FIRST, SECOND], "gw2")
    assert "once for each worker" in refusal.value.next_step


def test_radio_is_what_was_asked_for() -> None:
    pairing = HostPairing()
    assert isinstance(open_radio(HostBluetooth(), mtu=498, pairing=pairing), BleakRadio)
    radio = open_radio(HciController("usb:0"), mtu=498, pairing=pairing)
    assert isinstance(radio, BumbleRadio)
    assert "usb:0" in radio.description


def test_radio_in_the_board_file(tmp_path: Path) -> None:
    text = 'name = "mine"\ntitle = "Mine"\nbase = "nrf5340dk"\n[radio]\nhost = "bumble:usb:1"\n'
    (tmp_path / "mine.toml").write_text(text)
    assert load_board("mine", [tmp_path]).radio.host == "bumble:usb:1"
    (tmp_path / "mine.toml").write_text(text.replace("bumble:usb:1", "bleak:hci1"))
    assert load_board("mine", [tmp_path]).radio.host == "bleak:hci1"
    (tmp_path / "mine.toml").write_text(text.replace("bumble:usb:1", "hci0"))
    with pytest.raises(BoardFileError, match=r"radio\.host"):
        load_board("mine", [tmp_path])


def test_adapter_is_one_of_bluez(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(InputError, match="Linux only"):
        host_radio("bleak:hci1")

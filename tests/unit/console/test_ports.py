"""Which serial ports belong to which kit, from what pyserial lists and udev links."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from serial.tools.list_ports_common import ListPortInfo

from pytest_nrf_fota.console.ports import AttachedKit, Vcom, attached_kits, plain_serial_number

SEGGER = 0x1366


def _port(device: str, serial_number: str | None, location: str, vid: int = SEGGER) -> ListPortInfo:
    port = ListPortInfo(device)
    port.vid, port.serial_number, port.location = vid, serial_number, location
    return port


def test_ports_of_two_kits_in_usb_order(tmp_path: Path) -> None:
    """Kernel numbers follow the order of plugging in, not the order on the kit."""
    listed = [
        _port("/dev/ttyACM10", "001050012345", "1-2.1:1.2"),
        _port("/dev/ttyACM9", "001050012345", "1-2.1:1.0"),
        _port("/dev/ttyACM2", "000960000001", "1-2.2:1.4"),
        _port("/dev/ttyACM3", "000960000001", "1-2.2:1.2"),
        _port("/dev/ttyACM4", "000960000001", "1-2.2:1.0"),
        _port("/dev/ttyUSB0", "A5XK3RJT", "1-3:1.0", vid=0x0403),
        _port("/dev/ttyS0", None, ""),
    ]
    kits = attached_kits(lambda: listed, tmp_path)
    assert [(kit.serial_number, [vcom.device for vcom in kit.vcoms]) for kit in kits] == [
        ("1050012345", ["/dev/ttyACM9", "/dev/ttyACM10"]),
        ("960000001", ["/dev/ttyACM4", "/dev/ttyACM3", "/dev/ttyACM2"]),
    ]


def test_port_is_called_by_the_name_that_stays(tmp_path: Path) -> None:
    device = tmp_path / "ttyACM1"
    device.touch()
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    link = by_id / "usb-SEGGER_J-Link_001050012345-if02"
    link.symlink_to("../ttyACM1")
    kits = attached_kits(lambda: [_port(str(device), "001050012345", "1-2:1.2")], by_id)
    assert kits == (AttachedKit("1050012345", (Vcom(str(link), str(device), 2),)),)


def test_port_without_a_lasting_name_is_called_by_its_device(tmp_path: Path) -> None:
    listed = [_port("COM11", "001050012345", "1-2:x.2"), _port("COM7", "001050012345", "1-2:x.0")]
    (kit,) = attached_kits(lambda: listed, tmp_path / "nowhere")
    assert kit.vcoms == (Vcom("COM7", "COM7", 0), Vcom("COM11", "COM11", 2))


def test_without_interface_numbers_ports_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["/dev/cu.usbmodem0010500123453", "/dev/cu.usbmodem0010500123451"]
    (kit,) = attached_kits(lambda: [_port(name, "1050012345", "20-2") for name in names], tmp_path)
    assert [vcom.device for vcom in kit.vcoms] == sorted(names)


@given(st.from_regex(r"[1-9][0-9]{0,9}", fullmatch=True), st.integers(0, 6))
def test_leading_zeros_do_not_count(number: str, zeros: int) -> None:
    assert plain_serial_number("0" * zeros + number) == number

"""Which HCI firmware goes onto what, and how nrfutil is called for it. Never run on hardware."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.probe.hci_dongle import (
    DONGLE_APPLICATION_END,
    DONGLE_APPLICATION_START,
    flash_dongle,
    flash_nrf52,
    packaged_firmware,
    require_dongle_layout,
)
from pytest_nrf_fota.probe.hci_target import HciTarget
from pytest_nrf_fota.smp.host_radio import host_radio

from .fake_tool import FakeTool, Replay, deadline

pytest.importorskip("zephyr_4_4_0_hci")

_OK = '{"type":"task_end","data":{"task":{"id":"1"},"result":"success"}}\n'
_FAILED = (
    '{"type":"task_end","data":{"task":{"id":"1"},"result":"fail","message":"no","error":{}}}\n'
)


def _hex(folder: Path, start: int, size_bytes: int = 256) -> Path:
    path = folder / "hci.hex"
    write_hex(path, [Segment(start, bytes(size_bytes))])
    return path


@pytest.mark.parametrize(
    ("target", "variant"),
    [
        (HciTarget.NRF52840DK, "default"),
        (HciTarget.NRF52840DK, "acl_502"),
        (HciTarget.NRF52840DK, "legacy"),
        (HciTarget.NRF5340DK, "default"),
        (HciTarget.NRF52DK, "default"),
    ],
)
def test_packaged_firmware_fits_its_kit(target: HciTarget, variant: str) -> None:
    """Both cores of an nRF5340 need some: the radio is the network core's."""
    firmware = packaged_firmware(target, variant)
    assert target.value in firmware.title
    starts = {segment.address for segment in read_hex(firmware.path)}
    assert 0 in starts
    assert (0x01000000 in starts) == (target is HciTarget.NRF5340DK)


def test_every_target_names_a_radio_that_the_option_takes() -> None:
    for target in HciTarget:
        host_radio(target.radio)


def test_packaged_firmware_is_never_put_on_a_dongle() -> None:
    """It is linked to address 0, where the dongle has its MBR."""
    with pytest.raises(InputError, match="no packaged firmware"):
        packaged_firmware(HciTarget.NRF52840DONGLE, "default")
    with pytest.raises(InputError, match="lies at 0x0"):
        require_dongle_layout(packaged_firmware(HciTarget.NRF52840DK, "default").path)


def test_dongle_is_refused_before_the_packages_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Installing them would lead to the next refusal only."""
    monkeypatch.setitem(sys.modules, "zephyr_4_4_0_hci", None)
    with pytest.raises(InputError, match="not installed"):
        packaged_firmware(HciTarget.NRF52840DK, "default")
    result = CliRunner().invoke(app, ["hci-dongle", "nrf52840dongle", "--dry-run"])
    assert result.exit_code == 2
    assert "--hex" in result.stderr
    assert "pip install" not in result.stderr


def test_unknown_variant_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="no firmware 'fast'") as refusal:
        packaged_firmware(HciTarget.NRF52DK, "fast")
    assert "nrf52dk_default" in refusal.value.next_step


@pytest.mark.parametrize(
    ("start", "size_bytes", "fits"),
    [
        (DONGLE_APPLICATION_START, 256, True),
        (DONGLE_APPLICATION_START - 4, 256, False),
        (DONGLE_APPLICATION_END - 256, 256, True),
        (DONGLE_APPLICATION_END - 256, 260, False),
    ],
)
def test_dongle_layout_is_exact(tmp_path: Path, start: int, size_bytes: int, fits: bool) -> None:
    path = _hex(tmp_path, start, size_bytes)
    if fits:
        require_dongle_layout(path)
    else:
        with pytest.raises(InputError, match="USB bootloader takes"):
            require_dongle_layout(path)


def test_kit_is_recovered_and_programmed_by_its_serial_number(tmp_path: Path) -> None:
    nrfutil = FakeTool(tmp_path / "bin", "nrfutil", Replay(stdout=_OK))
    flash_nrf52(nrfutil.tool("--json", "device"), "000683", tmp_path / "hci.hex", deadline())
    assert nrfutil.call_lines == [
        "--json device recover --serial-number 000683",
        f"--json device program --serial-number 000683 --firmware {tmp_path / 'hci.hex'} "
        "--options chip_erase_mode=ERASE_ALL,verify=VERIFY_READ,reset=RESET_SYSTEM",
    ]


def test_kit_that_does_not_recover_is_not_programmed(tmp_path: Path) -> None:
    nrfutil = FakeTool(tmp_path / "bin", "nrfutil", Replay(stdout=_FAILED, exit_code=1))
    with pytest.raises(ProbeFaultError):
        flash_nrf52(nrfutil.tool("--json", "device"), "683", tmp_path / "hci.hex", deadline())
    assert len(nrfutil.calls) == 1


def test_dongle_gets_a_package_over_its_bootloader(tmp_path: Path) -> None:
    nrfutil = FakeTool(tmp_path / "bin", "nrfutil", Replay())
    hex_file = _hex(tmp_path, DONGLE_APPLICATION_START)
    flash_dongle(nrfutil.tool("nrf5sdk-tools"), "/dev/ttyACM9", hex_file, tmp_path, deadline())
    package = tmp_path / "hci_dongle.zip"
    assert nrfutil.call_lines == [
        "nrf5sdk-tools pkg generate --hw-version 52 --sd-req 0x00 "
        f"--application {hex_file} --application-version 1 {package}",
        f"nrf5sdk-tools dfu usb-serial --package {package} --port /dev/ttyACM9",
    ]


def test_dongle_that_refuses_is_an_error(tmp_path: Path) -> None:
    nrfutil = FakeTool(tmp_path / "bin", "nrfutil", Replay(stderr="no trigger", exit_code=1))
    hex_file = _hex(tmp_path, DONGLE_APPLICATION_START)
    with pytest.raises(ProbeFaultError, match="no trigger"):
        flash_dongle(nrfutil.tool("nrf5sdk-tools"), "/dev/ttyACM9", hex_file, tmp_path, deadline())


def test_command_says_what_it_would_flash() -> None:
    result = CliRunner().invoke(app, ["hci-dongle", "nrf5340dk", "--dry-run"])
    assert result.exit_code == 0
    assert "hci_usb, nrf5340dk, default" in result.output
    assert "Done" not in result.output


def test_command_without_a_dongles_port_says_how_to_get_one(tmp_path: Path) -> None:
    hex_file = _hex(tmp_path, DONGLE_APPLICATION_START)
    result = CliRunner().invoke(app, ["hci-dongle", "nrf52840dongle", "--hex", str(hex_file)])
    assert result.exit_code == 2
    assert "reset button" in result.output


@pytest.fixture
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without any tool."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.mark.usefixtures("empty_path")
def test_nrf5340_is_flashed_by_the_tool_that_was_named(tmp_path: Path) -> None:
    """Its message names that one tool, and offers the option that exists."""
    hex_file = _hex(tmp_path, 0)
    arguments = ["hci-dongle", "nrf5340dk", f"--hex={hex_file}", "--runner=nrfjprog"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "where: nrfjprog" in result.stderr
    assert "Choose another tool with --runner" in result.stderr


@pytest.mark.usefixtures("empty_path")
def test_nrf52_without_nrfutil_is_offered_no_tool_that_would_not_do(tmp_path: Path) -> None:
    hex_file = _hex(tmp_path, 0)
    result = CliRunner().invoke(app, ["hci-dongle", "nrf52840dk", f"--hex={hex_file}"])
    assert result.exit_code == 2
    assert "nrfutil install device" in result.stderr
    assert "nrfjprog" not in result.stderr


@pytest.mark.parametrize("target", ["nrf52840dk", "nrf52dk", "nrf52840dongle"])
def test_tool_that_cannot_flash_the_target_is_refused(target: str, tmp_path: Path) -> None:
    """Before anything is looked for."""
    hex_file = tmp_path / "nowhere.hex"
    arguments = ["hci-dongle", target, f"--hex={hex_file}", "--runner=nrfjprog"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert f"nrfjprog does not flash an {target}" in result.stderr
    assert "auto, nrfutil" in result.stderr


def test_unknown_tool_lists_the_known_ones() -> None:
    result = CliRunner().invoke(app, ["hci-dongle", "nrf5340dk", "--runner=openocd", "--dry-run"])
    assert result.exit_code == 2
    assert "nrfutil, nrfjprog, pynrfjprog" in result.stderr

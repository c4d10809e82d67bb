"""Real firmware of other chips: as far as what is modelled goes, and a named end there."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.soc import NRF5340, NRF52840
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.sim.execution.ends import Asleep, NotModelledError, Reset
from pytest_nrf_fota.sim.memories import program
from tests.execution.chip_run import Chip, new_flash
from tests.execution.smpclient_builds import extract

_MERGED = (
    "nrf52840dk_nrf52840/ble/a_smp_dut.merged.hex",
    "nrf52840dk_nrf52840/usb/a_smp_dut_512_8_4096.merged.hex",
    "adafruit_feather_nrf52840/ble/a_smp_dut.merged.hex",
)


def _booted(chip: Chip) -> object:
    end: object = Reset()
    for _ in range(4):
        end = chip.run()
        if end != Reset():
            return end
    return end


def test_zephyr_runs_on_both_cores_of_an_nrf5340() -> None:
    """A USB Bluetooth adapter: the application starts the network core, and both wait for work."""
    package = pytest.importorskip("zephyr_4_4_0_hci_usb_nrf5340dk_default")
    chip = Chip(new_flash(NRF5340))
    program(chip.flash, tuple(read_hex(package.HEX_PATH)))
    end = _booted(chip)
    assert isinstance(end, Asleep)
    assert isinstance(chip.network_end, Asleep)
    assert chip.network_output.startswith(b"*** Booting Zephyr OS build ")


@pytest.mark.parametrize("name", _MERGED)
def test_cryptocell_of_an_nrf52840_is_named(tmp_path: Path, name: str) -> None:
    chip = Chip(new_flash(NRF52840), NRF52840)
    program(chip.flash, tuple(read_hex(extract(name, tmp_path))))
    with pytest.raises(NotModelledError) as caught:
        _booted(chip)
    assert caught.value.block in ("CRYPTOCELL (CC310)", "CC310 engine")
    assert caught.value.register.startswith("register 0x5002")
    assert 0 < caught.value.pc < 0xC000

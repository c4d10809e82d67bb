"""What an address of a chip belongs to."""

import pytest

from pytest_nrf_fota.boards.soc import NRF5340, NRF52840, SOCS, UNKNOWN_SOC, Soc
from pytest_nrf_fota.wires.probe import Core


@pytest.mark.parametrize(
    ("soc", "address", "core", "is_external", "is_network_flash"),
    [
        (NRF5340, 0x0, Core.APPLICATION, False, False),
        (NRF5340, 0xFF8100, Core.APPLICATION, False, False),
        (NRF5340, 0x00FFFFFF, Core.APPLICATION, False, False),
        (NRF5340, 0x01000000, Core.NETWORK, False, True),
        (NRF5340, 0x0103FFFF, Core.NETWORK, False, True),
        (NRF5340, 0x01040000, Core.NETWORK, False, False),
        (NRF5340, 0x01FF8000, Core.NETWORK, False, False),
        (NRF5340, 0x10000000, Core.APPLICATION, True, False),
        (NRF52840, 0x01000000, Core.APPLICATION, False, False),
        (NRF52840, 0x10001000, Core.APPLICATION, False, False),
        (NRF52840, 0x12000000, Core.APPLICATION, True, False),
        (UNKNOWN_SOC, 0x01000000, Core.APPLICATION, False, False),
        (UNKNOWN_SOC, 0x10000000, Core.APPLICATION, False, False),
    ],
)
def test_address(
    soc: Soc, address: int, core: Core, is_external: bool, is_network_flash: bool
) -> None:
    assert soc.core_of(address) is core
    assert soc.is_external(address) is is_external
    assert soc.is_network_flash(address) is is_network_flash


@pytest.mark.parametrize("soc", SOCS.values(), ids=SOCS)
def test_registers_and_otp_lie_in_the_uicr(soc: Soc) -> None:
    for core in soc.cores:
        for part in (core.registers, core.otp):
            assert not part or (part[0] in core.uicr and part[-1] in core.uicr)


def test_board_targets_in_both_spellings() -> None:
    assert NRF5340.target("nrf5340dk", NRF5340.application) == "nrf5340dk/nrf5340/cpuapp"
    assert NRF52840.target("nrf52840dk", NRF52840.application, "_") == "nrf52840dk_nrf52840"

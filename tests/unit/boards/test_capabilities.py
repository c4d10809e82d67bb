"""What the packaged boards have, and what a test may ask for."""

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.boards.capabilities import Capability, capabilities_of, capability_named


@pytest.mark.parametrize(
    ("board_name", "names"),
    [
        (
            "nrf5340dk",
            "nsib ble netcore external_flash signature image_group set_pending revert "
            "second_reset wrong_file_stays mcuboot_update rollback_protection shell flash_shell "
            "probe_erase",
        ),
        (
            "nrf5340dk_sim",
            "nsib ble netcore external_flash signature image_group set_pending revert "
            "second_reset wrong_file_stays mcuboot_update rollback_protection shell flash_shell "
            "probe_erase "
            "fault_injection power swap_reset",
        ),
        (
            "nrf5340dk_sim_netcore",
            "nsib ble netcore external_flash signature image_group set_pending second_reset "
            "wrong_file_stays rollback_protection shell flash_shell probe_erase fault_injection "
            "power swap_reset netcore_slots",
        ),
        (
            "nrf5340dk_mcuboot",
            "ble netcore external_flash signature image_group set_pending revert shell "
            "flash_shell probe_erase",
        ),
        (
            "nrf5340dk_mcuboot_sim",
            "ble netcore external_flash signature image_group set_pending revert shell "
            "flash_shell probe_erase fault_injection power swap_reset",
        ),
        ("nrf52840dk", "ble signature image_group set_pending revert shell"),
        (
            "nrf52840dk_sim",
            "ble signature image_group set_pending revert shell fault_injection power swap_reset",
        ),
        ("qemu_cortex_m0", "image_group set_pending revert swap_reset"),
        ("mps2_an385", "image_group highest_version serial_recovery"),
        ("native_sim", ""),
        ("native_sim_udp", ""),
        ("native_sim_shell", "shell"),
    ],
)
def test_packaged_board_has(board_name: str, names: str) -> None:
    """As the board files say."""
    found = capabilities_of(load_board(board_name))
    assert {capability.value for capability in found} == set(names.split())


def test_every_capability_is_found_by_its_name() -> None:
    """And says in one sentence what it means."""
    for capability in Capability:
        assert capability_named(capability.value) is capability
        assert capability.meaning.endswith(".")
        assert ". " not in capability.meaning


def test_unknown_name_is_answered_with_the_known_ones() -> None:
    """A typing mistake can be corrected from the message."""
    with pytest.raises(ValueError, match="'nsip'; known: nsib, ble, "):
        capability_named("nsip")

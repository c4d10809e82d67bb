"""The kit's guard against a bootloader that resets the board for ever.

No flash content alone does that: the nsib copy erases the update's trailer before each reset. So
the update comes back here each time, as if something else wrote the external flash.
"""

import asyncio
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.firmware.description import McubootDescription
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.boot.chain import MOST_BOARD_RESETS
from pytest_nrf_fota.sim.flash import FlashArea, Operation, OperationKind
from pytest_nrf_fota.sim.kit import Kit, KitSettings
from pytest_nrf_fota.sim.trailer_area import schedule_swap
from tests.unit.board_of_release import board_of_release


@pytest.mark.parametrize("ncs", ["2.9", "3.0"])
@pytest.mark.parametrize("comes_back", [MOST_BOARD_RESETS - 1, MOST_BOARD_RESETS])
def test_an_update_that_comes_back_with_each_boot_ends_in_a_halt(
    ncs: str, comes_back: int, tmp_path: Path
) -> None:
    board = board_of_release(ncs)
    baseline = read_hex(DemoSource(board, tmp_path).baseline)
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(board))
    slots = settings.slots
    assert slots.nsib is not None
    s1 = slots.nsib.s1
    # MCUboot takes it; NSIB finds nothing to start in it and stays with S0.
    payload = build_payload(s1.address + 0x200, 0x4000, McubootDescription())
    layout = SlotLayout(slots.secondary.size_bytes, max_sectors=settings.max_sectors)
    key = signing_key_for_tests("mcuboot")
    update = sign_for_mcuboot(payload, ImageVersion(15, 0, 0), layout, key)

    async def boot() -> tuple[str, int]:
        kit = Kit(settings, f"unix:{tmp_path / 'hci'}")
        await kit.start()
        left = comes_back
        secondary = FlashArea(
            kit.flash, "mcuboot_secondary", slots.secondary.address, slots.secondary.size_bytes
        )

        def store_update() -> None:
            secondary.write(0, update + b"\xff" * (-len(update) % 4))
            schedule_swap(secondary, permanent=True)

        def store_again(operation: Operation) -> None:
            nonlocal left
            # The last that the nsib copy does is to erase one sector more than an S slot has.
            last_sector = slots.secondary.address + s1.size_bytes // 0x1000 * 0x1000
            is_last = operation.address == last_sector + 0x1000
            if operation.kind is OperationKind.ERASE and is_last and left > 0:
                left -= 1
                store_update()

        try:
            await kit.program(baseline)
            store_update()
            kit.flash.on_operation = store_again
            await kit.reset()
            return kit.state, left
        finally:
            await kit.close()

    state, left = asyncio.run(asyncio.wait_for(boot(), 60))
    assert left == 0
    if comes_back < MOST_BOARD_RESETS:
        assert state == "running"
    else:
        assert state == (
            f"halted: the bootloader reset the board more than {MOST_BOARD_RESETS} times in a row"
        )

"""A bootloader update in the whole kit: one reset by hand, and from 2.7 on one by MCUboot."""

import asyncio
import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from pydantic import TypeAdapter

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.kit import Kit, KitSettings
from pytest_nrf_fota.sim.trailer_area import schedule_swap
from tests.unit.board_of_release import board_of_release


@pytest.mark.parametrize(
    ("ncs", "slots_tried"),
    [
        ("2.3", [0]),
        ("2.6", [0]),
        ("2.7", [0, 1]),
        ("2.8", [0, 1]),
        ("2.9", [0, 1]),
        ("3.0", [0, 1]),
    ],
)
def test_one_reset_is_enough_where_mcuboot_resets_the_board(
    ncs: str, slots_tried: list[int], tmp_path: Path
) -> None:
    board = board_of_release(ncs)
    demo = DemoSource(board, tmp_path)
    baseline = read_hex(demo.baseline)
    with ZipFile(demo.mcuboot_update) as package:
        manifest = json.loads(package.read("manifest.json"))
        for_s1 = max(manifest["files"], key=lambda file: int(str(file["load_address"]), 0))
        update = package.read(for_s1["file"])
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(board))

    async def boot() -> list[str]:
        kit = Kit(settings, f"unix:{tmp_path / 'hci'}")
        await kit.start()
        try:
            await kit.program(baseline)
            secondary = FlashArea(
                kit.flash,
                "mcuboot_secondary",
                settings.slots.secondary.address,
                settings.slots.secondary.size_bytes,
            )
            secondary.write(0, update + b"\xff" * (-len(update) % 4))
            schedule_swap(secondary, permanent=False)
            with Path(kit.app_uart.port).open("rb", buffering=0) as host_end:
                await kit.reset()
                assert kit.state == "running"
                printed = b""
                while b"Bluetooth initialized" not in printed:
                    printed += await asyncio.to_thread(host_end.read, 4096)
            return printed.decode().splitlines()
        finally:
            await kit.close()

    lines = asyncio.run(asyncio.wait_for(boot(), 60))
    tried = [line for line in lines if line.startswith("Attempting to boot slot")]
    assert tried == [f"Attempting to boot slot {slot}." for slot in slots_tried]
    starts = [line for line in lines if line.startswith("I: Starting bootloader")]
    assert starts == ["I: Starting bootloader 14", "I: Starting bootloader 15"][: len(slots_tried)]
    banners = [line for line in lines if line.startswith("*** Booting MCUboot")]
    assert len(banners) == (len(slots_tried) if len(RELEASES[ncs].mcuboot_banner) == 3 else 0)

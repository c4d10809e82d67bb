"""What a virtual kit prints while it boots, in process."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.report import SwapResult
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.kit import Kit, KitSettings
from pytest_nrf_fota.sim.trailer_area import schedule_swap
from tests.unit.board_of_release import board_of_release

_PROMPT = b"uart:~$ \x1b[m"
Prepare = Callable[[Kit, BoardType, DemoSource], None]


@dataclass(frozen=True)
class Scenario:
    """What is stored on the kit, how often it is reset, and what becomes of the swaps."""

    prepare: Prepare
    resets: int
    results: tuple[SwapResult, ...]


def _nothing(kit: Kit, board: BoardType, firmware: DemoSource) -> None:
    pass


def _app_update(kit: Kit, board: BoardType, firmware: DemoSource) -> None:
    _store(kit, board, _image(board, firmware))


def _damaged_update(kit: Kit, board: BoardType, firmware: DemoSource) -> None:
    data = bytearray(_image(board, firmware))
    data[0x700] ^= 1
    _store(kit, board, bytes(data))


def _image(board: BoardType, firmware: DemoSource) -> bytes:
    return read_package(firmware.app_update, package_target(board)).files[0].data


def _store(kit: Kit, board: BoardType, image: bytes) -> None:
    slots = kit.settings.slots
    area = FlashArea(kit.flash, "secondary", slots.secondary.address, slots.secondary.size_bytes)
    area.write(0, image + b"\xff" * (-len(image) % 4))
    assert schedule_swap(area, permanent=False)


SCENARIOS = {
    "plain boot": Scenario(_nothing, 2, ()),
    "test": Scenario(_app_update, 1, (SwapResult.SWAPPED,)),
    "test and revert": Scenario(_app_update, 2, (SwapResult.SWAPPED, SwapResult.REVERTED)),
    "damaged image": Scenario(_damaged_update, 2, (SwapResult.REFUSED,)),
}


def kit_log(scenario: Scenario, ncs: str, folder: Path, *, keep_last_line: bool) -> bytes:
    """The bytes on the UART of a kit with firmware of one release."""
    board = board_of_release(ncs)
    firmware = DemoSource(board, folder)
    settings: dict[str, Any] = TypeAdapter(dict[str, Any]).validate_json(kit_settings_json(board))
    settings |= {"keep_last_line": keep_last_line}
    kit_settings = TypeAdapter(KitSettings).validate_python(settings)

    async def printed() -> bytes:
        kit = Kit(kit_settings, f"unix:{folder / 'hci'}")
        await kit.start()
        host_end = os.open(kit.app_uart.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        output = bytearray()
        prompt_is_back = asyncio.Event()

        def take() -> None:
            output.extend(os.read(host_end, 4096))
            if output.endswith(_PROMPT):
                prompt_is_back.set()

        asyncio.get_running_loop().add_reader(host_end, take)
        try:
            await kit.program(read_hex(firmware.baseline))
            scenario.prepare(kit, board, firmware)
            for _ in range(scenario.resets):
                prompt_is_back.clear()
                await kit.reset()
                await asyncio.wait_for(prompt_is_back.wait(), 60)
            return bytes(output)
        finally:
            asyncio.get_running_loop().remove_reader(host_end)
            os.close(host_end)
            await kit.close()

    return asyncio.run(printed())

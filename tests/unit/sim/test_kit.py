"""The kit as a whole: what happens when several hands reach for it at once."""

import asyncio
import os
from pathlib import Path

from pydantic import TypeAdapter

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.kit import Kit, KitSettings

RESETS = 5
PROMPT = b"uart:~$ \x1b[m"


def test_overlapping_resets_boot_one_after_the_other(tmp_path: Path) -> None:
    """Each boot runs to its end before the next begins, and one application is left."""
    board = load_board("nrf5340dk_sim")
    baseline = read_hex(DemoSource(board, tmp_path).baseline)
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(board))

    async def boots() -> tuple[list[str], list[str]]:
        kit = Kit(settings, f"unix:{tmp_path / 'hci'}")
        await kit.start()
        host_end = os.open(kit.app_uart.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        printed = bytearray()
        prompt_is_back = asyncio.Event()

        def take() -> None:
            printed.extend(os.read(host_end, 4096))
            if printed.endswith(PROMPT) and printed.count(b"Attempting to boot slot") == RESETS:
                prompt_is_back.set()

        asyncio.get_running_loop().add_reader(host_end, take)
        try:
            await kit.program(baseline)
            before = {task.get_name() for task in asyncio.all_tasks()}
            await asyncio.gather(*(kit.reset() for _ in range(RESETS)))
            left = [t.get_name() for t in asyncio.all_tasks() if t.get_name() not in before]
            await asyncio.wait_for(prompt_is_back.wait(), 30)
            return printed.decode().splitlines(), left
        finally:
            asyncio.get_running_loop().remove_reader(host_end)
            os.close(host_end)
            await kit.close()

    lines, tasks_left = asyncio.run(boots())
    order = [line for line in lines if line.startswith(("Attempting to boot slot", "build time"))]
    assert len(order) == 2 * RESETS
    assert order[0::2] == ["Attempting to boot slot 0."] * RESETS
    assert all(line.startswith("build time") for line in order[1::2])
    assert len(tasks_left) == 1

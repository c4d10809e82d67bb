"""A network core update in the whole kit: both UARTs, the probe, and a package of both images."""

import asyncio
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType, Slot
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex
from pytest_nrf_fota.providers.sim import kit_settings_json
from pytest_nrf_fota.sim.boot.pcd import COMMAND_ADDRESS
from pytest_nrf_fota.sim.flash import FlashArea
from pytest_nrf_fota.sim.kit import Kit, KitSettings
from pytest_nrf_fota.sim.trailer_area import schedule_swap

BOARD_FILE = """
name = "two_images"
title = "Virtual nRF5340 DK whose network core has image slots"
base = "nrf5340dk_sim"
platforms = []
[slots]
secondary_network = {{ address = 0x100D8000, size = 0x40000 }}
[boot]
ncs = "{ncs}"
"""
TIME_LIMIT_S = 30


@pytest.fixture(params=["2.6", "2.9", "3.0"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> BoardType:
    """A board whose network core is updated through slots of its own."""
    (tmp_path / "two_images.toml").write_text(BOARD_FILE.format(ncs=request.param))
    return load_board("two_images", (tmp_path,))


async def _read_until(port: Path, text: bytes) -> list[str]:
    read = b""
    with port.open("rb", buffering=0) as host_end:
        while text not in read:
            read += await asyncio.wait_for(asyncio.to_thread(host_end.read, 4096), TIME_LIMIT_S)
    return read.decode().splitlines()


def test_both_cores_are_updated_by_one_reset(board: BoardType, tmp_path: Path) -> None:
    demo = DemoSource(board, tmp_path)
    baseline = read_hex(demo.baseline)
    package = read_package(demo.app_and_network_update, package_target(board))
    app_file, network_file = package.files
    assert (app_file.image_index, network_file.image_index) == (0, 1)
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(board))

    def store(kit: Kit, address: int, size_bytes: int, data: bytes) -> None:
        area = FlashArea(kit.flash, "slot", address, size_bytes)
        area.write(0, data + b"\xff" * (-len(data) % 4))
        schedule_swap(area, permanent=True)

    async def update() -> tuple[list[str], list[str], list[str], bytes]:
        kit = Kit(settings, f"unix:{tmp_path / 'hci'}")
        await kit.start()
        try:
            await kit.program(baseline)
            await kit.reset()
            network_before = await _read_until(
                Path(kit.net_uart.port), b"Network core firmware 1\r\n"
            )
            store(
                kit,
                settings.slots.secondary.address,
                settings.slots.secondary.size_bytes,
                app_file.data,
            )
            network_slot = settings.slots.network_secondary
            assert network_slot is not None
            assert kit.soc.is_external(network_slot.address)
            store(kit, network_slot.address, network_slot.size_bytes, network_file.data)
            await kit.reset()
            assert kit.state == "running"
            network_after = await _read_until(
                Path(kit.net_uart.port), b"Network core firmware 2\r\n"
            )
            app_lines = await _read_until(Path(kit.app_uart.port), b"build time: May  8")
            return network_before, network_after, app_lines, await kit.read(COMMAND_ADDRESS, 4)
        finally:
            await kit.close()

    network_before, network_after, app_lines, magic = asyncio.run(update())

    assert network_before[-1] == "Network core firmware 1"
    assert network_after[-1] == "Network core firmware 2"
    assert app_lines.count("I: Turned on network core") == 1
    assert app_lines.count("I: Turned off network core") == 1
    assert magic == (0xF103CE5D).to_bytes(4, "little")


def test_a_kit_without_b0n_starts_what_lies_there(tmp_path: Path) -> None:
    """Firmware that a user built for the network core alone begins at its flash's start."""
    board = load_board("nrf5340dk_sim")
    baseline = [
        segment for segment in read_hex(DemoSource(board, tmp_path).baseline)
        if segment.address < 0x01000000
    ]  # fmt: skip
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(board))

    async def boot() -> tuple[str, list[str]]:
        kit = Kit(settings, f"unix:{tmp_path / 'hci'}")
        await kit.start()
        try:
            await kit.program(tuple(baseline))
            kit.flash.write(0x01000000, b"\x00\x10\x00\x21\x01\x02\x00\x01")
            await kit.reset()
            return kit.state, await _read_until(Path(kit.net_uart.port), b"***\r\n")
        finally:
            await kit.close()

    state, lines = asyncio.run(boot())
    assert state == "running"
    assert lines == ["*** Booting Zephyr OS build v3.2.99-ncs2 ***"]


def test_a_layout_without_b0n_has_none(tmp_path: Path) -> None:
    """As partition manager has it where the application does not update the network core.

    Seen in a build of NCS 2.5.0: its firmware begins where b0n would, so nothing lies before it.
    """
    board = load_board("nrf5340dk_sim")
    assert board.soc.network is not None
    flash = board.soc.network.flash
    slots = board.slots.model_copy(
        update={"network": Slot(address=flash.start, size=flash.end - flash.start)}
    )
    board = board.model_copy(update={"slots": slots})
    settings = TypeAdapter(KitSettings).validate_json(kit_settings_json(board))

    async def run() -> tuple[str, list[str]]:
        kit = Kit(settings, f"unix:{tmp_path / 'hci'}")
        await kit.start()
        try:
            baseline = read_hex(DemoSource(load_board("nrf5340dk_sim"), tmp_path).baseline)
            app_core = [s for s in baseline if s.address not in flash]
            await kit.program((*app_core, Segment(flash.start, b"any firmware".ljust(16))))
            await kit.reset()
            return kit.state, await _read_until(
                Path(kit.app_uart.port), b"Advertising successfully started"
            )
        finally:
            await kit.close()

    state, lines = asyncio.run(run())
    assert state == "running"
    assert "Bluetooth initialized" in lines

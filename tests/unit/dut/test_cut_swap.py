"""Erasing the external flash of a board that was interrupted in a swap."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.cut_swap import SwapUnderWayWarning
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.trailer import (
    MAGIC,
    MAGIC_FROM_END_BYTES,
    SWAP_INFO_FROM_END_BYTES,
    SwapType,
)
from pytest_nrf_fota.preflight.prediction import read_update
from pytest_nrf_fota.preflight.simulated_board import SimulatedBoard
from pytest_nrf_fota.sim.app.image_result import DONE
from pytest_nrf_fota.sim.flash import CutMoment, PowerCut, PowerLostError
from tests.unit.dut.opened_dut import opened_dut

MIDDLE_OF_THE_SWAP = 60
OTP_ADDRESS = 0xFF8000


@pytest.fixture
def dut(tmp_path: Path) -> Iterator[Dut]:
    with opened_dut(load_board("nrf5340dk_sim"), tmp_path) as opened:
        yield opened


def cut_in_a_swap(board: BoardType, firmware: DemoSource) -> tuple[Segment, ...]:
    """What the flash holds after a power failure in the middle of a swap."""
    simulated = SimulatedBoard(board, read_hex(firmware.baseline), None)
    simulated.boot()
    file = read_update(firmware.app_update, board).files[0]
    assert simulated.upload(0, file.data, b"").result == DONE
    assert file.image.hash is not None
    assert simulated.mark(file.image.hash, permanent=False) == DONE
    flash = simulated.chain.hardware.flash
    flash.power_cut = PowerCut(len(flash.operations) + MIDDLE_OF_THE_SWAP, CutMoment.AFTER)
    with pytest.raises(PowerLostError):
        simulated.boot()
    flash.has_power = True
    return tuple(simulated.memories())


def trailer_of_a_swap(board: BoardType) -> tuple[Segment, ...]:
    """The end of the primary slot while MCUboot swaps for a trial."""
    from_end = SWAP_INFO_FROM_END_BYTES
    trailer = bytearray(b"\xff" * from_end)
    trailer[0] = SwapType.TEST
    trailer[-MAGIC_FROM_END_BYTES:] = MAGIC
    primary = board.slots.primary
    return (Segment(primary.address + primary.size - from_end, bytes(trailer)),)


def test_a_cut_swap_is_seen_before_the_board_is_lost(dut: Dut, tmp_path: Path) -> None:
    firmware = DemoSource(dut.board, tmp_path / "firmware")
    dut.prepare(firmware.baseline)
    cut = tmp_path / "cut.hex"
    held = cut_in_a_swap(dut.board, firmware)
    is_external = dut.board.soc.is_external
    write_hex(cut, [s for s in held if s.address < OTP_ADDRESS or is_external(s.address)])
    dut.program(cut)

    with pytest.warns(SwapUnderWayWarning, match="finds no bootable image"):
        dut.erase_external_flash_by_probe()

    since = dut.start_reset()
    assert dut.console.expect("Unable to find bootable image", since=since, within_s=30)
    # As the warning says: flashed anew it boots.
    assert dut.prepare(firmware.baseline).reached_app


def test_a_board_cut_in_a_swap_is_flashed_although_it_holds_the_baseline(
    dut: Dut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `skips_flash` the trailer is not compared, and it would go on with the swap."""
    firmware = DemoSource(dut.board, tmp_path / "firmware")
    dut.prepare(firmware.baseline)
    trailer = trailer_of_a_swap(dut.board)
    write_hex(tmp_path / "trailer.hex", trailer)
    # Anything in the secondary slot: something is left to lose.
    slot = dut.board.slots.secondary
    write_hex(tmp_path / "secondary.hex", [Segment(slot.address, bytes(4))])
    dut.program(tmp_path / "trailer.hex")
    dut.program(tmp_path / "secondary.hex")
    monkeypatch.setattr(dut, "skips_flash", True)

    dut.prepare(firmware.baseline)

    held = dut.read_memory(trailer[0].address, len(trailer[0].data))
    assert held == b"\xff" * len(held)


def test_no_warning_where_the_external_flash_was_erased_before(dut: Dut, tmp_path: Path) -> None:
    """MCUboot's status stays in the primary slot; nothing is left to lose."""
    firmware = DemoSource(dut.board, tmp_path / "firmware")
    dut.prepare(firmware.baseline)
    write_hex(tmp_path / "trailer.hex", trailer_of_a_swap(dut.board))
    dut.program(tmp_path / "trailer.hex")
    with warnings.catch_warnings():
        warnings.simplefilter("error", SwapUnderWayWarning)
        dut.erase_external_flash_by_probe()


@pytest.mark.parametrize("upgrades", [False, True])
def test_no_warning_where_no_swap_is_under_way(dut: Dut, tmp_path: Path, upgrades: bool) -> None:
    firmware = DemoSource(dut.board, tmp_path / "firmware")
    dut.prepare(firmware.baseline)
    if upgrades:
        dut.upgrade(firmware.app_update)

    with warnings.catch_warnings():
        warnings.simplefilter("error", SwapUnderWayWarning)
        dut.erase_external_flash_by_probe()
    assert dut.reset().reached_app

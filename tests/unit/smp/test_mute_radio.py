"""A UART without an SMP server behind it: connecting says nothing, the first request does."""

import os
import signal
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import NotSeenError
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.mcumgr import Mcumgr, SmpTimeouts

TIMEOUTS = SmpTimeouts(answer_s=2.0, first_upload_packet_s=2.0)


@pytest.mark.parametrize("has_smp", [True, False])
def test_silence_from_the_beginning_says_what_to_build(tmp_path: Path, has_smp: bool) -> None:
    """Where answers came before, the board is to be looked at, not the build."""
    board = load_board("nrf5340dk_sim")
    radio = board.radio.model_copy(update={"kind": "serial_over_console"})
    board = board.model_copy(update={"radio": radio})
    unit = SimUnit(board, "kit", tmp_path / "unit")
    recorder = FlightRecorder()
    try:
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        app = AppDescription(console_smp=has_smp)
        dut.prepare(DemoSource(board, tmp_path / "firmware", app).baseline)
        with Mcumgr(dut.wires.radio, recorder, TIMEOUTS) as mcumgr:
            mcumgr.connect("", 20)
            if has_smp:
                mcumgr.get_image_list()
                os.kill(unit.pid, signal.SIGSTOP)
            try:
                with pytest.raises(NotSeenError) as caught:
                    mcumgr.echo("?")
            finally:
                os.kill(unit.pid, signal.SIGCONT)
            assert ("CONFIG_MCUMGR_TRANSPORT_SHELL=y" in caught.value.next_step) is not has_smp
        dut.close()
    finally:
        unit.release()

"""`nrf-fota upgrade` on real MCUboot and Zephyr, over the UART that carries their log as well."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.artifacts.choose import firmware_source
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.providers.choose import take_unit
from pytest_nrf_fota.record.recorder import FlightRecorder


@pytest.mark.usefixtures("qemu_firmware")
def test_application_on_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log on the same UART shows the swap, the image list the new hash."""
    board = load_board("qemu_cortex_m0")
    source = firmware_source(board, None, (), tmp_path / "firmware")
    recorder = FlightRecorder()
    recorder.open(tmp_path / "prepared" / "recorder.jsonl", "prepare")
    unit = take_unit(board, "qemu", tmp_path / "qemu", None, None, recorder)
    try:
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        dut.prepare(source.baseline)
        port = dut.console.port
        dut.console.close()
        monkeypatch.chdir(tmp_path)
        ran = CliRunner().invoke(
            app, ["upgrade", f"--port={port}", "--board=qemu_cortex_m0", str(source.app_update)]
        )
        dut.close()
    finally:
        unit.release()
        recorder.close()

    assert ran.exit_code == 0, ran.output
    assert "UPGRADED" in ran.output and "UART: new" in ran.output and "SMP:  new" in ran.output
    assert "confirmed  it stays" in ran.output

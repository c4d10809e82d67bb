"""The virtual kit fails as the kit in the support thread failed, line for line.

The thread's UART log is not part of this repository; it lies in a folder `shared` beside it.
"""

import os
import re
from pathlib import Path

import pytest

from pytest_nrf_fota.board import load_board
from pytest_nrf_fota.console.text import TextCleaner
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut import Dut
from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.firmware.demo import DemoSource
from pytest_nrf_fota.probe.protocol import ResetKind
from pytest_nrf_fota.report.recorder import FlightRecorder
from pytest_nrf_fota.units.sim import SimUnit

THREAD_LOG = Path(__file__).parents[3] / "shared" / "logs" / "thread-session-b-v14-to-v15.log"


def test_both_files_sent_logs_what_the_thread_logged(tmp_path: Path) -> None:
    """Same session, same lines; only time stamps and the key's hash may differ."""
    if not THREAD_LOG.is_file():
        message = f"the thread's log is not here: {THREAD_LOG}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expected = _comparable(TextCleaner().clean(THREAD_LOG.read_bytes()).splitlines())

    board = load_board("nrf5340dk_sim")
    firmware = DemoSource(board, tmp_path / "firmware")
    recorder = FlightRecorder()
    unit = SimUnit(board, "kit", tmp_path / "unit")
    try:
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        try:
            # The thread's log begins after the first boot, which sets NSIB's counter.
            dut.prepare(firmware.baseline)
            begin = dut.console.mark()
            dut.reset()
            upgrade = dut.start_upgrade(firmware.mcuboot_update)
            (file_for_running_slot,) = upgrade.other_files
            upgrade.upload(file_for_running_slot)
            upgrade.upload()
            with pytest.raises(BoardError, match="EINVAL"):
                upgrade.mark(file_for_running_slot)
            # The reset button, with the phone still connected.
            reset_at = dut.console.mark()
            dut.probe.reset(ResetKind.PIN, Deadline.after(30))
            dut.wait_for_boot(reset_at, Deadline.after(30))
            lines = [line.text for line in dut.console.lines_since(begin)]
        finally:
            dut.close()
    finally:
        unit.release()

    # The capture ends before the last boot's build time line.
    assert _comparable(lines)[: len(expected)] == expected
    assert len(lines) <= len(expected) + 1


def _comparable(lines: list[str]) -> list[str]:
    without_prompt = [re.sub(r"^(uart:~\$ )+", "", line) for line in lines]
    without_times = [
        re.sub(r"\[\d\d:\d\d:\d\d\.\d{3},\d{3}\]", "[time]", line) for line in without_prompt
    ]
    return [re.sub(r"Hash: 0x\w\w\.\.\.\w\w", "Hash: 0x..", line) for line in without_times if line]

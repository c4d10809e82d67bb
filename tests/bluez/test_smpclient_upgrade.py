"""A whole upgrade by a program that others wrote, with BlueZ and bleak as it expects them."""

import os
import subprocess
import sys
from pathlib import Path

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.sim.client import KitControl
from tests.peers.smpclient_programs import (
    BOARD_ARGUMENT,
    UPGRADE,
    extract_examples,
    write_what_upgrade_needs,
)

TIME_LIMIT_S = 240.0
ERASE_TIME_LIMIT_S = 60.0


def test_smpclients_example_upgrades_the_kit(unit: SimUnit, tmp_path: Path) -> None:
    """It runs as it is: flash, upload, mark, reset, and the other firmware answers.

    Evidence: its own checks of both hashes and slots.
    """
    # nrfjprog --recover leaves the external flash alone, where an earlier test on this kit may have
    # left an update that is pending: MCUboot would swap to it.
    control = KitControl(unit.control_address)
    try:
        control.erase_external(Deadline.after(ERASE_TIME_LIMIT_S))
    finally:
        control.close()
    extract_examples([UPGRADE], tmp_path)
    tools = tmp_path / "tools"
    write_what_upgrade_needs(tmp_path, load_board("nrf5340dk_sim"), unit.control_address, tools)
    done = subprocess.run(
        [sys.executable, str(tmp_path / f"{UPGRADE}.py"), BOARD_ARGUMENT],
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\nConfirmed the swap\n")

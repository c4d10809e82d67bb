"""What it costs to find a board's address in its log, as `dut.connect()` does twice.

Run: python benchmarks/connect_cost.py
"""

import time

from rich.console import Console as Screen
from rich.table import Table

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.log import ConsoleLog, LogPosition
from pytest_nrf_fota.dut.boots import BootsOfConsole

_BOOT = """*** Booting Zephyr OS build v3.2.99-ncs2 ***
Attempting to boot slot 0.
Firmware signature verified.
Firmware version 14
*** Booting Zephyr OS build v3.2.99-ncs2 ***
I: Starting bootloader 14
I: Swap type: none
I: Bootloader chainload address offset: 0x28000
*** Booting Zephyr OS build v3.2.99-ncs2 ***
[00:00:00.032,348] <inf> bt_hci_core: bt_dev_show_info: Identity: F2:7C:B6:5D:C3:74 (random)
Advertising successfully started
build time: May  7 2024 a 09:26:26
"""
_LINES = (300, 3_000, 30_000, 300_000)
_BOARD = load_board("nrf5340dk_sim")


def main() -> None:
    """Measure logs of one boot and a chatty application, and logs of boots alone."""
    table = Table("log", "lines", "reading a line", "finding the address")
    for name, boots_apart in (("application", 1_000_000), ("boots", 12)):
        for count in _LINES:
            read_us, found_ms = _measure(count, boots_apart)
            table.add_row(name, str(count), f"{read_us:.1f} us", f"{found_ms:.2f} ms")
    Screen().print(table)


def _measure(count: int, boots_apart: int) -> tuple[float, float]:
    log = ConsoleLog()
    boots = BootsOfConsole(log, _BOARD.boot)
    begin_s = time.process_time()
    for number in range(count):
        place = number % boots_apart
        is_boot = place < _BOOT.count("\n")
        text = _BOOT.splitlines()[place] if is_boot else _app_line(number)
        log.append(f"{text}\n", number / 10)
    read_s = time.process_time() - begin_s
    begin_s = time.process_time()
    for _ in range(2):
        assert boots.since(LogPosition(0))[-1].identity_address
    return read_s / count * 1e6, (time.process_time() - begin_s) * 1e3


def _app_line(number: int) -> str:
    seconds = number / 10
    return f"[00:{seconds // 60 % 60:02.0f}:{seconds % 60:06.3f},000] <inf> sensor: sample {number}"


if __name__ == "__main__":
    main()

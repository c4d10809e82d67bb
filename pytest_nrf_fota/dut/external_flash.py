"""Read the external flash through the application's shell, which owns it.

Over SWD it cannot be had then: the tools refuse while QSPI is initialised (pynrfjprog 10.24.2,
docs/nrfjprogdll.h, NRFJPROG_qspi_init: INVALID_OPERATION), or take it from the application.
"""

import re

from pytest_nrf_fota.console.shell import ZephyrShell
from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.firmware.fw_info import ReadMemory

_READ_TIMEOUT_S = 30.0
# As `flash read` prints it (Zephyr subsys/shell/shell.c, shell_hexdump_line).
_LINE = re.compile(r"(?P<offset>[0-9A-Fa-f]{8}):(?P<bytes>(?: +[0-9A-Fa-f]{2}){1,16})")


def read_by_shell(shell: ZephyrShell, device: str, window_start: int) -> ReadMemory:
    """Reads by `flash read`.

    What is returned raises `BoardError` where the shell refuses, or its lines do not hold all the
    bytes because a log line came between.

    Args:
        shell: the application's.
        device: the flash, as the shell names it.
        window_start: the address at which its first byte is mapped.
    """

    def read(address: int, size_bytes: int) -> bytes:
        offset = address - window_start
        command = f"flash read {device} {offset:x} {size_bytes:x}"
        lines = shell.run(command, _READ_TIMEOUT_S)
        data = bytearray()
        for line in lines:
            found = _LINE.match(line.strip())
            if found is not None and int(found["offset"], 16) == offset + len(data):
                data += bytes.fromhex(found["bytes"])
        if len(data) != size_bytes:
            raise BoardError(
                f"The shell printed {len(data)} of {size_bytes} bytes of its flash.",
                where=command,
                next_step="Did log lines come between? Run it by hand.",
            )
        return bytes(data)

    return read

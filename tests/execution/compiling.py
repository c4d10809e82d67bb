"""Programs of our own for Cortex-M, compiled in the test run."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

COMPILER = "arm-none-eabi-gcc"
_SOURCES = Path(__file__).with_name("programs")


@dataclass(frozen=True)
class Place:
    """Where a core's programs lie, and what its stack grows down from."""

    flash_start: int
    ram_start: int
    stack_top: int
    flags: tuple[str, ...] = ()


APPLICATION = Place(0x0000_0000, 0x2000_0000, 0x2003_0000)
NETWORK = Place(0x0100_0000, 0x2100_0000, 0x2100_8000, ("-DNETWORK",))


def compile_program(folder: Path, names: tuple[str, ...], place: Place) -> bytes:
    """The machine code of these sources of `programs/`, from the first byte of the flash on."""
    if shutil.which(COMPILER) is None:
        reason = f"{COMPILER} is missing: install the Debian package gcc-arm-none-eabi"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    elf, binary = folder / "program.elf", folder / "program.bin"
    symbols = ("flash_start", "ram_start", "stack_top")
    command = [
        *(COMPILER, "-mcpu=cortex-m33", "-mthumb", "-mfloat-abi=soft", "-O1", "-Wall", "-Werror"),
        *("-ffreestanding", "-fno-builtin", "-fno-tree-loop-distribute-patterns", "-nostdlib"),
        *place.flags,
        *(f"-Wl,--defsym={symbol}={getattr(place, symbol):#x}" for symbol in symbols),
        *("-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments", "-T", str(_SOURCES / "link.ld")),
        *("-o", str(elf)),
        *(str(_SOURCES / name) for name in ("start.c", *names)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    subprocess.run(
        ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", str(elf), str(binary)],
        timeout=60,
        check=True,
    )
    return binary.read_bytes()

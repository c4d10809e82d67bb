"""What 32-bit x86 programs need of this machine; Zephyr's native_sim is one."""

from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.probe.command import run_command
from pytest_nrf_fota.probe.fault import ProbeFaultError

LOADER = Path("/lib/ld-linux.so.2")
"""Where such programs look for their loader (System V ABI, Intel386 supplement)."""

PACKAGES = "libc6-i386 lib32gcc-s1"
"""Debian's and Ubuntu's packages of both."""

# glibc opens it when a thread ends, and without it aborts the program that ran well until then.
THREAD_LIBRARY = "libgcc_s.so.1"
_ASK_LOADER_S = 20.0
# ld.so(8), --verify: 0 for what it can load, 2 for what needs no loader.
_CAN_LOAD = (0, 2)


@dataclass(frozen=True)
class Lack:
    """What is missing, and whether `PACKAGES` would bring it."""

    found: str
    is_in_packages: bool


def lack_for_32_bit_programs(loader: Path = LOADER) -> Lack | None:
    """What keeps such programs from running here; None where they run."""
    if not loader.exists():
        return Lack("no C library for 32-bit programs", is_in_packages=True)
    try:
        asked = run_command(
            (str(loader), "--verify", THREAD_LIBRARY), Deadline.after(_ASK_LOADER_S)
        )
    except ProbeFaultError:
        found = f"{LOADER} does not start: this kernel runs no 32-bit programs"
        return Lack(found, is_in_packages=False)
    if asked.exit_code not in _CAN_LOAD:
        return Lack(f"no {THREAD_LIBRARY} for 32-bit programs", is_in_packages=True)
    return None

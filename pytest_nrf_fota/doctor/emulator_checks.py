"""What boards without hardware need: QEMU, and 32-bit programs."""

from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.doctor.check import Check, Look, Outcome, ok
from pytest_nrf_fota.doctor.host import Host
from pytest_nrf_fota.probe.command import run_command
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.providers.programs_32_bit import (
    LOADER,
    PACKAGES,
    THREAD_LIBRARY,
    Lack,
    lack_for_32_bit_programs,
)

_X86 = ("x86_64", "i386", "i486", "i586", "i686", "AMD64")
_QEMU = "qemu-system-arm"
_VERSION_S = 20.0


def _look_at_qemu(host: Host) -> Look:
    program = host.which(_QEMU)
    install = "brew install qemu" if host.system == "darwin" else f"sudo apt install {_QEMU}"
    if program is None:
        return Look(Outcome.MISSING, f"no {_QEMU} on the PATH", "Install QEMU for ARM.", install)
    version = _first_line(program)
    if version is None:
        return Look(
            Outcome.MISSING,
            f"{program} does not start",
            remedy="Install QEMU for ARM again.",
            command=install.replace(" install ", " reinstall "),
        )
    return ok(f"{version} ({program})")


def _first_line(program: Path) -> str | None:
    try:
        result = run_command((str(program), "--version"), Deadline.after(_VERSION_S))
    except ProbeFaultError:
        return None
    lines = result.stdout.splitlines()
    return lines[0] if result.exit_code == 0 and lines else None


def _look_at_32_bit_programs(host: Host) -> Look:
    if host.system == "linux" and host.machine in _X86:
        lack = lack_for_32_bit_programs(host.path(str(LOADER)))
    else:
        lack = Lack("native_sim's programs need Linux on x86", is_in_packages=False)
    if lack is None:
        return ok(f"{LOADER}, {THREAD_LIBRARY}")
    if not lack.is_in_packages:
        return Look(
            Outcome.MISSING,
            lack.found,
            remedy="Use another board without hardware.",
            command="pytest --board qemu_cortex_m0",
        )
    return Look(
        Outcome.MISSING,
        lack.found,
        remedy="Install it.",
        command=f"sudo apt install {PACKAGES}",
    )


QEMU = Check(
    name="QEMU",
    looks_at=f"{_QEMU} on the PATH, and its version",
    prevents="real MCUboot and Zephyr without hardware",
    look=_look_at_qemu,
)
PROGRAMS_32_BIT = Check(
    name="32-bit programs",
    looks_at=f"{LOADER}, and {THREAD_LIBRARY} as it finds it",
    prevents="Zephyr as a Linux program",
    look=_look_at_32_bit_programs,
)

"""Erasing the external flash, and a start with the access port closed; the baseline comes last."""

import time

from pytest_nrf_fota.bootlog.catalogue import LINES
from pytest_nrf_fota.errors import BoardFileError, FotaError
from pytest_nrf_fota.first_contact.bench import Bench, SkippedError
from pytest_nrf_fota.first_contact.step import Found, Step, held
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.wires.probe import ResetKind

_ERASED_BYTES = 0x10000
# nRF Util's manual, device protection-set; nRF Command Line Tools, nrfjprog --rbp.
_PROTECT = {
    "nrfutil": ("protection-set", "All", "--serial-number"),
    "nrfjprog": ("--rbp", "ALL", "-f", "FAMILY", "--snr"),
}


def _erase_by_shell(bench: Bench) -> Found:
    flash = bench.board.external_flash
    if flash is None or not bench.board.console.can_erase_flash:
        raise SkippedError("no external flash that a shell can erase")
    try:
        shell = bench.dut.shell
    except BoardFileError as error:
        raise SkippedError(error.what) from error
    started_at_s = time.monotonic()
    seen = shell.run_until(
        f"flash erase {flash.shell_device} 0 {_ERASED_BYTES:x}",
        success=LINES["shell_done"].regex.pattern,
        failure=LINES["shell_failed"].regex.pattern,
        within_s=flash.erase_timeout_s,
    )
    return held(True, f"{seen[0]!r} after {time.monotonic() - started_at_s:.1f} s")


def _erase_by_probe(bench: Bench) -> Found:
    if bench.board.external_flash is None:
        raise SkippedError("the board has no external flash")
    started_at_s = time.monotonic()
    bench.dut.erase_external_flash_by_probe()
    text = f"{time.monotonic() - started_at_s:.1f} s"
    bench.dut.reset()
    return held(True, f"{text}; the kit boots after a reset")


def _protected_start(bench: Bench) -> Found:
    tools = bench.tools.found
    name = next((name for name in _PROTECT if name in tools and name in bench.probes), None)
    command = tools[name].command if name else None
    if name is None or command is None:
        raise SkippedError("neither nrfutil nor nrfjprog can close the access port here")
    number = bench.probes[name].info(bench.deadline()).serial_number
    family = bench.board.soc.family.upper()
    words = (word.replace("FAMILY", family) for word in _PROTECT[name])
    result = command.run((*words, number), bench.deadline())
    if result.exit_code != 0:
        return held(False, f"{name} did not close the access port: {result.last_words}")
    probe = bench.probes[name]
    try:
        # A tool may refuse this as well, and has shown then what is asked.
        probe.reset(ResetKind.PIN, bench.deadline())
        probe.read(bench.board.slots.primary.address, 4, bench.deadline())
        shown, is_protected = "the kit can still be read", False
    except ProbeFaultError as error:
        is_protected = error.fault is ProbeFault.PROTECTED
        shown = f"{error.fault.value}: {error.what}"
    return held(is_protected, shown)


def _baseline_again(bench: Bench) -> Found:
    try:
        bench.dut.flash(bench.baseline)
        bench.dut.reset()
    except FotaError as error:
        return held(False, error.what)
    return held(True, "the kit runs the baseline")


STEPS = (
    Step(
        "erase by shell",
        "Erases the first 64 KiB of the external flash from the shell.",
        _erase_by_shell,
        erases=True,
    ),
    Step(
        "erase by probe",
        "Erases the whole external flash by the probe; may take minutes.",
        _erase_by_probe,
        erases=True,
    ),
    Step(
        "protected start",
        "Closes the kit's access port and starts it once: only a recovery opens it again.",
        _protected_start,
        erases=True,
    ),
    Step(
        "baseline again",
        "Recovers the kit and writes the baseline, which is then left on it.",
        _baseline_again,
        erases=True,
    ),
)

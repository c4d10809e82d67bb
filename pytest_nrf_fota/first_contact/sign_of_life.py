"""Whether the application goes on: asked over its shell, or over SMP."""

import contextlib

from pytest_nrf_fota.errors import BoardFileError, FotaError, NotSeenError
from pytest_nrf_fota.first_contact.bench import Bench, SkippedError
from pytest_nrf_fota.wires.probe import Core, Probe

_ANSWER_S = 3.0
_COMMAND = "kernel uptime"


def uptime(bench: Bench) -> str | None:
    """What `kernel uptime` answers; None where nothing does.

    Raises `SkippedError` where the application has no shell.
    """
    try:
        shell = bench.dut.shell
    except BoardFileError as error:
        raise SkippedError(error.what) from error
    try:
        return " ".join(shell.run(_COMMAND, _ANSWER_S))
    except NotSeenError:
        return None


def require_life(bench: Bench) -> None:
    """Raise `SkippedError` where nothing answers before anything was done."""
    if uptime(bench) is None:
        raise SkippedError(f"the shell does not answer {_COMMAND!r}, so it can show nothing")


def let_go(bench: Bench, probe: Probe, core: Core) -> str:
    """Let a halted core go on, by a resume or else by a reset; says which one it took."""
    with contextlib.suppress(FotaError):
        probe.resume(core, bench.deadline())
        if uptime(bench) is not None:
            return "goes on after a resume"
    bench.dut.reset()
    return "goes on after a reset" if uptime(bench) is not None else "is silent after a reset"

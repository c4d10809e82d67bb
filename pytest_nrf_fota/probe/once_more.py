"""One passing failure of a probe's tool is no result: the same is asked once more, and said.

Nothing is asked twice that would do harm twice. A reset is not: it may have happened, and a second
one makes MCUboot revert a test image. A recovery, programming and an erase leave the same memory
when they are done again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.findings.probe_faults import TRANSIENT
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.wires.probe import Core, Probe, ProbeInfo, ResetKind

_Result = TypeVar("_Result")


def once_more(
    work: Callable[[], _Result], deadline: Deadline, note: Callable[[ProbeFaultError], None]
) -> _Result:
    """Do something, and again where its fault is `TRANSIENT` and there is time left.

    Args:
        work: raises `ProbeFaultError` where it fails; must not do harm when it is done twice.
        deadline: of both tries.
        note: is told the first error before the second try.

    Raises:
        ProbeFaultError: of the second try, or the first one where it is not transient.
    """
    try:
        return work()
    except ProbeFaultError as error:
        if error.fault not in TRANSIENT or deadline.expired:
            raise
        note(error)
    return work()


class OnceMoreProbe:
    """A `Probe` around another one, which does all but resets once more; see this module.

    Args:
        inner: the probe.
        note: is told the operation and its first error before the second try.
    """

    def __init__(self, inner: Probe, note: Callable[[str, ProbeFaultError], None]) -> None:
        self._inner = inner
        self._note = note

    def info(self, deadline: Deadline) -> ProbeInfo:
        """Identify probe and target."""
        return self._twice("info", lambda: self._inner.info(deadline), deadline)

    def recover(self, core: Core, deadline: Deadline) -> None:
        """Erase and unlock one core."""
        self._twice("recover", lambda: self._inner.recover(core, deadline), deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        """Program and verify a hex file, the whole of it at the second try."""
        self._twice("program", lambda: self._inner.program(hex_file, deadline), deadline)

    def erase_external(self, deadline: Deadline) -> None:
        """Erase the external flash."""
        self._twice("erase external flash", lambda: self._inner.erase_external(deadline), deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        """Read memory."""
        return self._twice(
            "read", lambda: self._inner.read(address, size_bytes, deadline), deadline
        )

    def resume(self, core: Core, deadline: Deadline) -> None:
        """Let a core go on."""
        self._twice("resume", lambda: self._inner.resume(core, deadline), deadline)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        """Reset the board, once."""
        self._inner.reset(kind, deadline)

    def close(self) -> None:
        """Let go of the probe."""
        self._inner.close()

    def _twice(self, operation: str, work: Callable[[], _Result], deadline: Deadline) -> _Result:
        return once_more(work, deadline, lambda error: self._note(operation, error))

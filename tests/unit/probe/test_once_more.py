"""What is asked of a probe a second time, and what is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.findings.probe_faults import TRANSIENT
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.probe.once_more import OnceMoreProbe, once_more
from pytest_nrf_fota.wires.probe import Core, Probe, ProbeInfo, ResetKind

_LONG_S = 30.0


class FailingProbe:
    """Fails as often as it is told to, in each operation the same way."""

    def __init__(self, *faults: ProbeFault) -> None:
        self._faults = list(faults)
        self.done: list[str] = []

    def info(self, deadline: Deadline) -> ProbeInfo:
        self._do("info")
        return ProbeInfo("fake", "1", "chip", "1")

    def recover(self, core: Core, deadline: Deadline) -> None:
        self._do(f"recover {core.value}")

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        self._do(f"program {hex_file.name}")

    def erase_external(self, deadline: Deadline) -> None:
        self._do("erase external")

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        self._do(f"read {address:x}")
        return bytes(size_bytes)

    def resume(self, core: Core, deadline: Deadline) -> None:
        self._do(f"resume {core.value}")

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        self._do(f"reset {kind.value}")

    def close(self) -> None:
        self.done.append("close")

    def _do(self, what: str) -> None:
        self.done.append(what)
        if self._faults:
            raise ProbeFaultError(self._faults.pop(0), f"failed to {what}", where="here")


_LIMIT = Deadline.after(3600.0)
_REPEATABLE: dict[str, Callable[[Probe], object]] = {
    "info": lambda probe: probe.info(_LIMIT),
    "recover": lambda probe: probe.recover(Core.NETWORK, _LIMIT),
    "program": lambda probe: probe.program(Path("merged.hex"), _LIMIT),
    "erase external flash": lambda probe: probe.erase_external(_LIMIT),
    "read": lambda probe: probe.read(0x28000, 4, _LIMIT),
}


@pytest.mark.parametrize("fault", sorted(TRANSIENT, key=str))
@pytest.mark.parametrize("operation", _REPEATABLE)
def test_passing_failure_is_tried_once_more(operation: str, fault: ProbeFault) -> None:
    inner = FailingProbe(fault)
    noted: list[tuple[str, ProbeFaultError]] = []
    _REPEATABLE[operation](OnceMoreProbe(inner, lambda name, error: noted.append((name, error))))
    assert len(inner.done) == 2 and len(set(inner.done)) == 1
    ((name, error),) = noted
    assert name == operation
    assert error.fault is fault


@pytest.mark.parametrize("operation", _REPEATABLE)
def test_second_failure_counts(operation: str) -> None:
    """Once, not until it works."""
    inner = FailingProbe(*[ProbeFault.WORKER_LOST] * 3)
    with pytest.raises(ProbeFaultError):
        _REPEATABLE[operation](OnceMoreProbe(inner, lambda name, error: None))
    assert len(inner.done) == 2


@pytest.mark.parametrize("fault", sorted(set(ProbeFault) - TRANSIENT, key=str))
def test_other_failures_count_at_once(fault: ProbeFault) -> None:
    inner = FailingProbe(fault)
    with pytest.raises(ProbeFaultError) as raised:
        OnceMoreProbe(inner, lambda name, error: None).recover(Core.NETWORK, _LIMIT)
    assert raised.value.fault is fault
    assert inner.done == ["recover network"]


@pytest.mark.parametrize("kind", ResetKind)
def test_a_reset_is_never_done_twice(kind: ResetKind) -> None:
    """It may have happened: a second one makes MCUboot revert a test image."""
    inner = FailingProbe(ProbeFault.WORKER_LOST)
    probe = OnceMoreProbe(inner, lambda name, error: None)
    with pytest.raises(ProbeFaultError):
        probe.reset(kind, _LIMIT)
    assert inner.done == [f"reset {kind.value}"]
    probe.close()
    assert inner.done[-1] == "close"


def test_no_second_try_without_time_for_it() -> None:
    inner = FailingProbe(ProbeFault.WORKER_LOST)
    with pytest.raises(ProbeFaultError):
        once_more(lambda: inner.info(_LIMIT), Deadline.after(0), lambda error: None)
    assert inner.done == ["info"]

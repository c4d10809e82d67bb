"""Where a test saw nothing in time, the probe is asked whether the kit is still there."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import NotSeenError, ProbeError
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.wires.probe import Core, Probe, ProbeInfo, ResetKind

_PROBE_S = 77.0


class Refusing:
    """A probe that answers `info` with a fault, and notes how long it was given."""

    def __init__(self, fault: ProbeFault) -> None:
        self._fault = fault
        self.allowed_s: list[float] = []

    def info(self, deadline: Deadline) -> ProbeInfo:
        self.allowed_s.append(deadline.allowed_s)
        raise ProbeFaultError(self._fault, "no", where="probe")

    def recover(self, core: Core, deadline: Deadline) -> None:
        raise AssertionError

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        raise AssertionError

    def erase_external(self, deadline: Deadline) -> None:
        raise AssertionError

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        raise AssertionError

    def resume(self, core: Core, deadline: Deadline) -> None:
        raise AssertionError

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        raise AssertionError

    def close(self) -> None:
        return


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[SimUnit]:
    unit = SimUnit(load_board("nrf5340dk_sim"), "kit", tmp_path / "kit")
    yield unit
    unit.release()


def _missed_a_line(kit: SimUnit, probe: Probe) -> None:
    board = load_board("nrf5340dk_sim").with_timeouts(probe_s=_PROBE_S, boot_s=None)
    recorder = FlightRecorder()
    with ExitStack() as opened:
        wires = kit.open_wires(recorder)
        wires.probe.close()
        dut = Dut(board, "kit", replace(wires, probe=probe), recorder)
        opened.callback(dut.close)
        with dut.step("wait"):
            raise NotSeenError("nothing came")


def test_kit_that_is_gone(kit: SimUnit) -> None:
    """An ERROR of the rig, asked with the probe's own limit."""
    probe = Refusing(ProbeFault.NOT_FOUND)
    with pytest.raises(ProbeError, match=r"^no"):
        _missed_a_line(kit, probe)
    assert probe.allowed_s == [_PROBE_S]


def test_closed_access_port_is_an_answer(kit: SimUnit) -> None:
    """The kit is there; what the test did not see is the firmware's doing."""
    with pytest.raises(NotSeenError, match="nothing came"):
        _missed_a_line(kit, Refusing(ProbeFault.PROTECTED))

"""What all of these tests assert beside what they are about."""

from collections.abc import Iterator

import pytest

from pytest_nrf_fota.dut import Dut
from pytest_nrf_fota.report.events import PreflightDone
from pytest_nrf_fota.report.recorder import read_recording


@pytest.fixture(autouse=True)
def no_broken_preflight(request: pytest.FixtureRequest) -> Iterator[None]:
    """A preflight that breaks ends no test of a user; here it does."""
    if "dut" not in request.fixturenames:
        yield
        return
    dut: Dut = request.getfixturevalue("dut")
    yield
    if dut.recorder.path is None:
        return
    broken = [
        line.event.reason
        for line in read_recording(dut.recorder.path)
        if isinstance(line.event, PreflightDone) and line.event.answer == "failed"
    ]
    assert not broken, f"the preflight failed: {broken}"

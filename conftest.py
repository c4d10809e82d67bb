"""pytest configuration of this repository's own tests."""

from collections.abc import Generator

import pytest

pytest_plugins = ["pytester"]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A preflight that breaks ends no test of a user; here it does."""
    result = yield
    # Imported late: a run without a board has no use for them.
    from pytest_nrf_fota.dut.dut import Dut
    from pytest_nrf_fota.record.events import PreflightDone
    from pytest_nrf_fota.record.recorder import read_recording

    dut = pyfuncitem.funcargs.get("dut")
    if isinstance(dut, Dut) and dut.recorder.path is not None:
        broken = [
            line.event.reason
            for line in read_recording(dut.recorder.path)
            if isinstance(line.event, PreflightDone) and line.event.answer == "failed"
        ]
        assert not broken, f"the preflight failed: {broken}"
    return result

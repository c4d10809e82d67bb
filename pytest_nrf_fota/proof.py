"""pytest hook: a test that passed must have proven something.

It has not where a fault of its own never struck, or where it never looked at a verdict: that is a
failure where the verdict is not UPGRADED, and a warning where it is.
"""

from collections.abc import Generator

import pytest

from pytest_nrf_fota.errors import FaultNotStruckError, IgnoredVerdictError


class IgnoredVerdictWarning(pytest.PytestWarning):
    """A test upgraded a board and never looked at the verdict."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Look behind a test that passed; what one that failed left undone follows from that."""
    yield
    dut = getattr(item, "funcargs", {}).get("dut")
    if dut is None:
        return
    from pytest_nrf_fota.dut.dut import Dut

    if not isinstance(dut, Dut):
        return
    ignored = dut.take_ignored_verdicts()
    for verdict in ignored:
        if not verdict:
            raise IgnoredVerdictError(
                f"The test never looked at its verdict, {verdict!r}.",
                where=item.nodeid,
                next_step="Write assert_upgraded(dut.upgrade(...)), or assert verdict.outcome "
                "where the upgrade is to fail.",
            )
        item.warn(
            IgnoredVerdictWarning(
                f"{item.nodeid} passed without a look at its verdict, {verdict!r}; "
                "write assert_upgraded(dut.upgrade(...)), or assert verdict.outcome"
            )
        )
    waiting = dut.wires.faults.waiting() if dut.wires.faults is not None else ()
    if waiting:
        raise FaultNotStruckError(
            f"The test passed, and what it armed never struck: {', '.join(waiting)}.",
            where=item.nodeid,
            next_step="Choose a moment that comes. If it need not, call faults.end() in the test.",
        )

"""pytest hook: a test that passed must have proven something.

It has not where a fault of its own never struck, or where it never looked at a verdict: that is a
failure where the verdict is not UPGRADED, and a warning where it is.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_nrf_fota.errors import FaultNotStruckError, IgnoredVerdictError

if TYPE_CHECKING:
    from pytest_nrf_fota.dut.dut import Dut


class IgnoredVerdictWarning(pytest.PytestWarning):
    """A test upgraded a board and never looked at the verdict."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Look behind a test that passed; what one that failed left undone follows from that."""
    yield
    funcargs = getattr(item, "funcargs", {})
    if not funcargs.keys() & {"dut", "dut_factory"}:
        return
    from pytest_nrf_fota.dut.dut import Dut
    from pytest_nrf_fota.dut_factory import DutFactory

    dut, factory = funcargs.get("dut"), funcargs.get("dut_factory")
    if isinstance(dut, Dut):
        _require_proof(item, dut)
    for another in factory.opened if isinstance(factory, DutFactory) else ():
        _require_proof(item, another)


def _require_proof(item: pytest.Item, dut: "Dut") -> None:
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

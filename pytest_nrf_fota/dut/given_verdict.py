"""A verdict in a test's hands, which knows whether the test looked at it."""

from dataclasses import fields
from typing import TYPE_CHECKING

from pytest_nrf_fota.verdict.evidence import Verdict

_LOOKED_AT = frozenset({"outcome", *(field.name for field in fields(Verdict))})


class GivenVerdict(Verdict):
    """What `Dut.upgrade` and `Upgrade.verdict` return; to a type checker a `Verdict`."""

    was_looked_at = False

    if not TYPE_CHECKING:

        def __getattribute__(self, name: str) -> object:
            """Note that the test wants to know, by whichever of its members."""
            if name in _LOOKED_AT:
                object.__setattr__(self, "was_looked_at", True)
            return super().__getattribute__(name)


def given(verdict: Verdict) -> GivenVerdict:
    """The same verdict, not looked at yet."""
    return GivenVerdict(**{one.name: getattr(verdict, one.name) for one in fields(Verdict)})

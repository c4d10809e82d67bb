"""A line of text now and then, where there is no terminal: a CI log shows that the run is alive."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from pytest_nrf_fota.progress.wording import how_far, title_of
from pytest_nrf_fota.record.long_step import LongStep

PLAIN_INTERVAL_S = 10.0
"""A line comes that often at most, and of steps only that last longer."""


class PlainLines:
    """A `Screen` that is a log; see `running_steps.py`.

    Args:
        write: puts one whole line there.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def show(self, steps: Sequence[LongStep]) -> None:
        """Add one line, of all of them."""
        said = "; ".join(f"{title_of(step)}: {how_far(step, step.now())}" for step in steps)
        with suppress(OSError, ValueError):
            self._write(f"nrf-fota: {said}")

    def clear(self) -> None:
        """Nothing: what is in a log stays there."""

"""One live line for each long step that runs, on a terminal."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pytest_nrf_fota.progress.wording import fraction_done, how_far, title_of
from pytest_nrf_fota.record.long_step import LongStep

_BAR_COLUMNS = 20
_LEAST_COLUMNS_WITH_BAR = 90
_FALLBACK_SIZE = os.terminal_size((80, 24))


def _nothing() -> str:
    return ""


class LiveLines:
    """A `Screen` on a terminal; see `running_steps.py`.

    Args:
        stream: the terminal.
        enter: what to write before the lines come, from wherever the cursor is.
        leave: what to write when they are gone and the cursor is where they began.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        enter: Callable[[], str] = _nothing,
        leave: Callable[[], str] = _nothing,
    ) -> None:
        self._stream = stream
        self._enter = enter
        self._leave = leave
        self._live: Live | None = None
        # Of no other use than to draw: whoever else writes there is not redirected.
        self._console = Console(
            file=stream, force_terminal=True, highlight=False, markup=False, emoji=False
        )

    def show(self, steps: Sequence[LongStep]) -> None:
        """Draw them, over what was drawn before."""
        # A terminal that is gone is nobody's to look at.
        with suppress(OSError, ValueError):
            self._console.size = self._size()
            lines = self._lines(steps)
            if self._live is None:
                self._stream.write(self._enter())
                self._live = Live(
                    lines,
                    console=self._console,
                    auto_refresh=False,
                    transient=True,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                self._live.start(refresh=True)
            else:
                self._live.update(lines, refresh=True)

    def clear(self) -> None:
        """Take the lines away, and the cursor back to where it was."""
        live, self._live = self._live, None
        if live is None:
            return
        with suppress(OSError, ValueError):
            live.stop()
            self._stream.write(self._leave())
            self._stream.flush()

    def _size(self) -> os.terminal_size:
        # Asked of the stream itself: pytest puts files in place of all that rich would ask.
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return _FALLBACK_SIZE
        return size if size.columns and size.lines else _FALLBACK_SIZE

    def _lines(self, steps: Sequence[LongStep]) -> RenderableType:
        looks = [(step, step.now()) for step in steps]
        fractions = [fraction_done(step, now) for step, now in looks]
        is_wide = self._console.width >= _LEAST_COLUMNS_WITH_BAR
        # A bar that moves without saying how far would be a lie about what is known.
        has_bars = is_wide and any(fraction is not None for fraction in fractions)
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True, overflow="ellipsis", min_width=10)
        if has_bars:
            grid.add_column(width=_BAR_COLUMNS)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for (step, now), fraction in zip(looks, fractions, strict=True):
            bar = [_bar(fraction)] if has_bars else []
            grid.add_row(Text(title_of(step), "bold"), *bar, Text(how_far(step, now)))
        return grid


def _bar(fraction: float | None) -> RenderableType:
    return "" if fraction is None else ProgressBar(1.0, fraction, width=_BAR_COLUMNS)

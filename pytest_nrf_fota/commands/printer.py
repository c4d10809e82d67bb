"""Print what rich lays out, without the blanks that it fills lines with."""

import io
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text


def print_through_rich(draw: Callable[[Console], None]) -> None:
    """Draw for the terminal's width; in a pipe or a CI log for 80 columns, or `COLUMNS`."""
    for line in _drawn(draw, Console(file=sys.stdout)).splitlines():
        typer.echo(line.rstrip())


def show_again_and_again(draw: Callable[[Console], None], interval_s: float) -> None:
    """Draw on the terminal in one place, until Ctrl-C."""
    terminal = Console(file=sys.stdout)
    with suppress(KeyboardInterrupt), Live(console=terminal, auto_refresh=False) as live:
        while True:
            live.update(Text.from_ansi(_drawn(draw, terminal)), refresh=True)
            time.sleep(interval_s)


def _drawn(draw: Callable[[Console], None], terminal: Console) -> str:
    text = io.StringIO()
    console = Console(
        file=text,
        width=terminal.width,
        force_terminal=terminal.is_terminal,
        no_color=terminal.no_color,
        highlight=False,
        emoji=False,
    )
    draw(console)
    return text.getvalue()

"""Print what rich lays out, without the blanks that it fills lines with."""

import io
import sys
from collections.abc import Callable

import typer
from rich.console import Console


def print_through_rich(draw: Callable[[Console], None]) -> None:
    """Draw for the terminal's width; in a pipe or a CI log for 80 columns, or `COLUMNS`."""
    terminal = Console(file=sys.stdout)
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
    for line in text.getvalue().splitlines():
        typer.echo(line.rstrip())

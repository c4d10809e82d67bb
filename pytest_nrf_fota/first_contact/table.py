"""What first contact found, as a table for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_nrf_fota.first_contact.run import Contact
from pytest_nrf_fota.first_contact.step import Result
from pytest_nrf_fota.inspection.printable_text import printable_text

_STYLES = {
    Result.HELD: "green",
    Result.NOT_HELD: "bold red",
    Result.FAILED: "bold red",
    Result.SKIPPED: "yellow",
}


def print_contact(contact: Contact, console: Console) -> None:
    """A row for each step: what it is about, what became of it, how long it took, what it found."""
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for one in contact.done:
        table.add_row(
            one.step.name,
            Text(one.found.result.value, _STYLES[one.found.result]),
            f"{one.duration_s:.1f} s",
            Text(printable_text(one.found.text)),
        )
    console.print(table)
    counts = ", ".join(
        f"{count} {result.value}"
        for result in Result
        if (count := sum(one.found.result is result for one in contact.done))
    )
    console.print(Text(counts, "bold"))
    if contact.ended_early:
        console.print(Text(contact.ended_early, "bold red"))

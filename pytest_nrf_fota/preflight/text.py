"""A prediction as text for people: readable in 80 columns and in a CI log."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pytest_nrf_fota.findings.gate import Result
from pytest_nrf_fota.preflight.prediction import Prediction

_STYLES = {
    Result.OK: "green",
    Result.NO: "bold red",
    Result.NOTE: "yellow",
    Result.NOT_REACHED: "dim",
}

MOST_CAUSES = 3


def print_prediction(prediction: Prediction, console: Console, *, shows_log: bool) -> None:
    """The answer first, then the checks, then the boots; with `shows_log` all of their lines."""
    if prediction.will_upgrade:
        console.print(Text(f"YES: {prediction.package} will upgrade this board.", "bold green"))
    else:
        console.print(Text(f"NO: {prediction.package} will not upgrade this board.", "bold red"))
        console.print(_hanging("  why:  ", prediction.reason))
        if prediction.remedy:
            console.print(_hanging("  next: ", prediction.remedy))
    console.print()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in prediction.checks:
        table.add_row(
            Text(check.result.value, _STYLES[check.result]), Text(check.name), Text(check.detail)
        )
    console.print(table)
    console.print()
    for number, boot in enumerate(prediction.boots):
        name = "now" if number == 0 else f"boot {number}"
        console.print(_hanging(f"{name}: ", boot.summary))
        if shows_log:
            for line in boot.lines:
                console.print(Text(f"    {line}"))
    if prediction.causes:
        console.print()
        console.print(Text("What nrf-fota explain would show for the board's log:"))
    for cause in prediction.causes[:MOST_CAUSES]:
        console.print(_hanging("- ", f"{cause.cause} ({cause.confidence.value})"))
        console.print(_hanging("  remedy: ", cause.remedy))
    if not prediction.ncs:
        return
    console.print()
    console.print(
        Text(f"Simulated with the boot code of the virtual kit, NCS {prediction.ncs}.", "dim")
    )
    if prediction.ncs_is_guess:
        console.print(
            Text(
                "That release is a guess: neither the bootloader's banner nor the build has one. "
                "Another: --ncs.",
                "yellow",
            )
        )


def _hanging(label: str, text: str) -> Table:
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label), Text(text))
    return grid

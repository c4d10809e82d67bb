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
    _print_origin(prediction, console)
    if prediction.ncs_is_guess:
        console.print(
            Text(
                "That release is a guess: neither the bootloader's banner nor the build has one. "
                "Another: --ncs.",
                "yellow",
            )
        )


def _print_origin(prediction: Prediction, console: Console) -> None:
    """Who gives the answer: machine code or model."""
    executed, model = prediction.executed, f"the virtual kit, NCS {prediction.ncs}"
    if executed is None:
        if prediction.not_executed:
            console.print(Text(f"Not executed: {prediction.not_executed}.", "yellow"))
        console.print(Text(f"Simulated with the boot code of {model}.", "dim"))
        return
    names = ", ".join(executed.bootloaders)
    found = executed.disagreement
    agrees = "" if found else f" The model of {model}, agrees."
    done = f"Executed: the machine code of {names}, in {executed.duration_s:g} s.{agrees}"
    console.print(Text(done, "dim"))
    if found is None:
        return
    answer = "YES" if found.model_will_upgrade else f"NO: {found.model_reason}"
    console.print(Text(f"The model of {model}, disagrees. It says {answer}", "bold yellow"))
    for difference in found.differences:
        console.print(_hanging("- ", difference))
    saved = f"{found.saved} holds the case, with your firmware" if found.saved else ""
    where = f"To send us: {saved}." if saved else "The case could not be saved in this folder."
    console.print(Text(f"One of the two is wrong. {where}"))


def _hanging(label: str, text: str) -> Table:
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label), Text(text))
    return grid

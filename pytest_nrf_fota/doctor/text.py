"""The doctor's report as text for people: readable in 80 columns and in a CI log."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pytest_nrf_fota.doctor.report import CheckReport, DoctorReport
from pytest_nrf_fota.inspection.printable_text import printable_text


def print_report(report: DoctorReport, console: Console) -> None:
    """The answer first, then the boards, what to do, what is worth knowing, and what is fine."""
    console.print(Text(_answer(report), "bold green" if report.would_start else "bold red"))
    if len(report.boards) > 1:
        _print_boards(report, console)
    elif report.would_start and report.boards[0].needs_files:
        console.print(
            Text(
                "It needs firmware: --baseline=BUILD, a build folder or merged.hex, and "
                "--update=NEWER_BUILD, a build folder or one of its dfu_*.zip"
            )
        )
    first_with: dict[str, str] = {}
    _print_to_do("Missing", _with(report, "missing"), console, "bold red", first_with)
    _print_to_do("Worth knowing", _with(report, "warning"), console, "bold yellow", first_with)
    _print_list("Fine", _with(report, "ok"), console)
    _print_list("Not looked at", _with(report, "not looked"), console)


def _answer(report: DoctorReport) -> str:
    starting = [board.name for board in report.boards if board.would_start]
    if len(report.boards) > 1:
        return f"{len(starting)} of {len(report.boards)} boards are ready on this machine."
    board = report.boards[0]
    if board.would_start:
        return f"YES: ready for pytest --board {board.name}."
    missing = [check.name for check in report.checks if check.outcome == "missing"]
    return f"NO: not ready for pytest --board {board.name}: {', '.join(missing)}."


def _print_boards(report: DoctorReport, console: Console) -> None:
    grid = _grid()
    for board in report.boards:
        if board.would_start:
            answer = Text("yes", "green")
            answer.append(" with --baseline and --update" if board.needs_files else "", "default")
        else:
            answer = Text("no ", "red")
            missing = [
                check.name
                for check in report.checks
                if check.outcome == "missing" and board.name in check.boards
            ]
            answer.append(", ".join(missing), "default")
        grid.add_row(board.name, answer)
    console.print(Padding(grid, (0, 0, 0, 2)))


def _print_to_do(
    heading: str,
    checks: Sequence[CheckReport],
    console: Console,
    style: str,
    first_with: dict[str, str],
) -> None:
    """Print what is to be done; `first_with` collects whose command was printed already."""
    if not checks:
        return
    console.print(Text(f"\n{heading}", style))
    for check in checks:
        console.print(_item(f"{check.name}: ", check.found))
        console.print(_item("  prevents ", check.prevents))
        if check.remedy:
            console.print(_item("  do: ", check.remedy))
        if check.command in first_with:
            console.print(_item("  $ ", f"(as for {first_with[check.command]})"))
        elif check.command:
            first_with[check.command] = check.name
            # Not wrapped: a command is there to be copied.
            console.print(Text(f"    $ {printable_text(check.command)}", "cyan"), soft_wrap=True)


def _print_list(heading: str, checks: Sequence[CheckReport], console: Console) -> None:
    if not checks:
        return
    console.print(Text(f"\n{heading}", "bold"))
    grid = _grid()
    for check in checks:
        grid.add_row(check.name, Text(printable_text(check.found)))
    console.print(Padding(grid, (0, 0, 0, 2)))


def _item(label: str, text: str) -> Padding:
    indent = len(label) - len(label.lstrip())
    line = Text(label.lstrip(), "bold" if indent == 0 else "dim")
    line.append(printable_text(text), "not bold not dim")
    return Padding(line, (0, 0, 0, 2 + indent))


def _with(report: DoctorReport, outcome: str) -> list[CheckReport]:
    return [check for check in report.checks if check.outcome == outcome]


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    return grid

"""Attached kits as text for people: readable in 80 columns and in a CI log."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pytest_nrf_fota.doctor.attached import BoardsReport, DeskReport, KitReport, PortReport
from pytest_nrf_fota.farm.quarantine import Quarantine
from pytest_nrf_fota.inspection.printable_text import printable_text

# What twister notes of every kit.
_SHOWN_ELSEWHERE = frozenset({"product", "runner", "serial"})


def print_boards(report: BoardsReport, console: Console) -> None:
    """How many kits first, then each with its ports, then the boards without hardware."""
    count = len(report.kits)
    if count == 0:
        console.print(Text("No kit is attached.", "bold"))
    else:
        console.print(Text(f"{count} {'kit is' if count == 1 else 'kits are'} attached.", "bold"))
    for kit in report.kits:
        _print_kit(kit, console)
    elsewhere = {note.kit: note for note in report.quarantined_elsewhere}
    for missing in report.missing_kits:
        platforms = printable_text(" ".join(missing.platforms)) or "of an unknown board"
        says = "" if missing.connected else ", and the map says so"
        number = printable_text(missing.serial_number)
        console.print(Text(f"\n{number}  {platforms}; not attached{says}"))
        if missing.serial_number in elsewhere:
            _print_note(elsewhere.pop(missing.serial_number), console)
    for note in elsewhere.values():
        console.print(Text(f"\n{printable_text(note.kit)}  not attached here", "bold"))
        _print_note(note, console)
    if not report.without_hardware:
        return
    console.print(Text("\nWithout hardware", "bold"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for board in report.without_hardware:
        words = Text(board.title)
        if not board.would_start:
            words.append(f"\nwould not start: {printable_text('; '.join(board.because))}", "red")
        grid.add_row(board.name, words)
    console.print(Padding(grid, (0, 0, 0, 2)))


def _print_note(note: Quarantine, console: Console) -> None:
    console.print(Padding(Text(printable_text(str(note)), "red"), (0, 0, 0, 2)))


def _print_kit(kit: KitReport, console: Console) -> None:
    heading = Text(f"\n{printable_text(kit.serial_number) or '(no serial number)'}", "bold")
    place = f" on USB {kit.usb_path}" if kit.usb_path else ""
    board = f", {printable_text(kit.board_version)}" if kit.board_version else ""
    words = f"  {printable_text(kit.product)}{place}{board}; {kit.looks_like}"
    heading.append(words, "not bold")
    console.print(heading)
    console.print(Padding(_desk_text(kit.desk), (0, 0, 0, 2)))
    for line in kit.desk.condition.lines:
        console.print(Padding(Text(printable_text(line), "dim"), (0, 0, 0, 2)))
    for port in kit.ports:
        console.print(Padding(_port_text(port), (0, 0, 0, 2)))
        if port.name != port.device:
            # Not wrapped: a name is there to be copied.
            console.print(Text(f"    {printable_text(port.name)}", "dim"), soft_wrap=True)
        for line in port.heard or ():
            console.print(Text(f"    | {printable_text(line)}"), soft_wrap=True)
        if port.heard == () and not port.problem:
            console.print(
                Text("    (printed nothing; press the kit's reset button meanwhile)", "dim")
            )


def _desk_text(desk: DeskReport) -> Text:
    text = Text("free", "green")
    if desk.state == "held":
        text = Text(f"held by {desk.holder or 'somebody who left no note'}", "yellow")
    if desk.condition.quarantine is not None:
        note = Text(printable_text(str(desk.condition.quarantine)), "red")
        text = note if desk.state == "quarantined" else text.append("; ").append(note)
    if desk.in_map is False:
        text.append("; not in the hardware map", "red")
    tags = [
        f"{name}={value}" if value else name
        for name, values in desk.tags.items()
        for value in values
        if name not in _SHOWN_ELSEWHERE
    ]
    words = [" ".join(desk.platforms), ", ".join(tags)]
    text.append("".join(f"; {printable_text(one)}" for one in words if one), "not bold")
    return text


def _port_text(port: PortReport) -> Text:
    if port.core == "unknown":
        core = "carries another UART"
    else:
        how = {"position": "by its position", "remembered": "seen before"}.get(port.how, port.how)
        core = f"{port.core} core ({how})"
    text = Text(f"{printable_text(port.device)}  {core}")
    if port.problem:
        text.append(f"; {printable_text(port.problem)}", "red")
    return text

"""Rows of fixtures in Allure, named for people."""

from collections.abc import Set

from allure_commons.model2 import TestResultContainer

# What ours do, before and after.
_DOES = {
    "board": ("look up the board type", ""),
    "firmware": ("find the firmware", ""),
    "unit": ("take a kit", "give the kit back"),
    "dut": ("open UART, SMP and SWD", "close UART, SMP and SWD"),
    "dut_factory": ("be ready to take more boards", "give further boards back"),
    "faults": ("be ready to inject faults", "undo injected faults"),
    "shell": ("take the board's shell", ""),
    "mcumgr": ("take the SMP session", ""),
}
_LAMBDA = "<lambda>"


def name_rows(container: TestResultContainer, silent: Set[str]) -> None:
    """Name rows by what is done, and leave out those that say nothing.

    pytest 9 has a finalizer of its own, a lambda, in each fixture; it is the one that lets Allure
    write the rows, so its own row is never finished (`dut::<lambda>`, status unknown). What is
    behind a `yield` has no name, and Allure numbers it. `silent` are fixtures of pytest itself.
    """
    container.befores = [row for row in container.befores if row.name not in silent]
    for row in container.befores:
        does, _ = _DOES.get(row.name, ("", ""))
        row.name = f"{row.name}: {does}" if does else row.name
    afters = []
    for row in container.afters:
        fixture, _, finalizer = row.name.partition("::")
        if fixture in silent or (finalizer == _LAMBDA and row.status is None):
            continue
        _, does = _DOES.get(fixture, ("", ""))
        if not does:
            is_named = not finalizer.isdigit() and finalizer != _LAMBDA
            does = finalizer.replace("_", " ").strip() if is_named else "tear down"
        row.name = f"{fixture}: {does}"
        afters.append(row)
    container.afters = afters

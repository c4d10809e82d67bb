"""docs/scenarios.md, made from the scenarios themselves.

Run: python tests/plugin/scenario_table.py > docs/scenarios.md
"""

import contextlib
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.choose import firmware_source
from pytest_nrf_fota.artifacts.source import FirmwareSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import board_names, load_board, packaged_boards
from pytest_nrf_fota.boards.capabilities import Capability, capabilities_of, capability_named
from pytest_nrf_fota.firmware.variant import Variant
from pytest_nrf_fota.scenarios.listing import Scenario, packaged_scenarios

RUNS = "yes"
HEAD = """# Scenarios

Run them with `pytest --pyargs pytest_nrf_fota.scenarios --board NAME` from any folder, one by
`-k NAME`; `nrf-fota scenarios` lists them, and `--copy=DIR` copies them into a project. In this
repository `pytest --board NAME` without a path does the same; `tests/hil` is a link to them.

This page is made from them by `tests/plugin/scenario_table.py`; a test compares it. A board runs a
scenario (`yes`, or those of its variants that are named), or the cell says what it lacks
(`@pytest.mark.needs`; `pytest --markers` explains the names; for `such firmware` see
[firmware-variants.md](firmware-variants.md)). `nightly` scenarios run with `--nightly` or
`-m nightly`. `nrf5340dk` is the real kit with your own files and their keys, on which nothing has
been run yet; the virtual kit runs the scenarios as NCS 2.3 to 3.2.
"""


@dataclass(frozen=True)
class Offer:
    """What a board has, and its source of firmware."""

    capabilities: frozenset[Capability]
    firmware: FirmwareSource


@dataclass(frozen=True)
class Demand:
    """What a test needs: of the board, and of firmware."""

    capabilities: frozenset[Capability]
    firmware: frozenset[Variant]

    def lacking_in(self, offer: Offer) -> str:
        """What a board lacks, in a word; empty where it has everything."""
        for capability in Capability:
            if capability in self.capabilities - offer.capabilities:
                return capability.value
        return "" if all(map(offer.firmware.makes, self.firmware)) else "such firmware"


@dataclass(frozen=True)
class Row:
    """A scenario, and what each of its variants needs.

    One without variants is its own only variant, without a name.
    """

    scenario: Scenario
    variants: Mapping[str, Demand]

    def variants_on(self, offer: Offer) -> list[str]:
        """The variants that a board runs which offers this."""
        return [name for name, demand in self.variants.items() if not demand.lacking_in(offer)]


class _Listing:
    """Keeps what pytest collects, before anything is deselected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take all items."""
        self.items = list(items)


def rows() -> tuple[Row, ...]:
    """All scenarios, in the order of their files; parametrized ones are one."""
    listing = _Listing()
    with contextlib.redirect_stdout(sys.stderr):
        code = pytest.main(
            ["--collect-only", "-q", "--pyargs", "pytest_nrf_fota.scenarios"], plugins=[listing]
        )
    if code:
        raise SystemExit(f"the scenarios cannot be collected: {code!r}")
    variants: dict[tuple[str, str], dict[str, Demand]] = {}
    for item in listing.items:
        name, _, variant = item.name.partition("[")
        variants.setdefault((item.path.name, name), {})[variant.rstrip("]")] = _demand(item)
    found = tuple(
        Row(scenario, variants.pop((scenario.file, scenario.name)))
        for scenario in packaged_scenarios()
    )
    if variants:
        raise SystemExit(f"not listed: {sorted(variants)}")
    for row in found:
        if not row.scenario.evidence:
            raise SystemExit(f"the docstring of {row.scenario.name} does not say: Evidence: ...")
    return found


def table(scenarios: Sequence[Row]) -> str:
    """The document."""
    # What is executed runs what its twin runs, with a build of the user's.
    packaged = (load_board(name) for name in board_names([packaged_boards()]))
    boards = {board.name: _offer(board) for board in packaged if not board.executes_bootloaders}
    offering = [name for name in boards if any(s.variants_on(boards[name]) for s in scenarios)]
    parts = [HEAD]
    for file in dict.fromkeys(row.scenario.file for row in scenarios):
        parts.append(f"\n## {file}\n")
        parts.append(_line(["scenario", "proves", "evidence", *offering]))
        parts.append(_line(["---"] * (3 + len(offering))))
        for row in (row for row in scenarios if row.scenario.file == file):
            cells = [_cell(row, boards[name]) for name in offering]
            parts.append(_line([_title(row), row.scenario.proves, row.scenario.evidence, *cells]))
    silent = [name for name in boards if name not in offering]
    if silent:
        parts.append(f"\nBoards that run none of them: {', '.join(silent)}.")
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def _demand(item: pytest.Item) -> Demand:
    """Firmware is what its parameters and its code name."""
    assert isinstance(item, pytest.Function)
    named = re.findall(r"Variant\.([A-Z_]+)", inspect.getsource(item.function))
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return Demand(
        frozenset(
            capability_named(argument)
            for marker in item.iter_markers("needs")
            for argument in marker.args
        ),
        frozenset(
            {parameter for parameter in parameters if isinstance(parameter, Variant)}
            or {Variant[name] for name in named}
        ),
    )


def _offer(board: BoardType) -> Offer:
    return Offer(capabilities_of(board), firmware_source(board, None, (), Path()))


def _title(row: Row) -> str:
    title = f"`{row.scenario.name}`"
    if "" not in row.variants:
        title += f" ({', '.join(row.variants)})"
    return f"{title} nightly" if row.scenario.is_nightly else title


def _cell(row: Row, offer: Offer) -> str:
    running = row.variants_on(offer)
    if len(running) == len(row.variants):
        return RUNS
    if running:
        return ", ".join(running)
    return f"no {next(iter(row.variants.values())).lacking_in(offer)}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(table(rows()) + "\n")

"""docs/scenarios.md, made from the scenarios themselves.

Run: python tests/plugin/scenario_table.py > docs/scenarios.md
"""

import contextlib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_nrf_fota.board import board_names, load_board, packaged_boards
from pytest_nrf_fota.capabilities import Capability, capabilities_of, capability_named

SCENARIOS = Path(__file__).parent.parent / "hil"
RUNS = "yes"
EVIDENCE = "Evidence: "
HEAD = """# Scenarios

Made from `tests/hil` by `tests/plugin/scenario_table.py`; a test compares it. A board runs a
scenario (`yes`), or the cell names what it lacks (`@pytest.mark.needs`; `pytest --markers` explains
the names). `nightly` scenarios run with `--nightly` or `-m nightly`. `nrf5340dk` is the real kit,
on which nothing has been run yet; the virtual kit runs the scenarios as NCS 2.3, 2.6, 2.9 and 3.0.
"""


@dataclass(frozen=True)
class Scenario:
    """One test of `tests/hil`: where it is, what it proves and how, what it needs."""

    file: str
    name: str
    variants: tuple[str, ...]
    proves: str
    evidence: str
    needs: frozenset[Capability]
    is_nightly: bool


class _Listing:
    """Keeps what pytest collects, before anything is deselected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take all items."""
        self.items = list(items)


def list_scenarios() -> tuple[Scenario, ...]:
    """All scenarios, in the order of their files; parametrized ones are one."""
    listing = _Listing()
    with contextlib.redirect_stdout(sys.stderr):
        code = pytest.main(["--collect-only", "-q", str(SCENARIOS)], plugins=[listing])
    if code:
        raise SystemExit(f"the scenarios cannot be collected: {code!r}")
    found: dict[tuple[str, str], list[pytest.Item]] = {}
    for item in listing.items:
        found.setdefault((item.path.name, item.name.split("[")[0]), []).append(item)
    return tuple(_scenario(file, name, items) for (file, name), items in found.items())


def table(scenarios: Sequence[Scenario]) -> str:
    """The document."""
    boards = {name: capabilities_of(load_board(name)) for name in board_names([packaged_boards()])}
    offering = [name for name in boards if any(s.needs <= boards[name] for s in scenarios)]
    parts = [HEAD]
    for file in dict.fromkeys(scenario.file for scenario in scenarios):
        parts.append(f"\n## {file}\n")
        parts.append(_row(["scenario", "proves", "evidence", *offering]))
        parts.append(_row(["---"] * (3 + len(offering))))
        for scenario in (s for s in scenarios if s.file == file):
            cells = [_cell(scenario, boards[name]) for name in offering]
            parts.append(_row([_title(scenario), scenario.proves, scenario.evidence, *cells]))
    silent = [name for name in boards if name not in offering]
    if silent:
        parts.append(f"\nBoards that run none of them: {', '.join(silent)}.")
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def _scenario(file: str, name: str, items: Sequence[pytest.Item]) -> Scenario:
    first = items[0]
    assert isinstance(first, pytest.Function)
    proves, _, evidence = (inspect.getdoc(first.function) or "").partition(EVIDENCE)
    if not evidence.strip():
        raise SystemExit(f"{file}: the docstring of {name} does not say: {EVIDENCE}...")
    return Scenario(
        file,
        name,
        tuple(item.name.partition("[")[2].rstrip("]") for item in items if "[" in item.name),
        _one_line(proves),
        _one_line(evidence),
        frozenset(
            capability_named(argument)
            for marker in first.iter_markers("needs")
            for argument in marker.args
        ),
        first.get_closest_marker("nightly") is not None,
    )


def _title(scenario: Scenario) -> str:
    title = f"`{scenario.name}`"
    if scenario.variants:
        title += f" ({', '.join(scenario.variants)})"
    return f"{title} nightly" if scenario.is_nightly else title


def _cell(scenario: Scenario, offered: frozenset[Capability]) -> str:
    missing = [c.value for c in Capability if c in scenario.needs and c not in offered]
    return f"no {missing[0]}" if missing else RUNS


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.stdout.write(table(list_scenarios()) + "\n")

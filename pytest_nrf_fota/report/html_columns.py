"""Columns of pytest-html's table, and what it shows as its environment."""

import importlib
from collections.abc import Mapping
from html import escape

import pytest

from pytest_nrf_fota.report.facts import TestFacts

# Behind result and test, before duration and links.
_PLACE = 2
_COLUMNS = ("Board", "Kit", "Cause")


def tell_metadata(config: pytest.Config, values: Mapping[str, str]) -> None:
    """Add to what pytest-metadata has collected, where it is installed; pytest-html shows that."""
    try:
        key = importlib.import_module("pytest_metadata.plugin").metadata_key
    except (ImportError, AttributeError):
        return
    metadata = config.stash.get(key, None)
    if isinstance(metadata, dict):
        metadata.update(values)


def add_headings(cells: list[str]) -> None:
    """Name the columns."""
    cells[_PLACE:_PLACE] = [
        f'<th class="sortable" data-column-type="{name.lower()}">{name}</th>' for name in _COLUMNS
    ]


def add_cells(cells: list[str], facts: TestFacts | None) -> None:
    """Fill the columns of a row; with nothing where a test used no board."""
    cause = ""
    if facts is not None and facts.failure is not None:
        cause = f"{facts.failure.category.title}: {facts.cause}"
    values = (facts.board, facts.kit, cause) if facts is not None else ("", "", "")
    cells[_PLACE:_PLACE] = [
        f'<td class="col-{name.lower()}">{escape(value)}</td>'
        for name, value in zip(_COLUMNS, values, strict=True)
    ]

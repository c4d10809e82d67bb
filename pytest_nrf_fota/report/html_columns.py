"""Columns of pytest-html's table."""

from html import escape

from pytest_nrf_fota.report.facts import TestFacts

# Behind result and test, before duration and links.
_PLACE = 2
_COLUMNS = ("Board", "Kit", "Cause")


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

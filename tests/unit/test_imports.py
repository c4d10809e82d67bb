"""The order of folders in docs/architecture.md, held against every import of the package."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "pytest_nrf_fota"
ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "architecture.md"


def modules() -> dict[str, Path]:
    """All modules by dotted name, the package's name left out."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """What a row of the table calls the place of a module: `boards/`, or `errors.py`."""
    top, *_ = module.split(".")
    return f"{top}/" if (ROOT / PACKAGE / top).is_dir() else f"{top}.py"


def imports(path: Path, known: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """Line and module of each import of this package's own modules, lazy ones included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                named = [alias.name for alias in names]
            case ast.ImportFrom(module=str(base), names=names, level=0):
                named = [f"{base}.{alias.name}" for alias in names]
                named = [name if name[len(PACKAGE) + 1 :] in known else base for name in named]
            case ast.ImportFrom():
                pytest.fail(f"{path}:{node.lineno}: a relative import hides where it points")
            case _:
                continue
        for name in named:
            if name.startswith(f"{PACKAGE}."):
                yield node.lineno, name[len(PACKAGE) + 1 :]


def rows() -> list[tuple[set[str], set[str]]]:
    """The table's rows from its top: places, and what they may import."""
    table = DOCUMENT.read_text(encoding="utf-8").split("| folder | holds | may import |\n")[1]
    lines = table.split("\n\n")[0].splitlines()[1:]
    cells = [line.strip("|").split("|") for line in lines]
    return [
        (set(re.findall(r"`([^`]+)`", first)), set(re.findall(r"`([^`]+)`", last)))
        for first, _, last in cells
    ]


def test_each_place_has_one_row() -> None:
    named = [name for places, _ in rows() for name in places]

    assert sorted(named) == sorted({room(module) for module in modules() if module})


def test_rows_name_only_rows_above_them() -> None:
    seen: set[str] = set()
    for places, allowed in rows():
        assert allowed <= seen, f"{sorted(places)} names rows that are not above it"
        seen |= places


def test_nothing_imports_what_its_row_does_not_name() -> None:
    known = modules()
    allowed = {place: may | places for places, may in rows() for place in places}

    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {room(module)} imports {room(imported)} ({imported})"
        for module, path in known.items()
        if module
        for line, imported in imports(path, known)
        if room(imported) not in allowed[room(module)]
    ]

    assert not wrong, "\n".join(wrong)


def test_no_row_allows_what_nothing_needs() -> None:
    known = modules()
    used = {
        (room(module), room(imported))
        for module, path in known.items()
        if module
        for _, imported in imports(path, known)
    }
    idle = [
        f"{sorted(places)}: {name}"
        for places, may in rows()
        for name in sorted(may)
        if not any((place, name) in used for place in places)
    ]

    assert not idle, "\n".join(idle)

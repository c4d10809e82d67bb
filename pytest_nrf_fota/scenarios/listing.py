"""Which scenarios there are, what each proves and needs; copies of them for a project."""

import inspect
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

import pytest

from pytest_nrf_fota.errors import InputError

Mark: TypeAlias = pytest.Mark | pytest.MarkDecorator

_EVIDENCE = "Evidence: "


@dataclass(frozen=True)
class Scenario:
    """One test: its file and name, its docstring's two parts, and its marks.

    Args:
        needs: capabilities that a board must have for it; some of its variants may need more.
    """

    file: str
    name: str
    proves: str
    evidence: str
    needs: tuple[str, ...]
    is_nightly: bool


def packaged_scenarios() -> tuple[Scenario, ...]:
    """All of them, in the order of their files."""
    return tuple(scenario for path in _files() for scenario in _scenarios_of(path))


def copy_scenarios(folder: Path) -> tuple[Path, ...]:
    """Copy all files to a folder, which is made where it is missing.

    Raises:
        InputError: a file is already there; nothing is copied then.
    """
    copies = {path: folder / path.name for path in _files()}
    there = [copy.name for copy in copies.values() if copy.exists()]
    if there:
        raise InputError(
            f"The folder already has {', '.join(there)}; nothing was copied.",
            where=str(folder),
            next_step="Name another folder, or move these files away.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path, copy in copies.items():
        shutil.copyfile(path, copy)
    return tuple(copies.values())


def _files() -> list[Path]:
    return sorted(Path(__file__).parent.glob("test_*.py"))


def _scenarios_of(path: Path) -> Iterator[Scenario]:
    module = import_module(f"{__package__}.{path.stem}")
    of_module = _marks(getattr(module, "pytestmark", []))
    for name, function in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(function):
            marks = [*of_module, *_marks(getattr(function, "pytestmark", []))]
            yield _scenario(path.name, function, marks)


def _scenario(file: str, function: Callable[..., object], marks: Sequence[pytest.Mark]) -> Scenario:
    proves, _, evidence = (inspect.getdoc(function) or "").partition(_EVIDENCE)
    needs = [str(name) for mark in marks if mark.name == "needs" for name in mark.args]
    return Scenario(
        file,
        function.__name__,
        " ".join(proves.split()),
        " ".join(evidence.split()),
        tuple(dict.fromkeys(needs)),
        any(mark.name == "nightly" for mark in marks),
    )


def _marks(given: Mark | list[Mark]) -> list[pytest.Mark]:
    """What `pytestmark` holds: one mark or a list, of a module still as decorators."""
    marks = given if isinstance(given, list) else [given]
    return [mark.mark if isinstance(mark, pytest.MarkDecorator) else mark for mark in marks]

"""What a test needs of a board, by its marker `needs`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType
    from pytest_nrf_fota.boards.capabilities import Capability

_UNFIT_FILE = "unfit_tests.json"


def missing_capability(item: pytest.Item, board: "BoardType") -> "Capability | None":
    """The first that the board lacks; None where the test can run on it."""
    # A module's needs before a function's: they say more about the board.
    markers = list(item.iter_markers("needs"))[::-1]
    if not markers:
        return None
    from pytest_nrf_fota.boards.capabilities import capabilities_of, capability_named

    present = capabilities_of(board)
    needed = (capability_named(name) for marker in markers for name in marker.args)
    return next((capability for capability in needed if capability not in present), None)


def write_unfit(folder: Path, items: Iterable[pytest.Item], board: "BoardType") -> None:
    """Tell the controller which tests this worker's board cannot run; xdist sends names alone."""
    folder.mkdir(parents=True, exist_ok=True)
    unfit = [item.nodeid for item in items if missing_capability(item, board) is not None]
    (folder / _UNFIT_FILE).write_text(json.dumps(unfit), encoding="utf-8")


def read_unfit(folder: Path) -> frozenset[str]:
    """What a worker wrote into its folder; nothing where it wrote nothing."""
    try:
        return frozenset(json.loads((folder / _UNFIT_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return frozenset()

"""Memories of a simulated board are freed with it: a session predicts hundreds of times."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.preflight.prediction import read_update
from pytest_nrf_fota.preflight.simulated_board import SimulatedBoard
from pytest_nrf_fota.preflight.simulation import simulate
from pytest_nrf_fota.sim.flash import Flash
from tests.unit.preflight.workshop import Workshop, board_of


@pytest.fixture
def nobody_looks_for_garbage() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("nobody_looks_for_garbage")
def test_a_prediction_leaves_no_memories(tmp_path: Path) -> None:
    workshop = Workshop(board_of("2.9"), tmp_path)
    update = read_update(workshop.mcuboot_package(), workshop.board)
    before = _memories()
    copy = SimulatedBoard(workshop.board, workshop.installed, None)
    assert simulate(copy, update).will_upgrade
    assert _memories() > before
    del copy
    assert _memories() == before


def _memories() -> int:
    return sum(isinstance(one, Flash) for one in gc.get_objects())

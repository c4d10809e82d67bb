"""The contracts of probe, console and radio on boards that others made."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.long_proof

CONTRACTS = Path(__file__).parents[1] / "contract"


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize(
    "board",
    ["qemu_cortex_m0", pytest.param("mps2_an385", marks=pytest.mark.nightly)],  # two minutes
)
def test_contracts_hold_in_qemu(user_folder: pytest.Pytester, board: str) -> None:
    """What a board has not is skipped; nothing fails."""
    _run(user_folder, board, least_passed=55)


@pytest.mark.usefixtures("native_sim")
@pytest.mark.parametrize("board", ["native_sim", "native_sim_udp", "native_sim_shell"])
def test_contracts_hold_on_programs(user_folder: pytest.Pytester, board: str) -> None:
    """Nothing can be programmed there; console and radio are as on any board."""
    _run(user_folder, board, least_passed=15)


def _run(user_folder: pytest.Pytester, board: str, *, least_passed: int) -> None:
    outcomes = user_folder.runpytest_subprocess("--board", board, str(CONTRACTS)).parseoutcomes()
    assert {"failed", "errors", "error"}.isdisjoint(outcomes)
    assert outcomes["passed"] >= least_passed

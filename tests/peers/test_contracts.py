"""The contracts of probe, console and radio on boards that others made."""

from pathlib import Path

import pytest

CONTRACTS = Path(__file__).parents[1] / "contract"


@pytest.mark.parametrize(
    ("board", "least_passed"),
    [
        pytest.param("qemu_cortex_m0", 55, marks=pytest.mark.usefixtures("qemu")),
        pytest.param(
            "mps2_an385", 55, marks=[pytest.mark.usefixtures("qemu"), pytest.mark.nightly]
        ),
        pytest.param("native_sim", 10, marks=pytest.mark.usefixtures("native_sim")),
        pytest.param("native_sim_udp", 10, marks=pytest.mark.usefixtures("native_sim")),
        pytest.param("native_sim_shell", 10, marks=pytest.mark.usefixtures("native_sim")),
    ],
)
def test_contracts_hold(user_folder: pytest.Pytester, board: str, least_passed: int) -> None:
    """What a board has not is skipped; nothing fails."""
    result = user_folder.runpytest_subprocess("--board", board, str(CONTRACTS))
    outcomes = result.parseoutcomes()
    assert {"failed", "errors", "error"}.isdisjoint(outcomes)
    assert outcomes["passed"] >= least_passed

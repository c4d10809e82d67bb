"""The scenarios of tests/hil, unchanged, on virtual kits other than the packaged one."""

from pathlib import Path

import pytest

SCENARIOS = Path(__file__).parents[1] / "hil"
RELEASES = ("2.6", "2.9", "3.0")


def _board_file(folder: Path, base: str, ncs: str) -> None:
    (folder / "other_kit.toml").write_text(
        f'name = "other_kit"\ntitle = "Virtual kit of another release"\nbase = "{base}"\n'
        f'platforms = []\n[boot]\nncs = "{ncs}"\n'
    )


def test_network_core_scenarios_pass_on_the_kit_that_has_its_slots(
    user_folder: pytest.Pytester,
) -> None:
    """Nothing is skipped there."""
    path = SCENARIOS / "test_multi_image.py"
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim_netcore", str(path))
    result.assert_outcomes(passed=4)


@pytest.mark.nightly
@pytest.mark.parametrize("base", ["nrf5340dk_sim", "nrf5340dk_sim_netcore"])
@pytest.mark.parametrize("ncs", RELEASES)
def test_scenarios_pass_on_every_release(user_folder: pytest.Pytester, base: str, ncs: str) -> None:
    """Whatever they need is there or they are skipped; none fails."""
    _board_file(user_folder.path, base, ncs)
    result = user_folder.runpytest_subprocess(
        *("--board", "other_kit", f"--board-dir={user_folder.path}", "--nightly", str(SCENARIOS))
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > 20
    assert {"failed", "errors", "error"}.isdisjoint(outcomes)

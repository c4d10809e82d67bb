"""The scenarios of tests/hil on kits whose CPU a read over SWD halts, as the vendors' tools may."""

import os
from pathlib import Path

import pytest

from tests.unit.probe.kit_behind_tool import (
    environment_with,
    write_package,
    write_tool,
)
from tests.unit.probe.tool_bench import SERIAL_NUMBER

pytestmark = [
    pytest.mark.long_proof,
    pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only"),
]

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "tests" / "hil"
TOOLS = ("nrfutil", "nrfjprog", "pynrfjprog")
BASES = (
    "nrf5340dk_sim",
    "nrf5340dk_sim_netcore",
    "nrf5340dk_mcuboot_sim",
    "nrf52840dk_sim",
)


def _board(folder: Path, base: str, more: str = "") -> list[str]:
    (folder / "halting.toml").write_text(
        f'name = "halting"\ntitle = "A kit that a read halts"\nbase = "{base}"\nplatforms = []\n'
        f"{more}[sim]\nreads_halt = true\n"
    )
    return ["--board=halting", f"--board-dir={folder}"]


def _behind_tool(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tool: str, base: str = BASES[0]
) -> list[str]:
    """Options for a kit on USB that this tool drives."""
    tools = folder.path / "tools"
    if tool == "pynrfjprog":
        pytest.importorskip("pynrfjprog")
        write_package(tools, "", SERIAL_NUMBER)
    else:
        write_tool(tools, tool, "", SERIAL_NUMBER)
    for name, value in environment_with(tools, tool).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}{ROOT}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.path / "cache"))
    options = _board(folder.path, base, 'provider = "tool_bench"\n')
    return [*options, f"--runner={tool}", "-p", "tests.unit.probe.tool_bench"]


def _require_passes(result: pytest.RunResult, at_least: int) -> None:
    outcomes = result.parseoutcomes()
    assert {"failed", "errors", "error"}.isdisjoint(outcomes), outcomes
    assert outcomes["passed"] >= at_least


def test_upgrades_pass_on_a_virtual_kit(user_folder: pytest.Pytester) -> None:
    scenarios = [SCENARIOS / f"test_{name}.py" for name in ("mcuboot_upgrade", "cut_upgrades")]
    options = _board(user_folder.path, BASES[0])
    _require_passes(user_folder.runpytest_subprocess(*options, *map(str, scenarios)), 20)


@pytest.mark.nightly
@pytest.mark.parametrize(("base", "passes"), [*zip(BASES, (60, 25, 14, 14), strict=True)])
def test_scenarios_pass_on_virtual_kits(
    user_folder: pytest.Pytester, base: str, passes: int
) -> None:
    options = _board(user_folder.path, base)
    _require_passes(user_folder.runpytest_subprocess(*options, str(SCENARIOS)), passes)


@pytest.mark.parametrize("tool", TOOLS)
def test_upgrades_pass_behind_tools(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    """What was found out is said in the summary, and in the header of the next run."""
    options = _behind_tool(user_folder, monkeypatch, tool)
    scenarios = str(SCENARIOS / "test_mcuboot_upgrade.py")
    wanted = "s0_to_s1 or then_app or same_fw or second_reset"
    first = user_folder.runpytest_subprocess(*options, scenarios, "-k", wanted)
    first.assert_outcomes(passed=4, deselected=11)
    again = user_folder.runpytest_subprocess(*options, scenarios, "-k", "s0_to_s1")
    again.assert_outcomes(passed=1, deselected=14)
    known = "reads halt the CPU, which is resumed after them"
    first.stdout.fnmatch_lines([f"probe: {known}*"])
    again.stdout.fnmatch_lines([f"nrf-fota: probe tool {tool} (*); {known}*"])


@pytest.mark.nightly
@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("base", BASES)
def test_scenarios_pass_behind_tools(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tool: str, base: str
) -> None:
    """A quarter of an hour for each tool on the first kit, which is too long for every change."""
    options = _behind_tool(user_folder, monkeypatch, tool, base)
    at_least = 60 if base == BASES[0] else 14
    _require_passes(user_folder.runpytest_subprocess(*options, str(SCENARIOS)), at_least)

"""`pytest --board NAME` in this repository: the scenarios, and nothing of the project's suite."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _pytest(run_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--run-dir={run_dir}"),
            *arguments,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _collected(output: str) -> set[str]:
    return {line.split("::")[0] for line in output.splitlines() if "::" in line}


@pytest.fixture(autouse=True)
def _own_session(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_path_the_scenarios_are_chosen(tmp_path: Path) -> None:
    """By any name of a board; -k chooses among them."""
    result = _pytest(
        tmp_path, "--platform=nrf5340dk/nrf5340/cpuapp", "--co", "-q", "-k", "mcuboot_upgrade"
    )
    assert _collected(result.stdout) == {
        "tests/hil/test_mcuboot_upgrade.py",
        "tests/hil/test_silent_bootloaders.py",
    }, result.stdout


@pytest.mark.long_proof
@pytest.mark.parametrize("board", [(), ("--board=nrf5340dk", "tests")], ids=["no board", "a path"])
def test_otherwise_everything_is_chosen(tmp_path: Path, board: tuple[str, ...]) -> None:
    """Where no board is given, or a path."""
    rest = ("--ignore=tests/unit", "--ignore=tests/plugin")
    files = _collected(_pytest(tmp_path, "--co", "-q", *rest, *board).stdout)
    assert {"tests/builds/test_build_folders.py", "tests/hil/test_app_upgrade.py"} <= files


def test_without_a_kit_the_session_does_not_begin(tmp_path: Path) -> None:
    """Nothing is collected. No kit has this serial number."""
    result = _pytest(tmp_path, "--board=nrf5340dk", "--device-id=1", "-k", "mcuboot_upgrade")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "is attached." in result.stderr
    assert "collected" not in result.stdout

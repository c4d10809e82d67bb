"""The scenarios as the package brings them: run from any folder, listed, copied."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.scenarios.listing import packaged_scenarios

pytestmark = pytest.mark.long_proof

ROOT = Path(__file__).parents[2]
PACKAGE = "pytest_nrf_fota.scenarios"
# What pytest leaves in a module whose assertions it has rewritten.
REPORTS_REWRITING = """
def pytest_collection_finish(session):
    assert session.items
    for item in session.items:
        assert "@pytest_ar" in vars(item.module), item
"""


def _command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["scenarios", *map(str, arguments)])


@pytest.mark.parametrize("mode", ["prepend", "importlib"])
def test_one_runs_from_any_folder(user_folder: pytest.Pytester, mode: str) -> None:
    """A failed assertion would show its values, whatever the project's import mode."""
    user_folder.makeconftest(REPORTS_REWRITING)
    result = user_folder.runpytest_subprocess(
        *("--pyargs", PACKAGE, "--board", "nrf5340dk_sim", "-k", "mcuboot_upgrade_s0_to_s1"),
        f"--import-mode={mode}",
    )
    result.assert_outcomes(passed=1)


def test_copies_run_as_a_projects_own(user_folder: pytest.Pytester) -> None:
    """In a folder that is made for them."""
    folder = user_folder.path / "tests" / "fota"
    copied = _command("--copy", folder).stdout.split()
    assert {Path(path).parent for path in copied} == {folder}
    result = user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_sim", "-k", "mcuboot_upgrade_s0_to_s1", str(folder))
    )
    result.assert_outcomes(passed=1)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Nor are the other files copied."""
    own = tmp_path / "test_clean_up.py"
    own.write_text("mine")
    result = _command("--copy", tmp_path)
    assert result.exit_code == 2
    assert f"already has {own.name}; nothing was copied" in result.stderr
    assert (list(tmp_path.iterdir()), own.read_text()) == ([own], "mine")


def test_list_names_what_each_proves_and_needs() -> None:
    """In three lines."""
    lines = _command().stdout.splitlines()
    at = lines.index("test_mcuboot_upgrade_back_and_forth (nightly)")
    assert lines[at + 1].strip().startswith("Ten versions one after the other")
    assert lines[at + 2].strip() == "needs: nsib, mcuboot_update"
    assert len(lines) == 3 * len(packaged_scenarios())


def test_archives_hold_them(tmp_path: Path) -> None:
    """The wheel once; the source distribution also where the repository has its link to them."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    files = {scenario.file for scenario in packaged_scenarios()}
    in_wheel = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    assert {f"pytest_nrf_fota/scenarios/{file}" for file in files} <= in_wheel
    archive = next(tmp_path.glob("*.tar.gz"))
    with tarfile.open(archive) as opened:
        in_source = set(opened.getnames())
    for folder in ("pytest_nrf_fota/scenarios", "tests/hil"):
        top = archive.name.removesuffix(".tar.gz")
        assert {f"{top}/{folder}/{file}" for file in files} <= in_source

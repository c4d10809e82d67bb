"""Packages as they are installed: the docs' example, and others that are wrong."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent / "acme_nrf"


@pytest.fixture(scope="session")
def installed_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the example's wheel."""
    folder = tmp_path_factory.mktemp("acme")
    wheel = ("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist"))
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target")
    subprocess.run([sys.executable, *wheel], cwd=EXAMPLE, check=True, capture_output=True)
    (archive,) = (folder / "dist").glob("*.whl")
    target = folder / "site"
    subprocess.run([sys.executable, *pip, str(target), str(archive)], check=True)
    return target


@pytest.fixture
def example(
    installed_example: Path, monkeypatch: pytest.MonkeyPatch, user_folder: pytest.Pytester
) -> pytest.Pytester:
    """A user's folder in an environment that has the example."""
    monkeypatch.setenv("PYTHONPATH", str(installed_example))
    return user_folder


@pytest.fixture
def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_folder: pytest.Pytester
) -> Callable[[str, str], None]:
    """Installs a package with one module of hooks."""
    del user_folder

    def put(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        described = tmp_path / f"{name}-2.1.dist-info"
        described.mkdir()
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\n")
        (described / "entry_points.txt").write_text(f"[nrf_fota]\nours = {name}\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return put


@pytest.fixture
def nrf_fota(
    user_folder: pytest.Pytester,
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a command of `nrf-fota` in the user's folder."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        call = "from pytest_nrf_fota.cli import app; app()"
        return subprocess.run(
            [sys.executable, "-c", call, *arguments],
            cwd=user_folder.path,
            capture_output=True,
            text=True,
        )

    return run

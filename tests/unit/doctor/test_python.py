"""Python, packages, and pytest with all plugins that it loads."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nrf_fota.doctor.check import Outcome
from pytest_nrf_fota.doctor.python_checks import CLASHES, PACKAGES, PYTEST, PYTHON

from .machine import Machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="builds a Linux tree")


def test_python_version(machine: Machine) -> None:
    """The range is the package's own."""
    assert PYTHON.look(machine.host()).outcome is Outcome.OK
    machine.python_version = (3, 14, 0)
    look = PYTHON.look(machine.host())
    assert look.outcome is Outcome.MISSING
    assert "3.14.0" in look.found


def test_packages_of_this_environment(machine: Machine) -> None:
    """Here everything fits; the versions that matter are named."""
    look = PACKAGES.look(machine.host())
    assert look.outcome is Outcome.OK, look.found
    assert f"pytest {pytest.__version__}" in look.found
    assert "bumble " in look.found


def test_not_installed(machine: Machine) -> None:
    """The source folder on PYTHONPATH is no installation."""
    machine.add_package("pytest", "8.0.0")
    assert "not installed" in PACKAGES.look(machine.host()).found


def test_missing_old_and_forgotten_extra(machine: Machine) -> None:
    """What is missing, what is too old, and what an extra needs; other extras do not matter."""
    wants = ("pytest>=8", "smpclient[ble]>=7.3,<8", "rich>=13", "pynrfjprog>=10; extra == 'x'")
    machine.add_package("pytest-nrf-fota", "0.1.0", *(f"Requires-Dist: {one}" for one in wants))
    machine.add_package("pytest", "7.4.0")
    extras = ("bleak>=3; extra == 'ble'", "bumble; extra == 'bumble'", "cbor2>=5")
    machine.add_package("smpclient", "7.3.0", *(f"Requires-Dist: {one}" for one in extras))
    look = PACKAGES.look(machine.host())
    assert look.outcome is Outcome.MISSING
    assert "pytest>=8 is wanted, 7.4.0 is installed" in look.found
    assert "rich>=13 is wanted, none is installed" in look.found
    assert "bleak>=3 is wanted" in look.found
    assert not any(word in look.found for word in ("bumble", "cbor2", "pynrfjprog"))
    assert look.command.endswith("-m pip install 'pytest>=8' 'bleak>=3' 'rich>=13'")


def test_packages_that_disturb(machine: Machine) -> None:
    """Named with what they do; pyserial is put back where it was overwritten."""
    assert CLASHES.look(machine.host()).outcome is Outcome.OK
    machine.add_package("pytest-embedded", "1.12.0")
    machine.add_package("pyserial-labgrid", "3.5.0.1")
    look = CLASHES.look(machine.host())
    assert look.outcome is Outcome.WARNING
    assert "pytest-embedded: " in look.found and "pyserial-labgrid: " in look.found
    assert "uninstall pyserial-labgrid pytest-embedded" in look.command
    assert look.command.endswith("install --force-reinstall pyserial")


def test_pytest_starts_here(machine: Machine) -> None:
    """A real pytest, with all plugins of this environment."""
    host = replace(machine.host(), python=Path(sys.executable))
    look = PYTEST.look(host)
    assert look.outcome is Outcome.OK, look.found


def test_pytest_that_a_plugin_keeps_from_starting(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A plugin that takes one of pytest's own options: what pytest says."""
    (tmp_path / "other_harness.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--maxfail')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PYTEST_PLUGINS", "other_harness")
    look = PYTEST.look(replace(machine.host(), python=Path(sys.executable)))
    assert look.outcome is Outcome.MISSING
    assert "maxfail" in look.found


def test_pytest_without_this_plugin(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switched off by the environment."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(machine.folder)
    look = PYTEST.look(replace(machine.host(), python=Path(sys.executable)))
    assert look.outcome is Outcome.MISSING
    assert "without this plugin" in look.found


def test_python_that_does_not_run(machine: Machine) -> None:
    """An environment that was moved."""
    machine.add_program("python", "#!/nowhere/python3\n")
    assert PYTEST.look(machine.host()).outcome is Outcome.MISSING

"""Boards whose bootloaders are executed, as a user runs them, on builds of others."""

from pathlib import Path

import pytest

from tests.execution.smpclient_builds import extract

APP_UPGRADE = ("--pyargs", "pytest_nrf_fota.scenarios.test_app_upgrade", "-k", "confirm")
NRF52840_EXECUTES = """\
name = "my_exec"
title = "An nRF52840 whose MCUboot is executed"
base = "nrf52840dk_sim"
[firmware]
source = "files"
[sim]
execution = "{execution}"
"""


WITHOUT_BLUETOOTH = """\
name = "no_bluetooth"
title = "A build without Bluetooth, its MCUboot executed"
base = "nrf52dk_exec"
[radio]
kind = "serial_over_console"
bluetooth = false
[boot]
app_ready = "Application started"
"""


@pytest.fixture
def user_folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder of a user's own; runs there take nothing from the run around them."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return pytester


def _on_nrf52832(folder: Path, *arguments: str) -> tuple[str, ...]:
    baseline = extract("nrf52dk_nrf52832/ble/a_smp_dut.merged.hex", folder)
    update = extract("nrf52dk_nrf52832/ble/b_smp_dut.bin", folder)
    given = (f"--baseline={baseline}", f"--update={update}")
    return ("--board", "nrf52dk_exec", *given, *arguments)


def _on_nrf52840(folder: Path, execution: str) -> tuple[str, ...]:
    (folder / "my_exec.toml").write_text(NRF52840_EXECUTES.format(execution=execution))
    baseline = extract("nrf52840dk_nrf52840/ble/a_smp_dut.merged.hex", folder)
    update = extract("nrf52840dk_nrf52840/ble/b_smp_dut.bin", folder)
    given = (f"--baseline={baseline}", f"--update={update}", f"--board-dir={folder}")
    return ("--board", "my_exec", *given, *APP_UPGRADE)


def test_an_update_is_proven_on_executed_mcuboot(user_folder: pytest.Pytester) -> None:
    """Uploaded over Bluetooth, swapped by the real code, whose lines are in the log as they are."""
    result = user_folder.runpytest_subprocess(*_on_nrf52832(user_folder.path, *APP_UPGRADE))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*application 0.0.0 (8f133520...) -> 0.0.0 (4c00e0b6...)*"])
    (log,) = (user_folder.path / "nrf_fota_runs").rglob("unit/uart.log")
    lines = log.read_bytes().split(b"\r\n")
    assert b"I: Starting swap using move algorithm." in lines
    # The model has this line, too; the banner of MCUboot itself is that of the build.
    assert b"*** Booting nRF Connect SDK v3.5.99-ncs1 ***" in lines


@pytest.mark.long_proof
def test_a_build_without_bluetooth_is_updated_over_its_uart(user_folder: pytest.Pytester) -> None:
    """The stand-in for its application has none either: an nRF5340 may lack a controller."""
    user_folder.path.joinpath("no_bluetooth.toml").write_text(WITHOUT_BLUETOOTH)
    own = ("--board=no_bluetooth", f"--board-dir={user_folder.path}")
    result = user_folder.runpytest_subprocess(*_on_nrf52832(user_folder.path, *APP_UPGRADE), *own)
    result.assert_outcomes(passed=1)
    (log,) = (user_folder.path / "nrf_fota_runs").rglob("unit/uart.log")
    text = log.read_text()
    assert "Application started" in text
    assert "bt_hci_core" not in text


def test_what_is_not_modelled_ends_the_run_by_name(user_folder: pytest.Pytester) -> None:
    """The error has block, register and PC, and what to do."""
    result = user_folder.runpytest_subprocess(*_on_nrf52840(user_folder.path, "on"))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*CRYPTOCELL (CC310), register 0x5002a500, is not modelled (PC 0x00004910,*",
            '*next: *execution = "else_model"*',
        ]
    )


def test_the_model_boots_instead_where_the_user_says_so(user_folder: pytest.Pytester) -> None:
    """The run's summary and the kit's log say that it did, and why."""
    result = user_folder.runpytest_subprocess(*_on_nrf52840(user_folder.path, "else_model"))
    result.assert_outcomes(passed=1)
    (log,) = (user_folder.path / "nrf_fota_runs").rglob("kit.log")
    assert "The model boots instead: CRYPTOCELL (CC310)" in log.read_text()
    result.stdout.fnmatch_lines(
        ["*ModelledBootWarning: *the model booted instead *: CRYPTOCELL (CC310), register *"]
    )


def test_without_the_extra_the_error_names_it(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any kit is started."""
    user_folder.makepyfile(no_unicorn="import sys\nsys.modules['unicorn'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(user_folder.path))
    arguments = _on_nrf52832(user_folder.path, *APP_UPGRADE, "-p", "no_unicorn")
    result = user_folder.runpytest_subprocess(*arguments)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(['*pip install "pytest-nrf-fota?exec?"*'])


@pytest.mark.long_proof
def test_modelled_kits_need_no_extra(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither this process nor the kit's loads unicorn."""
    user_folder.makepyfile(unicorn="raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(user_folder.path))
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", *APP_UPGRADE)
    result.assert_outcomes(passed=1)


@pytest.mark.long_proof
def test_cuts_and_resets_are_survived_on_executed_mcuboot(user_folder: pytest.Pytester) -> None:
    """Scenarios about interrupted swaps, on the code that swaps."""
    cuts = ("--pyargs", "pytest_nrf_fota.scenarios.test_cut_upgrades", "-k", "middle")
    result = user_folder.runpytest_subprocess(*_on_nrf52832(user_folder.path, *cuts))
    outcomes = result.parseoutcomes()
    assert "failed" not in outcomes and "errors" not in outcomes, result.stdout.str()
    assert outcomes["passed"] >= 3

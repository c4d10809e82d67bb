"""What a user sees and finds after a run."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_nrf_fota.boards.board_file import board_names, packaged_boards
from pytest_nrf_fota.record.events import (
    FailureExplained,
    ProbeOperation,
    RadioState,
    SmpMessage,
    UartLine,
    UartWrite,
    VerdictReached,
)
from pytest_nrf_fota.record.recorder import read_recording


def _run_folder(user_folder: pytest.Pytester) -> Path:
    (run,) = (user_folder.path / "nrf_fota_runs").iterdir()
    return run


def test_users_own_test_passes_and_the_summary_shows_the_evidence(
    user_folder: pytest.Pytester,
) -> None:
    """Three lines in a foreign folder are enough."""
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "nrf-fota: board nrf5340dk_sim*",
            "*nRF FOTA: results*",
            "PASSED test_mine.py::test_upgrade",
            "*MCUboot 14 in S0 -> 15 in S1: UPGRADED",
            "*UART: new * NSIB boots slot 1, Firmware version 15",
            "*UART: new * Starting bootloader 15",
            "*SWD:  new *",
            "logs and flight recorders: *nrf_fota_runs*",
        ]
    )


def test_run_folder_holds_everything_about_the_test(user_folder: pytest.Pytester) -> None:
    """Recorder, UART log and image lists of the test, in one folder named after it."""
    user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    (test_folder,) = _run_folder(user_folder).glob("*test_upgrade*")
    events = [line.event for line in read_recording(test_folder / "recorder.jsonl")]
    operations = [event for event in events if isinstance(event, ProbeOperation)]
    # What is on the board is read first, and found to differ.
    changing = [f"{o.operation} {o.detail}" for o in operations if o.operation != "read"]
    assert changing[:3] == [
        "recover network core",
        "recover application core",
        "program merged.hex",
    ]
    typed = "".join(event.text for event in events if isinstance(event, UartWrite))
    # The prompt is asked for before and after a first read over SWD.
    assert typed == "flash erase mx25r6435f@0 0 800000\r" + 2 * "\r"
    commands = [e.name for e in events if isinstance(e, SmpMessage) and e.direction == "request"]
    assert {"image state", "image upload", "os reset"} <= set(commands)
    assert [e.outcome for e in events if isinstance(e, VerdictReached)] == ["upgraded"]
    assert any(isinstance(e, RadioState) and e.state == "connected" for e in events)
    uart = (test_folder / "uart.log").read_text().splitlines()
    assert uart == [event.text for event in events if isinstance(event, UartLine)]
    assert "Firmware version 15" in uart
    before = json.loads((test_folder / "images-before.json").read_text())
    after = json.loads((test_folder / "images-after.json").read_text())
    assert before["payload"]["images"][0]["version"] == "1.0.0"
    assert before["sequence"] != after["sequence"]


def test_failed_upgrade_shows_verdict_and_uart(user_folder: pytest.Pytester) -> None:
    """The report says why, and shows the console; none of our own frames."""
    user_folder.makepyfile(
        test_mine="""
        from pytest_nrf_fota.verdict.evidence import assert_upgraded

        def test_upgrade(dut, firmware):
            dut.prepare(firmware.baseline)
            assert_upgraded(dut.upgrade(firmware.mcuboot_same_version))
        """
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*assert_upgraded(dut.upgrade(firmware.mcuboot_same_version))",
            "E*MCUboot 14 in S0 -> 14 in S1: NOT UPGRADED",
            "E*why: NSIB kept slot 0*raise CONFIG_FW_INFO_FIRMWARE_VERSION",
            "*UART, last 30 lines*",
            "Firmware version 14",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_nrf_fota/*.py:*")


def test_lost_board_is_an_error_not_a_failure(user_folder: pytest.Pytester) -> None:
    """The rig breaking in the middle of a test is counted as an error, in JUnit XML as well."""
    user_folder.makepyfile(
        test_mine="""
        import os, pathlib, signal

        def test_upgrade(dut, firmware, unit):
            dut.prepare(firmware.baseline)
            pathlib.Path("control").write_text(unit.control_address)
            os.kill(unit.pid, signal.SIGKILL)
            dut.reset()
        """
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--junitxml=junit.xml")
    result.assert_outcomes(errors=1)
    junit = (user_folder.path / "junit.xml").read_text()
    assert "<error" in junit
    assert "<failure" not in junit
    control = Path((user_folder.path / "control").read_text())
    assert not control.parent.exists(), "the killed kit's folder is left behind"


def test_board_lost_under_an_upload_is_an_error(user_folder: pytest.Pytester) -> None:
    """A broken connection is blamed on the rig where the probe has lost the board as well."""
    user_folder.makepyfile(
        test_mine="""
        import os, signal

        def test_upgrade(dut, firmware, unit):
            dut.prepare(firmware.baseline)
            upgrade = dut.start_upgrade(firmware.app_update)
            os.kill(unit.pid, signal.SIGKILL)
            upgrade.upload()
        """
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*logs and flight recorders: *"])


def test_forgotten_assertion_is_pointed_out(user_folder: pytest.Pytester) -> None:
    """A verdict is true only where the upgrade is proven; one that nobody looked at stands out."""
    user_folder.makepyfile(
        test_mine="""
        def test_forgotten(dut, firmware):
            dut.prepare(firmware.baseline)
            dut.upgrade(firmware.mcuboot_same_version)

        def test_asserted(dut, firmware):
            dut.prepare(firmware.baseline)
            assert dut.upgrade(firmware.mcuboot_same_version)
        """
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*The test never looked at its verdict, <NOT UPGRADED: *"])


def test_missing_kit_ends_the_run_before_it_begins(user_folder: pytest.Pytester) -> None:
    """Without a kit on USB the message says so and how to go on."""
    from pytest_nrf_fota.console.ports import attached_kits

    if attached_kits():
        pytest.skip("a real kit is attached to this machine")
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*No Nordic nRF5340 DK is attached.", "*where: USB*", "*--board nrf5340dk_sim"]
    )


def test_missing_kit_is_told_in_full_once(user_folder: pytest.Pytester) -> None:
    """The same for a hundred tests; each is an ERROR with the reason, the first with the remedy.

    A board of the configuration is missed by those tests alone that need it.
    """
    from pytest_nrf_fota.console.ports import attached_kits

    if attached_kits():
        pytest.skip("a real kit is attached to this machine")
    user_folder.makepyfile(
        test_more="def test_a(dut): pass\ndef test_b(dut): pass\ndef test_c(): pass"
    )
    user_folder.makeini("[pytest]\nnrf_fota_board = nrf5340dk\n")
    result = user_folder.runpytest_subprocess()
    result.assert_outcomes(errors=3, passed=1)
    # Each is named in the results once more.
    shown, _, _ = result.stdout.str().partition("nRF FOTA: results")
    assert shown.count("Test setup problem") == 1
    assert shown.count("is attached. (shown in full where it first happened)") == 2


def test_without_board_the_message_says_how_to_give_one(user_folder: pytest.Pytester) -> None:
    """Nobody has to guess the option."""
    result = user_folder.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*--board nrf5340dk_sim*"])


def test_help_names_every_packaged_board(user_folder: pytest.Pytester) -> None:
    """Whoever installed the package sees them nowhere else."""
    result = user_folder.runpytest_subprocess("--help")
    _, _, help_of_board = result.stdout.str().partition("board to test on:")
    described, _, _ = help_of_board.partition("--board-dir")
    assert set(re.findall(r"\w+", described)) >= set(board_names([packaged_boards()]))


def test_board_from_ini_and_session_scope(user_folder: pytest.Pytester) -> None:
    """The configuration may name the board; one set of wires may serve several tests."""
    user_folder.makeini("[pytest]\nnrf_fota_board = nrf5340dk_sim\n")
    user_folder.makepyfile(
        test_mine="""
        def test_first(dut, firmware):
            dut.prepare(firmware.baseline)
            dut.marker = "same object"

        def test_second(dut):
            assert dut.marker == "same object"
            assert dut.last_boot().firmware_version == 14
        """
    )
    result = user_folder.runpytest_subprocess("--dut-scope", "session")
    result.assert_outcomes(passed=2)


@pytest.mark.long_proof
def test_xdist_workers_have_a_kit_each(user_folder: pytest.Pytester) -> None:
    """Two workers upgrade two kits; the controller's summary shows both."""
    user_folder.makepyfile(
        test_mine="""
        import pytest

        @pytest.mark.parametrize("number", [1, 2])
        def test_upgrade(dut, firmware, number):
            dut.prepare(firmware.baseline)
            assert dut.upgrade(firmware.app_update).outcome.value == "upgraded"
        """
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "-n", "2")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines_random(
        ["PASSED test_mine.py::test_upgrade?1?", "PASSED test_mine.py::test_upgrade?2?"]
    )
    workers = {path.name for path in _run_folder(user_folder).iterdir()}
    assert {"gw0", "gw1"} <= workers


def _names_of_steps(item: Mapping[str, Any]) -> list[str]:
    return [
        name for step in item.get("steps", ()) for name in (step["name"], *_names_of_steps(step))
    ]


def test_allure_gets_steps_and_attachments(user_folder: pytest.Pytester) -> None:
    """Steps of the harness, UART log, recorder, image lists and verdict are in the results."""
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "--alluredir=results")
    result.assert_outcomes(passed=1)
    (path,) = (user_folder.path / "results").glob("*-result.json")
    allure = json.loads(path.read_text())
    steps = _names_of_steps(allure)
    assert [step["name"] for step in allure["steps"]] == [
        "prepare the board: merged.hex",
        "upgrade: dfu_mcuboot.zip",
    ]
    assert "flash: merged.hex" in steps
    assert "erase external flash" in steps
    assert any(step.startswith("preflight: ") for step in steps)
    assert any(step.startswith("upload: ") for step in steps)
    told = {one["name"]: one for one in allure["parameters"]}
    assert [name for name, one in told.items() if not one.get("excluded")] == ["board"]
    description = allure["description"]
    assert "S1: version 15, S0: version 14; NSIB starts S1" in description
    for name, unit in (("boot time", "s"), ("erase time", "s"), ("upload throughput", "kB/s")):
        assert re.search(rf"^- {name}: [\d.]+ {unit}", description, re.MULTILINE), name
    names = [attachment["name"] for attachment in allure["attachments"]]
    assert names == [
        "UART log",
        "flight recorder",
        "image list before",
        "image list after",
        "preflight",
        "verdict",
    ]
    for attachment in allure["attachments"]:
        assert (user_folder.path / "results" / attachment["source"]).stat().st_size > 0


@pytest.mark.long_proof
def test_explanation_names_no_flash_of_another_board(user_folder: pytest.Pytester) -> None:
    """Not that of the nRF5340 DK, on which the board is based."""
    (user_folder.path / "mine_sim.toml").write_text(
        'name = "mine_sim"\ntitle = "Mine"\nbase = "nrf5340dk_sim"\nplatforms = []\n'
        '[external_flash]\nshell_device = "gd25@0"\n'
    )
    user_folder.makepyfile(
        test_mine="""
        from pytest_nrf_fota.record.events import UartLine

        def test_no_room(dut):
            for line in (
                "I: Starting bootloader",
                "I: Image index: 0, Swap type: test",
                "W: Not enough free space to run swap upgrade",
            ):
                dut.recorder.record(UartLine(port="app", text=line))
            assert False
        """
    )
    result = user_folder.runpytest_subprocess("--board=mine_sim", f"--board-dir={user_folder.path}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*remedy: Make the image smaller*"])
    result.stdout.no_fnmatch_line("*mx25r6435f*")


def test_failed_upgrade_is_explained(user_folder: pytest.Pytester) -> None:
    """The causes that the logs show, with their lines: in the report, the recorder and Allure."""
    user_folder.makepyfile(
        test_mine="""
        from pytest_nrf_fota.verdict.evidence import assert_upgraded

        def test_upgrade(dut, firmware):
            dut.prepare(firmware.baseline)
            assert_upgraded(dut.upgrade(firmware.mcuboot_same_version))
        """
    )
    result = user_folder.runpytest_subprocess(
        "--board", "nrf5340dk_sim", "--alluredir=allure-results"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Diagnosis (nrf-fota explain;*",
            "No upgrade: the new MCUboot was copied, but NSIB keeps the old one*",
            "*line *: *Starting swap using move algorithm.*",
            "*remedy: Raise `CONFIG_FW_INFO_FIRMWARE_VERSION`*",
        ]
    )
    (test_folder,) = _run_folder(user_folder).glob("*test_upgrade*")
    events = [line.event for line in read_recording(test_folder / "recorder.jsonl")]
    (explained,) = [event for event in events if isinstance(event, FailureExplained)]
    assert explained.causes[0].code == "nsib_version_not_raised"
    uart = (test_folder / "uart.log").read_text().splitlines()
    for number, text in re.findall(r"\| line (\d+): (.*)", explained.text):
        assert text.split()[0] in uart[int(number) - 1]
    attachments = [
        path.read_text() for path in (user_folder.path / "allure-results").glob("*-attachment.txt")
    ]
    assert explained.text in attachments


@pytest.mark.long_proof
def test_failure_that_the_logs_do_not_show_is_not_explained(user_folder: pytest.Pytester) -> None:
    """An upgrade that happened is no reason for whatever else a test does not like."""
    user_folder.makepyfile(
        test_mine="""
        def test_upgrade(dut, firmware):
            dut.prepare(firmware.baseline)
            assert dut.upgrade(firmware.app_update)
            assert 1 == 2
        """
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*Diagnosis (nrf-fota explain;*")

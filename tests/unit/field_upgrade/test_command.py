"""`nrf-fota upgrade` on a virtual kit: what it sends, what it refuses, and its exit codes."""

from pathlib import Path

import pytest

from pytest_nrf_fota.firmware.variant import Variant
from pytest_nrf_fota.record.events import (
    Measurement,
    Moment,
    SmpMessage,
    StepEnded,
    VerdictReached,
)
from pytest_nrf_fota.record.recorder import read_recording
from tests.unit.field_upgrade.kit import Kit, run


def _events(folder: Path) -> list[object]:
    (path,) = folder.glob("nrf_fota_runs/upgrade-*/recorder.jsonl")
    return [recorded.event for recorded in read_recording(path)]


def _requests(folder: Path) -> list[str]:
    events = [event for event in _events(folder) if isinstance(event, SmpMessage)]
    return [event.name for event in events if event.direction == "request"]


def test_application_over_ble_is_tested_and_confirmed(kit: Kit, work_folder: Path) -> None:
    """The image list alone shows it: the hash in the primary slot is another one than before."""
    answer = kit.upgrade(kit.firmware.app_update, *kit.ble)
    events = _events(work_folder)

    assert answer.code == 0, answer.text
    assert "UPGRADED" in answer.text and "UART" not in answer.text
    assert "confirmed  it stays" in answer.text
    (verdict,) = (event for event in events if isinstance(event, VerdictReached))
    assert verdict.outcome == "upgraded"
    assert any(isinstance(event, Measurement) for event in events)
    uploads = [e for e in events if isinstance(e, StepEnded) and e.step == "upload"]
    assert [one.end for one in uploads] == ["done"]
    kit.reset()
    again = kit.upgrade(kit.firmware.app_update, *kit.ble)
    assert (again.code, "the board runs it already" in again.text) == (0, True), again.text


def test_test_only_is_not_confirmed_and_stands_in_the_way_of_the_next(
    kit: Kit, work_folder: Path
) -> None:
    """A phone would send the next one, and the reset after it would bring the old one back."""
    answer = kit.upgrade(kit.firmware.app_update, *kit.port, kit.console, "--mode=test-only")
    following = kit.upgrade(kit.firmware.mcuboot_update, *kit.port, "--running-slot=s0")

    assert (answer.code, following.code) == (0, 1), answer.text + following.text
    assert "the next reset reverts it" in answer.text
    assert "swap test, application runs" in answer.text
    assert "runs a test image that a reset would revert, so nothing was sent" in following.text
    assert "sent  " not in following.text


def test_bootloader_for_the_slot_that_does_not_run(kit: Kit, work_folder: Path) -> None:
    """The console shows which; there and back."""
    there = kit.upgrade(kit.firmware.mcuboot_update, *kit.ble, kit.console)
    back = kit.upgrade(kit.firmware.mcuboot_raised(2), *kit.ble, kit.console)

    assert (there.code, back.code) == (0, 0), there.text + back.text
    assert "runs       S0" in there.text and "MCUboot 14 in S0 -> 15 in S1: UPGRADED" in there.text
    assert "runs       S1" in back.text and "MCUboot 15 in S1 -> 16 in S0: UPGRADED" in back.text


def test_bootloader_without_a_word_on_which_slot_runs(kit: Kit, work_folder: Path) -> None:
    answer = kit.upgrade(kit.firmware.mcuboot_update, *kit.port)

    assert answer.code == 2
    assert "Nothing shows whether S0 or S1 runs" in answer.text
    assert "--running-slot" in answer.text
    assert "image upload" not in _requests(work_folder)


def test_dry_run_with_a_console_says_that_it_takes_a_reset(kit: Kit, work_folder: Path) -> None:
    """The console was given, so nobody is told to give it."""
    answer = kit.upgrade(kit.firmware.mcuboot_update, *kit.port, kit.console, "--dry-run")

    assert answer.code == 2
    assert "A dry run does not reset the board" in answer.text
    assert "--console" not in answer.text and "--running-slot" in answer.text
    assert "os reset" not in _requests(work_folder)


def test_bootloader_that_nothing_shows_is_not_called_upgraded(kit: Kit) -> None:
    """What was sent left the secondary slot; what runs, SMP cannot tell."""
    answer = kit.upgrade(kit.firmware.mcuboot_update, *kit.port, "--running-slot=s0")

    assert answer.code == 3, answer.text
    assert "UNPROVEN" in answer.text and "--console=PORT" in answer.text


def test_baseline_shows_the_slot_as_long_as_the_board_runs_just_that(kit: Kit) -> None:
    baseline = f"--baseline={kit.firmware.baseline}"
    known = kit.upgrade(kit.firmware.mcuboot_update, *kit.port, baseline, "--dry-run")
    kit.upgrade(kit.firmware.app_update, *kit.port)
    no_more = kit.upgrade(kit.firmware.mcuboot_update, *kit.port, baseline, "--dry-run")

    assert (known.code, no_more.code) == (0, 2), known.text + no_more.text
    assert "runs       S0 (as the baseline)" in known.text
    assert "it runs another application than the baseline" in no_more.text


@pytest.mark.long_proof
def test_wrong_slot_that_the_user_names_ends_as_not_upgraded(kit: Kit) -> None:
    """The update stays in the secondary slot: nothing takes it, and nobody waits minutes."""
    answer = kit.upgrade(kit.firmware.mcuboot_update, *kit.port, "--running-slot=s1")

    assert answer.code == 1, answer.text
    assert "NOT UPGRADED" in answer.text and "was not taken" in answer.text


@pytest.mark.long_proof
def test_wrong_slot_that_the_user_names_is_seen_on_the_console(kit: Kit) -> None:
    """And what then stays pending is no riddle for the next command, with a way out that works."""
    options = (*kit.port, kit.console)
    answer = kit.upgrade(kit.firmware.mcuboot_update, *options, "--running-slot=s1")
    following = kit.upgrade(kit.firmware.mcuboot_update, *options)

    assert (answer.code, following.code) == (1, 1), answer.text + following.text
    assert "NSIB starts S0, version 14" in answer.text
    assert "the file for S1 is needed" in answer.text
    assert "An image is pending already" in following.text
    assert "stays pending is for the S0/S1 slot that runs already" in following.text
    assert "`flash erase mx25r6435f@0 0 800000`" in following.text


def test_update_that_cannot_run_on_the_baseline_is_not_sent(kit: Kit, work_folder: Path) -> None:
    baseline = f"--baseline={kit.firmware.baseline}"
    package = kit.firmware.variant(Variant.MCUBOOT_SAME_VERSION)
    answer = kit.upgrade(package, *kit.port, baseline)

    assert answer.code == 1
    assert "preflight  NO: " in answer.text and "Nothing was sent" in answer.text
    assert not list(work_folder.glob("nrf_fota_runs/*"))


def test_image_that_mcuboot_refuses(kit: Kit) -> None:
    """It was sent and set pending, and the old one runs: the log says why."""
    package = kit.firmware.variant(Variant.APP_WRONG_KEY)
    answer = kit.upgrade(package, *kit.ble, kit.console)

    assert answer.code == 1, answer.text
    assert "NOT UPGRADED" in answer.text and "refused the image" in answer.text
    assert "nrf-fota explain" in answer.text


def test_pending_image_is_left_to_whoever_set_it(kit: Kit) -> None:
    """The test image of a first command that was ended before its reset."""
    from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
    from tests.unit.field_upgrade.client import client_of

    board = kit.unit._board
    (file,) = read_package(kit.firmware.app_update, package_target(board)).files
    with client_of(kit) as mcumgr:
        mcumgr.image_upload(file.data, within_s=60)
        mcumgr.image_test(file.image.hash or b"")
    answer = kit.upgrade(kit.firmware.app_update, *kit.ble)

    assert answer.code == 1
    assert "An image is pending already, so nothing was sent" in answer.text


def test_broken_connection_goes_on_where_it_was(kit: Kit, work_folder: Path) -> None:
    kit.faults.lose_connection_at_upload_byte(60_000)
    answer = kit.upgrade(kit.firmware.app_update, *kit.ble)

    assert answer.code == 0, answer.text
    assert "connecting again" in answer.text and "connected anew once" in answer.text
    sent_bytes = [
        event.size_bytes
        for event in _events(work_folder)
        if isinstance(event, SmpMessage)
        and (event.name, event.direction) == ("image upload", "request")
    ]
    assert sum(sent_bytes) < 1.2 * 99_000


def test_dry_run_changes_nothing(kit: Kit, work_folder: Path) -> None:
    answer = kit.upgrade(kit.firmware.app_update, *kit.ble, "--dry-run")

    assert answer.code == 0
    assert "would send app_update.bin" in answer.text and "pending for a test boot" in answer.text
    assert set(_requests(work_folder)) <= {"image state", "os mcumgr_parameters"}
    assert not any(isinstance(event, Moment) for event in _events(work_folder))


def test_board_that_is_not_there(kit: Kit, work_folder: Path) -> None:
    (work_folder / "hasty.toml").write_text(
        'name = "hasty"\ntitle = "h"\nbase = "nrf5340dk_sim"\n[timeouts]\nconnect_s = 2.0\n'
    )
    answer = kit.upgrade(
        kit.firmware.app_update,
        "--ble=nobody",
        f"--radio=bumble:{kit.unit.hci}",
        "--board=hasty",
        "--board-dir=.",
    )

    assert answer.code == 2
    assert "The board is not advertising: 'nobody'" in answer.text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "one way; none given"),
        (("--ble=x", "--port=y"), "one way; 2 given"),
        (("--port=/dev/nothing", "--radio=bleak"), "A radio is for a board on BLE"),
        (("--port=/dev/nothing",), "cannot be opened"),
        (("--ble=x", "--radio=tin"), "names no radio"),
        (("--ble=x", "--mode=maybe"), "maybe"),
    ],
)
def test_bad_input(work_folder: Path, options: tuple[str, ...], said: str) -> None:
    from pytest_nrf_fota.artifacts.demo import DemoSource
    from pytest_nrf_fota.boards.board_file import load_board

    package = DemoSource(load_board("nrf5340dk_sim"), work_folder).app_update
    answer = run([*options, "--board=nrf5340dk_sim", str(package)])

    assert answer.code == 2
    assert said in answer.text


def test_package_of_another_board(work_folder: Path) -> None:
    from pytest_nrf_fota.artifacts.demo import DemoSource
    from pytest_nrf_fota.boards.board_file import load_board

    package = DemoSource(load_board("nrf5340dk_sim"), work_folder).app_update
    answer = run(["--port=/dev/nothing", "--board=nrf52840dk", str(package)])

    assert answer.code == 2
    assert "is for another" in answer.text

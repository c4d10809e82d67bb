"""`nrf-fota first-contact` on the virtual kit, as a process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.record.events import ContactMade
from pytest_nrf_fota.recordings.read import Recording, read_packed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only")
_SIM = ("--board=nrf5340dk_sim", "--output=out.zip")


def _run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    program = "from pytest_nrf_fota.cli import app; app()"
    return subprocess.run(
        [sys.executable, "-c", program, "first-contact", *options],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def _made(recording: Recording) -> dict[str, str]:
    return {
        one.event.step: one.event.result
        for part in recording.parts
        for one in part.events
        if isinstance(one.event, ContactMade)
    }


def test_virtual_kit_holds_all(tmp_path: Path) -> None:
    """All but what needs a tool; with a table and a recording."""
    done = _run(tmp_path, *_SIM, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    made = _made(read_packed(tmp_path / "out.zip"))
    skipped = {name for name, result in made.items() if result == "skipped"}
    assert skipped == {"tools", "probes", "cores", "protected start"}
    assert set(made.values()) == {"held", "skipped"}
    assert "22 held, 4 skipped" in done.stdout
    assert "recording: out.zip" in done.stdout
    assert "no tool drives the probe of nrf5340dk_sim" in done.stdout
    assert "the kit as F2:7C:B6:5D:C3:74" in done.stdout
    assert done.stderr == ""


@pytest.mark.long_proof
def test_kit_that_hides_its_address(tmp_path: Path) -> None:
    """As on a Mac, which hides every address: it is known by its SMP service, and said so."""
    (tmp_path / "hidden.toml").write_text(
        'name = "hidden"\ntitle = "Private"\nbase = "nrf5340dk_sim"\nplatforms = []\n'
        "[radio]\nprivate_address = true\n"
    )
    done = _run(tmp_path, "--board=hidden", "--board-dir=.", "--output=out.zip", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = " ".join(done.stdout.split())
    assert "the kit, which says F2:7C:B6:5D:C3:74, by its SMP service as" in shown
    assert _made(read_packed(tmp_path / "out.zip"))["connect"] == "held"


def test_without_terminal_it_stops_before_it_erases(tmp_path: Path) -> None:
    done = _run(tmp_path, *_SIM)
    assert done.returncode == 2
    assert "'recover' erases, and nobody can be asked here: give --yes." in done.stdout
    made = _made(read_packed(tmp_path / "out.zip"))
    assert list(made)[-1] == "ports stay"


def test_without_a_kit_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none that could lose anything; what is missing is said, and what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    firmware = DemoSource(load_board("nrf5340dk_sim"), tmp_path / "firmware")
    done = _run(tmp_path, f"--baseline={firmware.baseline}", "--runner=nrfutil", "--output=out.zip")
    assert done.returncode == 1, done.stdout + done.stderr
    shown = " ".join(done.stdout.split())
    assert "No Nordic nRF5340 DK is attached. Plug in a kit and switch it on." in shown
    made = _made(read_packed(tmp_path / "out.zip"))
    assert {made[step] for step in ("recover", "program", "baseline again")} == {"skipped"}


def test_interrupt_leaves_a_recording(tmp_path: Path) -> None:
    program = "from pytest_nrf_fota.cli import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program, "first-contact", *_SIM, "--yes"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if "scan: Listens" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == 130, rest
    made = _made(read_packed(tmp_path / "out.zip"))
    assert (list(made)[-1], made["scan"]) == ("scan", "failed")
    assert "It was interrupted in 'scan'." in rest


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--board=nrf5340dk",), "nothing that the kit shall run"),
        (("--board=nrf5340dk", "--baseline=none.hex"), "none.hex"),
        (("--board=qemu_cortex_m0",), "is no kit"),
        (("--board=nrf5340dk_sim", "--runner=openocd"), "no probe tool named 'openocd'"),
        (("--board=nrf5340dk_sim", "--radio=phone"), "names no radio"),
        (("--board=nrf5340dk_sim", "--runner=nrfutil"), "--runner is for kits on USB"),
        (("--board=nrf5340dk_sim", "--console-port=COM7"), "--console-port is for kits on USB"),
        (("--board=nrf5340dk", "--console-port=telnet://bench:23"), "console is not usable"),
        (("--board=nrf5340dk_sim", "--output=there.zip"), "such a file already"),
    ],
)
def test_bad_input_touches_nothing(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    (tmp_path / "there.zip").touch()
    done = _run(tmp_path, *options, "--yes")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.glob("first-contact*.zip"))

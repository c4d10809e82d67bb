"""`nrf-fota explain`, as a user types it."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.explain.width import fits

_ROOT = Path(__file__).parents[3]
_NOTHING = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: none
I: Bootloader chainload address offset: 0xc000
I: Jumping to the first image slot
*** Booting nRF Connect SDK v2.5.2 ***
[00:00:00.030,273] <inf> app: running
"""
_REFUSED = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: test
E: Image in the secondary slot is not valid!
I: Bootloader chainload address offset: 0xc000
"""
_SWAPPED = """\
*** Booting nRF Connect SDK v2.5.2 ***
I: Starting bootloader
I: Image index: 0, Swap type: perm
I: Starting swap using move algorithm.
I: Bootloader chainload address offset: 0xc000
*** Booting nRF Connect SDK v2.5.2 ***
[00:00:00.030,273] <inf> app: running
"""
_CRASH = """\
[00:00:01.000,000] <err> os: ***** BUS FAULT *****
[00:00:01.000,000] <err> os:   Precise data bus error
"""
_UPLOADED_ONLY = f"""\
{_NOTHING}[00:00:05.000,000] <inf> mcumgr_img_grp: Erased 0x1000 bytes of image slot
"""
_APP_ONLY = "[00:00:00.030,273] <inf> app: running\n"
_BEHIND_THE_LIMIT = 60_000


def _run(*arguments: str | Path, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-c", "from pytest_nrf_fota.cli import app; app()", "explain"]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    environment.pop("COLUMNS", None)
    return subprocess.run(
        [*command, *(str(argument) for argument in arguments)],
        input=given,
        capture_output=True,
        env=environment,
        timeout=120,
        check=False,
    )


def _log(folder: Path, text: str | bytes, name: str = "uart.log") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "code", "first_line"),
    [
        (_NOTHING, 0, "No upgrade was attempted, and nothing is wrong in this log."),
        (_REFUSED, 1, "No upgrade: the bootloader refused the image."),
        (_APP_ONLY, 3, "Not enough evidence. Unknown whether an upgrade happened"),
    ],
)
def test_exit_codes_and_first_line(tmp_path: Path, text: str, code: int, first_line: str) -> None:
    """0 nothing wrong, 1 a cause, 3 not enough evidence; the answer comes first."""
    done = _run(_log(tmp_path, text))
    assert done.returncode == code, done.stderr.decode()
    assert done.stdout.decode().startswith(first_line)
    assert all(fits(line, 80) for line in done.stdout.decode().splitlines())


def test_command_of_a_remedy_stays_on_one_line(tmp_path: Path) -> None:
    """It is copied from there, with a hash of any length."""
    long_hash = "631f6174" * 16
    flags = "   bootable: true\n   pending: false\n   confirmed: false\n   active: false\n"
    text = f"Image\n   slot: 1\n   version: 0.0.0\n   hash: {long_hash}\n{flags}"
    shown = _run(_log(tmp_path, text)).stdout.decode()
    assert f"`smpmgr ... image state-write {long_hash}`" in shown


def test_not_enough_evidence_says_what_to_capture(tmp_path: Path) -> None:
    """Literally: which port, from when to when, and the client's list."""
    text = _run(_log(tmp_path, _APP_ONLY)).stdout.decode()
    _, _, wanted = text.partition("Capture next:")
    for part in ("115200", "10 s after the reset", "image state-read", "--smp"):
        assert part in wanted


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(range(256)) * 400,
        b"\x00" * 5000,
        b"\xff\xfe\x80\x81" * 3000,
        random.Random(1).randbytes(8_000_000),
    ],
    ids=["empty", "bytes", "zeros", "noise", "much-noise"],
)
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    """With a message on standard error and exit code 2, without a traceback."""
    done = _run(_log(tmp_path, content))
    assert done.returncode == 2, done.stdout.decode()
    assert b"next:" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_missing_file_and_folder_without_logs_are_refused(tmp_path: Path) -> None:
    """With the path."""
    for path in (tmp_path / "none.log", tmp_path):
        done = _run(path)
        assert done.returncode == 2
        assert str(path) in done.stderr.decode()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("merged.hex", b":020000040000FA\r\n:0400000001020304F2\r\n", "Intel hex"),
        ("dfu.zip", b"PK\x03\x04" + bytes(range(200)), "zip"),
        ("zephyr.elf", b"\x7fELF" + bytes(range(200)), "ELF"),
        ("app_update.bin", b"\x3d\xb8\xf3\x96" + bytes(range(200)), "MCUboot image"),
    ],
)
def test_firmware_is_no_log(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    """As LOG, as --smp and on standard input; the command that reads it is named."""
    path, log = _log(tmp_path, content, name), _log(tmp_path, _NOTHING)
    for done in (_run(path), _run(log, "--smp", path), _run("-", given=content)):
        message = " ".join(done.stderr.decode().split())
        assert done.returncode == 2, done.stdout.decode()
        assert kind in message
        assert "nrf-fota inspect" in message


def test_text_with_a_colon_is_no_hex_file(tmp_path: Path) -> None:
    """A record has a checksum."""
    done = _run(_log(tmp_path, f":020000040000FB\n{_REFUSED}"))
    assert done.returncode == 1, done.stderr.decode()


_UPLOAD_THAT_BROKE = """\
{"t_s":0.0,"event":{"kind":"run","title":"t","wall_clock":"2024-05-07T09:26:26+00:00"}}
{"t_s":1.0,"event":{"kind":"uart","port":"app","text":"*** Booting nRF Connect SDK v2.5.2 ***"}}
{"t_s":2.0,"event":{"kind":"smp","direction":"request","name":"image upload","sequence":1,\
"size_bytes":9,"payload":{"off":0,"len":9000}}}
{"t_s":2.1,"event":{"kind":"smp","direction":"answer","name":"image upload","sequence":1,\
"size_bytes":9,"payload":{"rc":0,"off":900}}}
{"t_s":3.0,"event":{"kind":"step_ended","step":"upload","duration_s":1.0,\
"end":"connection lost","error":"ConnectionBrokeError: The connection broke."}}
"""


def test_folder_of_a_test(tmp_path: Path) -> None:
    """Its UART log and its flight recorder together, or the one that is there."""
    test = tmp_path / "run" / "test_upload"
    test.mkdir(parents=True)
    recording = _log(test, _UPLOAD_THAT_BROKE, "recorder.jsonl")
    alone = json.loads(_run(test, "--json").stdout)
    log = _log(test, _NOTHING)
    both = json.loads(_run(test, "--json").stdout)
    for value in (alone, both):
        assert [cause["code"] for cause in value["causes"]] == ["connection_lost_during_upload"]
    assert "MCUboot" in both["boots"][0]["text"], "of uart.log"
    given = _log(tmp_path, "$ mcumgr image erase\nError: 6\n", "smp.log")
    done = _run(test, "--smp", given)
    assert b"slot_in_use" in done.stdout, "what the user gave counts"
    recording.unlink()
    assert _run(test).stdout == _run(log).stdout


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """As a run on two workers prints it: a test that failed, one that is fine, a broken one."""
    for name, recording, log in (
        ("gw0/test_upload", _UPLOAD_THAT_BROKE, None),
        ("gw0/test_nothing", "", _NOTHING),
        ("gw1/test_broken", "", b"PK\x03\x04" + bytes(200)),
    ):
        folder = tmp_path / "run" / name
        folder.mkdir(parents=True)
        _log(folder, recording, "recorder.jsonl")
        if log is not None:
            _log(folder, log)
    return tmp_path / "run"


def test_folder_of_a_run_explains_each_test(run_folder: Path) -> None:
    """The path that pytest prints at the end; in full where something is wrong."""
    done = _run(run_folder)
    text = done.stdout.decode()
    assert done.returncode == 1
    assert "test_nothing: No upgrade was attempted" in text
    assert "test_upload:\n" in text
    assert "[connection_lost_during_upload, certain" in text
    assert "test_broken: This is a zip" in text
    # Of a test that is fine the answer is enough.
    assert "*** Booting" not in text


def test_folder_of_a_run_as_json(run_folder: Path) -> None:
    """One value for each test, with its folder's name."""
    values = {value.pop("test"): value for value in json.loads(_run(run_folder, "--json").stdout)}
    assert "no log" in values["test_broken"]["error"]
    assert [values[name]["status"] for name in ("test_nothing", "test_upload")] == [0, 1]


def test_one_clients_log_is_not_for_a_run(run_folder: Path, tmp_path: Path) -> None:
    """The folder of one test is named."""
    done = _run(run_folder, "--smp", _log(tmp_path, "Error: 6\n", "smp.log"))
    assert done.returncode == 2
    assert "test_nothing" in "".join(done.stderr.decode().split())


def test_text_that_is_no_log_is_no_evidence(tmp_path: Path) -> None:
    """A letter is readable and says nothing."""
    done = _run(_log(tmp_path, "Dear customer,\n\nthank you for your order.\n"))
    assert done.returncode == 3


def test_standard_input(tmp_path: Path) -> None:
    """A log can be piped."""
    done = _run("-", given=_REFUSED.encode())
    assert done.returncode == 1
    assert b"secondary_image_invalid" in done.stdout


def test_json_says_the_same(tmp_path: Path) -> None:
    """For programs: names of rules, line numbers, values of enums."""
    done = _run(_log(tmp_path, _REFUSED), "--json")
    assert done.returncode == 1
    value = json.loads(done.stdout)
    assert (value["happened"], value["ending"], value["status"]) == ("no", "refused", 1)
    (cause,) = value["causes"]
    assert (cause["code"], cause["confidence"], cause["weight"]) == (
        "secondary_image_invalid",
        "likely",
        "cause",
    )
    assert cause["shown"][-1] == {
        "origin": "log",
        "line_number": 4,
        "text": "E: Image in the secondary slot is not valid!",
    }
    assert value["boots"][0]["number"] == 1


def test_clients_log_completes_the_case(tmp_path: Path) -> None:
    """What the client was answered explains why nothing was pending."""
    client = _log(
        tmp_path,
        "$ mcumgr image test 86dca73a3439112b310b5e033d811ec2df728d2264265f2046fced5a9ed00cc7\n"
        "Error: 3\n",
        "smp.log",
    )
    done = _run(_log(tmp_path, _NOTHING), "--smp", client)
    assert done.returncode == 1
    assert b"hash_not_found" in done.stdout
    assert b"smp log, line 2: Error: 3" in done.stdout


def test_package_that_is_none_is_refused(tmp_path: Path) -> None:
    """A broken zip is named, not explained around."""
    package = _log(tmp_path, b"no zip", "dfu.zip")
    done = _run(_log(tmp_path, _NOTHING), "--package", package)
    assert done.returncode == 2
    assert b"zip" in done.stderr


def test_line_behind_a_long_run_of_the_application_is_found(tmp_path: Path) -> None:
    """Where only lines that hold a known word are looked at, with the right number."""
    noise = "[00:00:09.000,000] <inf> sensor: temperature 21.5, humidity 40\n" * _BEHIND_THE_LIMIT
    error = "[00:10:00.000,000] <err> mcumgr_img_grp: Image upload inspect failed: 5\n"
    done = _run(_log(tmp_path, _NOTHING + noise + error + noise), "--json")
    (cause,) = json.loads(done.stdout)["causes"]
    assert cause["code"] == "no_free_slot"
    assert cause["shown"][0]["line_number"] == len(_NOTHING.splitlines()) + _BEHIND_THE_LIMIT + 1


_EXIT_CODES = (
    "the upgrade happened or none was attempted, and nothing is wrong",
    "a cause was found, or the upgrade did not happen",
    "an input cannot be used",
    "not enough evidence",
)


def _without_breaks(text: str) -> str:
    return " ".join(text.split())


def test_exit_codes_are_documented_alike() -> None:
    """In the help, the README and the document of the rules."""
    helped = _without_breaks(_run("--help").stdout.decode())
    readme = _without_breaks((_ROOT / "docs/commands.md").read_text(encoding="utf-8"))
    table = (_ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    for code, meaning in enumerate(_EXIT_CODES):
        assert f"{code} {meaning}" in helped
        assert f"{code} {meaning}" in readme
        assert f"| {code} | {meaning}" in table


@pytest.mark.parametrize(
    ("log", "code"),
    [
        # It did not happen, and no rule knows why.
        (_UPLOADED_ONLY, 1),
        # It happened, and there is a cause all the same.
        (_SWAPPED + _CRASH, 1),
        (_SWAPPED, 0),
    ],
)
def test_exit_code_1_stands_for_both(tmp_path: Path, log: str, code: int) -> None:
    """A cause, whatever became of the upgrade, and no upgrade, with or without a cause."""
    done = _run(_log(tmp_path, log), "--json")
    causes = json.loads(done.stdout)["causes"]
    assert done.returncode == code
    assert bool(causes) is (log == _SWAPPED + _CRASH)

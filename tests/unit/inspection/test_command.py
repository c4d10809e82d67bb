"""The command as people and programs run it: table, JSON, and one clear error for bad input."""

import io
import json
import os
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.inspection.contents import Contents
from pytest_nrf_fota.inspection.inspect_path import inspect_path
from pytest_nrf_fota.inspection.table import print_contents

Write = Callable[[str, bytes], Path]
COMMAND = (sys.executable, "-c", "from pytest_nrf_fota.cli import app; app()")


def _inspect(*arguments: str | Path, columns: int = 80) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(app, ["inspect", *map(str, arguments)])


def _refusal(path: Path, *arguments: str) -> str:
    result = _inspect(path, *arguments)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.stderr
    assert "next:" in result.stderr
    assert str(path) in result.stderr
    assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize("columns", [80, 120])
def test_table_of_a_package(demo: DemoSource, columns: int) -> None:
    """Everything that decides about an upgrade, within the width, without blanks at line ends."""
    result = _inspect(demo.mcuboot_update, columns=columns)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    # The path is one word, however long.
    assert all(len(line) <= columns for line in lines if str(demo.mcuboot_update) not in line)
    assert all(line == line.rstrip() for line in lines)
    text = " ".join(result.stdout.split())
    assert "MCUboot for S1 0x18600 0.0.15 15" in text
    assert "hash right, signature right" in text
    assert "send only the one for the slot that is NOT running" in text
    assert "\x1b" not in result.stdout


def test_table_of_a_build_folder(child_image_build: Path) -> None:
    """Overview first, then each file."""
    text = _inspect(child_image_build).stdout
    assert text.index("dfu_mcuboot.zip") < text.index("partition ")
    assert "CONFIG_SB_SIGNING_KEY_FILE" in text
    assert "Provisioning data at 0xff8100" in text


def test_json_is_what_the_classes_say(demo: DemoSource) -> None:
    """Programs get every value; the documented keys are there."""
    result = _inspect(demo.baseline, "--json")
    assert result.exit_code == 0
    contents = Contents.model_validate_json(result.stdout)
    assert contents.firmwares[0].version == 14
    raw = json.loads(result.stdout)
    assert raw["format_version"] == 2
    assert raw["images"][0]["version"] == "1.0.0"
    assert raw["provisioning"]["keys"][0]["key"]["hash"] == raw["firmwares"][0]["key"]["hash"]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_damaged_image_is_shown_and_no_refusal(
    demo: DemoSource, written: Write, form: tuple[str, ...]
) -> None:
    """Exit code 0, as docs/inspect.md says: whoever looks at a dump wants to see it."""
    with zipfile.ZipFile(demo.app_update) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".bin"))
        image = bytearray(archive.read(name))
    image[0x300] ^= 0x01
    result = _inspect(written("app_update.bin", bytes(image)), *form)
    assert result.exit_code == 0
    if form:
        assert json.loads(result.stdout)["images"][0]["hash_is_right"] is False
    else:
        assert re.search(r"hash +[0-9a-f]{64} +WRONG", " ".join(result.stdout.split()))


def test_key_of_the_user_is_named(demo: DemoSource, mcuboot_pem: Path) -> None:
    """--key checks signatures, and a file that is no key is refused."""
    text = _inspect(demo.app_update, "--key", mcuboot_pem, columns=300).stdout
    assert "ECDSA_SIG, right" in text
    assert str(mcuboot_pem) in text
    assert "not a PEM file" in _inspect(demo.app_update, "--key", demo.app_update).stderr


def test_reader_that_stops_early(demo: DemoSource) -> None:
    """`nrf-fota inspect | head` ends without a word on standard error."""
    command = f'"{COMMAND[0]}" -c "{COMMAND[2]}" inspect "{demo.baseline}" | true'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


def test_missing_file(tmp_path: Path) -> None:
    """The path is named."""
    assert "does not exist" in _refusal(tmp_path / "merged.hex")


@pytest.mark.parametrize("name", ["a.bin", "a.hex", "a.zip", "a"])
@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 5000, os.urandom(5000), b":", b"PK"])
def test_garbage(written: Write, name: str, content: bytes) -> None:
    """Nothing known is in it, whatever its name says."""
    _refusal(written(name, content))


def test_elf(written: Write) -> None:
    """The file beside it is what is wanted."""
    assert "ELF" in _refusal(written("zephyr.elf", b"\x7fELF" + bytes(1000)))


@pytest.mark.parametrize("name", ["big.bin", "big.hex", "big.zip", "big"])
def test_huge_file(tmp_path: Path, name: str) -> None:
    """A 1 GB file is refused by its size; memory stays bounded."""
    path = tmp_path / name
    with path.open("wb") as stream:
        stream.truncate(1024**3)

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1024**3, 1024**3))

    done = subprocess.run(
        [*COMMAND, "inspect", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=little_memory,
    )
    assert done.returncode == 2
    assert "1073741824" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
@pytest.mark.parametrize("artifact", ["baseline", "app_update"])
def test_truncated(demo: DemoSource, written: Write, artifact: str, kept: float) -> None:
    """Cut off anywhere."""
    path: Path = getattr(demo, artifact)
    content = path.read_bytes()
    _refusal(written(path.name, content[: int(len(content) * kept)]))


def test_hex_cut_off_between_two_records(demo: DemoSource, written: Write) -> None:
    """It has no end record, though each line is whole."""
    lines = demo.baseline.read_bytes().splitlines(keepends=True)
    assert "cut off" in _refusal(written("merged.hex", b"".join(lines[:1000])))


def test_zip_bomb(tmp_path: Path) -> None:
    """A megabyte on disk, a gigabyte inside."""
    path = tmp_path / "dfu_application.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("app_update.bin", "w", force_zip64=True) as entry,
    ):
        for _ in range(64):
            entry.write(bytes(1024 * 1024))
    assert "larger than" in _refusal(path)


def test_zip_of_many_large_entries(tmp_path: Path) -> None:
    """Each is small enough, their sum is not."""
    path = tmp_path / "dfu_application.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.bin", bytes(12 * 1024 * 1024))
    assert "holds more than" in _refusal(path)


@pytest.mark.parametrize("name", ["../../evil.bin", "/etc/evil.bin", "a\\..\\evil.bin", "C:evil"])
def test_zip_with_names_that_leave_the_folder(tmp_path: Path, name: str) -> None:
    """Refused by name, and nothing is written."""
    path = tmp_path / "dfu_application.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
        archive.writestr("manifest.json", b"{}")
    before = sorted(tmp_path.rglob("*"))
    assert "absolute or parent path" in _refusal(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_zip_without_manifest(tmp_path: Path) -> None:
    """What it holds instead is said."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("holiday.jpg", b"x")
    assert "holiday.jpg" in _refusal(path)


def test_manifest_nested_beyond_measure(tmp_path: Path) -> None:
    """JSON that breaks a recursive reader."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", "[" * 30_000)
    assert "not valid JSON" in _refusal(path)


def test_links_in_a_circle(tmp_path: Path, child_image_build: Path) -> None:
    """Links to folders are not followed; a build folder with them is read."""
    (child_image_build / "zephyr/round").symlink_to(child_image_build)
    (child_image_build / "zephyr/app_update.bin").symlink_to("app_update.bin")
    result = _inspect(child_image_build, "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["files"]) == 3
    loop = tmp_path / "loop"
    loop.mkdir()
    (loop / "a").symlink_to(loop)
    assert "no build folder" in _refusal(loop)
    itself = tmp_path / "itself.hex"
    itself.symlink_to(itself)
    assert "leads nowhere" in _refusal(itself)


def test_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    """Not opened: that would wait for ever."""
    path = tmp_path / "pipe.bin"
    os.mkfifo(path)
    assert "no regular file" in _refusal(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["a.bin", "a.hex", "a.zip", "a"])
def test_unreadable_file(written: Write, name: str) -> None:
    """The permission is the reason."""
    path = written(name, b"content")
    path.chmod(0)
    assert "Permission denied" in _refusal(path)


def test_names_that_look_like_markup(demo: DemoSource, tmp_path: Path) -> None:
    """Brackets and escape sequences of a hostile file name do not reach the terminal."""
    path = tmp_path / "a.zip"
    data = io.BytesIO()
    with zipfile.ZipFile(demo.app_update) as source, zipfile.ZipFile(data, "w") as target:
        manifest = source.read("manifest.json").replace(b"app_update.bin", b"[red]\\u001b[31mx")
        target.writestr("manifest.json", manifest)
        target.writestr("[red]\x1b[31mx", source.read("app_update.bin"))
    path.write_bytes(data.getvalue())
    text = io.StringIO()
    print_contents(inspect_path(path, load_board("nrf5340dk")), Console(file=text, width=80))
    assert "\x1b" not in text.getvalue()
    assert "[red]\\x1b[31mx" in text.getvalue()

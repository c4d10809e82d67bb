"""`nrf-fota preflight` on machine code: real MCUboots of an nRF52832 and an nRF52840 DK."""

import getpass
import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.preflight.prediction import Prediction, overlay
from tests.execution.smpclient_builds import extract
from tests.unit.preflight.workshop import Workshop, board_of

BOARD_FILE = """\
name = "{name}"
title = "nRF52 DK"
base = "nrf52840dk"
soc = "{soc}"
platforms = []
[slots]
primary = {{ address = 0xC000, size = {size} }}
secondary = {{ address = {secondary}, size = {size} }}
"""
BOARDS = {"nrf52832": ("0x43000", "0x37000"), "nrf52840": ("0x82000", "0x76000")}
# `b .`: goes round in a circle.
CIRCLE = b"\xfe\xe7"
PAYLOAD_BYTE = 0x8000


@dataclass(frozen=True)
class DutFiles:
    """MCUboot with application A behind it, and B as its update."""

    merged_hex: Path
    update: Path


def unpack_dut(board: str, folder: Path) -> DutFiles:
    names = (f"{board}/ble/a_smp_dut.merged.hex", f"{board}/ble/b_smp_dut.bin")
    return DutFiles(*(extract(name, folder) for name in names))


@pytest.fixture(scope="module")
def board_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boards")
    for soc, (secondary, size) in BOARDS.items():
        name = f"my_{soc}"
        text = BOARD_FILE.format(name=name, soc=soc, secondary=secondary, size=size)
        (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def nrf52832(tmp_path_factory: pytest.TempPathFactory) -> DutFiles:
    return unpack_dut("nrf52dk_nrf52832", tmp_path_factory.mktemp("nrf52832"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which gets the file of a disagreement."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


class Asking:
    """Asks for a prediction on one board."""

    def __init__(self, board_folder: Path, soc: str) -> None:
        self._board = ["--board-dir", str(board_folder), "--board", f"my_{soc}"]

    def __call__(self, installed: Path, update: Path, *options: str) -> Result:
        arguments = [str(update), "--installed", str(installed), *self._board, *options]
        return CliRunner().invoke(app, ["preflight", *arguments], env={"COLUMNS": "300"})

    def prediction(self, installed: Path, update: Path, *options: str) -> Prediction:
        result = self(installed, update, "--json", *options)
        return Prediction.model_validate_json(result.output)


@pytest.fixture
def ask(board_folder: Path) -> Asking:
    return Asking(board_folder, "nrf52832")


def test_yes_of_machine_code_and_model(ask: Asking, nrf52832: DutFiles, here: Path) -> None:
    result = ask(nrf52832.merged_hex, nrf52832.update, "--log")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("YES: b_smp_dut.bin will upgrade this board.")
    assert "Executed: the machine code of MCUboot, in " in result.output
    assert "The model of the virtual kit, NCS 2.6, agrees." in result.output
    # The model of NCS 2.6 does not print this last line, the machine code does.
    assert "I: Jumping to the first image slot" in result.output
    assert not [*here.iterdir()]


@pytest.mark.long_proof
def test_no_of_machine_code_and_model(ask: Asking, nrf52832: DutFiles, here: Path) -> None:
    data = bytearray(nrf52832.update.read_bytes())
    data[PAYLOAD_BYTE] ^= 1
    damaged = here / "damaged.bin"
    damaged.write_bytes(data)
    prediction = ask.prediction(nrf52832.merged_hex, damaged)
    assert not prediction.will_upgrade
    assert prediction.executed is not None
    assert prediction.executed.bootloaders == ("MCUboot",)
    assert prediction.executed.disagreement is None
    assert "E: Image in the secondary slot is not valid!" in prediction.boots[1].lines
    failure = prediction.first_failure
    assert failure is not None and failure.code == "mcuboot_accepts"


def test_model_alone(ask: Asking, nrf52832: DutFiles) -> None:
    result = ask(nrf52832.merged_hex, nrf52832.update, "--no-exec")
    assert result.exit_code == 0, result.output
    assert "Simulated with the boot code of the virtual kit" in result.output
    assert "xecuted" not in result.output


def _never_boots(installed: Path, folder: Path) -> Path:
    """The same firmware, whose bootloader's first instruction is replaced."""
    segments = read_hex(installed)
    first = next(one for one in segments if one.address == 0)
    entry = int.from_bytes(first.data[4:8], "little") & ~1
    path = folder / "never_boots.hex"
    write_hex(path, overlay(segments, [Segment(entry, CIRCLE)]))
    return path


def test_disagreement_is_shown_and_saved(ask: Asking, nrf52832: DutFiles, here: Path) -> None:
    """The model does not know what was done to this MCUboot."""
    installed = _never_boots(nrf52832.merged_hex, here)
    result = ask(installed, nrf52832.update)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("NO: b_smp_dut.bin will not upgrade this board.")
    assert "the bootloader goes round in a circle at 0x" in result.output
    assert "The model of the virtual kit, NCS 2.6, disagrees. It says YES" in result.output
    (saved,) = here.glob("*.zip")
    assert f"To send us: {saved.name} holds the case" in result.output
    content = saved.read_bytes()
    prediction = ask.prediction(installed, nrf52832.update)
    assert prediction.executed is not None and prediction.executed.disagreement is not None
    disagreement = prediction.executed.disagreement
    assert disagreement.model_will_upgrade
    assert disagreement.saved == saved.name
    # The same case is the same file.
    assert [*here.glob("*.zip")] == [saved]
    assert saved.read_bytes() == content


def test_saved_case_has_all_but_names(ask: Asking, nrf52832: DutFiles, here: Path) -> None:
    installed = _never_boots(nrf52832.merged_hex, here)
    ask(installed, nrf52832.update)
    (saved,) = here.glob("*.zip")
    with zipfile.ZipFile(saved) as archive:
        assert archive.namelist() == ["case.json", "board.hex", "update/0.bin"]
        archive.extract("board.hex", here)
        update, text = archive.read("update/0.bin"), archive.read("case.json").decode()
    assert update == nrf52832.update.read_bytes()
    assert read_hex(here / "board.hex") == read_hex(installed)
    case = json.loads(text)
    assert case["board"]["soc"] == "nrf52832"
    assert case["board"]["slots"]["secondary"]["address"] == 0x43000
    assert (case["model"]["will_upgrade"], case["execution"]["will_upgrade"]) == (True, False)
    for name in (getpass.getuser(), str(here), "b_smp_dut", "never_boots", "radio", "console"):
        assert name not in text


def test_folder_that_takes_no_file(ask: Asking, nrf52832: DutFiles, here: Path) -> None:
    installed = _never_boots(nrf52832.merged_hex, here.parent)
    here.rmdir()
    result = ask(installed, nrf52832.update)
    assert result.exit_code == 1, result.output
    assert "The case could not be saved in this folder." in result.output


class TestWhatIsNotModelled:
    """Its MCUboot checks signatures with CryptoCell."""

    @pytest.fixture
    def nrf52840(self, tmp_path: Path) -> DutFiles:
        return unpack_dut("nrf52840dk_nrf52840", tmp_path)

    @pytest.fixture
    def ask(self, board_folder: Path) -> Asking:
        return Asking(board_folder, "nrf52840")

    def test_model_answers(self, ask: Asking, nrf52840: DutFiles) -> None:
        result = ask(nrf52840.merged_hex, nrf52840.update)
        assert result.exit_code == 0, result.output
        (line,) = [line for line in result.output.splitlines() if "Not executed: " in line]
        assert line.startswith("Not executed: CRYPTOCELL (CC310), register 0x5002a500, ")
        assert "PC 0x00004910, application core" in line
        assert "Simulated with the boot code of the virtual kit" in result.output

    def test_who_insists_gets_no_answer(self, ask: Asking, nrf52840: DutFiles) -> None:
        result = ask(nrf52840.merged_hex, nrf52840.update, "--exec")
        assert result.exit_code == 2
        assert "CRYPTOCELL (CC310), register 0x5002a500" in result.output
        assert "Give --no-exec" in result.output
        assert "YES" not in result.output


class TestWhatIsNotExecuted:
    def test_demonstration_firmware(self, tmp_path: Path) -> None:
        workshop = Workshop(board_of("2.3"), tmp_path)
        arguments = [str(workshop.mcuboot_package()), "--installed", str(workshop.installed_hex())]
        result = CliRunner().invoke(app, ["preflight", *arguments])
        assert result.exit_code == 0, result.output
        assert "xecuted" not in result.output
        result = CliRunner().invoke(app, ["preflight", *arguments, "--exec"])
        assert result.exit_code == 2
        assert "demonstration firmware is no machine code" in result.output

    def test_without_the_extra(
        self, ask: Asking, nrf52832: DutFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "unicorn", None)
        result = ask(nrf52832.merged_hex, nrf52832.update)
        assert result.exit_code == 0, result.output
        assert "xecuted" not in result.output
        result = ask(nrf52832.merged_hex, nrf52832.update, "--exec")
        assert result.exit_code == 2
        assert 'pip install "pytest-nrf-fota[exec]"' in result.output

    def test_nothing_at_address_0(self, ask: Asking, nrf52832: DutFiles, tmp_path: Path) -> None:
        """The model says better what is wrong with it than a fault of the CPU."""
        segments = read_hex(nrf52832.merged_hex)
        path = tmp_path / "application.hex"
        write_hex(path, [one for one in segments if one.address])
        prediction = ask.prediction(path, nrf52832.update)
        assert prediction.executed is None

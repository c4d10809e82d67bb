"""`nrf-fota preflight`: exit codes, what is printed, and input that cannot be used."""

import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.preflight.prediction import Prediction, read_update
from pytest_nrf_fota.preflight.simulated_board import SimulatedBoard
from pytest_nrf_fota.preflight.simulation import simulate

from .workshop import McubootBuild, Workshop, board_of


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(board_of("2.3"), tmp_path)


def preflight(workshop: Workshop, package: Path, *arguments: str) -> Result:
    installed = str(workshop.installed_hex())
    return run(str(package), "--installed", installed, *arguments)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["preflight", *arguments], env={"COLUMNS": "200"})


def assert_refused(result: Result, *words: str) -> None:
    """Exit code 2 and a message, no traceback."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.output


class TestAnswer:
    def test_yes(self, workshop: Workshop) -> None:
        result = preflight(workshop, workshop.mcuboot_package())
        assert result.exit_code == 0
        assert result.output.startswith("YES: dfu_mcuboot.zip will upgrade this board.")
        assert "boot 2: NSIB boots slot 1, Firmware version 15" in result.output
        assert "NCS 2.3" in result.output

    def test_no_with_cause_and_remedy_first(self, workshop: Workshop) -> None:
        result = preflight(workshop, workshop.mcuboot_package(McubootBuild(1, 14)))
        assert result.exit_code == 1
        assert result.output.splitlines()[:3] == [
            "NO: dfu_mcuboot.zip will not upgrade this board.",
            "  why:  NSIB keeps S0: FW_INFO version 14 is not higher than 14",
            "  next: Raise CONFIG_FW_INFO_FIRMWARE_VERSION of MCUboot above 14, and build again.",
        ]
        assert "What nrf-fota explain would show for the board's log:" in result.output

    def test_package_of_another_board_is_a_no(self, workshop: Workshop) -> None:
        package = workshop.app_package(workshop.app(), board="nrf9160dk_nrf9160")
        result = preflight(workshop, package)
        assert result.exit_code == 1
        assert "why:  The package is for board 'nrf9160dk_nrf9160'" in result.output
        assert "NO  board" in result.output

    def test_log(self, workshop: Workshop) -> None:
        package = workshop.mcuboot_package()
        assert "Attempting to boot slot 1." in preflight(workshop, package, "--log").output
        assert "Attempting to boot slot 1." not in preflight(workshop, package).output

    @pytest.mark.parametrize(("version", "exit_code"), [(15, 0), (14, 1)])
    def test_json(self, workshop: Workshop, version: int, exit_code: int) -> None:
        package = workshop.mcuboot_package(McubootBuild(1, version))
        result = preflight(workshop, package, "--json")
        assert result.exit_code == exit_code
        prediction = Prediction.model_validate(json.loads(result.output))
        assert prediction.will_upgrade is (exit_code == 0)
        assert prediction.reason == workshop.predict(package).reason
        assert len(prediction.boots) == 3

    @pytest.mark.parametrize(
        ("ncs", "taken"), [("2.4", "2.3"), ("2.6", "2.6"), ("v2.9.1", "2.9"), ("3.1", "3.0")]
    )
    def test_release_is_taken_from_the_option(
        self, workshop: Workshop, tmp_path: Path, ncs: str, taken: str
    ) -> None:
        workshop.install(Workshop(board_of(taken), tmp_path / "same").provisioning())
        result = preflight(workshop, workshop.mcuboot_package(), "--ncs", ncs, "--json")
        prediction = Prediction.model_validate(json.loads(result.output))
        assert (prediction.ncs, len(prediction.boots)) == (taken, 3)

    @pytest.mark.parametrize(("key", "exit_code"), [("mcuboot", 0), ("other", 1)])
    def test_single_image(self, workshop: Workshop, key: str, exit_code: int) -> None:
        image = workshop.file("app_update.bin", workshop.app(key=key))
        assert preflight(workshop, image).exit_code == exit_code
        bootloader = workshop.file("s1.bin", workshop.mcuboot(McubootBuild(1, mcuboot_key=key)))
        assert preflight(workshop, bootloader).exit_code == exit_code
        wrong_slot = workshop.file("s0.bin", workshop.mcuboot(McubootBuild(0)))
        assert preflight(workshop, wrong_slot).exit_code == 1

    def test_board_state_wins(self, workshop: Workshop, tmp_path: Path) -> None:
        """After the update the same one is refused: 15 over 15, and S1 runs."""
        installed = workshop.installed_hex()
        package = workshop.mcuboot_package()
        simulated = SimulatedBoard(workshop.board, workshop.installed, None)
        assert simulate(simulated, read_update(package, workshop.board)).will_upgrade
        state = tmp_path / "state.hex"
        write_hex(state, simulated.memories())
        only_s1 = workshop.mcuboot_package(McubootBuild(1))
        assert run(str(only_s1), "--installed", str(installed)).exit_code == 0
        result = run(str(only_s1), "--installed", str(installed), "--board-state", str(state))
        assert result.exit_code == 1
        assert "S1 is running, so the update must be for S0" in result.output

    def test_burnt_and_raised_board_state(self, workshop: Workshop, tmp_path: Path) -> None:
        state = tmp_path / "state.hex"
        write_hex(state, [workshop.provisioning(used=(20,))])
        package = workshop.mcuboot_package()
        result = preflight(workshop, package, "--board-state", str(state))
        assert result.exit_code == 1
        assert "Firmware version (14) is smaller than monotonic counter (20)." in result.output


class TestBadInput:
    def test_missing_files(self, workshop: Workshop, tmp_path: Path) -> None:
        package = workshop.mcuboot_package()
        assert_refused(run(str(package), "--installed", str(tmp_path / "no.hex")), "no.hex")
        assert_refused(preflight(workshop, tmp_path / "no.zip"), "no.zip", "does not exist")
        state = ("--board-state", str(tmp_path / "no-state.hex"))
        assert_refused(preflight(workshop, package, *state), "no-state.hex")
        empty = tmp_path / "empty"
        empty.mkdir()
        assert_refused(preflight(workshop, empty), "is no build folder")

    @pytest.mark.parametrize("content", [b"", b"garbage", b"\x00\xff" * 5000, b"PK\x03\x04"])
    def test_garbage(self, workshop: Workshop, content: bytes) -> None:
        package = workshop.mcuboot_package()
        garbage_hex = workshop.file("garbage.hex", content)
        assert_refused(run(str(package), "--installed", str(garbage_hex)), "garbage.hex")
        for name in ("garbage.zip", "garbage.bin"):
            assert_refused(preflight(workshop, workshop.file(name, content)), name)
        assert_refused(preflight(workshop, package, "--board-state", str(garbage_hex)), "garbage")

    def test_hostile_zips(self, workshop: Workshop, tmp_path: Path) -> None:
        for name in ("../evil.bin", "/etc/evil.bin", "C:\\evil.bin"):
            path = tmp_path / "evil.zip"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(name, b"evil")
                archive.writestr("manifest.json", "{}")
            assert_refused(preflight(workshop, path), "evil")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.bin", bytes(64 * 1024 * 1024))
        assert_refused(preflight(workshop, path), "bomb.bin", "larger")

    def test_cut_package(self, workshop: Workshop, tmp_path: Path) -> None:
        whole = workshop.mcuboot_package().read_bytes()
        for part in (1, 2, 3):
            cut = workshop.file("cut.zip", whole[: len(whole) * part // 4])
            assert_refused(preflight(workshop, cut), "not a complete zip file")

    def test_empty_hex(self, workshop: Workshop) -> None:
        empty = workshop.file("empty.hex", b":00000001FF\n")
        result = run(str(workshop.mcuboot_package()), "--installed", str(empty))
        assert_refused(result, "holds no data")

    def test_hex_outside_memory(self, workshop: Workshop, tmp_path: Path) -> None:
        outside = tmp_path / "outside.hex"
        write_hex(outside, [Segment(0x50000000, b"data")])
        package = workshop.mcuboot_package()
        result = run(str(package), "--installed", str(outside))
        assert_refused(result, "0x50000000", "no memory")
        assert_refused(preflight(workshop, package, "--board-state", str(outside)), "no memory")

    def test_hex_of_something_else_halts_on_the_copy(
        self, workshop: Workshop, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.hex"
        write_hex(other, [Segment(0, bytes(range(256)))])
        result = run(str(workshop.mcuboot_package()), "--installed", str(other))
        assert result.exit_code == 1
        assert "no bootloader at address 0" in result.output

    def test_unknown_release(self, workshop: Workshop) -> None:
        result = preflight(workshop, workshop.mcuboot_package(), "--ncs", "1.9")
        assert_refused(result, "2.3, 2.6, 2.7, 2.8, 2.9, 3.0, 3.2")

    def test_board_without_nsib(self, workshop: Workshop) -> None:
        result = preflight(workshop, workshop.mcuboot_package(), "--board", "qemu_cortex_m0")
        assert_refused(result)
        assert_refused(preflight(workshop, workshop.mcuboot_package(), "--board", "nrf52"), "nrf52")

    def test_every_byte_of_a_package_may_be_wrong(self, workshop: Workshop) -> None:
        """An answer or a refusal, never a traceback."""
        image = read_package_file(workshop)
        for position in range(0, len(image), len(image) // 16):
            changed = bytearray(image)
            changed[position] ^= 0xFF
            result = preflight(workshop, workshop.file("changed.bin", bytes(changed)))
            assert result.exit_code in (1, 2), position
            assert isinstance(result.exception, SystemExit), position


def read_package_file(workshop: Workshop) -> bytes:
    target = package_target(workshop.board)
    return read_package(workshop.app_package(workshop.app()), target).files[0].data


def board_file(folder: Path, slots: str, base: str = "nrf5340dk_mcuboot_sim") -> tuple[str, ...]:
    """The options of a board whose slots differ from those of its base."""
    (folder / "own.toml").write_text(
        f'name = "own"\ntitle = "Own"\nbase = "{base}"\nplatforms = []\n[slots]\n{slots}\n'
    )
    return ("--board", "own", f"--board-dir={folder}")


class TestMcubootAlone:
    """Boards without NSIB."""

    @pytest.fixture
    def demo(self, tmp_path: Path) -> DemoSource:
        return DemoSource(load_board("nrf5340dk_mcuboot_sim"), tmp_path / "demo")

    @pytest.mark.parametrize("board", ["nrf5340dk_mcuboot", "nrf5340dk_mcuboot_sim"])
    def test_yes_without_a_word_of_nsib(self, demo: DemoSource, board: str) -> None:
        installed = f"--installed={demo.baseline}"
        result = run(str(demo.app_update), installed, "--board", board, "--log")
        assert result.exit_code == 0, result.output
        assert result.output.startswith("YES: dfu_application.zip will upgrade this board.")
        assert "Bootloader chainload address offset: 0xc000" in result.output
        for word in ("NSIB", "provision", "S0", "counter", "network core"):
            assert word not in result.output

    def test_installed_without_network_core_is_noted(
        self, demo: DemoSource, tmp_path: Path
    ) -> None:
        one_core = tmp_path / "merged.hex"
        write_hex(one_core, [s for s in read_hex(demo.baseline) if s.address < 0x1000000])
        result = run(
            str(demo.app_update), f"--installed={one_core}", "--board", "nrf5340dk_mcuboot"
        )
        assert result.exit_code == 0
        assert "note  network core" in result.output
        assert "Bluetooth does not start" in result.output

    def test_board_with_nsib_is_told_which_board_it_is(self, demo: DemoSource) -> None:
        result = run(str(demo.app_update), f"--installed={demo.baseline}")
        assert_refused(result, "The firmware has no NSIB: MCUboot lies at 0", "nrf5340dk_mcuboot")
        assert "not provisioned" not in result.output

    def test_package_with_mcuboot_is_refused_for_that(
        self, demo: DemoSource, workshop: Workshop
    ) -> None:
        package = workshop.mcuboot_package()
        assert_refused(
            run(str(package), f"--installed={demo.baseline}", "--board", "nrf5340dk_mcuboot"),
            "The package updates MCUboot, which this board cannot: it has no NSIB.",
        )

    def test_slots_of_unequal_size_are_a_no(self, demo: DemoSource, tmp_path: Path) -> None:
        options = board_file(tmp_path, "secondary = { address = 0x10000000, size = 0xE0000 }")
        result = run(str(demo.app_update), f"--installed={demo.baseline}", *options)
        assert result.exit_code == 1
        assert "MCUboot takes no update into slots of unequal size" in result.output
        assert "the primary slot has 0xf2000 bytes, the secondary 0xe0000" in result.output


@pytest.mark.parametrize("base", ["nrf5340dk", "nrf5340dk_mcuboot"])
@pytest.mark.parametrize("ncs", ["2.3", "3.0"])
def test_size_of_the_update_slot_itself_counts(base: str, ncs: str, tmp_path: Path) -> None:
    sim = load_board(
        {"nrf5340dk": "nrf5340dk_sim", "nrf5340dk_mcuboot": "nrf5340dk_mcuboot_sim"}[base]
    )
    sim = sim.model_copy(update={"boot": sim.boot.model_copy(update={"ncs": ncs})})
    demo = DemoSource(sim, tmp_path / "demo")
    options = board_file(tmp_path, "secondary = { address = 0x10000000, size = 0x8000 }", base)
    result = run(
        str(demo.app_update), f"--installed={demo.baseline}", "--ncs", ncs, "--json", *options
    )
    assert result.exit_code == 1
    prediction = Prediction.model_validate(json.loads(result.output))
    assert "is too large: 0x18" in prediction.reason
    assert "the update slot has 0x8000" in prediction.reason

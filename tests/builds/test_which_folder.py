"""Folders that are not the one build that was meant: what each command says of them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.keys import signing_key_for_tests

from .shapes import SHAPES
from .test_one_build import pem
from .west_build import WestBuild

_SYSBUILD = next(shape for shape in SHAPES if shape.name == "ncs-3.0-nsib")
_CHILD_IMAGES = next(shape for shape in SHAPES if shape.name == "ncs-2.6-alone-ns")
_ZEPHYR = next(shape for shape in SHAPES if shape.name == "zephyr-internal")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One build of each style."""
    folder = tmp_path_factory.mktemp("made")
    for shape in (_SYSBUILD, _CHILD_IMAGES, _ZEPHYR):
        WestBuild(shape, folder / shape.name).first()
    return folder


@pytest.fixture
def build(made: Path, tmp_path: Path) -> Path:
    """A sysbuild build to spoil."""
    return Path(shutil.copytree(made / _SYSBUILD.name / "build_v1", tmp_path / "build"))


@pytest.fixture
def child_images(made: Path, tmp_path: Path) -> Path:
    """A child-image build to spoil."""
    return Path(shutil.copytree(made / _CHILD_IMAGES.name / "build_v1", tmp_path / "old"))


def refusal(*arguments: str | Path) -> str:
    """Run a command, see that it refuses, and return the message."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    for word in ("where:", "next:"):
        assert word in result.output
    return result.output


def commands_on(folder: Path, tmp_path: Path) -> Sequence[tuple[str | Path, ...]]:
    """Every command that takes a build folder and needs it whole."""
    return (
        ("resign", folder, f"--output={tmp_path / 'next'}"),
        ("board-file", folder),
        ("preflight", f"--installed={folder}", folder),
        ("sim", folder),
    )


@pytest.mark.parametrize("number", range(4), ids=["resign", "board-file", "preflight", "sim"])
def test_folder_of_several_builds_names_them(number: int, build: Path, tmp_path: Path) -> None:
    """Also where both have one layout; taking one of them would be a guess."""
    parent = tmp_path / "parent"
    for name in ("build_v1", "build_v2"):
        shutil.copytree(build, parent / name)
    text = refusal(*commands_on(parent, tmp_path)[number])
    assert f"The folder holds several builds: {parent / 'build_v1'}, {parent / 'build_v2'}." in text
    assert not (tmp_path / "next").exists()


def test_many_builds_are_not_all_named(tmp_path: Path) -> None:
    for number in range(7):
        folder = tmp_path / f"build_{number}"
        folder.mkdir()
        (folder / "CMakeCache.txt").touch()
    text = refusal("board-file", tmp_path)
    assert f"{tmp_path / 'build_4'} and 2 more." in text


def test_folder_of_one_build_is_that_build(build: Path, tmp_path: Path) -> None:
    """The application's folder, which west built in."""
    project = tmp_path / "project"
    shutil.copytree(build, project / "build")
    result = CliRunner().invoke(app, ["board-file", str(project)])
    assert result.exit_code == 0, result.output


def test_images_of_one_build_are_not_several(child_images: Path, tmp_path: Path) -> None:
    """CMake leaves its files in each image's folder, too."""
    for image in ("mcuboot", "hci_rpmsg"):
        (child_images / image / "CMakeCache.txt").touch()
    result = CliRunner().invoke(app, ["board-file", str(child_images)])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("number", range(4), ids=["resign", "board-file", "preflight", "sim"])
def test_missing_folder(number: int, tmp_path: Path) -> None:
    text = refusal(*commands_on(tmp_path / "nothing", tmp_path)[number])
    assert "does not exist." in text
    assert "Check the path." in text


def test_file_in_place_of_a_folder(build: Path, tmp_path: Path) -> None:
    """The folder that it lies in is named, where it is a build's."""
    text = refusal("board-file", build / "merged.hex")
    assert "A file was given where a build folder is needed." in text
    assert f"Give the folder that `west build -d` wrote to: {build}\n" in text
    elsewhere = tmp_path / "elsewhere" / "a" / "b" / "merged.hex"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.touch()
    assert "`west build -d` wrote to.\n" in refusal("board-file", elsewhere)


class TestResign:
    """What it says of a build that it can make nothing of."""

    def test_interrupted_build(self, build: Path, tmp_path: Path) -> None:
        """MCUboot is on in it: to say that it must be switched on would be wrong."""
        for path in [*build.rglob("*.hex"), *build.rglob("*.zip"), *build.rglob("*.bin")]:
            path.unlink()
        text = refusal("resign", build, f"--output={tmp_path / 'next'}")
        assert "The build is not complete: there is no dfu_application.zip" in text
        assert "Run `west build` to its end" in text
        assert "CONFIG_BOOTLOADER_MCUBOOT" not in text

    def test_interrupted_before_the_application(self, child_images: Path, tmp_path: Path) -> None:
        """The network core's image is there; child images are built first."""
        for name in ("dfu_application.zip", "app_update.bin", "merged.hex", "merged_domains.hex"):
            (child_images / "zephyr" / name).unlink()
        (child_images / "zephyr" / ".config").unlink()
        (child_images / "zephyr" / "net_core_app_update.bin").write_bytes(b"image")
        text = refusal("resign", child_images, f"--output={tmp_path / 'next'}")
        assert "The build is not complete: there is no dfu_application.zip" in text

    def test_build_without_mcuboot(self, build: Path, tmp_path: Path) -> None:
        config = build / "fota" / "zephyr" / ".config"
        config.write_text(config.read_text().replace("CONFIG_BOOTLOADER_MCUBOOT=y\n", ""))
        for path in [*build.rglob("*.zip"), *build.rglob("*.bin")]:
            path.unlink()
        text = refusal("resign", build, f"--output={tmp_path / 'next'}")
        assert "The build has no MCUboot" in text

    def test_build_that_packs_nothing(self, made: Path, tmp_path: Path) -> None:
        """Upstream Zephyr makes no package; its signed image is resigned, and updates the build."""
        build = made / _ZEPHYR.name / "build_v1"
        key = pem(tmp_path / "mcuboot.pem", signing_key_for_tests("mcuboot"))
        output = tmp_path / "next"
        arguments = ["resign", str(build), f"--output={output}", f"--mcuboot-key={key}"]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert [path.name for path in output.iterdir()] == ["zephyr.signed.bin"]
        image = output / "zephyr.signed.bin"
        result = CliRunner().invoke(app, ["preflight", f"--installed={build}", str(image)])
        assert result.exit_code == 0, result.output

    def test_images_of_one_name(self, made: Path, tmp_path: Path) -> None:
        """Both would be written to one place."""
        build = Path(shutil.copytree(made / _ZEPHYR.name / "build_v1", tmp_path / "build"))
        image = build / "fota" / "zephyr" / "zephyr.signed.bin"
        other = build / "hci_ipc" / "zephyr" / image.name
        demo = DemoSource(load_board("nrf5340dk_sim_netcore"), tmp_path / "demo")
        other.write_bytes(demo.network_image(2))
        text = refusal("resign", build, f"--output={tmp_path / 'next'}")
        assert f"several signed images of one name: {image} and {other}" in text

    def test_two_packages_of_one_name(self, build: Path, tmp_path: Path) -> None:
        """Nothing is picked in silence where they differ."""
        (build / "a").mkdir()
        (build / "b").mkdir()
        (build / "dfu_application.zip").rename(build / "a" / "dfu_application.zip")
        package = (build / "a" / "dfu_application.zip").read_bytes()
        (build / "b" / "dfu_application.zip").write_bytes(package + b"\x00")
        text = refusal("resign", build, f"--output={tmp_path / 'next'}")
        assert "build/a/dfu_application.zip and build/b/dfu_application.zip" in text


def test_baseline_of_an_interrupted_build(build: Path) -> None:
    for path in [*build.rglob("*.hex"), *build.rglob("*.zip"), *build.rglob("*.bin")]:
        path.unlink()
    text = refusal("preflight", f"--installed={build}", build)
    assert "The build is not complete: there is no merged.hex" in text

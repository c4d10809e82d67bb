"""`nrf-fota preflight` on build folders and on files taken out of them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.description import McubootDescription
from pytest_nrf_fota.firmware.fw_info import MAGIC
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.firmware.mcuboot_image import McubootImage
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.renewal import renew_image
from pytest_nrf_fota.preflight.prediction import Prediction

from .shapes import SHAPES
from .west_build import WestBuild

_NETWORK_SLOTS = next(shape for shape in SHAPES if shape.name == "ncs-3.0-overwrite-only")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    west = WestBuild(_NETWORK_SLOTS, folder)
    west.first()
    west.second()
    return folder


@pytest.fixture
def builds(made: Path, tmp_path: Path) -> Path:
    """build_v1 and build_v2, whose packages update both cores."""
    return Path(shutil.copytree(made, tmp_path / "builds"))


def preflight(update: Path, *arguments: str | Path) -> Result:
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, ["preflight", str(update), *texts], env={"COLUMNS": "300"})


def of_another_soc(build: Path) -> None:
    for config in build.rglob(".config"):
        config.write_text('CONFIG_BOARD="thingy91x"\nCONFIG_SOC="nrf9151"\n')


class TestNetworkCoreThatWasNotGiven:
    """merged.hex of sysbuild is the application core's."""

    def test_file_beside_it_is_named(self, builds: Path) -> None:
        build = builds / "build_v1"
        result = preflight(builds / "build_v2", f"--installed={build / 'merged.hex'}")
        assert result.exit_code == 1
        _, why, next_step, *_ = result.output.splitlines()
        assert why.startswith("  why:  nothing was given for the network core")
        assert next_step.endswith(f"--installed={build / 'merged_CPUNET.hex'}")
        assert "keeps its old firmware" not in result.output

    def test_file_without_its_build(self, builds: Path, tmp_path: Path) -> None:
        merged = shutil.copy(builds / "build_v1" / "merged.hex", tmp_path / "lone.hex")
        board = _own_slots(tmp_path)
        result = preflight(builds / "build_v2", f"--installed={merged}", *board)
        assert result.exit_code == 1, result.output
        assert "with a second --installed" in result.output.splitlines()[2]

    def test_with_it_all_goes_well(self, builds: Path) -> None:
        build = builds / "build_v1"
        both = [f"--installed={build / name}" for name in ("merged.hex", "merged_CPUNET.hex")]
        result = preflight(builds / "build_v2", *both)
        assert result.exit_code == 0, result.output


def test_update_that_is_installed_already(builds: Path) -> None:
    """In the words of pytest, not in those of an SMP return code."""
    build = builds / "build_v1"
    result = preflight(build, f"--installed={build}")
    assert result.exit_code == 1
    _, why, next_step, *_ = result.output.splitlines()
    assert why.startswith("  why:  The update is what the baseline installs already: fota.signed")
    assert "Give another build as the update" in next_step


class TestAnotherSoc:
    """An update for it is a NO; what is installed must be of this board."""

    @pytest.mark.parametrize("file", [".", "dfu_application.zip", "fota/zephyr/zephyr.signed.bin"])
    def test_update_of_its_build(self, file: str, builds: Path) -> None:
        of_another_soc(builds / "build_v2")
        update = builds / "build_v2" / file
        result = preflight(update, f"--installed={builds / 'build_v1'}")
        assert result.exit_code == 1, result.output
        assert result.output.startswith(f"NO: {update.name} will not upgrade this board.")
        assert "The build is for thingy91x (nrf9151), nrf5340dk is an nRF5340" in result.output
        assert "manifest_boards" not in result.output
        assert "pm_static" not in result.output

    def test_installed_build(self, builds: Path) -> None:
        of_another_soc(builds / "build_v1")
        result = preflight(builds / "build_v2", f"--installed={builds / 'build_v1'}")
        assert result.exit_code == 2
        assert "The build is for thingy91x" in result.output

    def test_image_with_fw_info_of_nrf91(self, builds: Path, tmp_path: Path) -> None:
        """A file that lies nowhere in particular: its own bytes tell."""
        lone = tmp_path / "lone.bin"
        lone.write_bytes(_image_for_nrf91(builds / "build_v1"))
        result = preflight(lone, f"--installed={builds / 'build_v1'}")
        assert result.exit_code == 1
        assert "'lone.bin' is for another SoC: its fw_info is for nRF91" in result.output


def test_hex_file_as_update(builds: Path) -> None:
    build = builds / "build_v2"
    result = preflight(build / "merged.hex", f"--installed={builds / 'build_v1'}")
    assert result.exit_code == 2
    assert "The update is an Intel hex file" in result.output
    assert f"Give {build / 'dfu_application.zip'}, or a signed .bin." in result.output


def test_single_images_of_a_build_are_named_as_they_are(builds: Path) -> None:
    """Not the package that is made of them to be sent."""
    build = builds / "build_v2"
    (build / "dfu_application.zip").unlink()
    result = preflight(build, f"--installed={builds / 'build_v1'}")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("YES: zephyr.signed.bin will upgrade this board.")


def test_images_of_both_cores_are_one_update(builds: Path) -> None:
    """As pytest takes them with two --update."""
    build = builds / "build_v2"
    images = [build / "signed_by_mcuboot_and_b0_ipc_radio.bin", build / "fota/zephyr"]
    result = preflight(
        images[0], images[1] / "zephyr.signed.bin", f"--installed={builds / 'build_v1'}", "--json"
    )
    assert result.exit_code == 0, result.output
    names = [check["name"] for check in json.loads(result.output)["checks"]]
    assert "upload" in names
    assert "upload, network core" in names


def test_path_to_paste_is_whole_in_a_narrow_terminal(builds: Path) -> None:
    installed = f"--installed={builds / 'build_v1' / 'merged.hex'}"
    arguments = ["preflight", str(builds / "build_v2"), installed]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "60"})
    shown = "".join(result.output.split())
    assert shown.count(f"--installed={builds / 'build_v1' / 'merged_CPUNET.hex'}") == 2


class TestGuessedRelease:
    """What nothing in the build tells is the board file's default, and said to be that."""

    def test_is_called_a_guess(self, builds: Path) -> None:
        self._without_banner(builds / "build_v1")
        result = preflight(builds / "build_v2", f"--installed={builds / 'build_v1'}")
        assert "That release is a guess" in result.output
        assert "--ncs" in result.output

    def test_build_that_tells_it(self, builds: Path) -> None:
        self._without_banner(builds / "build_v1")
        (builds / "build_v1" / "CMakeCache.txt").write_text(
            "ZEPHYR_BASE:PATH=/opt/nordic/ncs/v2.6.0/zephyr\n"
        )
        result = preflight(builds / "build_v2", f"--installed={builds / 'build_v1'}", "--json")
        prediction = Prediction.model_validate(json.loads(result.output))
        assert (prediction.ncs, prediction.ncs_is_guess) == ("2.6", False)

    def test_banner_and_option(self, builds: Path) -> None:
        installed = f"--installed={builds / 'build_v1'}"
        assert "is a guess" not in preflight(builds / "build_v2", installed).output
        self._without_banner(builds / "build_v1")
        given = preflight(builds / "build_v2", installed, "--ncs", "2.9")
        assert "is a guess" not in given.output

    def _without_banner(self, build: Path) -> None:
        banner = _NETWORK_SLOTS.banner.encode()
        for path in build.rglob("*.hex"):
            segments = read_hex(path)
            write_hex(
                path,
                [Segment(s.address, s.data.replace(banner, bytes(len(banner)))) for s in segments],
            )


def _own_slots(folder: Path) -> tuple[str, str]:
    slots = _NETWORK_SLOTS.slots
    assert slots.secondary_network is not None
    lines = ['name = "own"', 'base = "nrf5340dk_mcuboot"', "platforms = []", "[boot]"]
    lines += ['bootloader_mode = "overwrite_only"', "[slots]"]
    for name in ("primary", "secondary", "secondary_network"):
        slot = getattr(slots, name)
        lines.append(f"{name} = {{ address = 0x{slot.address:x}, size = 0x{slot.size:x} }}")
    (folder / "own.toml").write_text("\n".join(lines) + "\n")
    return ("--board=own", f"--board-dir={folder}")


def _image_for_nrf91(build: Path) -> bytes:
    """A MCUboot for S0 as NSIB of an nRF91 starts it, signed for the build's own MCUboot."""
    image = McubootImage.parse((build / "fota" / "zephyr" / "zephyr.signed.bin").read_bytes())
    size_bytes = image.header.image_size_bytes
    firmware = build_payload(0x8200, size_bytes, McubootDescription(), fw_info_version=3)
    firmware = firmware.replace(MAGIC, MAGIC[:8] + (0x5B02).to_bytes(4, "little"))
    return renew_image(image, firmware, image.version, signing_key_for_tests("mcuboot"))


def inspected(build: Path) -> str:
    """What `nrf-fota inspect` says of a build, in one line."""
    result = CliRunner().invoke(app, ["inspect", str(build)])
    return " ".join(result.output.split())


@pytest.mark.parametrize(("images", "exit_code"), [("1", 1), ("2", 0)])
def test_mcuboot_of_one_image_does_not_update_itself(
    tmp_path: Path, images: str, exit_code: int
) -> None:
    """As real ones of NCS 2.5.0 did. Its own settings tell, though those for S1 lie beside them."""
    shape = next(shape for shape in SHAPES if shape.name == "ncs-2.6-nsib-own-layout")
    west = WestBuild(shape, tmp_path)
    build = west.first()
    (update,) = west.second().rglob("dfu_mcuboot.zip")
    for image in ("mcuboot", "s1_image"):
        with (build / image / "zephyr" / ".config").open("a") as config:
            config.write(f"CONFIG_UPDATEABLE_IMAGE_NUMBER={images}\n")
    result = preflight(update, f"--installed={build}")
    assert result.exit_code == exit_code, result.output
    is_named = "only where it was built for two images" in result.output
    assert is_named is (images == "1")
    assert ("it never updates itself" in inspected(build)) is (images == "1")


@pytest.mark.parametrize("is_beside_it", [True, False])
def test_mcuboot_that_overwrites_beside_a_network_core_refuses_itself(
    tmp_path: Path, *, is_beside_it: bool
) -> None:
    """As the machine code of NCS 2.5.0 did; a build that knows nothing of that core takes it."""
    shape = next(shape for shape in SHAPES if shape.name == "ncs-2.6-nsib-own-layout")
    west = WestBuild(replace(shape, mode="overwrite_only"), tmp_path)
    build = west.first()
    (update,) = west.second().rglob("dfu_mcuboot.zip")
    (layout_of_core,) = build.rglob("partitions_CPUNET.yml")
    if not is_beside_it:
        layout_of_core.unlink()
    with (build / "mcuboot" / "zephyr" / ".config").open("a") as config:
        config.write("CONFIG_MCUBOOT_VERIFY_IMG_ADDRESS=y\n")
    result = preflight(update, f"--installed={build}")
    assert result.exit_code == int(is_beside_it), result.output
    assert ("this MCUboot refuses every update of itself" in result.output) is is_beside_it
    assert ("looks for the code of its own update" in inspected(build)) is is_beside_it


def test_application_without_smp_server_is_named(builds: Path) -> None:
    """The update would run, and no client can send it to a kit."""
    (config,) = (builds / "build_v1").glob("fota/zephyr/.config")
    lines = [line for line in config.read_text().splitlines() if "MCUMGR" not in line]
    config.write_text("\n".join(lines) + "\n")
    result = preflight(builds / "build_v2", f"--installed={builds / 'build_v1'}")
    assert result.exit_code == 0, result.output
    assert "note  application" in result.output
    assert "no SMP server (CONFIG_MCUMGR is off): a kit with it cannot" in result.output

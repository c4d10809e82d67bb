"""Folders that are no complete build of this board: one error, before anything is collected."""

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.firmware.fw_info import MAGIC, find_fw_info
from pytest_nrf_fota.firmware.hex_file import Segment, memory_reader, read_hex, write_hex

from .shapes import SHAPES
from .west_build import WestBuild

_SYSBUILD = next(shape for shape in SHAPES if shape.name == "ncs-3.0-nsib")
_CHILD_IMAGES = next(shape for shape in SHAPES if shape.name == "ncs-2.3-nsib")


@pytest.fixture
def user_folder(empty_folder: pytest.Pytester) -> pytest.Pytester:
    """A folder with a test that would run."""
    empty_folder.makepyfile(test_it="def test_it(dut, firmware): dut.prepare(firmware.baseline)")
    return empty_folder


@pytest.fixture(scope="session")
def made_builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """build_v1 and build_v2 of sysbuild, and the same of child images in old_v1 and old_v2."""
    folder = tmp_path_factory.mktemp("builds")
    for shape, name in ((_SYSBUILD, "build"), (_CHILD_IMAGES, "old")):
        west = WestBuild(shape, tmp_path_factory.mktemp("made") / name)
        for version, write in (("v1", west.first), ("v2", west.second)):
            write().rename(folder / f"{name}_{version}")
    return folder


@pytest.fixture
def builds(user_folder: pytest.Pytester, made_builds: Path) -> Path:
    """The user's folder with a copy of the four builds, for a test to break."""
    shutil.copytree(made_builds, user_folder.path, dirs_exist_ok=True)
    return user_folder.path


def refusal(user_folder: pytest.Pytester, *arguments: str, board: str = "nrf5340dk_sim") -> str:
    """Run, see that nothing was collected, and return the message."""
    result = user_folder.runpytest_inprocess(f"--board={board}", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str()
    assert "collected" not in result.stdout.str()
    text = result.stderr.str()
    for word in ("where:", "next:"):
        assert word in text
    assert "Traceback" not in text
    return text


def _empty(build: Path) -> None:
    shutil.rmtree(build)
    build.mkdir()


def _interrupted(build: Path) -> None:
    for path in sorted(build.rglob("*")):
        if path.suffix in (".hex", ".zip", ".bin") or path.name == ".config":
            path.unlink()


def _of_another_soc(build: Path) -> None:
    config = build / "fota" / "zephyr" / ".config"
    config.write_text(
        'CONFIG_BOARD="nrf52840dk"\nCONFIG_SOC="nrf52840"\nCONFIG_SOC_SERIES_NRF52X=y\n'
    )


def _without_update_slot(build: Path) -> None:
    path = build / "partitions.yml"
    path.write_text("app:\n  address: 0x0\n  end_address: 0x100000\n  size: 0x100000\n")


def _without_yaml(build: Path) -> None:
    (build / "partitions.yml").write_text("mcuboot_primary: [1, 2\n")


def _outside_of_all_memories(build: Path) -> None:
    path = build / "partitions.yml"
    path.write_text(path.read_text().replace("address: 0x28000", "address: 0x98000"))


def _without_network_core(build: Path) -> None:
    (build / "merged_CPUNET.hex").unlink()


def _two_builds_in_one(build: Path) -> None:
    inner = build / "again"
    shutil.copytree(build / "fota", inner / "fota")
    (build / "merged.hex").rename(inner / "merged.hex")
    other = build / "other"
    other.mkdir()
    shutil.copy(inner / "merged.hex", other / "merged.hex")
    with (other / "merged.hex").open("a") as stream:
        stream.write("\n")


def _without_mcuboot(build: Path) -> None:
    config = build / "fota" / "zephyr" / ".config"
    config.write_text(config.read_text().replace("CONFIG_BOOTLOADER_MCUBOOT=y\n", ""))


def _package_of_another_build(build: Path) -> None:
    shutil.copy(build.parent / "build_v2" / "dfu_application.zip", build / "dfu_application.zip")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_empty, "is no build folder"),
        (_interrupted, "The build is not complete: CMake has run"),
        (_of_another_soc, "The build is for nrf52840dk (nrf52840), nrf5340dk_sim is an nRF5340"),
        (_without_update_slot, "there is no partition 'mcuboot_primary'"),
        (_without_yaml, "does not hold partitions"),
        (_outside_of_all_memories, "lies in no memory of nrf5340dk_sim"),
        (_without_network_core, "The network core would stay empty"),
        (_without_mcuboot, "The build has no MCUboot"),
        (_package_of_another_build, "dfu_application.zip has application 1.1.0"),
        (_two_builds_in_one, "again/merged.hex and build_v1/other/merged.hex"),
    ],
)
def test_baseline_folder_is_refused(
    spoil: Callable[[Path], None], said: str, user_folder: pytest.Pytester, builds: Path
) -> None:
    spoil(builds / "build_v1")
    assert said in refusal(user_folder, "--baseline=build_v1", "--update=build_v2")


def test_baseline_that_is_newer_than_the_update(user_folder: pytest.Pytester, builds: Path) -> None:
    """The two options the wrong way round."""
    del builds
    text = refusal(user_folder, "--baseline=old_v2", "--update=old_v1")
    assert "The baseline is newer than the update: its application is 1.1.0" in text


def test_same_build_as_baseline_and_update(user_folder: pytest.Pytester, builds: Path) -> None:
    del builds
    text = refusal(user_folder, "--baseline=build_v1", "--update=build_v1")
    assert "The update is what the baseline installs already: fota.signed.bin" in text


def test_update_whose_package_is_of_another_build(
    user_folder: pytest.Pytester, builds: Path
) -> None:
    shutil.copy(builds / "build_v1" / "dfu_application.zip", builds / "build_v2")
    text = refusal(user_folder, "--baseline=build_v1", "--update=build_v2")
    assert "The folder holds files of two builds: build_v2/dfu_application.zip" in text


def test_hex_files_of_one_core_twice(user_folder: pytest.Pytester, builds: Path) -> None:
    del builds
    text = refusal(
        user_folder, "--baseline=build_v1/merged.hex", "--baseline=old_v1/zephyr/merged.hex"
    )
    assert "Two hex files have data for one core's address" in text
    assert "build_v1/merged.hex and old_v1/zephyr/merged.hex" in text


def test_hex_files_of_two_builds(user_folder: pytest.Pytester, builds: Path) -> None:
    """Each core of another one; that is no folder with a mixture."""
    del builds
    text = refusal(
        user_folder, "--baseline=build_v1/merged.hex", "--baseline=build_v2/merged_CPUNET.hex"
    )
    assert "The hex files are of two builds: build_v1/merged.hex of build_v1" in text
    assert "build_v2/merged_CPUNET.hex of build_v2" in text


def test_updates_of_two_builds(user_folder: pytest.Pytester, builds: Path) -> None:
    """Each fits the board by its layout; together nobody has built them."""
    shutil.copytree(builds / "build_v2", builds / "build_v3")
    given = ("build_v2/dfu_application.zip", "build_v3/dfu_mcuboot.zip")
    text = refusal(user_folder, "--baseline=build_v1", *(f"--update={path}" for path in given))
    assert f"The updates are of two builds: {given[0]} of build_v2, {given[1]} of build_v3" in text


def test_update_of_a_build_that_west_did_not_end(
    user_folder: pytest.Pytester, builds: Path
) -> None:
    """MCUboot is on in it: to say that it must be switched on would be wrong."""
    update = builds / "build_v2"
    for path in [*update.rglob("*.zip"), *update.rglob("*.bin")]:
        path.unlink()
    text = refusal(user_folder, "--baseline=build_v1", "--update=build_v2")
    assert "The build is not complete: there is no dfu_application.zip" in text
    assert "CONFIG_BOOTLOADER_MCUBOOT" not in text


def test_network_core_that_was_built_alone(user_folder: pytest.Pytester, builds: Path) -> None:
    """Without sysbuild it has a build folder of its own; its order among the files is free."""
    alone = builds / "hci_ipc"
    (alone / "zephyr").mkdir(parents=True)
    (alone / "CMakeCache.txt").write_text("# This is the CMakeCache file.\n")
    shutil.copy(builds / "build_v1" / "merged_CPUNET.hex", alone / "zephyr" / "zephyr.hex")
    shutil.copy(builds / "build_v1" / "ipc_radio/zephyr/.config", alone / "zephyr" / ".config")
    given = ["--baseline=build_v1/merged.hex", "--baseline=hci_ipc/zephyr/zephyr.hex"]
    for baselines in (given, given[::-1]):
        result = user_folder.runpytest_inprocess(
            "--board=nrf5340dk_sim", *baselines, "--update=build_v2", "--collect-only"
        )
        assert result.ret == pytest.ExitCode.OK, result.stderr.str()
        result.stdout.fnmatch_lines(["nrf-fota: layout   build_v1/partitions.yml *"])


def test_missing_network_core_is_found_beside_the_file(
    user_folder: pytest.Pytester, builds: Path
) -> None:
    """What the kit would need lies in the same build."""
    del builds
    sysbuild = refusal(user_folder, "--baseline=build_v1/merged.hex")
    assert "--baseline=build_v1/merged_CPUNET.hex" in sysbuild
    child_images = refusal(user_folder, "--baseline=old_v1/zephyr/merged.hex")
    assert "--baseline=old_v1/zephyr/merged_domains.hex" in child_images


def test_bluetooth_is_recognised_in_a_file_without_its_build(
    user_folder: pytest.Pytester, builds: Path
) -> None:
    """By the endpoint that the host opens, as in any image of Zephyr with Bluetooth over IPC."""
    segments = read_hex(builds / "build_v1" / "merged.hex")
    lone = user_folder.path / "lone.hex"
    first, *rest = segments
    code = first.data[:-64] + b"nrf_bt_hci\x00".ljust(64, b"\x00")
    write_hex(lone, [type(first)(first.address, code), *rest])
    text = refusal(user_folder, "--baseline=lone.hex")
    assert "it opens the IPC endpoint nrf_bt_hci" in text
    assert "with a second --baseline" in text


def test_update_for_another_layout(user_folder: pytest.Pytester, builds: Path) -> None:
    """Its image would run from where nothing of it lies."""
    path = builds / "old_v2" / "partitions.yml"
    path.write_text(path.read_text().replace("0x28000", "0x30000").replace("0xd8000", "0xd0000"))
    text = refusal(user_folder, "--baseline=old_v1", "--update=old_v2")
    assert "its primary slot lies at 0x30000, the board's at 0x28000" in text


class TestUpdateOutOfItsBuild:
    """A package or an image whose partitions.yml is not at hand."""

    def test_file_in_its_build(self, user_folder: pytest.Pytester, builds: Path) -> None:
        """The layout around it counts, as for the folder."""
        path = builds / "build_v2" / "partitions.yml"
        moved = path.read_text().replace("0x28000", "0x30000")
        path.write_text(moved.replace("0xd8000", "0xd0000"))
        arguments = ("--baseline=build_v1", "--update=build_v2/dfu_application.zip")
        text = refusal(user_folder, *arguments)
        assert "its primary slot lies at 0x30000, the board's at 0x28000" in text

    def test_load_address(self, user_folder: pytest.Pytester, builds: Path) -> None:
        self._package(builds, 0x24200)
        text = refusal(user_folder, "--baseline=build_v1", "--update=lone.zip")
        assert "its manifest's load_address is 0x24200, behind a header of 0x200 bytes" in text
        assert "the primary slot of nrf5340dk_sim lies at 0x28000" in text
        assert "where: lone.zip, fota.signed.bin" in text

    @pytest.mark.parametrize("load_address", [0x28200, 0x34000], ids=["at once", "behind TF-M"])
    def test_load_address_of_this_layout(
        self, load_address: int, user_folder: pytest.Pytester, builds: Path
    ) -> None:
        """With TF-M it is the non-secure application's, behind the image's reset vector."""
        self._package(builds, load_address)
        result = user_folder.runpytest_inprocess(
            "--board=nrf5340dk_sim", "--baseline=build_v1", "--update=lone.zip", "--collect-only"
        )
        assert result.ret == pytest.ExitCode.OK, result.stderr.str()

    def test_reset_vector(self, user_folder: pytest.Pytester, builds: Path) -> None:
        internal = next(shape for shape in SHAPES if shape.name == "zephyr-internal")
        build = WestBuild(internal, builds / "made" / "internal").second()
        (build / "fota/zephyr/zephyr.signed.bin").rename(user_folder.path / "lone.bin")
        text = refusal(user_folder, "--baseline=build_v1", "--update=lone.bin")
        assert "for another layout: its code starts at 0x10600, the primary slot of" in text

    def _package(self, builds: Path, load_address: int) -> None:
        with zipfile.ZipFile(builds / "build_v2" / "dfu_application.zip") as built:
            entries = {name: built.read(name) for name in built.namelist()}
        manifest = json.loads(entries["manifest.json"])
        manifest["files"][0]["load_address"] = load_address
        # An image whose code starts at 0x28600, as the builds' demonstration firmware does.
        with zipfile.ZipFile(builds / "lone.zip", "w") as package:
            for name, data in (entries | {"manifest.json": json.dumps(manifest)}).items():
                package.writestr(name, data)


class TestBoardFile:
    """The user's own board file and the build say different things."""

    def test_slots(self, user_folder: pytest.Pytester, builds: Path) -> None:
        """Both addresses, and what to paste."""
        del builds
        _board_file(user_folder, "[slots]\nprimary = { address = 0x30000, size = 0xD0000 }\n")
        text = refusal(user_folder, "--board=mine", "--board-dir=boards", "--baseline=build_v1")
        assert "primary: 0x30000 with 0xd0000 bytes in the board file, 0x28000 with" in text
        assert "build_v1/partitions.yml" in text
        assert "[slots]\nprimary = { address = 0x28000, size = 0xd8000 }" in text

    def test_bootloader_mode(self, user_folder: pytest.Pytester, builds: Path) -> None:
        del builds
        _board_file(user_folder, '[boot]\nbootloader_mode = "overwrite_only"\n')
        text = refusal(user_folder, "--board=mine", "--board-dir=boards", "--baseline=build_v1")
        assert "the build's MCUboot is 'swap_move' (build_v1/mcuboot/zephyr/.config)" in text

    def test_lone_hex_file_of_another_layout(
        self, user_folder: pytest.Pytester, builds: Path
    ) -> None:
        """Its provisioning data and its image header tell."""
        own = next(shape for shape in SHAPES if shape.name == "ncs-2.6-nsib-own-layout")
        build = WestBuild(own, builds / "made" / "own").first()
        (build / "zephyr" / "merged_domains.hex").rename(user_folder.path / "lone.hex")
        text = refusal(user_folder, "--baseline=lone.hex")
        assert "s0: 0x8000 in board nrf5340dk_sim, 0x9000 in the hex file" in text
        assert "primary: 0x28000 in board nrf5340dk_sim, 0x2c000 in the hex file" in text
        assert "s1 = { address = 0x1a000" in text


def _board_file(user_folder: pytest.Pytester, content: str) -> None:
    boards = user_folder.mkdir("boards")
    (boards / "mine.toml").write_text(f'name = "mine"\nbase = "nrf5340dk_sim"\n{content}')


def test_nothing_for_the_application_core(user_folder: pytest.Pytester, builds: Path) -> None:
    del builds
    text = refusal(user_folder, "--baseline=build_v1/merged_CPUNET.hex")
    assert "nothing for the application core" in text


def test_application_without_smp_server_is_told(user_folder: pytest.Pytester, builds: Path) -> None:
    """The virtual kit's stand-in has one, the kit's application has not."""
    config = builds / "build_v1" / "fota" / "zephyr" / ".config"
    config.write_text(config.read_text().replace("CONFIG_MCUMGR=y\n", ""))
    result = user_folder.runpytest_inprocess(
        "--board=nrf5340dk_sim", "--baseline=build_v1", "--collect-only"
    )
    result.stdout.fnmatch_lines(["*the application has no SMP server (CONFIG_MCUMGR is off)*"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(_of_another_soc, "The build is for nrf52840dk"), (_without_mcuboot, "has no MCUboot")],
)
def test_no_board_file_is_written_for_it(
    spoil: Callable[[Path], None], said: str, builds: Path
) -> None:
    spoil(builds / "build_v1")
    result = CliRunner().invoke(app, ["board-file", str(builds / "build_v1")])
    assert result.exit_code == 2
    assert said in result.output


def test_network_cores_image_alone_is_no_application(
    user_folder: pytest.Pytester, builds: Path
) -> None:
    """It goes to image 1, as in a package of both cores."""
    slots = next(shape for shape in SHAPES if shape.name == "ncs-3.0-overwrite-only")
    west = WestBuild(slots, builds / "made" / "network")
    first, second = west.first(), west.second()
    image = second / "signed_by_mcuboot_and_b0_ipc_radio.bin"
    result = user_folder.runpytest_inprocess(
        "--board=nrf5340dk_sim", f"--baseline={first}", f"--update={image}", "--collect-only"
    )
    assert result.ret == 0, result.stdout.str()
    arguments = ["preflight", "--board=nrf5340dk_sim", f"--installed={first}", str(image)]
    answered = CliRunner().invoke(app, arguments)
    assert "Reset address of image" not in answered.output
    assert answered.exit_code == 0, answered.output


@pytest.mark.parametrize(
    "update", ["build_v2", "build_v2/dfu_application.zip", "build_v2/fota/zephyr/zephyr.signed.bin"]
)
def test_update_of_a_build_for_another_soc(
    update: str, user_folder: pytest.Pytester, builds: Path
) -> None:
    """Whatever else is wrong with it, such as its layout, comes of that."""
    _of_another_soc(builds / "build_v2")
    layout = builds / "build_v2" / "partitions.yml"
    layout.write_text(layout.read_text().replace("0x28000", "0x30000"))
    text = refusal(user_folder, "--baseline=build_v1", f"--update={update}")
    assert "The build is for nrf52840dk (nrf52840), nrf5340dk_sim is an nRF5340." in text
    assert f"where: {update}" in text


class TestLoneHexFile:
    """A hex file without its build around it: only its bytes can tell."""

    @pytest.fixture
    def lone(self, user_folder: pytest.Pytester, builds: Path) -> Path:
        path = user_folder.path / "lone.hex"
        segments = [
            *read_hex(builds / "build_v1" / "merged.hex"),
            *read_hex(builds / "build_v1" / "merged_CPUNET.hex"),
        ]
        write_hex(path, segments)
        return path

    def test_application_without_mcuboot(self, lone: Path, user_folder: pytest.Pytester) -> None:
        """Its code begins at 0, as of a build without bootloader."""
        network = [s for s in read_hex(lone) if s.address >= 0x0100_0000]
        write_hex(lone, [Segment(0, bytes(range(1, 255)) * 1000), *network])
        text = refusal(user_folder, "--baseline=lone.hex")
        assert "The baseline has no application that MCUboot could start: at 0x28000" in text
        assert "SB_CONFIG_BOOTLOADER_MCUBOOT=y" in text

    def test_application_without_its_bootloader(
        self, lone: Path, user_folder: pytest.Pytester
    ) -> None:
        """zephyr.signed.hex alone: the board would start nothing at all."""
        write_hex(lone, [s for s in read_hex(lone) if s.address >= 0x28000])
        text = refusal(user_folder, "--baseline=lone.hex")
        assert "The baseline has nothing at address 0" in text
        assert "mcuboot/zephyr/zephyr.hex as well" in text

    def test_fw_info_of_nrf91(self, lone: Path, user_folder: pytest.Pytester) -> None:
        nrf91 = MAGIC[:8] + (0x5B02).to_bytes(4, "little")
        changed = [Segment(s.address, s.data.replace(MAGIC, nrf91)) for s in read_hex(lone)]
        write_hex(lone, changed)
        text = refusal(user_folder, "--baseline=lone.hex")
        assert "The hex file is for another SoC: its fw_info is for nRF91" in text

    @pytest.mark.parametrize(
        ("board", "name", "family"),
        [
            ("nrf5340dk_sim", "clock@40000000", "nRF52"),
            ("nrf5340dk_sim", "nrf91_socket", "nRF9x"),
            ("nrf52840dk_sim", "nrf9x_socket", "nRF9x"),
            ("nrf52840dk_sim", "clock@5000", "nRF53 or nRF91"),
        ],
    )
    def test_device_of_another_chip(
        self, board: str, name: str, family: str, lone: Path, user_folder: pytest.Pytester
    ) -> None:
        """Built without fw_info, as MCUboot alone and its application may be."""
        data = read_hex(lone)[0].data
        in_words = name.encode() + b"\x00"
        write_hex(lone, [Segment(0, data.replace(MAGIC, bytes(len(MAGIC))) + in_words)])
        text = refusal(user_folder, "--baseline=lone.hex", board=board)
        assert (
            f"The hex file is for another SoC: its device {name} is of an {family}, {board}" in text
        )


@pytest.mark.parametrize(
    ("update", "instead"),
    [
        ("build_v2/merged.hex", "build_v2/dfu_application.zip or build_v2/dfu_mcuboot.zip"),
        ("lone.hex", "dfu_application.zip or dfu_mcuboot.zip"),
    ],
)
def test_hex_file_as_update(
    update: str, instead: str, user_folder: pytest.Pytester, builds: Path
) -> None:
    """It is said what it is, and which file of its build to send."""
    shutil.copy(builds / "build_v2" / "merged.hex", builds / "lone.hex")
    text = refusal(user_folder, "--baseline=build_v1", f"--update={update}")
    assert "The update is an Intel hex file" in text
    assert f"next:  Give {instead}, or a signed .bin." in text


def test_older_image_is_named_as_it_was_given(user_folder: pytest.Pytester, builds: Path) -> None:
    """Not the package that is made of it in a folder of ours."""
    del builds
    text = refusal(
        user_folder, "--baseline=build_v2", "--update=build_v1/fota/zephyr/zephyr.signed.bin"
    )
    assert "where: build_v1/fota/zephyr/zephyr.signed.bin\n" in text


def test_release_that_nothing_tells_is_called_a_guess(
    user_folder: pytest.Pytester, builds: Path
) -> None:
    guess = "*NCS 2.3 is a guess: neither a banner in the firmware nor the build*"
    for path in (builds / "build_v1").rglob("*.hex"):
        _without_banner(path)
    arguments = ("--board=nrf5340dk_sim", "--baseline=build_v1", "--collect-only")
    user_folder.runpytest_inprocess(*arguments).stdout.fnmatch_lines([guess])
    _tell_release_in_ninja(builds / "build_v1", "3.0.2")
    told = user_folder.runpytest_inprocess(*arguments)
    told.stdout.no_fnmatch_line("*is a guess*")


def _without_banner(hex_file: Path) -> None:
    banner = _SYSBUILD.banner.encode()
    write_hex(
        hex_file,
        [
            Segment(s.address, s.data.replace(banner, bytes(len(banner))))
            for s in read_hex(hex_file)
        ],
    )


def _tell_release_in_ninja(build: Path, version: str) -> None:
    (build / "fota" / "build.ninja").write_text(
        f"  COMMAND = cmake -DNCS_VERSION_STRING={version}\n"
    )


def test_two_images_for_one_place(user_folder: pytest.Pytester, builds: Path) -> None:
    """Only one of them could be sent, and which would be a guess."""
    del builds
    images = ("build_v2/fota/zephyr/zephyr.signed.bin", "old_v2/zephyr/app_update.bin")
    text = refusal(user_folder, "--baseline=build_v1", *(f"--update={i}" for i in images))
    assert f"Two images are for the same place, application: {images[0]} and {images[1]}" in text


def test_mcuboot_older_than_the_installed_one(user_folder: pytest.Pytester, builds: Path) -> None:
    merged = builds / "build_v1" / "merged.hex"
    segments = read_hex(merged)
    info = find_fw_info(memory_reader(segments), 0x8000)
    assert info is not None
    old, new = info.pack(), replace(info, version=20).pack()
    write_hex(merged, [Segment(s.address, s.data.replace(old, new)) for s in segments])
    text = refusal(user_folder, "--baseline=build_v1", "--update=build_v2/dfu_mcuboot.zip")
    assert "its MCUboot is FW_INFO 20, the update's FW_INFO 15" in text


def test_slots_of_secure_and_non_secure_parts(user_folder: pytest.Pytester, builds: Path) -> None:
    """TF-M without the partition manager."""
    build = builds / "build_v1"
    (build / "partitions.yml").unlink()
    with (build / "fota" / "zephyr" / ".config").open("a") as config:
        config.write("CONFIG_BUILD_WITH_TFM=y\n")
    text = refusal(user_folder, "--baseline=build_v1")
    assert "The build has TF-M and no partitions.yml" in text


def test_board_file_is_not_overwritten(builds: Path) -> None:
    output = builds / "kit.toml"
    arguments = ["board-file", str(builds / "build_v1"), f"--output={output}"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    output.write_text("mine")
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "is there already" in again.output
    assert output.read_text() == "mine"


def test_release_of_a_lone_hex_file_is_its_banners(
    user_folder: pytest.Pytester, builds: Path
) -> None:
    """The board type that tests get says it, too."""
    shutil.copy(builds / "build_v1" / "merged.hex", builds / "lone.hex")
    shutil.copy(builds / "build_v1" / "merged_CPUNET.hex", builds / "lone_net.hex")
    user_folder.makepyfile(test_release="def test_ncs(board): assert board.boot.ncs == '3.0'")
    result = user_folder.runpytest_inprocess(
        "--board=nrf5340dk_sim", "--baseline=lone.hex", "--baseline=lone_net.hex", "-k", "test_ncs"
    )
    result.assert_outcomes(passed=1, deselected=1)

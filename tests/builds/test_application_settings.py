"""What images were built with decides how a run reaches them, and the header says so."""

from pathlib import Path

import pytest

from .shapes import SHAPES
from .west_build import WestBuild

pytestmark = pytest.mark.long_proof

UPGRADE = """
from pytest_nrf_fota.verdict.evidence import assert_upgraded

def test_app_upgrade(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.app_update))
"""
SHAPE = next(shape for shape in SHAPES if shape.name == "ncs-3.0-nsib")
PASSKEY = "CONFIG_MCUMGR_TRANSPORT_BT_PERM_RW_AUTHEN"


@pytest.fixture
def user_folder(empty_folder: pytest.Pytester) -> pytest.Pytester:
    """A folder with two builds and an upgrade test."""
    west = WestBuild(SHAPE, empty_folder.path)
    west.first()
    west.second()
    empty_folder.makepyfile(test_app=UPGRADE)
    return empty_folder


def configure(folder: pytest.Pytester, *, add: str = "", remove: str = "CONFIG_NOTHING") -> None:
    for build in ("build_v1", "build_v2"):
        config: Path = folder.path / build / "fota/zephyr/.config"
        lines = [line for line in config.read_text().splitlines() if remove not in line]
        config.write_text("\n".join([*lines, add]) + "\n")


def run(folder: pytest.Pytester, board: str = "nrf5340dk_sim") -> pytest.RunResult:
    return folder.runpytest_subprocess(
        f"--board={board}", "--board-dir=.", "--baseline=build_v1", "--update=build_v2"
    )


@pytest.mark.parametrize(
    ("option", "pairing"),
    [
        (PASSKEY, "passkey"),
        ("CONFIG_MCUMGR_SMP_BT_AUTHEN", "passkey"),
        ("CONFIG_MCUMGR_TRANSPORT_BT_PERM_RW_ENCRYPT", "just_works"),
    ],
)
def test_pairing_of_the_build(user_folder: pytest.Pytester, option: str, pairing: str) -> None:
    """The virtual kit asks for it as the build says, and the harness pairs."""
    configure(user_folder, add=f"{option}=y")
    result = run(user_folder)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [f"nrf-fota: radio    pairing {pairing} ({option}, build_v1/fota/zephyr/.config)"]
    )


def test_pairing_of_the_board_file_stays(user_folder: pytest.Pytester) -> None:
    """What the user wrote is taken, and the difference told."""
    configure(user_folder, add=f"{PASSKEY}=y")
    user_folder.path.joinpath("mine.toml").write_text(
        'name = "mine"\nbase = "nrf5340dk_sim"\n[radio]\npairing = "just_works"\n'
    )
    result = run(user_folder, "mine")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [f"*board file has pairing = just_works, the application asks for passkey ({PASSKEY}, *"]
    )


@pytest.mark.parametrize(
    ("version", "option", "counts"),
    [
        ("3.1.0", "", True),
        ("3.2.0", "", False),
        ("3.2.0", "CONFIG_SB_MONOTONIC_COUNTER_ROLLBACK_PROTECTION=y", True),
    ],
)
def test_rollback_protection_of_the_build(
    user_folder: pytest.Pytester, version: str, option: str, counts: bool
) -> None:
    """The virtual kit's NSIB counts versions where the board's would; an option from NCS 3.2 on."""
    build = user_folder.path / "build_v1"
    build.joinpath("fota", "build.ninja").write_text(f"  -DNCS_VERSION_STRING={version}\n")
    with build.joinpath("b0", "zephyr", ".config").open("a") as config:
        config.write(f"{option}\n")
    user_folder.makepyfile(
        test_app=f"""
        def test_counter(dut, firmware):
            since = dut.position("the first boot")
            dut.prepare(firmware.baseline)
            assert ("Setting monotonic counter" in dut.console.text_since(since)) == {counts}
        """
    )
    run(user_folder).assert_outcomes(passed=1)


def test_shell_without_flash_commands(user_folder: pytest.Pytester) -> None:
    """The probe erases then, instead of a command that would not be there."""
    configure(user_folder, remove="CONFIG_FLASH_SHELL")
    user_folder.makepyfile(
        test_app=UPGRADE
        + """
import pytest
from pytest_nrf_fota.errors import BoardFileError

def test_what_the_harness_does(dut, firmware):
    since = dut.position("prepare")
    dut.prepare(firmware.baseline)
    assert "flash erase" not in dut.console.text_since(since)
    with pytest.raises(BoardFileError, match="no flash commands"):
        dut.erase_external_flash()

@pytest.mark.needs("flash_shell")
def test_by_shell(dut):
    raise AssertionError
"""
    )
    result = run(user_folder)
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(["nrf-fota: note     the shell has no flash commands (CONFIG_*"])


def test_nothing_to_say(user_folder: pytest.Pytester) -> None:
    """Where SMP is open and the shell has its commands, the header has no line of it."""
    result = run(user_folder)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*pairing*")
    result.stdout.no_fnmatch_line("*flash commands*")

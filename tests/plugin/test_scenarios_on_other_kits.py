"""The scenarios of tests/hil, unchanged, on virtual kits other than the packaged one."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.long_proof

SCENARIOS = Path(__file__).parents[1] / "hil"
RELEASES = ("2.6", "2.7", "2.8", "2.9", "3.0", "3.2")


def _board_file(folder: Path, base: str, ncs: str) -> None:
    (folder / "other_kit.toml").write_text(
        f'name = "other_kit"\ntitle = "Virtual kit of another release"\nbase = "{base}"\n'
        f'platforms = []\n[boot]\nncs = "{ncs}"\n'
    )


def test_network_core_scenarios_pass_on_the_kit_that_has_its_slots(
    user_folder: pytest.Pytester,
) -> None:
    """Nothing is skipped there."""
    path = SCENARIOS / "test_multi_image.py"
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim_netcore", str(path))
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize("ncs", ["2.7", "3.2"])
def test_older_provisioning_stops_a_newer_nsib(user_folder: pytest.Pytester, ncs: str) -> None:
    """The packaged kit is older, and skips this."""
    _board_file(user_folder.path, "nrf5340dk_sim", ncs)
    path = SCENARIOS / "test_provisioning.py"
    result = user_folder.runpytest_subprocess(
        *("--board", "other_kit", f"--board-dir={user_folder.path}", str(path))
    )
    result.assert_outcomes(passed=1)


# With MCUboot alone: how it swaps, where the slots lie, and what a kit of each kind proves in the
# normal run. Internal slots leave room for the settings, external ones lie behind something else.
_INTERNAL = (
    'remove = ["external_flash"]\n'
    "[slots]\nprimary = { address = 0xC000, size = 0x78000 }\n"
    "secondary = { address = 0x84000, size = 0x78000 }\n"
)
_BEHIND_A_FILE_SYSTEM = "[slots]\nsecondary = { address = 0x106E0000, size = 0xF2000 }\n"
_ONE_SECTOR_LESS = "[slots]\nsecondary = { address = 0x10000000, size = 0xF1000 }\n"
_SCRATCH = (
    "[slots]\nprimary = { address = 0x10000, size = 0xE0000 }\n"
    "secondary = { address = 0x10000000, size = 0xE0000 }\n"
    "scratch = { address = 0xF0000, size = 0xE000 }\n"
)
_NETWORK = (
    "[slots]\nsecondary = { address = 0x106E0000, size = 0xF2000 }\n"
    "secondary_network = { address = 0x107D2000, size = 0x2E000 }\n"
    "network = { address = 0x0100A800, size = 0x2E000 }\n"
)
_ALONE = {
    "internal_move": ('ncs = "2.6"\nbootloader_mode = "swap_move"', _INTERNAL),
    "internal_offset": ('ncs = "3.0"\nbootloader_mode = "swap_offset"', _INTERNAL),
    "internal_overwrite": ('ncs = "2.3"\nbootloader_mode = "overwrite_only"', _INTERNAL),
    "external_move_one_less": ('ncs = "2.9"\nbootloader_mode = "swap_move"', _ONE_SECTOR_LESS),
    "external_offset": ('ncs = "3.0"\nbootloader_mode = "swap_offset"', _BEHIND_A_FILE_SYSTEM),
    "external_scratch": ('ncs = "3.0"\nbootloader_mode = "swap_scratch"', _SCRATCH),
    "external_overwrite": ('ncs = "2.9"\nbootloader_mode = "overwrite_only"', ""),
    "network_slots": ('ncs = "2.6"\nbootloader_mode = "overwrite_only"', _NETWORK),
    "network_slots_3_0": ('ncs = "3.0"\nbootloader_mode = "overwrite_only"', _NETWORK),
}


def _board_with_mcuboot_alone(folder: Path, kind: str) -> None:
    boot, slots = _ALONE[kind]
    (folder / "other_kit.toml").write_text(
        'name = "other_kit"\ntitle = "MCUboot alone"\nbase = "nrf5340dk_mcuboot_sim"\n'
        f"{slots}[boot]\n{boot}\n"
    )


def test_application_scenarios_pass_on_mcuboot_alone(user_folder: pytest.Pytester) -> None:
    """Unchanged; what needs NSIB or the network core's slots is skipped for that reason."""
    names = ("test_app_upgrade.py", "test_mcuboot_upgrade.py", "test_multi_image.py")
    result = user_folder.runpytest_subprocess(
        *("--board", "nrf5340dk_mcuboot_sim", "-rs", *(str(SCENARIOS / name) for name in names))
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == 14
    assert {"failed", "errors", "error"}.isdisjoint(outcomes)
    result.stdout.fnmatch_lines(["*nrf5340dk_mcuboot_sim has no nsib*"])


def test_application_scenarios_pass_on_a_kit_with_one_core(user_folder: pytest.Pytester) -> None:
    """Another chip: no network core, no NSIB, both slots in the internal flash."""
    names = ("test_app_upgrade.py", "test_mcuboot_upgrade.py", "test_multi_image.py")
    result = user_folder.runpytest_subprocess(
        *("--board", "nrf52840dk_sim", "-rs", *(str(SCENARIOS / name) for name in names))
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == 14
    assert {"failed", "errors", "error"}.isdisjoint(outcomes)
    result.stdout.fnmatch_lines(
        ["*nrf52840dk_sim has no nsib*", "*nrf52840dk_sim has no netcore_slots*"]
    )


@pytest.mark.nightly
def test_all_scenarios_pass_on_a_kit_with_one_core(user_folder: pytest.Pytester) -> None:
    """The long ones, too."""
    result = user_folder.runpytest_subprocess(
        "--board", "nrf52840dk_sim", "--nightly", str(SCENARIOS)
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > 30
    assert {"failed", "errors", "error"}.isdisjoint(outcomes)


@pytest.mark.parametrize(
    "kind", ["internal_offset", "internal_overwrite", "external_scratch", "network_slots"]
)
def test_an_application_is_upgraded_by_each_mcuboot_alone(
    user_folder: pytest.Pytester, kind: str
) -> None:
    """As the board file says; with network core slots their firmware, too."""
    _board_with_mcuboot_alone(user_folder.path, kind)
    wanted = "test_multi_image.py" if kind.startswith("network") else "build_time_changes"
    result = user_folder.runpytest_subprocess(
        *("--board", "other_kit", f"--board-dir={user_folder.path}", str(SCENARIOS), "-k", wanted)
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] >= 1
    assert {"failed", "errors", "error", "skipped"}.isdisjoint(outcomes)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", _ALONE)
def test_scenarios_pass_on_each_mcuboot_alone(user_folder: pytest.Pytester, kind: str) -> None:
    """All of them, and the long ones."""
    _board_with_mcuboot_alone(user_folder.path, kind)
    result = user_folder.runpytest_subprocess(
        *("--board", "other_kit", f"--board-dir={user_folder.path}", "--nightly", str(SCENARIOS))
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > 20
    assert {"failed", "errors", "error"}.isdisjoint(outcomes)


@pytest.mark.nightly
@pytest.mark.parametrize("base", ["nrf5340dk_sim", "nrf5340dk_sim_netcore"])
@pytest.mark.parametrize("ncs", RELEASES)
def test_scenarios_pass_on_every_release(user_folder: pytest.Pytester, base: str, ncs: str) -> None:
    """Whatever they need is there or they are skipped; none fails."""
    _board_file(user_folder.path, base, ncs)
    result = user_folder.runpytest_subprocess(
        *("--board", "other_kit", f"--board-dir={user_folder.path}", "--nightly", str(SCENARIOS))
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] > 20
    assert {"failed", "errors", "error"}.isdisjoint(outcomes)

"""The packaged scenarios on builds whose slots or shell are not those of the packaged kit."""

from pathlib import Path

import pytest

from .shapes import SHAPES
from .west_build import WestBuild

pytestmark = pytest.mark.long_proof

SCENARIOS = Path(__file__).parents[1] / "hil"


def _builds(folder: pytest.Pytester, shape_name: str) -> None:
    west = WestBuild(next(shape for shape in SHAPES if shape.name == shape_name), folder.path)
    west.first()
    west.second()


def _run(folder: pytest.Pytester, *scenarios: str) -> pytest.RunResult:
    paths = [str(SCENARIOS / name) for name in scenarios]
    given = ("--board=nrf5340dk_sim", "--baseline=build_v1", "--update=build_v2")
    return folder.runpytest_subprocess(*given, "-rs", *paths)


def test_update_slot_in_the_internal_flash(empty_folder: pytest.Pytester) -> None:
    """The board's external flash holds no update then: what erases it has nothing to show."""
    _builds(empty_folder, "zephyr-internal")
    result = _run(
        empty_folder,
        "test_clean_up.py",
        "test_robustness.py::test_stale_pending_slot",
        "test_robustness.py::test_erased_external_flash_boots",
        "test_robustness.py::test_dirty_external_flash_then_upgrade",
    )
    result.assert_outcomes(passed=1, skipped=5)
    result.stdout.fnmatch_lines(["*has no external_flash: MCUboot's update slot lies in external*"])


def test_shell_that_cannot_erase_the_flash(empty_folder: pytest.Pytester) -> None:
    """A file that MCUboot leaves in its slot is erased from the shell, so that scenario skips."""
    _builds(empty_folder, "ncs-2.3-nsib")
    for build in ("build_v1", "build_v2"):
        config = empty_folder.path / build / "zephyr/.config"
        config.write_text(config.read_text().replace("CONFIG_FLASH_SHELL=y\n", ""))
    name = "test_mcuboot_upgrade.py::test_mcuboot_upgrade_wrong_variant_stays"
    result = _run(empty_folder, name)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*has no flash_shell: *"])

"""Build folders of every kind run as they are, from `--baseline` and `--update` to a proof."""

import pytest

from .shapes import SHAPES
from .west_build import Shape, WestBuild

APP_UPGRADE = """
from pytest_nrf_fota.verdict.evidence import assert_upgraded

def test_app_upgrade(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.app_update))
"""
MCUBOOT_UPGRADE = """
import pytest
from pytest_nrf_fota.verdict.evidence import assert_upgraded

@pytest.mark.needs("nsib")
def test_mcuboot_upgrade(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.mcuboot_update))
"""


# One of each style; the others prove the same with other releases and layouts.
_FIRST = ("ncs-3.0-nsib", "zephyr-internal")
_PARAMETERS = tuple(
    pytest.param(shape, id=shape.name, marks=() if shape.name in _FIRST else pytest.mark.long_proof)
    for shape in SHAPES
)


@pytest.fixture
def user_folder(empty_folder: pytest.Pytester) -> pytest.Pytester:
    """A folder with upgrade tests."""
    empty_folder.makepyfile(test_app=APP_UPGRADE, test_mcuboot=MCUBOOT_UPGRADE)
    return empty_folder


@pytest.mark.parametrize("shape", _PARAMETERS)
def test_build_folders_run_to_a_proven_upgrade(shape: Shape, user_folder: pytest.Pytester) -> None:
    """What the build says of slots, bootloader and names is taken from it; the header tells."""
    west = WestBuild(shape, user_folder.path)
    west.first()
    west.second()
    result = user_folder.runpytest_subprocess(
        f"--board={shape.kit}", "--baseline=build_v1", "--update=build_v2", "-rs"
    )
    assert result.ret == 0, result.stdout.str()
    outcomes = result.parseoutcomes()
    assert outcomes == ({"passed": 2} if shape.has_nsib else {"passed": 1, "skipped": 1})
    text = result.stdout.str()
    result.stdout.fnmatch_lines(["*application 1.0.0 (*) -> 1.1.0 (*)*: UPGRADED"])
    assert ("MCUboot 14 in S0 -> 15 in S1: UPGRADED" in text) is shape.has_nsib
    for picked in _picked(shape):
        assert f"build_v1/{picked} (" in text


def _picked(shape: Shape) -> tuple[str, ...]:
    match shape.style:
        case "child images":
            return ("zephyr/merged_domains.hex",)
        case "sysbuild":
            return ("merged.hex", *(("merged_CPUNET.hex",) if shape.soc.network else ()))
        case "zephyr":
            return (
                "fota/zephyr/zephyr.signed.hex",
                *(("hci_ipc/zephyr/zephyr.hex",) if shape.soc.network else ()),
                "mcuboot/zephyr/zephyr.hex",
            )

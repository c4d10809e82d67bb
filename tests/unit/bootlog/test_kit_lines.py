"""Whatever the virtual kit prints while it boots, of any release, the catalogue knows."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.reader import BootReader
from tests.unit.kit_log import SCENARIOS, kit_log


@pytest.mark.parametrize("ncs", RELEASES)
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize(
    "keep_last_line", [False, pytest.param(True, marks=pytest.mark.long_proof)]
)
def test_a_kit_of_each_release_is_understood(
    name: str, ncs: str, keep_last_line: bool, tmp_path: Path
) -> None:
    scenario = SCENARIOS[name]
    reader = BootReader()
    reader.feed(kit_log(scenario, ncs, tmp_path, keep_last_line=keep_last_line))
    report = reader.finish()
    assert [seen.text for boot in report.boots for seen in boot.unknown] == []
    assert report.boot_count == scenario.resets
    for boot in report.boots:
        stages = [span.stage for span in boot.stages]
        assert stages == [Stage.NSIB, Stage.MCUBOOT, Stage.APP]
        assert boot.nsib is not None
        assert boot.nsib.booted is not None
        assert boot.nsib.booted.slot == 0
    results = [
        swap.result
        for boot in report.boots
        for swap in (boot.mcuboot.swaps if boot.mcuboot else ())
    ]
    assert tuple(results) == scenario.results

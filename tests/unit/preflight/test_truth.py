"""What was predicted is what the virtual kit then does, boot by boot."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.dut.upgrade import Upgrade
from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.firmware.mcuboot_image import Dependency, ImageVersion
from pytest_nrf_fota.preflight.prediction import Prediction
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.verdict.evidence import Outcome
from tests.unit.ext_api_lists import Request

from .workshop import McubootBuild, Workshop, board_of

pytestmark = pytest.mark.long_proof


@dataclass(frozen=True)
class Scenario:
    """A package; `prepare` changes what is installed."""

    name: str
    package: Callable[[Workshop], Path]
    prepare: Callable[[Workshop], None] = lambda workshop: None
    downgrade_prevention: bool = False


SCENARIOS = (
    Scenario("bootloader", lambda w: w.mcuboot_package()),
    Scenario("same FW_INFO version", lambda w: w.mcuboot_package(McubootBuild(1, 14))),
    Scenario("NSIB key", lambda w: w.mcuboot_package(McubootBuild(1, nsib_key="new"))),
    Scenario("MCUboot key", lambda w: w.mcuboot_package(McubootBuild(1, mcuboot_key="new"))),
    Scenario(
        "counter used up",
        lambda w: w.mcuboot_package(),
        lambda w: w.install(w.provisioning(counter_slots=2, used=(13, 14))),
    ),
    Scenario(
        "bootloader, downgrade prevention", lambda w: w.mcuboot_package(), downgrade_prevention=True
    ),
    Scenario("application", lambda w: w.app_package(w.app())),
    Scenario("application's key", lambda w: w.app_package(w.app(key="new"))),
    Scenario(
        "older application",
        lambda w: w.app_package(w.app(ImageVersion(0, 9, 0))),
        downgrade_prevention=True,
    ),
    Scenario(
        "dependency",
        lambda w: w.app_package(w.app(dependencies=[Dependency(0, ImageVersion(2, 0, 0))])),
    ),
)


@pytest.fixture(scope="module", params=["2.3", "2.6", "2.9", "3.0"])
def board(request: pytest.FixtureRequest) -> BoardType:
    """The virtual kit of each release."""
    return board_of(request.param)


@pytest.fixture(scope="module")
def unit(board: BoardType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimUnit]:
    """One kit for all scenarios of a release."""
    taken = SimUnit(board, "truth", tmp_path_factory.mktemp("kit"))
    yield taken
    taken.release()


@pytest.fixture
def dut(board: BoardType, unit: SimUnit) -> Iterator[Dut]:
    """The kit, its wires open."""
    recorder = FlightRecorder()
    with closing(Dut(board, unit.name, unit.open_wires(recorder), recorder)) as opened:
        yield opened


def summaries(prediction: Prediction) -> list[str]:
    """The boots after the mark."""
    return [boot.summary for boot in prediction.boots[1:]]


def carry_out(dut: Dut, upgrade: Upgrade) -> list[str]:
    """Upload, mark and reset whatever is refused; returns the boots after the mark."""
    try:
        upgrade.upload()
    except BoardError:
        return []
    since = dut.position("before the mark")
    try:
        upgrade.set_pending()
    except BoardError:
        dut.reset()
    else:
        upgrade.reset()
    for _ in range(upgrade.expected_resets - 1):
        dut.reset()
    return [boot.summary() for boot in dut.boots_since(since)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_kit_does_what_was_predicted(scenario: Scenario, dut: Dut, tmp_path: Path) -> None:
    workshop = Workshop(dut.board, tmp_path, downgrade_prevention=scenario.downgrade_prevention)
    scenario.prepare(workshop)
    package = scenario.package(workshop)
    from_files = workshop.predict(package)
    dut.prepare(workshop.installed_hex())
    upgrade = dut.start_upgrade(package)

    boots = carry_out(dut, upgrade)
    verdict = upgrade.verdict()

    assert upgrade.prediction is not None
    assert summaries(upgrade.prediction) == boots
    assert summaries(from_files) == boots
    for prediction in (upgrade.prediction, from_files):
        assert prediction.will_upgrade is (verdict.outcome is Outcome.UPGRADED), str(verdict)
    assert upgrade.prediction.reason == from_files.reason
    assert "was wrong" not in verdict.preflight
    assert bool(verdict.preflight) is not prediction.will_upgrade


def test_a_burnt_slot_takes_the_next_update(dut: Dut, tmp_path: Path) -> None:
    workshop = Workshop(dut.board, tmp_path)
    dut.prepare(workshop.installed_hex())
    refused = workshop.mcuboot_package(McubootBuild(1, nsib_key="new"))
    assert dut.upgrade(refused).outcome is not Outcome.UPGRADED
    upgrade = dut.start_upgrade(workshop.mcuboot_package())

    boots = carry_out(dut, upgrade)

    assert upgrade.verdict().outcome is Outcome.UPGRADED
    assert upgrade.prediction is not None
    assert upgrade.prediction.will_upgrade
    assert summaries(upgrade.prediction) == boots


def test_a_trial_that_is_not_confirmed_is_left_as_it_is(dut: Dut, tmp_path: Path) -> None:
    """The look reverts nothing; the next upgrade is refused before anything is sent."""
    workshop = Workshop(dut.board, tmp_path)
    dut.prepare(workshop.installed_hex())
    trial = dut.start_upgrade(workshop.app_package(workshop.app()))
    carry_out(dut, trial)
    assert trial.verdict().outcome is Outcome.UPGRADED
    running_since = dut.position("the trial runs")
    path = workshop.app_package(workshop.app(ImageVersion(1, 2, 0)))

    with pytest.raises(BoardError, match="test image that a reset would revert"):
        dut.start_upgrade(path)

    assert dut.boots_since(running_since) == ()


@pytest.mark.parametrize(("image_index", "will_upgrade"), [(0, True), (1, False)])
@pytest.mark.parametrize("ncs", ["2.6", "3.0"])
def test_board_whose_network_core_has_slots(
    ncs: str, image_index: int, will_upgrade: bool, tmp_path: Path
) -> None:
    """MCUboot overwrites there; the image goes to the slot of its index."""
    board = board_of(ncs, has_network_slots=True)
    workshop = Workshop(board, tmp_path)
    unit, recorder = SimUnit(board, "two images", tmp_path / "kit"), FlightRecorder()
    try:
        with closing(Dut(board, unit.name, unit.open_wires(recorder), recorder)) as dut:
            dut.prepare(workshop.installed_hex())
            package = workshop.app_package(workshop.app(), indices=(image_index,))
            upgrade = dut.start_upgrade(package)
            boots = carry_out(dut, upgrade)
            dut.connect()
            running = {image.version for image in dut.mcumgr.get_image_list() if image.active}
    finally:
        unit.release()
    assert upgrade.prediction is not None
    assert summaries(upgrade.prediction) == boots
    assert upgrade.prediction.will_upgrade is will_upgrade
    assert ("1.1.0" in running) is will_upgrade


@pytest.mark.parametrize(
    ("ncs", "last_line"),
    [
        ("2.3", "Setting monotonic counter (version: 15, slot: 1)"),
        ("3.0", "No bootable image found. Aborting boot."),
        ("3.2", "Advertising successfully started"),
    ],
)
def test_mcuboot_that_asks_nsib_in_vain(ncs: str, last_line: str, tmp_path: Path) -> None:
    """Dead with the first two; with 3.2, which counts no versions, S0 starts again."""
    board = board_of(ncs)
    workshop = Workshop(board, tmp_path)
    unit, recorder = SimUnit(board, "EXT_API", tmp_path / "kit"), FlightRecorder()
    try:
        with closing(Dut(board, unit.name, unit.open_wires(recorder), recorder)) as dut:
            dut.prepare(workshop.installed_hex())
            build = McubootBuild(1, asks_for=(Request(0x7777),))
            upgrade = dut.start_upgrade(workshop.mcuboot_package(build))
            upgrade.upload()
            upgrade.set_pending()
            since = dut.position("reset into a MCUboot that asks in vain")
            if upgrade.expected_resets > 1:
                upgrade.reset()
                dut.start_reset()
            else:
                dut.connect()
                dut.mcumgr.reset_device()
            dut.console.expect("Firmware version 15", since=since, within_s=20)
            dut.console.expect(re.escape(last_line), since=since, within_s=20)
            boots = [boot.summary() for boot in dut.boots_since(since)]
    finally:
        unit.release()
    assert upgrade.prediction is not None
    assert not upgrade.prediction.will_upgrade
    assert "requires EXT_API 0x7777" in upgrade.prediction.reason
    assert summaries(upgrade.prediction) == boots


@pytest.mark.parametrize("ncs", ["2.6", "3.0"])
def test_both_cores(ncs: str, tmp_path: Path) -> None:
    """Application and network core in one package, over the air."""
    board = board_of(ncs, has_network_slots=True)
    workshop = Workshop(board, tmp_path)
    unit, recorder = SimUnit(board, "both cores", tmp_path / "kit"), FlightRecorder()
    try:
        with closing(Dut(board, unit.name, unit.open_wires(recorder), recorder)) as dut:
            dut.prepare(workshop.installed_hex())
            upgrade = dut.start_upgrade(workshop.demo.app_and_network_update)
            boots = carry_out(dut, upgrade)
            verdict = upgrade.verdict()
    finally:
        unit.release()
    assert upgrade.prediction is not None
    assert upgrade.prediction.will_upgrade
    assert summaries(upgrade.prediction) == boots
    assert "was wrong" not in verdict.preflight
    assert verdict.outcome is not Outcome.NOT_UPGRADED, str(verdict)

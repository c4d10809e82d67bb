"""Bootloaders that are executed may print little or nothing: then the copy's memory decides.

The models stand in for machine code, with their log taken away.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.preflight.prediction import Prediction, prediction_of, read_update
from pytest_nrf_fota.preflight.simulated_board import APPLICATION_STARTS, Booter, SimulatedBoard
from pytest_nrf_fota.preflight.simulation import simulate
from pytest_nrf_fota.sim.boot.chain import BootChain
from pytest_nrf_fota.sim.boot.stage import Halt

from .workshop import McubootBuild, Workshop, board_of

BANNERS = b"*** Booting My Application v2.1 ***\r\n*** Using Zephyr OS v4.0.99-f791c49f492c ***\r\n"
# A log of Zephyr that is printed by a thread has lost its end when MCUboot jumps.
DEFERRED = BANNERS + b"[00:00:00.000,030] \x1b[0m<inf> mcuboot: Starting bootloader\x1b[0m\r\n"


def silent(chain: BootChain, _send: Callable[[bytes], None]) -> AppDescription | Halt:
    hardware = replace(chain.hardware, print_line=lambda text: None)
    return replace(chain, hardware=hardware).run()


def prints(data: bytes) -> Booter:
    def boot(chain: BootChain, send: Callable[[bytes], None]) -> AppDescription | Halt:
        # Byte by byte, as a UART sends.
        for byte in data:
            send(bytes([byte]))
        return silent(chain, send)

    return boot


BOOTERS = {"nothing": silent, "banners": prints(BANNERS), "deferred": prints(DEFERRED)}


@pytest.fixture(params=sorted(BOOTERS))
def booter(request: pytest.FixtureRequest) -> Booter:
    return BOOTERS[request.param]


@pytest.fixture(params=["2.3", "3.0"])
def workshop(request: pytest.FixtureRequest, tmp_path: Path) -> Workshop:
    return Workshop(board_of(request.param), tmp_path)


def predict(workshop: Workshop, package: Path, booter: Booter) -> Prediction:
    copy = SimulatedBoard(workshop.board, workshop.installed, None, booter=booter)
    simulation = simulate(copy, read_update(package, workshop.board))
    return prediction_of(simulation, network_core_file="", ncs_is_guess=False)


def assert_yes(prediction: Prediction) -> None:
    assert prediction.will_upgrade, prediction.reason
    assert prediction.first_failure is None
    assert len(prediction.boots) == 1 + prediction.resets
    for boot in prediction.boots:
        assert boot.summary.endswith("application runs")
        assert boot.lines[-1] == APPLICATION_STARTS


def test_application(workshop: Workshop, booter: Booter) -> None:
    prediction = predict(workshop, workshop.app_package(workshop.app()), booter)
    assert_yes(prediction)
    assert {gate.code: gate.result.value for gate in prediction.checks}["mcuboot_accepts"] == "ok"


def test_bootloader(workshop: Workshop, booter: Booter) -> None:
    assert_yes(predict(workshop, workshop.mcuboot_package(), booter))


def test_refused_application(workshop: Workshop, booter: Booter) -> None:
    package = workshop.app_package(workshop.app(key="other"))
    prediction = predict(workshop, package, booter)
    assert not prediction.will_upgrade
    assert prediction.reason.startswith("MCUboot does not know the key that app0.bin is signed")


def test_bootloader_that_nsib_does_not_prefer(workshop: Workshop, booter: Booter) -> None:
    prediction = predict(workshop, workshop.mcuboot_package(McubootBuild(1, 14)), booter)
    assert not prediction.will_upgrade
    assert prediction.reason == "NSIB keeps S0: FW_INFO version 14 is not higher than 14"


def test_bootloader_that_nsib_refuses(workshop: Workshop, booter: Booter) -> None:
    build = McubootBuild(1, 15, nsib_key="other")
    prediction = predict(workshop, workshop.mcuboot_package(build), booter)
    assert not prediction.will_upgrade
    assert prediction.reason.startswith("NSIB refused the update in S1 and invalidated it")


def test_board_that_stands_still(workshop: Workshop) -> None:
    """Without a line there is no boot, yet an answer."""

    def halt(_chain: BootChain, _send: Callable[[bytes], None]) -> AppDescription | Halt:
        return Halt("the bootloader sleeps for good")

    prediction = predict(workshop, workshop.app_package(workshop.app()), halt)
    assert not prediction.will_upgrade
    assert "the bootloader sleeps for good" in prediction.reason


def test_board_that_stands_still_after_the_update(workshop: Workshop) -> None:
    boots = iter([silent])

    def boot_once(chain: BootChain, send: Callable[[bytes], None]) -> AppDescription | Halt:
        booter = next(boots, None)
        return Halt("it sleeps for good") if booter is None else booter(chain, send)

    prediction = predict(workshop, workshop.app_package(workshop.app()), boot_once)
    assert not prediction.will_upgrade
    assert prediction.checks[-1].detail == "it sleeps for good"
    assert prediction.checks[-1].finding is not None

"""A kit whose network core is empty: Bluetooth does not start, and the harness says why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import LineNotSeenError, ProbeError
from pytest_nrf_fota.firmware.hex_file import read_hex, write_hex
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.verdict.readiness import not_ready_reason
from pytest_nrf_fota.verdict.silent_controller import network_core_is_empty, silent_controller_line
from tests.unit.boot_lines import boot_of

BOARD = load_board("nrf5340dk_mcuboot_sim").with_timeouts(probe_s=None, boot_s=10.0)
NETWORK = range(0x01000000, 0x01040000)


@pytest.fixture
def dut(tmp_path: Path) -> Iterator[Dut]:
    unit = SimUnit(BOARD, "kit", tmp_path / "unit")
    try:
        opened = Dut(BOARD, "kit", unit.open_wires(FlightRecorder()), FlightRecorder())
        yield opened
        opened.close()
    finally:
        unit.release()


@pytest.fixture
def one_core(tmp_path: Path) -> Path:
    """What sysbuild's merged.hex holds: the application core."""
    path = tmp_path / "merged.hex"
    segments = read_hex(DemoSource(BOARD, tmp_path / "demo").baseline)
    write_hex(path, [s for s in segments if s.address not in NETWORK])
    return path


def test_the_failure_says_that_the_network_core_is_empty(dut: Dut, one_core: Path) -> None:
    with pytest.raises(LineNotSeenError) as caught:
        dut.prepare(one_core)
    assert "the network core is empty: its flash is erased" in caught.value.what
    assert "Endpoint binding failed with -11" in caught.value.what
    assert "merged_CPUNET.hex" in caught.value.next_step
    log = dut.console.text_since(dut.opened_at)
    assert "HCI driver open failed (-11)" in log
    assert "Bluetooth init failed (err -11)" in log
    assert "Bluetooth initialized" not in log
    assert "Advertising" not in log
    assert "build time: " in log
    assert "without Bluetooth, because the network core does not answer" in not_ready_reason(
        dut.boots_since(dut.opened_at)
    )


def test_both_cores_make_it_ready(dut: Dut, tmp_path: Path) -> None:
    dut.prepare(DemoSource(BOARD, tmp_path).baseline)
    assert silent_controller_line(dut.last_boot()) is None
    assert not network_core_is_empty(BOARD, dut.read_memory)


@pytest.mark.parametrize(
    ("line", "is_silent"),
    [
        ("<err> bt_hci_driver_nrf53: No contact with network core EP (err -11)", True),
        ("<err> bt_hci_core: HCI driver open failed (-11)", True),
        ("<err> bt_hci_core: HCI driver open failed (-19)", False),
        ("Bluetooth initialized", False),
    ],
)
def test_words_of_a_silent_controller(line: str, *, is_silent: bool) -> None:
    boot = boot_of("*** Booting nRF Connect SDK v2.9.0 ***", line)
    assert (silent_controller_line(boot) is not None) is is_silent


def test_a_core_with_b0n_alone_is_not_empty() -> None:
    def b0n_alone(address: int, size_bytes: int) -> bytes:
        return (b"\x00" if address == NETWORK.start else b"\xff") * size_bytes

    assert not network_core_is_empty(BOARD, b0n_alone)
    assert network_core_is_empty(BOARD, lambda address, size_bytes: b"\xff" * size_bytes)


def test_a_board_without_network_core_has_none_that_is_empty() -> None:
    def never(address: int, size_bytes: int) -> bytes:
        raise ProbeError(f"0x{address:x} is not asked for")

    assert not network_core_is_empty(load_board("qemu_cortex_m0"), never)

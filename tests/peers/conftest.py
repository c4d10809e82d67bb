"""Programs that others wrote: on a user's machine a missing one is a skip, in CI a failure."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeAlias

import platformdirs
import pytest

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.firmware.smpclient_dist import QemuCortexM0Firmware, qemu_cortex_m0_firmware
from pytest_nrf_fota.providers.native_sim import NativeSimUnit, require_32_bit_programs
from pytest_nrf_fota.record.recorder import FlightRecorder

MissingPeer: TypeAlias = Callable[[str], NoReturn]
MakeDut: TypeAlias = Callable[[str], Dut]


@pytest.fixture(scope="session")
def missing_peer() -> MissingPeer:
    """Call it with what is missing, and what to install."""

    def skip_or_fail(reason: str) -> NoReturn:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)

    return skip_or_fail


@pytest.fixture(scope="session")
def cache_home() -> str:
    """The user's cache folder, as it is before pytester gives its tests another home."""
    return str(Path(platformdirs.user_cache_dir()))


@pytest.fixture
def user_folder(
    cache_home: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """A folder in which a pytest of its own runs, which need not download the firmware again."""
    monkeypatch.setenv("XDG_CACHE_HOME", cache_home)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    return pytester


@pytest.fixture(scope="session")
def qemu(missing_peer: MissingPeer) -> None:
    """QEMU is installed."""
    if shutil.which("qemu-system-arm") is None:
        missing_peer("qemu-system-arm is missing: install the Debian package qemu-system-arm")


@pytest.fixture(scope="session")
def qemu_firmware(qemu: None) -> QemuCortexM0Firmware:
    """Real Zephyr and MCUboot for QEMU, and QEMU itself."""
    return qemu_cortex_m0_firmware()


@pytest.fixture(scope="session")
def native_sim(missing_peer: MissingPeer) -> None:
    """32-bit x86 programs run here."""
    try:
        require_32_bit_programs()
    except RigError as error:
        missing_peer(str(error))


@pytest.fixture
def make_dut(tmp_path: Path) -> Iterator[MakeDut]:
    """Makes a booted board of one of native_sim's types."""
    units: list[NativeSimUnit] = []
    duts: list[Dut] = []

    def make(board_name: str) -> Dut:
        board = load_board(board_name)
        unit = NativeSimUnit(board, f"{board_name}-0", tmp_path / "unit")
        units.append(unit)
        recorder = FlightRecorder()
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        duts.append(dut)
        dut.reset()
        return dut

    yield make
    for dut in duts:
        dut.close()
    for unit in units:
        unit.release()

"""A kit whose console is none of its probe's own ports: on an adapter, or on another machine."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.console.vcom_choice import VcomMemory
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import ConsoleLostError, LineNotSeenError, RigError
from pytest_nrf_fota.providers.kit_wires import KitWires
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.providers.usb import find_kit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import HciController
from pytest_nrf_fota.verdict.evidence import assert_upgraded
from tests.unit.console.serial_servers import RawServer, Rfc2217Server, free_port

from .kit_behind_tool import write_tool

pytestmark = pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only")

_SN = "1050047412"


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[SimUnit]:
    unit = SimUnit(load_board("nrf5340dk_sim"), "kit", tmp_path / "kit")
    yield unit
    unit.release()


@pytest.fixture
def open_dut(
    kit: SimUnit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Dut]]:
    """Opens the kit behind a probe that has these serial ports, its console elsewhere."""
    tools = tmp_path / "bin"
    write_tool(tools, "nrfutil", kit.control_address, _SN)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with ExitStack() as stack:

        def open_dut(port: str, vcoms: tuple[Vcom, ...] = (), boot_s: float = 30.0) -> Dut:
            board = load_board("nrf5340dk").with_runner("nrfutil")
            board = board.with_console(port=port, baudrate=None)
            board = board.with_timeouts(probe_s=None, boot_s=boot_s)
            kits = (AttachedKit(_SN, vcoms),) if vcoms else ()
            unit = find_kit(board, tmp_path / "unit", None, HciController(kit.hci), lambda: kits)
            stack.callback(unit.release)
            recorder = FlightRecorder()
            dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
            stack.callback(dut.close)
            return dut

        yield open_dut


@pytest.mark.long_proof
def test_upgrade_of_a_kit_whose_probe_has_no_port(
    kit: SimUnit, open_dut: Callable[..., Dut], tmp_path: Path
) -> None:
    """Log and shell over RFC 2217; the probe is found by its tool alone."""
    firmware = DemoSource(load_board("nrf5340dk_sim"), tmp_path / "firmware")
    server = Rfc2217Server(uart=kit.vcoms[1])
    dut = open_dut(server.url)
    assert dut.name == _SN
    assert dut.console.port == server.url
    assert dut.network_console is None
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.app_update))
    dut.close()
    server.stop()


def test_port_of_the_kits_own_leaves_the_network_cores(
    kit: SimUnit, open_dut: Callable[..., Dut], tmp_path: Path
) -> None:
    """By whatever name it is given: here a link, as udev makes them."""
    network, application = kit.vcoms
    link = tmp_path / "console"
    link.symlink_to(application)
    vcoms = (Vcom(network, network, 0), Vcom(application, application, 2))
    dut = open_dut(str(link), vcoms)
    assert dut.console.port == str(link)
    assert dut.network_console is not None
    assert dut.network_console.port == network


def test_adapter_leaves_the_kits_own_ports_alone(
    kit: SimUnit, open_dut: Callable[..., Dut]
) -> None:
    """What hangs at them nobody has said."""
    network, application = kit.vcoms
    board, adapter = os.openpty()
    dut = open_dut(
        os.ttyname(adapter), (Vcom(network, network, 0), Vcom(application, application, 2))
    )
    assert dut.network_console is None
    dut.close()
    os.close(board)
    os.close(adapter)


def test_silent_port_that_was_given_is_no_guess(open_dut: Callable[..., Dut]) -> None:
    server = RawServer()
    dut = open_dut(server.url, boot_s=0.3)
    with pytest.raises(LineNotSeenError) as refusal:
        dut.wait_for_boot(dut.console.position(), 0.3)
    assert "The UART is silent" in refusal.value.next_step
    assert "CONFIG_LOG_BACKEND_RTT" in refusal.value.next_step
    assert "115200" in refusal.value.next_step
    assert "guess" not in refusal.value.next_step
    server.stop()


def test_server_that_is_not_there_is_a_broken_rig(open_dut: Callable[..., Dut]) -> None:
    with pytest.raises(ConsoleLostError, match="cannot be opened") as refusal:
        open_dut(f"socket://127.0.0.1:{free_port()}")
    assert isinstance(refusal.value, RigError)


def test_port_beside_one_for_smp_may_be_the_probes_only_one(tmp_path: Path) -> None:
    """With the console elsewhere, the kit's one port carries SMP; without, there is none left."""
    board = load_board("nrf5340dk")
    radio = board.radio.model_copy(update={"kind": "serial", "vcom": 0})
    board = board.model_copy(update={"radio": radio})
    one_port = AttachedKit("7", (Vcom("/dev/null", "/dev/null", 0),))
    elsewhere = board.with_console(port="/dev/ttyUSB0", baudrate=None)
    KitWires(elsewhere, one_port, tmp_path, None, _no_memory(tmp_path))
    with pytest.raises(ConsoleLostError, match="besides its console"):
        KitWires(board, one_port, tmp_path, None, _no_memory(tmp_path))


def _no_memory(folder: Path) -> VcomMemory:
    return VcomMemory(folder / "cache")

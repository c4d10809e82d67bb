"""The wires of a kit on USB, opened on a virtual kit: its ports and its HCI socket are as real."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.expect import expect
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.console.vcom_choice import VcomMemory
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import ConsoleLostError, LineNotSeenError
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.providers.kit_wires import KitWires, kit_with_serial_number
from pytest_nrf_fota.providers.sim import SimProbe, SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.client import KitControl
from pytest_nrf_fota.smp.host_radio import HciController
from pytest_nrf_fota.wires.probe import Core, Probe, ProbeInfo, ResetKind


class Rig:
    """A virtual kit, reached as a kit on USB is; its ports in a wrong order, if wished."""

    def __init__(
        self,
        folder: Path,
        *,
        application_first: bool,
        boot_s: float = 10.0,
        shares_console: bool = False,
        smp_vcom: int | None = None,
    ) -> None:
        board = load_board("nrf5340dk_sim")
        timeouts = board.timeouts.model_copy(update={"boot_s": boot_s})
        kind = "serial_over_console" if shares_console else "ble"
        kind = kind if smp_vcom is None else "serial"
        radio = board.radio.model_copy(update={"kind": kind, "vcom": smp_vcom})
        self.board: BoardType = board.model_copy(update={"timeouts": timeouts, "radio": radio})
        self.unit = SimUnit(self.board, "kit", folder / "kit")
        self.firmware = DemoSource(self.board, folder / "firmware")
        self.network_port, self.application_port = self.unit.vcoms
        ports = [self.network_port, self.application_port]
        if application_first:
            ports.reverse()
        if smp_vcom is not None:
            ports.insert(smp_vcom, self.unit.smp_vcom)
        vcoms = tuple(Vcom(port, port, 2 * place) for place, port in enumerate(ports))
        self.kit = AttachedKit("1050012345", vcoms)
        self.memory = VcomMemory(folder / "cache")
        self.wires = KitWires(
            self.board, self.kit, folder / "unit", HciController(self.unit.hci), self.memory
        )

    def probe(self) -> Probe:
        return SimProbe(KitControl(self.unit.control_address), "kit", self.board.soc)

    def flash(self) -> None:
        probe = self.probe()
        for core in self.board.probe.recover:
            probe.recover(core, Deadline.after(30))
        probe.program(self.firmware.baseline, Deadline.after(30))
        probe.close()

    def open_dut(self) -> Dut:
        recorder = FlightRecorder()
        return Dut(self.board, "kit", self.wires.open(self.probe(), recorder), recorder)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    with ExitStack() as rigs:

        def make(
            *,
            application_first: bool,
            boot_s: float = 10.0,
            shares_console: bool = False,
            smp_vcom: int | None = None,
        ) -> Rig:
            made = Rig(
                tmp_path,
                application_first=application_first,
                boot_s=boot_s,
                shares_console=shares_console,
                smp_vcom=smp_vcom,
            )
            rigs.callback(made.unit.release)
            return made

        yield make


@pytest.mark.parametrize(
    "application_first", [pytest.param(False, marks=pytest.mark.long_proof), True]
)
def test_upgrade_on_ports_in_either_order(rig: Callable[..., Rig], application_first: bool) -> None:
    """The application core's port is found by its boot; SMP and all else then work."""
    made = rig(application_first=application_first)
    made.flash()
    dut = made.open_dut()
    assert dut.console.port == made.application_port
    assert dut.wires.network_console is not None
    assert dut.wires.network_console.port == made.network_port
    dut.prepare(made.firmware.baseline)
    assert dut.upgrade(made.firmware.app_update).outcome.value == "upgraded"
    dut.close()


def test_upgrade_over_the_shells_uart(rig: Callable[..., Rig]) -> None:
    """SMP shares the application core's port with log and shell; no radio is needed."""
    made = rig(application_first=False, shares_console=True)
    made.flash()
    dut = made.open_dut()
    dut.prepare(made.firmware.baseline)
    dut.connect()
    assert dut.wires.radio.description == f"serial SMP on the console {made.application_port}"
    assert dut.upgrade(made.firmware.app_update).outcome.value == "upgraded"
    dut.close()


@pytest.mark.parametrize("smp_vcom", [pytest.param(0, marks=pytest.mark.long_proof), 2])
def test_upgrade_over_a_port_of_its_own(rig: Callable[..., Rig], smp_vcom: int) -> None:
    """Of a kit's three ports; the other two are told apart as ever."""
    made = rig(application_first=False, smp_vcom=smp_vcom)
    made.flash()
    dut = made.open_dut()
    dut.prepare(made.firmware.baseline)
    assert dut.console.port == made.application_port
    assert dut.wires.network_console is not None
    assert dut.wires.network_console.port == made.network_port
    assert dut.wires.radio.description.endswith(f"of its own, {made.kit.vcoms[smp_vcom].name}")
    assert dut.upgrade(made.firmware.app_update).outcome.value == "upgraded"
    dut.close()


@pytest.mark.parametrize(("vcoms", "smp_vcom"), [(2, 2), (1, 0)])
def test_port_for_smp_that_the_kit_has_not(tmp_path: Path, vcoms: int, smp_vcom: int) -> None:
    """A kit with its other port switched off, or a wrong number."""
    board = load_board("nrf5340dk_sim")
    radio = board.radio.model_copy(update={"kind": "serial", "vcom": smp_vcom})
    ports = tuple(Vcom(f"/dev/ttyACM{n}", f"/dev/ttyACM{n}", 2 * n) for n in range(vcoms))
    kit = AttachedKit("1050012345", ports)
    with pytest.raises(ConsoleLostError, match=f"no serial port number {smp_vcom}") as caught:
        KitWires(
            board.model_copy(update={"radio": radio}), kit, tmp_path, None, VcomMemory(tmp_path)
        )
    assert "0 /dev/ttyACM0" in caught.value.where


class NotingProbe:
    """A probe that notes how long each reset was given, and may refuse it."""

    def __init__(self, inner: Probe, fault: ProbeFault | None = None) -> None:
        self._inner = inner
        self._fault = fault
        self.resets_s: list[float] = []

    def info(self, deadline: Deadline) -> ProbeInfo:
        return self._inner.info(deadline)

    def recover(self, core: Core, deadline: Deadline) -> None:
        self._inner.recover(core, deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        self._inner.program(hex_file, deadline)

    def erase_external(self, deadline: Deadline) -> None:
        self._inner.erase_external(deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        return self._inner.read(address, size_bytes, deadline)

    def resume(self, core: Core, deadline: Deadline) -> None:
        raise AssertionError

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        self.resets_s.append(deadline.allowed_s)
        if self._fault is not None:
            raise ProbeFaultError(self._fault, "refused", where="probe")
        self._inner.reset(kind, deadline)

    def close(self) -> None:
        self._inner.close()


def test_first_reset_may_take_as_long_as_the_probe_may(rig: Callable[..., Rig]) -> None:
    """Not only as long as the boot that it makes."""
    made = rig(application_first=False)
    made.flash()
    probe = NotingProbe(made.probe())
    made.wires.open(probe, FlightRecorder()).close()
    assert probe.resets_s == [made.board.timeouts.probe_s]
    assert made.board.timeouts.probe_s > made.board.timeouts.boot_s


@pytest.mark.parametrize("fault", [ProbeFault.PROTECTED, ProbeFault.NO_CONNECTION])
def test_refused_reset_that_a_recovery_cures(rig: Callable[..., Rig], fault: ProbeFault) -> None:
    """The ports are guessed at once: a kit that does not boot is not listened to."""
    made = rig(application_first=False, boot_s=3600.0)
    wires = made.wires.open(NotingProbe(made.probe(), fault), FlightRecorder())
    assert wires.console.port == made.application_port
    wires.close()


def test_refused_reset_that_no_recovery_cures(rig: Callable[..., Rig]) -> None:
    made = rig(application_first=False)
    probe = NotingProbe(made.probe(), ProbeFault.PROBE_LOST)
    with pytest.raises(ProbeFaultError, match="refused"):
        made.wires.open(probe, FlightRecorder())
    probe.close()


def test_guess_that_held_is_remembered_by_the_next_test(rig: Callable[..., Rig]) -> None:
    """A recovered kit prints nothing; what it printed since tells."""
    made = rig(application_first=False, boot_s=10.0)
    dut = made.open_dut()
    assert made.memory.recall(made.kit) is None
    dut.prepare(made.firmware.baseline)
    dut.close()
    made.open_dut().close()
    remembered = made.memory.recall(made.kit)
    assert remembered is not None and remembered.name == made.application_port


def test_silence_on_a_guessed_port_is_said_to_be_one(rig: Callable[..., Rig]) -> None:
    """A kit that has printed nothing: it may be the wrong port."""
    made = rig(application_first=True, boot_s=0.5)
    dut = made.open_dut()
    with pytest.raises(LineNotSeenError) as refusal:
        dut.wait_for_boot(dut.console.position(), 0.3)
    assert f"{made.network_port} is a guess" in refusal.value.next_step
    assert made.application_port in refusal.value.next_step
    dut.close()


def test_wrong_memory_is_forgotten_once_the_other_port_shows_the_boot(
    rig: Callable[..., Rig],
) -> None:
    made = rig(application_first=False)
    made.flash()
    made.memory.remember(made.kit, made.kit.vcoms[0])
    dut = made.open_dut()
    assert dut.console.port == made.network_port
    network = dut.wires.network_console
    assert network is not None
    dut.probe.reset(made.board.probe.reset, Deadline.after(10))
    expect(network, made.board.boot.app_ready, since=LogPosition(0), deadline=Deadline.after(10))
    dut.close()
    dut = made.open_dut()
    assert dut.console.port == made.application_port
    dut.close()


def test_port_in_use_leaves_the_other_ports_free(rig: Callable[..., Rig]) -> None:
    made = rig(application_first=False)
    made.memory.remember(made.kit, made.kit.vcoms[1])
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True); "
            "print('held', flush=True); sys.stdin.read()",
            made.network_port,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(ConsoleLostError, match=rf"pid {holder.pid}"):
            made.open_dut()
        holder.terminate()
    made.open_dut().close()


@pytest.mark.parametrize("asked", ["1050012345", "001050012345"])
def test_kit_is_found_with_or_without_leading_zeros(asked: str) -> None:
    kits = [AttachedKit("960000001", ()), AttachedKit("1050012345", ())]
    assert kit_with_serial_number(asked, kits) == kits[1]


def test_kit_without_serial_port_lists_those_that_have_one() -> None:
    with pytest.raises(ConsoleLostError, match="kit 42 has no serial port") as refusal:
        kit_with_serial_number("42", [AttachedKit("960000001", ())])
    assert "960000001" in refusal.value.where

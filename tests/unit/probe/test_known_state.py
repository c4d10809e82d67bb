"""Any kit reaches a known state: whatever it holds, and whatever its probe does at first contact.

The kit is a virtual one behind a tool's command line; which port is its console is not known from
before, so the search for it resets the kit first.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.trailer import MAGIC
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.providers.provider import Unit
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.providers.usb import find_kit
from pytest_nrf_fota.record.events import ProbeOperation, ProbeRetried
from pytest_nrf_fota.record.recorder import FlightRecorder, read_recording
from pytest_nrf_fota.sim.client import KitControl
from pytest_nrf_fota.smp.host_radio import HciController

from .kit_behind_tool import write_tool

pytestmark = [
    pytest.mark.long_proof,
    pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only"),
]

_SN = "1050047412"
_SPECIMEN = 64
# Its counter is raised at the first boot.
_UICR = range(0xFF8000, 0xFF8800)
# How long the search listens to a kit that prints nothing.
_BOOT_S = 10.0
_LONG_S = 60.0


class Rig:
    """A virtual kit, and a tool for it on the PATH."""

    def __init__(self, folder: Path, tool: str) -> None:
        board = load_board("nrf5340dk").with_timeouts(probe_s=_LONG_S, boot_s=_BOOT_S)
        self.board = board.with_runner(tool)
        self.folder = folder
        self.tools = folder / "bin"
        self.kit = SimUnit(load_board("nrf5340dk_sim"), "kit", folder / "kit")
        write_tool(self.tools, tool, self.kit.control_address, _SN)
        self.recorder = FlightRecorder()
        self.recorder.open(folder / "recorder.jsonl", "known state")
        # In this order a guess by the ports' places is right.
        self.ports: tuple[str, ...] = self.kit.vcoms
        self._dut: Dut | None = None
        self._unit: Unit | None = None

    def attached(self) -> AttachedKit:
        vcoms = (Vcom(port, port, 2 * place) for place, port in enumerate(self.ports))
        return AttachedKit(_SN, tuple(vcoms))

    def firmware(
        self, board: str = "nrf5340dk_sim", app: AppDescription | None = None
    ) -> DemoSource:
        folder = self.folder / "firmware" / (board if app is None else "crashes")
        return DemoSource(load_board(board), folder, app)

    def control(self, work: Callable[[KitControl, Deadline], None]) -> None:
        control = KitControl(self.kit.control_address)
        work(control, Deadline.after(_LONG_S))
        control.close()

    def program(self, hex_file: Path, *, starts: bool = True) -> None:
        """As a programmer does; without a start the cores are held, as by a debugger."""
        self.control(lambda control, deadline: control.program(str(hex_file), deadline))
        if starts:
            self.control(lambda control, deadline: control.reset("pin", deadline))

    def find(self, look: Callable[[], Sequence[AttachedKit]] | None = None) -> Unit:
        radio = HciController(self.kit.hci)
        look = look or (lambda: (self.attached(),))
        self._unit = find_kit(self.board, self.folder / "unit", None, radio, look)
        return self._unit

    def prepared(self, unit: Unit | None = None) -> tuple[Dut, Boot]:
        """The whole way from a kit on USB to the baseline."""
        unit = unit or self.find()
        self._dut = Dut(self.board, _SN, unit.open_wires(self.recorder), self.recorder)
        return self._dut, self._dut.prepare(self.firmware().baseline)

    def events(self) -> list[object]:
        assert self.recorder.path is not None
        return [line.event for line in read_recording(self.recorder.path)]

    def operations(self) -> list[ProbeOperation]:
        return [event for event in self.events() if isinstance(event, ProbeOperation)]

    def at_the_next(self, verb: str, python: str) -> None:
        (self.tools / f"next_{verb}").write_text(python)

    def close(self) -> None:
        if self._dut is not None:
            self._dut.close()
        if self._unit is not None:
            self._unit.release()
        self.recorder.close()
        self.kit.release()


@pytest.fixture
def tool() -> str:
    return "nrfutil"


@pytest.fixture
def rig(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    rig = Rig(tmp_path, tool)
    monkeypatch.setenv("PATH", f"{rig.tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield rig
    rig.close()


def _assert_known(rig: Rig, dut: Dut, boot: Boot) -> None:
    """The baseline runs, byte for byte, and nothing is pending."""
    assert boot.reached_app
    assert not boot.wanted_swap
    assert dut.console.port == rig.kit.vcoms[-1]
    for segment in read_hex(rig.firmware().baseline):
        if segment.address not in _UICR:
            size_bytes = min(_SPECIMEN, len(segment.data))
            assert dut.read_memory(segment.address, size_bytes) == segment.data[:size_bytes]
    slot = dut.board.slots.secondary
    assert dut.read_memory(slot.address + slot.size - len(MAGIC), len(MAGIC)) != MAGIC


def _runs(rig: Rig) -> None:
    rig.program(rig.firmware().baseline)


def _empty(rig: Rig) -> None:
    del rig


def _foreign(rig: Rig) -> None:
    """A program of which nothing is known, in every memory; it prints nothing."""
    path = rig.folder / "foreign.hex"
    data = bytes(range(256)) * 64
    write_hex(path, [Segment(start, data) for start in (0x0, 0x28000, 0x0100_0000, 0x1000_0000)])
    rig.program(path)


def _halted(rig: Rig) -> None:
    rig.program(rig.firmware().baseline, starts=False)


def _crashes(rig: Rig) -> None:
    """Its bootloaders run, its application faults and resets, for ever."""
    rig.program(rig.firmware(app=AppDescription(mpu_fault_after="HCI: version")).baseline)


def _other_map(rig: Rig) -> None:
    """MCUboot alone at address 0, with its slots elsewhere."""
    rig.program(rig.firmware("nrf5340dk_mcuboot_sim").baseline)


def _pending(rig: Rig) -> None:
    rig.program(rig.firmware().baseline, starts=False)
    slot = rig.board.slots.secondary
    update = read_package(rig.firmware().app_update, package_target(load_board("nrf5340dk_sim")))
    path = rig.folder / "pending.hex"
    end = slot.address + slot.size
    image = update.files[0].data
    write_hex(path, [Segment(slot.address, image), Segment(end - len(MAGIC), MAGIC)])
    rig.program(path, starts=False)


@pytest.mark.parametrize(
    ("state", "boots"),
    [
        (_runs, True),
        (_empty, False),
        (_foreign, False),
        (_halted, True),
        (_crashes, True),
        (_other_map, False),
        (_pending, True),
    ],
)
def test_any_content(rig: Rig, state: Callable[[Rig], None], boots: bool) -> None:
    """What boots is found on whichever port it prints; a silent kit's ports are guessed."""
    state(rig)
    if boots:
        rig.ports = rig.ports[::-1]
    _assert_known(rig, *rig.prepared())


@pytest.mark.parametrize("tool", ["nrfutil", "nrfjprog"])
def test_protected(rig: Rig) -> None:
    """First contact and first reset are refused, as silence counts; `prepare` recovers it."""
    _runs(rig)
    (rig.tools / "protected").touch()
    dut, boot = rig.prepared()
    _assert_known(rig, dut, boot)
    reset, *others = rig.operations()
    assert reset.operation == "reset"
    assert "protect" in reset.error
    done = [one.operation for one in others if not one.error]
    assert done[:3] == ["recover", "recover", "program"]


def test_first_contact_comes_before_any_port_is_opened(rig: Rig) -> None:
    """A probe that updates its firmware takes the ports away; they are waited for."""
    _runs(rig)
    rig.ports = rig.ports[::-1]
    rig.at_the_next("call", "kit.plug_console(limit, plugged_in=False)")
    looks: list[int] = []

    def look() -> tuple[AttachedKit, ...]:
        """The second look finds no kit at all, the third one without its ports, the fourth some."""
        looks.append(len(looks))
        match len(looks):
            case 2:
                return ()
            case 3:
                return (AttachedKit(_SN, ()),)
            case 5:
                rig.control(
                    lambda control, deadline: control.plug_console(deadline, plugged_in=True)
                )
        return (rig.attached(),)

    unit = rig.find(look)
    assert len(looks) == 5, "the application core's port was away until then"
    _assert_known(rig, *rig.prepared(unit))


def test_port_that_goes_away_while_the_search_listens(rig: Rig) -> None:
    """As where the reset makes the probe restart: opened again, and the boot is seen."""
    _runs(rig)
    rig.ports = rig.ports[::-1]
    unit = rig.find()
    rig.at_the_next(
        "call",
        "kit.plug_console(limit, plugged_in=False); kit.plug_console(limit, plugged_in=True)",
    )
    _assert_known(rig, *rig.prepared(unit))


@pytest.mark.parametrize("tool", ["nrfutil", "nrfjprog"])
def test_worker_that_dies_once(rig: Rig, tool: str) -> None:
    """First contact and a recovery are asked for once more; the recorder has both."""
    status, words = {
        "nrfutil": (1, "Timed out waiting for response from worker. (Generic)"),
        "nrfjprog": (63, "Did worker process die?"),
    }[tool]
    dies = f"print({words!r}, file=sys.stderr); sys.exit({status})"
    rig.at_the_next("call", dies)
    unit = rig.find()
    (rig.tools / "protected").touch()
    rig.at_the_next("recover", dies)
    _assert_known(rig, *rig.prepared(unit))
    retried = [event for event in rig.events() if isinstance(event, ProbeRetried)]
    assert [event.operation for event in retried] == ["info", "recover"]
    assert all(words in event.error for event in retried)


def test_worker_that_dies_at_a_reset(rig: Rig) -> None:
    """A reset is not done twice: a second one could make MCUboot revert."""
    unit = rig.find()
    rig.at_the_next("call", "print('Did worker process die?', file=sys.stderr); sys.exit(63)")
    with pytest.raises(ProbeFaultError) as raised:
        rig.prepared(unit)
    assert raised.value.fault is ProbeFault.WORKER_LOST
    assert [one.operation for one in rig.operations()] == ["reset"]


def test_kit_that_is_not_protected_but_does_not_answer(rig: Rig) -> None:
    """Only what a recovery cures is left to it."""
    rig.at_the_next("call", "print('low voltage', file=sys.stderr); sys.exit(1)")
    with pytest.raises(ProbeFaultError) as raised:
        rig.find()
    assert raised.value.fault is ProbeFault.LOW_VOLTAGE

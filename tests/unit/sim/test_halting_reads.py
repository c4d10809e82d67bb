"""A virtual kit whose CPU a read over SWD halts, as Nordic's library does: `reads_halt`."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import LineNotSeenError, NotSeenError
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.client import KitControl, KitRefusedError
from pytest_nrf_fota.sim.kit import HALTED_BY_READ

pytestmark = pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only")

PROMPT = r"uart:~\$ "


class Rig:
    """A kit that runs its baseline, and its control socket beside the harness's probe."""

    def __init__(self, dut: Dut, control: KitControl) -> None:
        self.dut = dut
        self.control = control

    def read(self, address: int) -> None:
        """As a tool reads that halts the core and leaves it so."""
        self.control.read(address, 4, soon())

    @property
    def state(self) -> str:
        return self.control.state(soon()).state

    def answers(self, within_s: float) -> bool:
        since = self.dut.console.position()
        self.dut.console.type_text("\r")
        try:
            self.dut.console.expect(PROMPT, since=since, within_s=within_s, partial_lines=True)
        except LineNotSeenError:
            return False
        return True


def soon() -> Deadline:
    return Deadline.after(20)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    board = load_board("nrf5340dk_sim")
    assert board.sim is not None
    sim = board.sim.model_copy(update={"reads_halt": True})
    board = board.model_copy(update={"sim": sim})
    with ExitStack() as stack:
        recorder = FlightRecorder()
        recorder.open(tmp_path / "recorder.jsonl", "test")
        stack.callback(recorder.close)
        unit = SimUnit(board, "kit", tmp_path / "kit")
        stack.callback(unit.release)
        dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
        stack.callback(dut.close)
        dut.prepare(DemoSource(board, tmp_path / "firmware").baseline)
        # Its first prompt, which comes behind the ready line, would be taken for an answer.
        dut.shell.run("kernel uptime", within_s=20)
        # Past the harness, which would resume.
        control = KitControl(unit.control_address)
        stack.callback(control.close)
        yield Rig(dut, control)


def test_the_uart_is_silent_until_the_core_is_resumed(rig: Rig) -> None:
    """What was typed meanwhile is lost, and nothing has booted."""
    since = rig.dut.console.position()
    rig.read(0x8000)
    assert rig.state == HALTED_BY_READ
    assert not rig.answers(0.5)
    rig.control.resume("application", soon())
    assert rig.state == "running"
    assert rig.answers(20)
    assert rig.dut.boots_since(since) == ()


def test_the_link_does_not_survive(rig: Rig) -> None:
    """Each side learns it: the host at once, the application when it goes on, and advertises."""
    rig.dut.connect()
    since = rig.dut.console.position()
    rig.read(0x8000)
    with pytest.raises(NotSeenError):
        rig.dut.mcumgr.get_image_list()
    assert "Disconnected" not in rig.dut.console.text_since(since)
    rig.control.resume("application", soon())
    rig.dut.console.expect(r"Disconnected \(reason 0x08\)", since=since, within_s=20)
    rig.dut.connect()
    assert rig.dut.mcumgr.get_image_list()


def test_each_core_is_resumed_for_itself(rig: Rig) -> None:
    rig.read(0x0100_0000)
    rig.read(0x8000)
    rig.control.resume("application", soon())
    assert rig.state == HALTED_BY_READ
    rig.control.resume("network", soon())
    assert rig.answers(20)


def test_a_reset_lets_it_run(rig: Rig) -> None:
    rig.read(0x8000)
    rig.dut.reset()
    assert rig.answers(20)


def test_a_held_kit_stays_held(rig: Rig) -> None:
    """A resume starts nothing that a read has not halted."""
    rig.control.recover("application", soon())
    rig.read(0x8000)
    rig.control.resume("application", soon())
    assert rig.state == "held"


@pytest.mark.parametrize(("address", "size_bytes"), [(0xFF8150, 2), (0xFF8152, 4)])
def test_otp_is_read_by_words(rig: Rig, address: int, size_bytes: int) -> None:
    with pytest.raises(KitRefusedError, match="by words"):
        rig.control.read(address, size_bytes, soon())

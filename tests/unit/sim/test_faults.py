"""Power, radio and UART fail at a given moment; the kit's control socket says when."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.expect import expect
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.errors import BoardError, InputError, NotSeenError, ProbeError
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.sim.client import KitControl
from pytest_nrf_fota.sim.control import AtLogLine, AtOperation, InjectFault
from pytest_nrf_fota.verdict.evidence import assert_upgraded
from pytest_nrf_fota.wires.faults import Faults

SECONDARY = 0x10000000
LIMIT_S = 20.0


@dataclass(frozen=True)
class Rig:
    """A kit with its baseline running, seen by the harness and by the hand that breaks it."""

    dut: Dut
    control: KitControl
    firmware: DemoSource

    def state(self) -> str:
        return self.control.state(soon()).state

    def power_on(self) -> None:
        since = self.dut.console.position()
        self.control.power(soon(), on=True)
        self.dut.wait_for_boot(since, LIMIT_S)


def soon() -> Deadline:
    return Deadline.after(LIMIT_S)


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimUnit]:
    unit = SimUnit(load_board("nrf5340dk_sim"), "kit", tmp_path_factory.mktemp("unit"))
    yield unit
    unit.release()


@pytest.fixture
def rig(unit: SimUnit, tmp_path: Path) -> Iterator[Rig]:
    board = load_board("nrf5340dk_sim")
    recorder = FlightRecorder()
    recorder.open(tmp_path / "recorder.jsonl", "faults")
    dut = Dut(board, unit.name, unit.open_wires(recorder), recorder)
    with closing(KitControl(unit.control_address)) as control:
        control.power(soon(), on=True)
        firmware = DemoSource(board, tmp_path / "firmware")
        dut.prepare(firmware.baseline)
        yield Rig(dut, control, firmware)
    dut.close()
    recorder.close()


def test_without_power_nothing_answers_and_flash_survives(rig: Rig) -> None:
    before = rig.control.read(0x8400, 64, soon())
    rig.control.power(soon(), on=False)
    assert rig.state() == "no power"
    with pytest.raises(ProbeError, match="no power"):
        rig.dut.reset()
    with pytest.raises(ProbeError, match="no power"):
        rig.dut.flash(rig.firmware.baseline)
    rig.power_on()
    assert rig.control.read(0x8400, 64, soon()) == before


def test_power_comes_back_with_the_cores_held(rig: Rig) -> None:
    faults, console = rig.dut.faults, rig.dut.console
    faults.cut_power_at_operation(1)
    upgrade = rig.dut.start_upgrade(rig.firmware.app_update)
    with pytest.raises(BoardError, match="has no power"):
        upgrade.upload()
    done, since = faults.operations_done(), console.position()

    faults.restore_power(starts=False)

    assert faults.has_power()
    assert rig.state() == "held"
    faults.restore_power()  # it has power: nothing changes
    assert rig.state() == "held"
    assert rig.dut.read_memory(0x8400, 4)
    assert (console.text_since(since), faults.operations_done()) == ("", done)
    assert rig.dut.reset().app_ready


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_power_cut_in_the_middle_of_a_swap_is_survived(rig: Rig, moment: str) -> None:
    upgrade = rig.dut.start_upgrade(rig.firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    done = rig.control.state(soon()).operations
    when = AtOperation.model_validate({"number": done + 100, "moment": moment})
    rig.control.inject(InjectFault(fault="cut_power", when=when), soon())
    since = rig.dut.console.position()
    rig.dut.mcumgr.reset_device()
    with pytest.raises(BoardError, match="has no power"):
        rig.dut.wait_for_boot(since, LIMIT_S)
    assert rig.state() == "no power"
    last = rig.control.operations(done, soon())[-1]
    assert (last.number, last.memory) == (done + 100, "application flash")
    rig.power_on()
    assert "resumed" in rig.dut.last_boot().summary()
    assert_upgraded(upgrade.verdict())


def test_power_cut_at_a_log_line_ends_the_boot_there(rig: Rig) -> None:
    line = InjectFault(fault="cut_power", when=AtLogLine(regex="Starting bootloader"))
    rig.control.inject(line, soon())
    since = rig.dut.console.position()
    rig.dut.probe.reset(rig.dut.board.probe.reset, soon())
    assert rig.state() == "no power"
    seen = expect(rig.dut.console, "Starting bootloader 14\n", since=since, deadline=soon())
    rig.power_on()
    after = rig.dut.console.text_since(seen.end)
    assert after.startswith("*** Booting Zephyr OS build v3.2.99-ncs2 ***\nAttempting to boot")


def test_power_cut_at_an_upload_offset_leaves_what_was_written(rig: Rig) -> None:
    upgrade = rig.dut.start_upgrade(rig.firmware.app_update)
    offset = 0x8000
    when = AtOperation(address=SECONDARY + offset)
    rig.control.inject(InjectFault(fault="cut_power", when=when), soon())
    with pytest.raises(BoardError, match="has no power"):
        upgrade.upload()
    assert rig.state() == "no power"
    rig.power_on()
    written = rig.control.read(SECONDARY, len(upgrade.file.data), soon())
    assert written[: offset - 2475] == upgrade.file.data[: offset - 2475]
    assert set(written[offset + 2475 :]) == {0xFF}


def test_lost_connection_leaves_the_application_running(rig: Rig) -> None:
    upgrade = rig.dut.start_upgrade(rig.firmware.app_update)
    when = AtOperation(address=SECONDARY + 0x4000)
    rig.control.inject(InjectFault(fault="lose_connection", when=when), soon())
    with pytest.raises(NotSeenError, match="connection broke"):
        upgrade.upload()
    assert rig.state() == "running"
    upgrade.upload()
    upgrade.set_pending()


def test_reset_at_a_log_line(rig: Rig) -> None:
    when = AtLogLine(regex="Advertising successfully started")
    rig.control.inject(InjectFault(fault="reset", when=when), soon())
    since = rig.dut.console.position()
    rig.dut.probe.reset(rig.dut.board.probe.reset, soon())
    twice = r"Advertising successfully started[\s\S]*?Advertising successfully started"
    expect(rig.dut.console, twice, since=since, deadline=soon())
    assert len(rig.dut.boots_since(since)) == 2


def test_reset_in_the_middle_of_a_swap_ends_the_stage(rig: Rig) -> None:
    upgrade = rig.dut.start_upgrade(rig.firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    done = rig.control.state(soon()).operations
    fault = InjectFault(fault="reset", when=AtOperation(number=done + 100))
    rig.control.inject(fault, soon())
    since = rig.dut.console.position()
    rig.dut.mcumgr.reset_device()
    expect(rig.dut.console, "Advertising successfully started", since=since, deadline=soon())

    # The operation was finished; the one after it was never begun.
    _, last, after = rig.control.operations(done + 98, soon())[:3]
    assert (last.number, after.number) == (done + 100, done + 101)
    assert rig.control.state(soon()).operations > done + 200
    text = rig.dut.console.text_since(since)
    assert text.count("I: Starting bootloader 14") == 2
    assert text.count("I: Boot source: primary slot") == 1
    assert "resumed" in rig.dut.last_boot().summary()
    assert_upgraded(upgrade.verdict())


def test_reset_at_a_bootloader_s_line(rig: Rig) -> None:
    when = AtLogLine(regex="Firmware signature verified")
    rig.control.inject(InjectFault(fault="reset", when=when), soon())
    since = rig.dut.console.position()
    rig.dut.probe.reset(rig.dut.board.probe.reset, soon())
    expect(rig.dut.console, "Advertising successfully started", since=since, deadline=soon())

    assert (
        "Firmware signature verified.\n*** Booting Zephyr OS build v3.2.99-ncs2 ***\nAttempting"
        in rig.dut.console.text_since(since)
    )


def test_noise_on_the_uart_does_not_hide_the_next_boot(rig: Rig) -> None:
    noise = InjectFault(fault="noise", noise_hex=(bytes(range(256)) * 4).hex())
    rig.control.inject(noise, soon())
    assert rig.dut.reset().firmware_version == 14


@pytest.mark.parametrize(
    ("arm", "why"),
    [
        (lambda faults: faults.cut_power_at_operation(0), "counted from 1"),
        (lambda faults: faults.cut_power_at_operation("20"), "counted from 1"),
        (lambda faults: faults.reset_again_at_erase(-1), "counted from 1"),
        (lambda faults: faults.reset_at_upload_byte(10**9), "bytes are 0 to 884735"),
        (lambda faults: faults.lose_connection_at_upload_byte(-1), "bytes are 0 to"),
        (lambda faults: faults.noise_at_log_line("(", b"x"), "no regular expression"),
        (lambda faults: faults.noise_at_log_line("boot", "x"), "noise is bytes"),
    ],
)
def test_fault_that_could_never_strike_is_refused_where_it_is_armed(
    rig: Rig, arm: Callable[[Faults], None], why: str
) -> None:
    faults = rig.dut.faults
    with pytest.raises(InputError, match=why):
        arm(faults)
    assert faults.waiting() == ()


def test_kit_takes_no_line_that_is_no_regular_expression() -> None:
    with pytest.raises(ValidationError, match="no regular expression"):
        AtLogLine(regex="(")


def test_faults_wait_by_name_until_they_strike(rig: Rig) -> None:
    faults = rig.dut.faults
    faults.cut_power_at_operation(1)
    faults.noise_at_log_line("Starting bootloader", b"x")
    assert set(faults.waiting()) == {
        "cut_power_at_operation(1) (0 flash operations since)",
        "noise_at_log_line('Starting bootloader', b'x') (0 log lines since, none of them fits)",
    }
    rig.dut.reset()
    assert faults.waiting() == ("cut_power_at_operation(1) (0 flash operations since)",)
    faults.end()
    assert faults.waiting() == ()

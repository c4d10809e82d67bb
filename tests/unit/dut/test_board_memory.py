"""Reads over SWD around a running firmware: what they do to it is found out, and they are few."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.board_memory import wrote_nothing
from pytest_nrf_fota.dut.dut import Dut
from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError
from pytest_nrf_fota.probe.read_effect import ProbeReads, ReadEffect
from pytest_nrf_fota.probe.same_firmware import counter_after_first_boot
from pytest_nrf_fota.providers.provider import Wires
from pytest_nrf_fota.record.events import PreflightDone, ProbeOperation, ProbeReadsTried
from pytest_nrf_fota.record.recorder import read_recording
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict
from pytest_nrf_fota.wires.probe import Core, Probe, ProbeInfo, ResetKind
from tests.unit.dut.opened_dut import opened_dut

pytestmark = pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only")

_SECONDARY = 0x1000_0000


def _board(*, reads_halt: bool, base: str = "nrf5340dk_sim") -> BoardType:
    board = load_board(base)
    assert board.sim is not None
    sim = board.sim.model_copy(update={"reads_halt": reads_halt})
    return board.model_copy(update={"sim": sim})


class LesserProbe:
    """A probe whose tool lacks a command."""

    def __init__(self, inner: Probe, lacks: str) -> None:
        self._inner = inner
        self._lacks = lacks

    def info(self, deadline: Deadline) -> ProbeInfo:
        return self._inner.info(deadline)

    def recover(self, core: Core, deadline: Deadline) -> None:
        self._inner.recover(core, deadline)

    def program(self, hex_file: Path, deadline: Deadline) -> None:
        self._inner.program(hex_file, deadline)

    def erase_external(self, deadline: Deadline) -> None:
        self._inner.erase_external(deadline)

    def read(self, address: int, size_bytes: int, deadline: Deadline) -> bytes:
        self._refuse("read")
        return self._inner.read(address, size_bytes, deadline)

    def resume(self, core: Core, deadline: Deadline) -> None:
        self._refuse("resume")
        self._inner.resume(core, deadline)

    def reset(self, kind: ResetKind, deadline: Deadline) -> None:
        self._inner.reset(kind, deadline)

    def close(self) -> None:
        self._inner.close()

    def _refuse(self, command: str) -> None:
        if command == self._lacks:
            raise ProbeFaultError(
                ProbeFault.NOT_SUPPORTED, f"unrecognized subcommand '{command}'", where="tool"
            )


class Kit:
    """An opened board, its firmware and what was recorded."""

    def __init__(self, dut: Dut, firmware: DemoSource) -> None:
        self.dut = dut
        self.firmware = firmware

    @property
    def operations(self) -> list[tuple[str, str]]:
        return [(e.operation, e.detail) for e in self._events if isinstance(e, ProbeOperation)]

    @property
    def told(self) -> list[str]:
        return [e.found for e in self._events if isinstance(e, ProbeReadsTried)]

    @property
    def preflights(self) -> list[PreflightDone]:
        return [e for e in self._events if isinstance(e, PreflightDone)]

    @property
    def _events(self) -> list[object]:
        assert self.dut.recorder.path is not None
        return [line.event for line in read_recording(self.dut.recorder.path)]


@contextmanager
def _kit(board: BoardType, folder: Path, lacks: str = "", **known: ReadEffect) -> Iterator[Kit]:
    def change(wires: Wires) -> Wires:
        if known:
            wires = replace(wires, reads=ProbeReads(effect=known["effect"]))
        return replace(wires, probe=LesserProbe(wires.probe, lacks)) if lacks else wires

    firmware = DemoSource(board, folder / "firmware")
    with opened_dut(board, folder, change) as dut:
        dut.prepare(firmware.baseline)
        yield Kit(dut, firmware)


def _swd(verdict: Verdict) -> Evidence:
    return next(one for one in verdict.evidence if one.source is Source.SWD)


@pytest.mark.parametrize("reads_halt", [False, pytest.param(True, marks=pytest.mark.long_proof)])
def test_the_effect_is_found_out_once(tmp_path: Path, reads_halt: bool) -> None:
    """Before anything is connected; the board runs afterwards, without another boot."""
    with _kit(_board(reads_halt=reads_halt), tmp_path) as kit:
        since = kit.dut.position("the first upgrade")
        first = len(kit.operations)
        kit.dut.start_upgrade(kit.firmware.app_update)
        kit.dut.start_upgrade(kit.firmware.app_update)
        tried = [name for name, detail in kit.operations[first:] if detail.startswith("4 bytes")]
        assert tried == ["read"]
        assert kit.dut.boots_since(since) == ()
        # That a virtual kit's reads do no harm is no news.
        assert kit.told == ([ReadEffect.HALTS.value] if reads_halt else [])
        resumed = [detail for name, detail in kit.operations if name == "resume"]
        assert bool(resumed) is reads_halt


@pytest.mark.long_proof
def test_a_board_without_shell_is_asked_over_smp(tmp_path: Path) -> None:
    board = _board(reads_halt=True)
    console = board.console.model_copy(update={"prompt": None})
    timeouts = board.timeouts.model_copy(update={"connect_s": 3.0})
    board = board.model_copy(update={"console": console, "timeouts": timeouts})
    with _kit(board, tmp_path) as kit:
        verdict = kit.dut.upgrade(kit.firmware.app_update)
        assert kit.told == [ReadEffect.HALTS.value]
        assert verdict.outcome is Outcome.UPGRADED
        assert _swd(verdict).says is Says.NEW


def test_reads_for_a_test_leave_the_firmware_running(tmp_path: Path) -> None:
    """Also while SMP is connected, and before anything is known of the probe."""
    with _kit(_board(reads_halt=True), tmp_path) as kit:
        kit.dut.connect()
        assert kit.dut.read_memory(0x28000, 4) == b"\x3d\xb8\xf3\x96"
        assert kit.dut.shell.run("kernel uptime", 10)
        assert not kit.dut.mcumgr.is_connected
        kit.dut.connect()
        assert kit.dut.mcumgr.get_image_list()


def test_harmless_reads_keep_the_connection(tmp_path: Path) -> None:
    with _kit(_board(reads_halt=False), tmp_path, effect=ReadEffect.HARMLESS) as kit:
        kit.dut.connect()
        kit.dut.read_memory(0x28000, 4)
        assert kit.dut.mcumgr.is_connected
        assert "resume" not in dict(kit.operations)


@pytest.mark.parametrize(
    "update", ["mcuboot_update", pytest.param("app_update", marks=pytest.mark.long_proof)]
)
def test_cores_that_cannot_be_resumed_are_not_read(tmp_path: Path, update: str) -> None:
    """The run goes on without SWD: what was compared before still counts, the end says why."""
    with _kit(_board(reads_halt=True), tmp_path, lacks="resume") as kit:
        kit.dut.prepare(kit.firmware.baseline)
        verdict = kit.dut.upgrade(getattr(kit.firmware, update))
        assert kit.told == [ReadEffect.STOPS.value]
        assert verdict.outcome is Outcome.UPGRADED
        assert _swd(verdict).says is Says.UNKNOWN
        assert _swd(verdict).detail == f"not read: {ReadEffect.STOPS.value}"
        (preflight,) = kit.preflights
        # The comparison with the baseline has read all of it, and the boot since changed nothing.
        assert preflight.answer == "yes"


@pytest.mark.parametrize(
    "update", ["mcuboot_update", pytest.param("app_update", marks=pytest.mark.long_proof)]
)
def test_a_tool_without_read(tmp_path: Path, update: str) -> None:
    """It is said once, and UART and SMP decide."""
    with _kit(_board(reads_halt=False), tmp_path, lacks="read") as kit:
        verdict = kit.dut.upgrade(getattr(kit.firmware, update))
        assert verdict.outcome is Outcome.UPGRADED
        assert _swd(verdict).detail == f"not read: {ReadEffect.CANNOT_READ.value}"
        assert kit.told == [ReadEffect.CANNOT_READ.value]
        assert [preflight.answer for preflight in kit.preflights] == ["none"]


def test_without_read_what_was_not_upgraded_is_not_called_upgraded(tmp_path: Path) -> None:
    """The same image again is unproven; one that was not set pending did not run."""
    with _kit(_board(reads_halt=False), tmp_path, lacks="read") as kit:
        upgrade = kit.dut.start_upgrade(kit.firmware.mcuboot_update)
        upgrade.upload()
        kit.dut.reset()
        assert upgrade.verdict().outcome is Outcome.NOT_UPGRADED


def test_a_network_core_that_cannot_be_read(tmp_path: Path) -> None:
    """Its new line proves nothing, because nobody knows whether the old firmware prints it."""
    board = _board(reads_halt=False, base="nrf5340dk_sim_netcore")
    with _kit(board, tmp_path, lacks="read") as kit:
        verdict = kit.dut.upgrade(kit.firmware.app_and_network_update)
        swd = [one for one in verdict.evidence if one.source is Source.SWD]
        assert [one.says for one in swd] == [Says.UNKNOWN] * len(swd)


def test_nothing_is_read_in_external_flash_while_the_application_runs(tmp_path: Path) -> None:
    """`prepare` erased it; afterwards the shell tells what an upload has left there."""
    with _kit(_board(reads_halt=True), tmp_path) as kit:
        first = len(kit.operations)
        upgrade = kit.dut.start_upgrade(kit.firmware.mcuboot_update)
        upgrade.upload()
        upgrade.set_pending()
        state = {s.address: s.data for s in kit.dut.board_state()}
        external = [address for address in state if address >= _SECONDARY]
        assert state[_SECONDARY] == upgrade.file.data[:32]
        assert any(b"\x77\xc2\x95\xf3" in state[address] for address in external), "no magic"
        reads = [detail for name, detail in kit.operations[first:] if name == "read"]
        assert reads and not any(f"0x{_SECONDARY:x}" in detail for detail in reads)


@pytest.mark.long_proof
def test_without_a_shell_external_flash_is_not_read(tmp_path: Path) -> None:
    board = _board(reads_halt=False)
    console = board.console.model_copy(update={"flash_shell": False})
    board = board.model_copy(update={"console": console})
    with _kit(board, tmp_path) as kit:
        # The probe has erased it, and nobody has written there since.
        kit.dut.upgrade(kit.firmware.app_update)
        kit.dut.upgrade(kit.firmware.mcuboot_update)
        first, second = kit.preflights
        assert (first.answer, second.answer) == ("yes", "none")
        assert "the external flash belongs to the application" in second.reason


def test_what_the_probe_wrote_there_is_not_taken_for_erased(tmp_path: Path) -> None:
    with _kit(_board(reads_halt=False), tmp_path) as kit:
        assert kit.dut.memory.external_flash_is_erased
        stale = tmp_path / "stale.hex"
        write_hex(stale, [Segment(_SECONDARY, b"\x00" * 64)])
        kit.dut.program(stale)
        assert not kit.dut.memory.external_flash_is_erased
        kit.dut.reset()
        kit.dut.erase_external_flash()
        assert kit.dut.memory.external_flash_is_erased


def test_a_boot_shows_whether_a_bootloader_wrote(tmp_path: Path) -> None:
    """After flashing NSIB raises its counter; MCUboot tells of each image what it decided."""
    board = _board(reads_halt=False)
    with _kit(board, tmp_path) as kit:
        assert kit.dut.last_boot().counter_set_to is not None
        assert not wrote_nothing(kit.dut.last_boot(), board)
        calm = kit.dut.reset()
        assert wrote_nothing(calm, board)
        upgrade = kit.dut.start_upgrade(kit.firmware.app_update)
        upgrade.upload()
        upgrade.set_pending()
        assert not wrote_nothing(upgrade.reset(), board)
        reverting = kit.dut.reset()
        assert reverting.swapped, "an unconfirmed image is reverted"
        assert not wrote_nothing(reverting, board)
    assert not wrote_nothing(Boot(), board)
    # A bootloader that was built without its log.
    assert not wrote_nothing(replace(calm, nsib=None), board)
    assert not wrote_nothing(replace(calm, mcuboot=None), board)


def test_after_a_boot_that_wrote_all_is_read_again(tmp_path: Path) -> None:
    """The counter that NSIB raised is in what the preflight gets."""
    board = _board(reads_halt=False)
    with _kit(board, tmp_path, effect=ReadEffect.HARMLESS) as kit:
        counter = counter_after_first_boot(read_hex(kit.firmware.baseline), board)
        assert counter is not None
        kit.dut.start_upgrade(kit.firmware.app_update)
        otp = next(s for s in kit.dut.board_state() if s.address <= counter.address < s.end)
        start = counter.address - otp.address
        assert otp.data[start : start + len(counter.data)] == counter.data


@pytest.mark.parametrize("change", ["reset", "program", "confirm", "type"])
def test_what_may_have_changed_is_read_again(tmp_path: Path, change: str) -> None:
    with _kit(_board(reads_halt=False), tmp_path, effect=ReadEffect.HARMLESS) as kit:
        kit.dut.start_upgrade(kit.firmware.app_update)
        first = len(kit.operations)
        kit.dut.start_upgrade(kit.firmware.app_update)
        assert kit.operations[first:] == [], "nothing has changed"
        match change:
            case "reset":
                kit.dut.reset()
            case "program":
                settings = tmp_path / "settings.hex"
                write_hex(settings, [Segment(0xFF000, b"\x00" * 16)])
                kit.dut.program(settings)
                kit.dut.reset()
            case "confirm":
                kit.dut.mcumgr.image_confirm()
            case _:
                kit.dut.shell.run("flash erase flash-controller@39000 ff000 1000", 10)
        first = len(kit.operations)
        kit.dut.start_upgrade(kit.firmware.app_update)
        assert "read" in dict(kit.operations[first:])

"""A swap whose power is cut, and what people do on a bench before they let it go on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest

from pytest_nrf_fota import (
    BoardError,
    Dut,
    Faults,
    FirmwareSource,
    LogPosition,
    Outcome,
    SwapUnderWayWarning,
    Upgrade,
    Verdict,
    assert_upgraded,
)
from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.explanation import explain
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.scenarios.silence import reverted_or_silent, swapped_or_silent

pytestmark = pytest.mark.needs("image_group", "set_pending", "fault_injection", "revert")

POWER_LOSS_TIMEOUT_S = 30.0
NOTHING_TO_BOOT = "Unable to find bootable image"
EARLY, MIDDLE, LATE = 1 / 6, 3 / 5, 5 / 6
"""Parts of a swap's flash operations.

Swap using move moves in the first third of them; in the first half where they are executed, and the
update lies in a QSPI flash, which is written in fewer of them.
"""
PAGE_BYTES = 0x1000
MANY_MOMENTS = (1 / 12, 1 / 3, 5 / 12, 2 / 3, LATE, 11 / 12)


class Fate(Enum):
    """What becomes of the board at the reset after it."""

    NEW = "the update runs"
    OLD = "the old application runs"
    DEAD = "nothing is started"


class Action(Enum):
    """What somebody does while the cores are held."""

    ERASE = "the external flash is erased"
    REFLASH = "the old application is programmed"
    RECOVER = "the cores are recovered and the baseline is programmed"
    PUT_IN = "the update is programmed into the primary slot"


FATES: Mapping[str, Mapping[Action, tuple[Fate, Fate, Fate]]] = {
    "swap_move": {
        Action.ERASE: (Fate.DEAD, Fate.DEAD, Fate.DEAD),
        Action.REFLASH: (Fate.NEW, Fate.DEAD, Fate.DEAD),
        Action.RECOVER: (Fate.OLD, Fate.OLD, Fate.OLD),
        Action.PUT_IN: (Fate.NEW, Fate.NEW, Fate.NEW),
    },
    "swap_offset": {
        Action.ERASE: (Fate.DEAD, Fate.DEAD, Fate.DEAD),
        Action.REFLASH: (Fate.DEAD, Fate.DEAD, Fate.DEAD),
        Action.RECOVER: (Fate.OLD, Fate.OLD, Fate.OLD),
        Action.PUT_IN: (Fate.NEW, Fate.NEW, Fate.NEW),
    },
}
"""For a cut early, in the middle and late; the same for all releases.

Not for swap using scratch, which goes by the size of the scratch area. There a recover leaves an
update pending of which nothing was exchanged yet.
"""


@dataclass
class SwapLength:
    """How many flash operations a whole swap takes; 0 until it was measured."""

    operations: int = 0


@pytest.fixture(scope="module")
def swap_length() -> SwapLength:
    """Measured once for all scenarios here."""
    return SwapLength()


@dataclass(frozen=True)
class CutUpgrade:
    """An upgrade whose swap was cut; the board has power again, and its cores are held."""

    dut: Dut
    firmware: FirmwareSource
    upgrade: Upgrade
    since: LogPosition
    part: float
    folder: Path

    def do(self, action: Action) -> None:
        """One thing that people do on a bench."""
        primary = self.dut.board.slots.primary
        match action:
            case Action.ERASE:
                with pytest.warns(SwapUnderWayWarning, match="finds no bootable image"):
                    self.dut.erase_external_flash_by_probe()
                slot = self.dut.board.slots.secondary
                is_erased = self.dut.read_memory(slot.address, slot.size) == b"\xff" * slot.size
                assert is_erased, "the secondary slot is not erased"
            case Action.REFLASH:
                end = primary.address + primary.size
                baseline = read_hex(self.firmware.baseline)
                self._program([s for s in baseline if primary.address <= s.address < end])
            case Action.RECOVER:
                self.dut.flash(self.firmware.baseline)
            case Action.PUT_IN:
                self._program([Segment(primary.address, self.upgrade.file.data)])

    def images_begin_alike(self) -> bool:
        """Whether the page behind the header is the same in the old application and the update."""
        start = self.dut.board.slots.primary.address
        (old,) = (s.data for s in read_hex(self.firmware.baseline) if s.address == start)
        page = slice(PAGE_BYTES, 2 * PAGE_BYTES)
        return old[page] == self.upgrade.file.data[page]

    def old_is_shorter(self) -> bool:
        """Whether the old application has so few pages that a swap is past them in the middle."""
        start = self.dut.board.slots.primary.address
        (old,) = (s.data for s in read_hex(self.firmware.baseline) if s.address == start)
        return 2 * len(old) < len(self.upgrade.file.data)

    def _program(self, segments: list[Segment]) -> None:
        hex_file = self.folder / "programmed.hex"
        write_hex(hex_file, segments)
        self.dut.program(hex_file)
        for segment in segments:
            held = self.dut.read_memory(segment.address, len(segment.data))
            is_programmed = held == segment.data
            assert is_programmed, f"0x{segment.address:x} does not hold what was programmed"

    def reset(self) -> Fate:
        """Reset, and see in the log and in the primary slot what became of the board."""
        dut, timeouts = self.dut, self.dut.board.timeouts
        since = dut.start_reset()
        ended = dut.console.expect(
            f"{NOTHING_TO_BOOT}|{dut.board.boot.app_ready}",
            since=since,
            within_s=timeouts.boot_s + timeouts.swap_s,
            what=f"the end of the boot after a cut at {self.part:.0%}",
        )
        is_dead = NOTHING_TO_BOOT in ended[0]
        # The boot that was cut, and this one: nothing ran in between.
        boots = dut.boots_since(self.since)
        assert [boot.reached_app for boot in boots] == [False, not is_dead]
        if is_dead:
            return Fate.DEAD
        update = self.upgrade.file.data
        held = dut.read_memory(dut.board.slots.primary.address, len(update))
        return Fate.NEW if held == update else Fate.OLD


CutSwap = Callable[[float], CutUpgrade]


@pytest.fixture
def cut_swap(
    dut: Dut, firmware: FirmwareSource, faults: Faults, tmp_path: Path, swap_length: SwapLength
) -> CutSwap:
    """Cuts a swap of the application when a part of its flash operations is done."""

    def cut(part: float) -> CutUpgrade:
        if not swap_length.operations:
            _pending(dut, firmware)
            before = faults.operations_done()
            assert swapped_or_silent(dut.reset())
            swap_length.operations = faults.operations_done() - before
        upgrade = _pending(dut, firmware)
        faults.cut_power_at_operation(max(1, round(part * swap_length.operations)))
        since = dut.start_reset()
        faults.wait_for_power_loss(POWER_LOSS_TIMEOUT_S)
        faults.restore_power(starts=False)
        return CutUpgrade(dut, firmware, upgrade, since, part, tmp_path)

    return cut


@pytest.mark.needs("external_flash", "probe_erase")
@pytest.mark.parametrize("part", [EARLY, MIDDLE], ids=["early", "middle"])
def test_cut_upgrade_then_external_flash_erased(cut_swap: CutSwap, part: float) -> None:
    """Without the external flash MCUboot cannot go on; flashed anew, the board is as before.

    Evidence: the harness' warning, MCUboot's `Unable to find bootable image`, a verdict and an
    explanation that name the interrupted swap; the baseline's boot after `prepare`.
    """
    _act_and_judge(cut_swap(part), Action.ERASE)


@pytest.mark.parametrize("part", [EARLY, MIDDLE], ids=["early", "middle"])
def test_cut_upgrade_then_application_reflashed(cut_swap: CutSwap, part: float) -> None:
    """MCUboot goes on with a swap over an application that was programmed in the middle of it.

    Evidence: while swap using move only moves, the update runs; later nothing does, and verdict
    and explanation name the interrupted swap; the baseline's boot after `prepare`.
    """
    _act_and_judge(cut_swap(part), Action.REFLASH)


@pytest.mark.parametrize("part", [EARLY, MIDDLE], ids=["early", "middle"])
def test_cut_upgrade_then_recovered(cut_swap: CutSwap, part: float) -> None:
    """A recover takes the swap's status along: the baseline runs, and takes the update again.

    Evidence: UART, SMP and SWD agree, and the verdict names the reason; then the update, proven.
    """
    _act_and_judge(cut_swap(part), Action.RECOVER)


@pytest.mark.parametrize("part", [EARLY, MIDDLE], ids=["early", "middle"])
def test_cut_upgrade_then_update_put_in_by_probe(cut_swap: CutSwap, part: float) -> None:
    """An update that the probe writes over half a swap runs once MCUboot went on with the swap.

    Evidence: the resumed swap in the log, the update in the primary slot over SWD.
    """
    _act_and_judge(cut_swap(part), Action.PUT_IN)


@pytest.mark.parametrize("part", [EARLY, MIDDLE], ids=["early", "middle"])
def test_cut_upgrade_then_sent_again(cut_swap: CutSwap, part: float) -> None:
    """Let go on, the swap is finished; the update that is sent again finds itself in its test boot.

    Evidence: UART, SMP and SWD, the refusal to start over a test image; the revert by a
    further reset, after which the update is taken.
    """
    cut = cut_swap(part)
    assert cut.reset() is Fate.NEW
    assert_upgraded(cut.upgrade.verdict())
    with pytest.raises(BoardError, match="test image that a reset would revert"):
        cut.dut.start_upgrade(cut.firmware.app_update)
    assert reverted_or_silent(cut.dut.reset())
    assert_upgraded(cut.dut.upgrade(cut.firmware.app_update))


@pytest.mark.nightly
@pytest.mark.parametrize("action", [one for one in Action if one is not Action.ERASE])
def test_cut_upgrade_at_many_moments(cut_swap: CutSwap, action: Action) -> None:
    """What is done on a bench after a cut, at more moments of the swap.

    Evidence: as by day.
    """
    for part in MANY_MOMENTS:
        _act_and_judge(cut_swap(part), action)


@pytest.mark.nightly
@pytest.mark.needs("external_flash", "probe_erase")
def test_cut_upgrade_then_external_flash_erased_at_many_moments(cut_swap: CutSwap) -> None:
    """The external flash is erased at more moments of the swap.

    Evidence: as by day.
    """
    for part in MANY_MOMENTS:
        _act_and_judge(cut_swap(part), Action.ERASE)


def _pending(dut: Dut, firmware: FirmwareSource) -> Upgrade:
    if not dut.prepare(firmware.baseline).mcuboot_speaks:
        pytest.skip(
            "MCUboot prints nothing here, and its lines alone tell what it makes of half a swap"
        )
    upgrade = dut.start_upgrade(firmware.app_update)
    upgrade.upload()
    upgrade.set_pending()
    return upgrade


def _act_and_judge(cut: CutUpgrade, action: Action) -> None:
    """Do it and reset: the verdict has to say what became of the board, and the remedy to help."""
    cut.do(action)
    fate = cut.reset()
    where = f"{action.value} after {cut.part:.0%} of the swap"
    fates = FATES.get(cut.dut.board.boot.bootloader_mode)
    if fates is not None and cut.part in (EARLY, MIDDLE, LATE):
        expected = fates[action][(EARLY, MIDDLE, LATE).index(cut.part)]
        # Where both images begin alike, what the swap had done is what was programmed over it.
        may_be_whole = {Fate.NEW: cut.images_begin_alike, Fate.OLD: cut.old_is_shorter}
        is_whole = action is Action.REFLASH and fate in may_be_whole and may_be_whole[fate]()
        assert fate is expected or is_whole, where
    verdict = cut.upgrade.verdict()
    if action is Action.REFLASH and fate is Fate.OLD:
        # The swap was past the end of a short old application: all of it was programmed, and stays.
        assert cut.old_is_shorter(), where
        assert verdict.outcome is not Outcome.UPGRADED, f"{where}\n{verdict}"
        return
    _assert_agrees(verdict, fate, where)
    log = cut.dut.console.text_since(cut.since)
    causes = {cause.code: cause for cause in explain(case_of_text(log)).causes}
    match fate:
        case Fate.NEW:
            assert "cut_swap_spoilt" not in causes, where
        case Fate.OLD:
            # The first boot finds what is there; the update is taken when it is sent again.
            assert "Upload the update again" in causes["cut_swap_given_up"].remedy, where
            assert_upgraded(cut.dut.upgrade(cut.firmware.app_update))
        case Fate.DEAD:
            assert "west flash --recover" in causes["cut_swap_spoilt"].remedy, where
            assert next(iter(causes)) == "cut_swap_spoilt", where
            boot = cut.dut.prepare(cut.firmware.baseline)
            assert boot.app_ready, where
            assert not boot.swapped, where


def _assert_agrees(verdict: Verdict, fate: Fate, where: str) -> None:
    said = f"{where}: {fate.value}\n{verdict}"
    match fate:
        case Fate.NEW:
            assert verdict.outcome is Outcome.UPGRADED, said
        case Fate.OLD:
            assert verdict.outcome is Outcome.NOT_UPGRADED, said
            assert "interrupted in a swap" in verdict.reason, said
        case Fate.DEAD:
            # What the primary slot holds is half of either, and nothing runs.
            assert verdict.outcome in (Outcome.NOT_UPGRADED, Outcome.UNPROVEN), said
            assert "interrupted in a swap" in verdict.reason, said
            assert NOTHING_TO_BOOT in verdict.reason, said

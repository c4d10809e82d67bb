"""Upgrades, power cuts and what people do on a bench, in any order: what holds whatever happened.

Each example is a board with its baseline, to which some steps are done. Steps that need an
application (an upload, a mark) are left out where none runs; those by the probe always work.
After each step the judge is asked about the update, and the log explained: what they say has to
agree with the flash, and with what was done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from typing_extensions import assert_never

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.dut.cut_swap import swap_is_under_way
from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.explanation import explain
from pytest_nrf_fota.findings.finding import Finding
from pytest_nrf_fota.firmware.dfu_package import UpdateFile
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex
from pytest_nrf_fota.firmware.variant import Variant
from pytest_nrf_fota.preflight.prediction import read_update as read_package
from pytest_nrf_fota.preflight.simulated_board import SimulatedBoard
from pytest_nrf_fota.sim.flash import CutMoment, Flash, MemoryLayout, PowerCut, PowerLostError
from pytest_nrf_fota.sim.memories import program
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.evidence import Outcome, Verdict
from pytest_nrf_fota.verdict.facts import Facts
from pytest_nrf_fota.verdict.memory import Before, note_before, read_update
from pytest_nrf_fota.verdict.wording import verdict_of

pytestmark = pytest.mark.long_proof

EXAMPLES = 12
MOST_BOOTS_UNTIL_REST = 6
ERASE_S = 1.0

_SCRATCH = (
    "[slots]\nprimary = { address = 0x10000, size = 0xE0000 }\n"
    "secondary = { address = 0x10000000, size = 0xE0000 }\n"
    "scratch = { address = 0xF0000, size = 0xE000 }\n"
)
_OFFSET = "[slots]\nsecondary = { address = 0x106E0000, size = 0xF2000 }\n"
KITS = {
    **{f"move, NSIB, {ncs}": ("nrf5340dk_sim", "", ncs, "swap_move") for ncs in ("2.3", "2.6")},
    **{f"move, NSIB, {ncs}": ("nrf5340dk_sim", "", ncs, "swap_move") for ncs in ("2.9", "3.2")},
    **{
        f"{mode}, {ncs}": ("nrf5340dk_mcuboot_sim", slots, ncs, mode)
        for mode, slots, releases in (
            ("swap_move", "", ("3.0",)),
            ("swap_offset", _OFFSET, ("3.0",)),
            ("swap_scratch", _SCRATCH, ("2.3", "2.9", "3.0")),
            ("overwrite_only", "", ("2.6", "2.9")),
        )
        for ncs in releases
    },
    "move, one core, 2.9": ("nrf52840dk_sim", "", "2.9", "swap_move"),
}


@dataclass(frozen=True)
class Upload:
    """An update is uploaded."""

    is_good: bool


@dataclass(frozen=True)
class Mark:
    """What was uploaded last is set pending."""

    permanent: bool


@dataclass(frozen=True)
class Reset:
    """A reset, and a power cut so far into the flash operations of the boot; None without."""

    cut: float | None


@dataclass(frozen=True)
class EraseExternal:
    """The external flash is erased by the probe, or from the shell."""


@dataclass(frozen=True)
class ReflashApplication:
    """The baseline's application is programmed."""


@dataclass(frozen=True)
class Recover:
    """The cores are recovered and the baseline is programmed."""


@dataclass(frozen=True)
class PutIn:
    """The update is programmed into the primary slot."""


Step: TypeAlias = Upload | Mark | Reset | EraseExternal | ReflashApplication | Recover | PutIn
on_a_bench = st.sampled_from((EraseExternal(), ReflashApplication(), Recover(), PutIn()))
cut_resets = st.builds(Reset, st.floats(0, 1))
any_steps = st.one_of(
    st.builds(Upload, st.sampled_from((True, True, False))),
    st.builds(Mark, st.booleans()),
    cut_resets,
    st.just(Reset(None)),
    on_a_bench,
)
# Most of all an upgrade that is cut, and what follows.
sequences = st.builds(
    lambda permanent, cut, action, others: (Upload(True), Mark(permanent), cut, action, *others),
    st.booleans(),
    cut_resets,
    on_a_bench,
    st.lists(any_steps, max_size=5),
)


@dataclass(frozen=True)
class Firmware:
    """What the steps put on a board; `images` are those that may run."""

    baseline: tuple[Segment, ...]
    application: tuple[Segment, ...]
    update: UpdateFile
    foreign: UpdateFile

    @property
    def images(self) -> tuple[bytes, bytes]:
        """The baseline's application and the update."""
        return self.application[0].data, self.update.data


@dataclass
class Marked:
    """An update that was set pending, and what was done to it since.

    `acted_since_cut` is None where no boot was cut since.
    """

    file: UpdateFile
    before: Before
    line_count: int
    acted_since_cut: bool | None = None


@dataclass(frozen=True)
class Said:
    """What the harness says of an update, from its mark on."""

    verdict: Verdict
    causes: tuple[Finding, ...]
    log: str

    @property
    def rules(self) -> set[str]:
        """Names of the causes."""
        return {cause.code for cause in self.causes}

    def __str__(self) -> str:
        return f"{self.verdict}\n  {self.verdict.ending} {sorted(self.rules)}\n{self.log}"


class Board:
    """A copy of a board to which steps are done."""

    def __init__(
        self, board: BoardType, firmware: Firmware, state: SimulatedBoard | None = None
    ) -> None:
        self._type, self._firmware = board, firmware
        self._bench = state or SimulatedBoard(board, firmware.baseline, None)
        self._runs = False
        self._last_boot: Boot | None = None
        self.marked: Marked | None = None

    def do(self, step: Step) -> None:
        match step:
            case Upload(is_good):
                if self._runs:
                    file = self._firmware.update if is_good else self._firmware.foreign
                    self._bench.upload(0, file.data, b"")
            case Mark(permanent):
                waiting = [state.hash for state in self._bench.images() if not state.active]
                if self._runs and waiting and waiting[-1] is not None:
                    self._mark(waiting[-1], permanent=permanent)
            case Reset(None):
                self.reset()
            case Reset(cut):
                self._cut(cut)
            case EraseExternal():
                self.erase_external()
            case ReflashApplication():
                self._program(self._firmware.application)
            case Recover():
                self.recover()
            case PutIn():
                address = self._firmware.application[0].address
                data = self._firmware.update.data
                self._program((Segment(address, data + b"\xff" * (-len(data) % 4)),))
            case _:
                assert_never(step)

    def reset(self) -> tuple[Boot, ...]:
        """Boot undisturbed; what holds of each such boot is checked."""
        boots = self._bench.boot()
        self._runs = not self._bench.halted
        self._last_boot = boots[-1]
        assert boots
        assert boots[-1].reached_app == self._runs, [line.text for line in boots[-1].lines]
        if self._runs:
            held = self.primary(max(map(len, self._firmware.images)))
            is_whole = held.startswith(self._firmware.images)
            assert is_whole, "an image runs that is not whole"
        else:
            assert boots[-1].refusals, [line.text for line in boots[-1].lines]
        return boots

    def rest(self) -> None:
        """Reset until a boot changes nothing; then the next one says and does the same."""
        for _ in range(MOST_BOOTS_UNTIL_REST):
            before = self._bench.memories()
            boots = self.reset()
            if self._bench.memories() == before:
                again = self.reset()
                assert self._bench.memories() == before
                assert _texts(again) == _texts(boots)
                return
        raise AssertionError(f"each boot changes the flash: {_texts(boots)}")

    def erase_external(self) -> None:
        external = self._external()
        if external is not None:
            self._flash.erase_memory(external.name, ERASE_S)
            self._act()

    def recover(self) -> None:
        for layout in self._flash.layouts:
            if layout != self._external():
                self._flash.erase_memory(layout.name, ERASE_S)
        self._program(self._firmware.baseline)

    def said(self) -> Said | None:
        """What the harness says of the update that was set pending; None where none was."""
        if self.marked is None:
            return None
        boots = self._bench.boots_since(self.marked.line_count)
        file, before = self.marked.file, self.marked.before
        update = read_update(self._bench.read, self._type, file, before)
        images = self._bench.images() if self._runs else None
        log = "\n".join(_texts(boots)) + "\n"
        explained = explain(case_of_text(log))
        return Said(
            verdict_of(Facts(boots=boots, update=update, images=images)),
            (*explained.causes, *explained.advice),
            log,
        )

    def snapshot(self) -> "Board":
        """Another board in the same state, held."""
        return Board(self._type, self._firmware, self._bench.snapshot())

    @property
    def runs(self) -> bool:
        """Whether an application runs."""
        return self._runs

    @property
    def operations(self) -> int:
        return len(self._flash.operations)

    @property
    def loses_header(self) -> bool:
        """Whether a power cut alone may leave this release nothing to start."""
        return not self._type.boot.survives_power_cuts

    def runs_update(self) -> bool:
        """Whether the whole update that was marked lies where the application runs, and runs."""
        data = self.marked.file.data if self.marked is not None else b""
        return self._runs and self.primary(len(data)) == data

    def primary(self, size_bytes: int) -> bytes:
        return self._bench.read(self._type.slots.primary.address, size_bytes)

    def holds_baseline(self) -> bool:
        """Whether the baseline's application lies in the primary slot."""
        application = self._firmware.application[0].data
        return self.primary(len(application)) == application

    def is_in_a_swap(self) -> bool:
        """What the harness takes it for."""
        return swap_is_under_way(self._bench.read, self._type)

    def _cut(self, part: float | None) -> None:
        """Cut the next boot, at a part of the operations that it would do."""
        assert part is not None
        whole = self._bench.snapshot()
        flash = whole.chain.hardware.flash
        before = len(flash.operations)
        whole.boot()
        operations = len(flash.operations) - before
        if not operations:
            # There is nothing to cut: the board boots.
            self.reset()
            return
        number = self.operations + 1 + int(part * (operations - 1))
        self._flash.power_cut = PowerCut(number, CutMoment.DURING)
        self._runs = False
        if self.marked is not None and self.marked.acted_since_cut is None:
            self.marked.acted_since_cut = False
        with pytest.raises(PowerLostError):
            self._bench.boot()
        self._flash.power_cut, self._flash.has_power = None, True

    def _program(self, segments: Sequence[Segment]) -> None:
        assert program(self._flash, tuple(segments)) is None
        self._act()

    def _mark(self, image_hash: bytes, *, permanent: bool) -> None:
        files = (self._firmware.update, self._firmware.foreign)
        file = next((one for one in files if one.image.hash == image_hash), None)
        assert self._last_boot is not None
        before = note_before(self._bench.read, self._type, files, self._last_boot)
        if self._bench.mark(image_hash, permanent=permanent).rc == 0:
            # What an upgrade left behind may be marked, too; nobody asks for a verdict on that.
            lines = self._bench.line_count
            self.marked = None if file is None else Marked(file, before, lines)

    def _act(self) -> None:
        self._runs = False
        if self.marked is not None and self.marked.acted_since_cut is not None:
            self.marked.acted_since_cut = True

    @property
    def _flash(self) -> Flash:
        return self._bench.chain.hardware.flash

    def _external(self) -> MemoryLayout | None:
        soc = self._type.soc
        return next((one for one in self._flash.layouts if soc.is_external(one.start)), None)


def _texts(boots: Sequence[Boot]) -> list[str]:
    return [line.text for boot in boots for line in boot.lines]


Make: TypeAlias = Callable[[], Board]


@pytest.fixture(scope="module", params=KITS)
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes boards of one kind, with the baseline's application running."""
    base, slots, ncs, mode = KITS[request.param]
    folder = tmp_path_factory.mktemp("kit")
    (folder / "kit.toml").write_text(
        f'name = "kit"\ntitle = "A kit"\nbase = "{base}"\nplatforms = []\n{slots}'
        f'[boot]\nncs = "{ncs}"\nbootloader_mode = "{mode}"\n'
    )
    board = load_board("kit", [folder])
    firmware = _firmware(board, folder)

    def make_board() -> Board:
        made = Board(board, firmware)
        assert made.reset()[-1].reached_app
        return made

    return make_board


def _firmware(board: BoardType, folder: Path) -> Firmware:
    source = DemoSource(board, folder / "firmware")
    baseline = read_hex(source.baseline)
    primary = board.slots.primary
    application = tuple(
        segment
        for segment in baseline
        if primary.address <= segment.address < primary.address + primary.size
    )
    assert len(application) == 1
    update, foreign = (
        read_package(path, board).files[0]
        for path in (source.app_update, source.variant(Variant.APP_WRONG_KEY))
    )
    return Firmware(baseline, application, update, foreign)


def test_whatever_was_done_a_board_runs_a_whole_image_or_stands_still(make: Make) -> None:
    @given(steps=sequences)
    # The same examples in each run: a defect must not show up on somebody else's change.
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        # Shrinking takes minutes, and the sequences are short.
        phases=(Phase.generate,),
    )
    def check(steps: Sequence[Step]) -> None:
        board = make()
        for step in steps:
            board.do(step)
            if isinstance(step, Reset):
                _assert_said_agrees(board)
                _assert_warned_in_time(board)
            if isinstance(step, Reset) and board.runs:
                _assert_external_flash_may_be_erased(board)
        _assert_a_recover_helps(board)
        board.rest()

    check()


IN_BETWEEN = "in between"
OF_A_CUT = {"cut_swap_spoilt", "cut_swap_given_up", "swap_under_way"}
ERASES = ("flash erase", "qspieraseall", "erase --all-external")


def _assert_said_agrees(board: Board) -> None:
    """Verdict and causes are not contradicted by the flash, nor by what was done."""
    said = board.said()
    if said is None:
        return
    assert board.marked is not None
    outcome, ending = said.verdict.outcome, said.verdict.ending
    nothing_runs = {Ending.SPOILT, Ending.NO_BOOT}
    if board.runs_update():
        assert outcome is not Outcome.NOT_UPGRADED, str(said)
    else:
        assert outcome is not Outcome.UPGRADED, str(said)
    if board.runs:
        assert ending not in nothing_runs, str(said)
        assert not said.rules & {"cut_swap_spoilt", "swap_under_way"}, str(said)
    acted = board.marked.acted_since_cut
    if acted is None:
        assert not said.rules & OF_A_CUT, str(said)
        assert "interrupted in a swap" not in said.verdict.reason, str(said)
    if not acted and not board.loses_header:
        assert IN_BETWEEN not in said.verdict.reason, str(said)
        assert not said.rules & {"cut_swap_spoilt", "cut_swap_given_up"}, str(said)


def _assert_warned_in_time(board: Board) -> None:
    """Where an erase of the external flash would lose the board, harness and causes say so."""
    if board.is_in_a_swap() and not board.runs:
        said = board.said()
        if said is not None:
            assert said.rules & {"swap_under_way", "cut_swap_spoilt"}, str(said)
            for cause in said.causes:
                assert not any(words in cause.remedy for words in ERASES), cause
        return
    alone, erased = board.snapshot(), board.snapshot()
    takes_back = any(boot.swap_type == "revert" for boot in alone.reset())
    erased.erase_external()
    erased.reset()
    # A trial that cannot be taken back any more is no swap under way.
    is_lost = alone.runs and not erased.runs and not takes_back
    assert not is_lost, "nobody was warned that the board would be lost"


def _assert_external_flash_may_be_erased(board: Board) -> None:
    """Before an application runs MCUboot has ended its swap: only a trial cannot be taken back."""
    copy = board.snapshot()
    copy.erase_external()
    copy.reset()
    assert copy.runs, "the board ran, and does not without its external flash"


def _assert_a_recover_helps(board: Board) -> None:
    """With or without its external flash, the baseline boots after a recover, as it was."""
    copy = board.snapshot()
    copy.recover()
    copy.reset()
    assert copy.runs, "a recover did not help"
    copy.recover()
    copy.erase_external()
    boots = copy.reset()
    assert not any(boot.swapped or boot.wanted_swap for boot in boots)
    assert copy.holds_baseline()

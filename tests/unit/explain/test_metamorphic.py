"""What must hold of any log, whatever it says: no label is needed to see that an answer is wrong.

The logs are real ones beside the repository, and those that virtual kits print.
"""

import base64
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.explain.case import case_of
from pytest_nrf_fota.explain.explanation import Explanation, explain
from pytest_nrf_fota.findings.finding import Confidence
from pytest_nrf_fota.verdict.ending import Ending, Upgraded
from tests.unit.kit_log import SCENARIOS, kit_log

_LOGS = Path(__file__).parents[4] / "shared" / "logs"
_RELEASES = ("2.3", "2.9")
_NAMES = (
    *sorted(str(path.relative_to(_LOGS)) for path in _LOGS.rglob("*.log")),
    *(f"kit {ncs} {name}" for ncs in _RELEASES for name in SCENARIOS),
)
_HEALTHY = b"""\
*** Booting MCUboot v2.1.0-dev-001122334455 ***
*** Using nRF Connect SDK v2.7.0-5cb85570ca43 ***
I: Starting bootloader
I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
I: Secondary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
I: Boot source: none
I: Image index: 0, Swap type: none
I: Bootloader chainload address offset: 0xc000
I: Jumping to the first image slot
*** Booting nRF Connect SDK v2.7.0-5cb85570ca43 ***
[00:00:00.010,000] <inf> blinky: running
"""
_CRASHES = {"cpu_fault", "fatal_error", "stack_overflow", "assertion_failed"}
_names = st.sampled_from(_NAMES)
_EXAMPLES = 80
_property = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """A log by its name."""

    @cache
    def of_name(name: str) -> bytes:
        if not name.startswith("kit "):
            return (_LOGS / name).read_bytes()
        _, ncs, scenario = name.split(" ", 2)
        folder = tmp_path_factory.mktemp("kit")
        return kit_log(SCENARIOS[scenario], ncs, folder, keep_last_line=True)

    return of_name


def _explain(log: bytes) -> Explanation:
    return explain(case_of([log]))


def _certain(found: Explanation) -> set[str]:
    """The codes; what another line cuts a fault's dump into is the same fault."""
    codes = {cause.code for cause in found.causes if cause.confidence is Confidence.CERTAIN}
    return {"cpu_fault" if code in _CRASHES else code for code in codes}


def _all(found: Explanation) -> set[str]:
    codes = {hit.code for hit in (*found.causes, *found.advice, *found.notes)}
    return codes | ({"cpu_fault"} if codes & _CRASHES else set())


def _lines(log: bytes) -> list[bytes]:
    return log.replace(b"\r\n", b"\n").splitlines()


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


# --- how a log was captured changes nothing ---


def _crlf(log: bytes) -> bytes:
    return log.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _stamped(log: bytes) -> bytes:
    stamps = (b"[2026-05-07 09:%02d:%02d.123] " % (n // 60 % 60, n % 60) for n in range(10**6))
    return _joined([stamp + line for stamp, line in zip(stamps, _lines(log), strict=False)])


def _coloured(log: bytes) -> bytes:
    return _joined([b"\x1b[1;32m" + line + b"\x1b[0m" if line else line for line in _lines(log)])


def _with_frames(log: bytes) -> bytes:
    frame = b"\x06\x09" + base64.b64encode(b"\x00\x0aany answer") + b"\n"
    return b"".join(line + b"\n" + frame for line in _lines(log))


@pytest.mark.parametrize("change", [_crlf, _stamped, _coloured, _with_frames])
@pytest.mark.parametrize("name", _NAMES)
def test_capture_changes_nothing(
    read: Callable[[str], bytes], name: str, change: Callable[[bytes], bytes]
) -> None:
    """Line ends, stamps of a tool, colours, SMP frames between the lines."""
    plain, changed = _explain(read(name)), _explain(change(read(name)))
    assert (changed.ending, changed.status) == (plain.ending, plain.status)
    assert [cause.code for cause in changed.causes] == [cause.code for cause in plain.causes]


@_property
@given(_names, st.lists(st.integers(0, 20_000), max_size=6))
def test_blocks_change_nothing(read: Callable[[str], bytes], name: str, places: list[int]) -> None:
    """A log is the same wherever a pipe cuts it."""
    log = read(name)
    edges = [0, *sorted(min(place, len(log)) for place in places), len(log)]
    blocks = [log[begin:end] for begin, end in pairwise(edges)]
    assert explain(case_of(blocks)) == _explain(log)


# --- what is cut off, or lost ---


@_property
@given(_names, st.floats(0, 1))
def test_cut_end_turns_no_no_into_a_yes(
    read: Callable[[str], bytes], name: str, part: float
) -> None:
    """But for a revert, whose test image did run."""
    lines = _lines(read(name))
    whole, cut = _explain(_joined(lines)), _explain(_joined(lines[: int(part * len(lines))]))
    if whole.happened is Upgraded.NO and cut.happened is Upgraded.YES:
        swapped_back = "revert" in " ".join(boot.text for boot in whole.boots)
        assert whole.ending == Ending.REVERTED.value or swapped_back
        assert cut.ending in (Ending.ON_TRIAL.value, Ending.TESTED.value)


@_property
@given(_names, st.integers(0, 2**32), st.integers(1, 4))
def test_lost_characters_make_no_certain_cause(
    read: Callable[[str], bytes], name: str, seed: int, count: int
) -> None:
    """Single characters, anywhere."""
    log = bytearray(read(name))
    for number in range(count):
        del log[(seed * (2 * number + 1)) % max(1, len(log) - 1)]
    assert _certain(_explain(bytes(log))) <= _all(_explain(read(name)))


# --- what is added ---


@_property
@given(_names, st.booleans())
def test_healthy_boot_makes_no_certain_cause(
    read: Callable[[str], bytes], name: str, before: bool
) -> None:
    """In front of the log or behind it."""
    log = _joined(_lines(read(name)))
    more = _explain(_HEALTHY + log if before else log + _HEALTHY)
    assert _certain(more) <= _all(_explain(log))


@_property
@given(_names, st.integers(1, 5))
def test_another_boards_lines_make_no_certain_cause(
    read: Callable[[str], bytes], name: str, every: int
) -> None:
    """Under a prefix, as tools print two ports into one log."""
    lines = _lines(read(name))
    others = [b"board-2 | " + line for line in _HEALTHY.splitlines()]
    mixed: list[bytes] = []
    for number, line in enumerate(lines):
        mixed.append(line)
        if number % every == 0:
            mixed.append(others[number // every % len(others)])
    assert _certain(_explain(_joined(mixed))) <= _all(_explain(_joined(lines)))


_NO_ATTEMPT = (Ending.NOT_ATTEMPTED.value, Ending.NO_SIGN.value)
_ALONE = (*_NO_ATTEMPT, Ending.UNKNOWN.value, Ending.PROBABLY.value)


@_property
@given(_names, _names)
@example("cases/04-extflash-sectors-512.log", "cases/33-nrf52840-usbdfu-revert.log")
def test_second_run_decides(read: Callable[[str], bytes], first: str, second: str) -> None:
    """Where the second log shows an attempt by itself, what was before it is history."""
    one, two = _joined(_lines(read(first))), _joined(_lines(read(second)))
    alone = _explain(two)
    starts_a_boot = two.lstrip(b"\r\n").startswith((b"*** Booting", b"I: Starting bootloader"))
    if alone.ending in _ALONE or not alone.boots or not starts_a_boot:
        return
    both = _explain(one + two)
    assert both.happened is alone.happened
    codes = {cause.code for cause in both.causes if cause.confidence is Confidence.CERTAIN}
    assert codes <= _all(alone) | _advised(one)


def _advised(log: bytes) -> set[str]:
    """What is of a board, not of an attempt: crashes, flash that does not answer, a lost slot."""
    of_board = {"cpu_fault", "stack_overflow", "external_flash_silent", "fatal_error"}
    of_board |= {"nsib_burnt_slot"}
    return _all(_explain(log)) & of_board

"""The model of MCUboot beside a real one: decision, slots, lines and flash operations agree."""

from random import Random

import pytest

from pytest_nrf_fota.sim.flash import CutMoment, Flash, Operation, PowerCut, PowerLostError
from tests.execution.mcuboot_board import board_with, boot, copy_of, mark
from tests.execution.mcuboot_states import MORE_STATES, STATES, Images, State
from tests.execution.side_by_side import cut_modelled, differences, executed, modelled
from tests.execution.smpclient_builds import PRIMARY, SECONDARY, SLOT_BYTES, Build

_SWAPS = (
    *("test", "permanent", "revert", "larger update", "smaller update"),
    *("revert of a larger one", "revert of a smaller one", "confirmed, test"),
)
_CUT_SWAPS = (
    "test",
    "revert of a smaller one",
    *(pytest.param(name, marks=pytest.mark.nightly) for name in ("revert", "smaller update")),
)
_CUTS = 6
# With 128 sectors: 3 entries of 4 bytes each, and the fields behind them.
_TRAILER_BYTES = 0x1000


@pytest.fixture(scope="session")
def images() -> Images:
    return Images.make()


def _agree(flash: Flash) -> None:
    assert not differences(executed(copy_of(flash)), modelled(copy_of(flash)))


def _state(name: str) -> State:
    return STATES[name] if name in STATES else MORE_STATES[name]


@pytest.mark.parametrize("name", STATES)
def test_same_decision(build: Build, images: Images, name: str) -> None:
    _agree(STATES[name].on_board(build, images))


@pytest.mark.long_proof
@pytest.mark.parametrize("name", MORE_STATES)
def test_same_decision_in_rarer_states(build: Build, images: Images, name: str) -> None:
    _agree(MORE_STATES[name].on_board(build, images))


def test_difference_is_seen(build: Build, images: Images) -> None:
    """What the comparison says of two states that are not the same."""
    one, other = (STATES[name].on_board(build, images) for name in ("test", "corrupt update"))
    found = differences(executed(one), modelled(other))
    assert [line.split(":")[0] for line in found] == [
        "lines",
        "primary",
        "secondary",
        "operation 0",
    ]


@pytest.mark.long_proof
@pytest.mark.parametrize("name", _CUT_SWAPS)
def test_same_resumption_of_a_real_cut(build: Build, images: Images, name: str) -> None:
    """Power is cut in the machine code's swap, once or twice before both finish it."""
    start = _state(name).on_board(build, images)
    operations = boot(copy_of(start)).operations
    for number, cut in enumerate(_cuts(operations, Random(name))):
        flash = copy_of(start)
        _boot_until(flash, cut)
        assert not differences(executed(copy_of(flash)), modelled(copy_of(flash))), cut
        again = PowerCut(len(flash.operations) + 1 + number * 7, cut.moment)
        _boot_until(flash, again)
        assert not differences(executed(copy_of(flash)), modelled(copy_of(flash))), (cut, again)


@pytest.mark.long_proof
@pytest.mark.parametrize("name", _CUT_SWAPS)
def test_same_resumption_of_a_cut_in_the_model(build: Build, images: Images, name: str) -> None:
    start = _state(name).on_board(build, images)
    whole = copy_of(start)
    modelled(whole)
    for cut in _cuts(whole.operations, Random(name)):
        flash = copy_of(start)
        flash.power_cut = cut
        cut_modelled(flash)
        assert not differences(executed(copy_of(flash)), modelled(copy_of(flash))), cut


def _cuts(operations: list[Operation], random: Random) -> list[PowerCut]:
    """Some anywhere, and at each operation on trailers and swap status."""
    places = [
        operation.number
        for operation in operations
        if (operation.address - PRIMARY) % SLOT_BYTES >= SLOT_BYTES - _TRAILER_BYTES
    ]
    places += random.sample(range(1, len(operations) + 1), _CUTS)
    return [PowerCut(number, tuple(CutMoment)[at % 3]) for at, number in enumerate(places)]


def _boot_until(flash: Flash, cut: PowerCut) -> None:
    flash.power_cut = cut
    try:
        boot(flash)
    except PowerLostError:
        flash.has_power = True
    flash.power_cut = None


@pytest.mark.long_proof
@pytest.mark.parametrize("seed", range(3))
def test_same_decision_with_random_bytes(build: Build, images: Images, seed: int) -> None:
    """Bytes of trailers, swap status and headers that something wrote over."""
    random = Random(seed)
    start = _state(_SWAPS[seed]).on_board(build, images)
    for _ in range(2 * _CUTS):
        flash = copy_of(start)
        written = {}
        for _ in range(random.randint(1, 4)):
            from_end = random.choice((8, 16, 24, 32, 40, 44, 48 + 4 * random.randint(1, 400)))
            at = random.choice((SLOT_BYTES - from_end, random.randint(0, 0x230)))
            address = random.choice((PRIMARY, SECONDARY)) + at
            written[address] = random.choice((0, 1, 2, 3, 4, 0x13, 0xFF, random.randint(0, 255)))
            flash.load(address, bytes([written[address]]))
        assert not differences(executed(copy_of(flash)), modelled(copy_of(flash))), written


@pytest.mark.long_proof
def test_same_decisions_about_real_applications(build: Build) -> None:
    """The swap of A and B, and its taking back."""
    flash = board_with(build, build.a, build.b)
    mark(flash, SECONDARY)
    for _ in range(3):
        after = copy_of(flash)
        assert not differences(executed(after), modelled(copy_of(flash)))
        flash = after

"""A real MCUboot, executed: decisions, refusals, and power cuts at any flash operation."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from pytest_nrf_fota.sim.execution.ends import Asleep, Spinning
from pytest_nrf_fota.sim.flash import CutMoment, Flash, OperationKind, PowerCut
from tests.execution.chip_run import new_flash
from tests.execution.mcuboot_board import (
    IMAGE_OK_AT,
    board_with,
    boot,
    boot_with_cut,
    copy_of,
    mark,
    running,
    slots_of,
    small_image,
)
from tests.execution.smpclient_builds import (
    PRIMARY,
    SECONDARY,
    SOC,
    Build,
)

_EVERY = 10


@pytest.fixture(scope="session")
def images() -> dict[str, bytes]:
    return {"a": small_image("1.0.0"), "b": small_image("2.0.0")}


@pytest.fixture(scope="session")
def marked(build: Build, images: dict[str, bytes]) -> Flash:
    """A runs, B is to be tried; to be copied."""
    flash = board_with(build, images["a"], images["b"])
    mark(flash, SECONDARY)
    return flash


def test_first_boot_writes_uicr_once(build: Build, images: dict[str, bytes]) -> None:
    flash = new_flash(SOC)
    flash.load(0, build.mcuboot.data)
    flash.load(PRIMARY, images["a"])
    assert boot(flash).starts
    written = {operation.address for operation in flash.operations}
    # PSELRESET: pin 21 is the reset (nRF52832 product specification, UICR).
    assert written == {0x1000_1200, 0x1000_1204}
    assert boot(flash).operations == []


def test_update_is_tried_and_taken_back(marked: Flash, images: dict[str, bytes]) -> None:
    flash = copy_of(marked)
    tried = boot(flash)
    assert tried.starts and running(flash, images) == "b"
    assert "I: Image index: 0, Swap type: test" in tried.lines
    taken_back = boot(flash)
    assert taken_back.starts and running(flash, images) == "a"
    assert "I: Image index: 0, Swap type: revert" in taken_back.lines
    assert boot(flash).operations == []


def test_confirmed_update_stays(marked: Flash, images: dict[str, bytes]) -> None:
    flash = copy_of(marked)
    boot(flash)
    mark(flash, PRIMARY, image_ok=1)
    assert boot(flash).operations == []
    assert running(flash, images) == "b"


def test_permanent_update_stays(marked: Flash, images: dict[str, bytes]) -> None:
    flash = copy_of(marked)
    mark(flash, SECONDARY, image_ok=1)
    assert "I: Image index: 0, Swap type: perm" in boot(flash).lines
    assert flash.read(PRIMARY + IMAGE_OK_AT, 1) == b"\x01"
    assert boot(flash).operations == []
    assert running(flash, images) == "b"


@pytest.mark.parametrize("fault", ["one bit", "another key"])
def test_wrong_update_is_refused(marked: Flash, images: dict[str, bytes], fault: str) -> None:
    flash = copy_of(marked)
    if fault == "one bit":
        flash.load(SECONDARY + 0x800, bytes([images["b"][0x800] ^ 1]))
    else:
        flash.load(SECONDARY, small_image("2.0.0", key=rsa.generate_private_key(65537, 2048)))
    seen = boot(flash)
    assert seen.starts and running(flash, images) == "a"
    assert "E: Image in the secondary slot is not valid!" in seen.lines
    assert flash.is_erased(SECONDARY, 0x1000)


def test_board_without_a_valid_image_starts_none(build: Build, images: dict[str, bytes]) -> None:
    damaged = bytearray(images["a"])
    damaged[0x900] ^= 0x10
    seen = boot(board_with(build, bytes(damaged)))
    assert isinstance(seen.end, (Spinning, Asleep))
    assert seen.lines[-1] == "E: Unable to find bootable image"


def test_same_memories_give_the_same_run(marked: Flash) -> None:
    one, other = (boot(copy_of(marked)) for _ in range(2))
    assert one.operations == other.operations
    assert (one.output, one.end) == (other.output, other.end)


def test_cut_update_goes_on(marked: Flash, images: dict[str, bytes]) -> None:
    whole = copy_of(marked)
    operations = boot(whole).operations
    assert running(whole, images) == "b"
    erases = [one.number for one in operations if one.kind is OperationKind.ERASE]
    for number in (1, erases[2], len(operations) // 2, len(operations)):
        flash = copy_of(marked)
        resumed = boot_with_cut(flash, PowerCut(number, CutMoment.DURING))
        assert resumed is None or resumed.starts, number
        assert slots_of(flash) == slots_of(whole), number


@pytest.mark.long_proof
@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=[pytest.mark.nightly] * (part % 4 > 0)) for part in range(12)]
)
def test_cut_at_every_tenth_operation(marked: Flash, images: dict[str, bytes], part: int) -> None:
    whole = copy_of(marked)
    total = len(boot(whole).operations)
    assert total > 5000
    numbers = range(1, total + 1, _EVERY)[part::12]
    moments = tuple(CutMoment)
    for index, number in enumerate(numbers):
        flash = copy_of(marked)
        cut = PowerCut(number, moments[(index + part) % 3])
        resumed = boot_with_cut(flash, cut)
        assert resumed is None or resumed.starts, cut
        assert slots_of(flash) == slots_of(whole), cut


@pytest.fixture(scope="session")
def applications(build: Build) -> Flash:
    """The real application A, and B to be tried."""
    flash = board_with(build, build.a, build.b)
    mark(flash, SECONDARY)
    return flash


@pytest.mark.long_proof
def test_real_applications_are_swapped_and_taken_back(applications: Flash, build: Build) -> None:
    images = {"a": build.a, "b": build.b}
    flash, again = copy_of(applications), copy_of(applications)
    first = boot(flash)
    assert first.starts and running(flash, images) == "b"
    assert len(first.operations) > 100_000
    second = boot(again)
    assert (first.operations, first.output) == (second.operations, second.output)
    assert boot(flash).starts and running(flash, images) == "a"


@pytest.mark.long_proof
@pytest.mark.parametrize("cut", range(2, 20, 5))
def test_swap_of_real_applications_goes_on(applications: Flash, build: Build, cut: int) -> None:
    whole = copy_of(applications)
    total = len(boot(whole).operations)
    flash = copy_of(applications)
    at = PowerCut(1 + cut * total // 20 + cut, tuple(CutMoment)[cut % 3])
    resumed = boot_with_cut(flash, at)
    assert resumed is None or resumed.starts
    assert running(flash, {"a": build.a, "b": build.b}) == "b"
    assert slots_of(flash) == slots_of(whole)

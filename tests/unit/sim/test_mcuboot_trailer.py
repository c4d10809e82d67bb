"""Trailers: states that this package writes are read back, whatever lay in the slot before."""

from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.firmware.trailer import (
    Flag,
    Magic,
    SwapType,
    TrailerState,
    decide_swap,
    decode_trailer,
)
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout
from pytest_nrf_fota.sim.trailer_area import (
    erase_trailer_sectors,
    read_swap_size,
    read_trailer,
    schedule_swap,
    write_copy_done,
    write_image_ok,
    write_magic,
    write_swap_info,
    write_swap_size,
)

SECTOR = 0x1000
TRAILER_BYTES = 48


def make_area(content: bytes = b"") -> FlashArea:
    """A slot of two sectors that ends with `content`."""
    layout = MemoryLayout("flash", 0, 2 * SECTOR, SECTOR, 4, 0.0, 0.0)
    area = FlashArea(Flash((layout,), VirtualClock()), "slot", 0, 2 * SECTOR)
    if content:
        area.write(area.size_bytes - len(content), content)
    return area


trailers = st.binary(min_size=TRAILER_BYTES, max_size=TRAILER_BYTES)
swap_types = st.sampled_from((SwapType.NONE, SwapType.TEST, SwapType.PERM, SwapType.REVERT))


@given(primary=trailers, secondary=trailers, over_any_magic=st.booleans())
@settings(deadline=None)
def test_any_bytes_are_decoded_and_decided_upon(
    primary: bytes, secondary: bytes, over_any_magic: bool
) -> None:
    states = [read_trailer(make_area(data)) for data in (primary, secondary)]

    assert decode_trailer(lambda distance, size: primary[-distance:][:size]) == states[0]
    for state in states:
        assert state.log_text.startswith(f"magic={state.magic.value}, swap_type=0x")
    swap_type = decide_swap(*states, reverts_over_any_magic=over_any_magic)
    assert swap_type in (SwapType.NONE, SwapType.TEST, SwapType.PERM, SwapType.REVERT)
    assert read_swap_size(make_area(primary)) == int.from_bytes(primary[:4], "little")


@given(
    before=trailers,
    magic=st.booleans(),
    swap_type=st.none() | swap_types,
    image_number=st.integers(0, 14),
    copy_done=st.booleans(),
    image_ok=st.booleans(),
    swap_size=st.integers(0, 0xFFFFFFFF),
    order=st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_what_is_written_after_an_erase_is_read_back(
    before: bytes,
    magic: bool,
    swap_type: SwapType | None,
    image_number: int,
    copy_done: bool,
    image_ok: bool,
    swap_size: int,
    order: Random,
) -> None:
    area = make_area(before)
    erase_trailer_sectors(area, 128)
    writes: list[Callable[[], None]] = [lambda: write_swap_size(area, swap_size)]
    if magic:
        writes.append(lambda: write_magic(area))
    if swap_type is not None:
        kind = swap_type
        writes.append(lambda: write_swap_info(area, kind, image_number))
    if copy_done:
        writes.append(lambda: write_copy_done(area))
    if image_ok:
        writes.append(lambda: write_image_ok(area))
    order.shuffle(writes)
    for write in writes:
        write()

    assert read_trailer(area) == TrailerState(
        magic=Magic.GOOD if magic else Magic.UNSET,
        swap_type=SwapType.NONE if swap_type is None else swap_type,
        copy_done=Flag.SET if copy_done else Flag.UNSET,
        image_ok=Flag.SET if image_ok else Flag.UNSET,
    )
    assert read_swap_size(area) == swap_size


@given(before=trailers, permanent=st.booleans())
@settings(deadline=None)
def test_a_scheduled_swap_is_decided_as_it_was_asked_for(before: bytes, permanent: bool) -> None:
    area = make_area(before)
    erase_trailer_sectors(area, 128)

    assert schedule_swap(area, permanent=permanent)

    nothing = read_trailer(make_area())
    assert decide_swap(nothing, read_trailer(area)) is (
        SwapType.PERM if permanent else SwapType.TEST
    )

"""The image trailer."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.firmware.trailer import (
    Flag,
    Magic,
    SwapType,
    TrailerState,
    decide_swap,
    decode_trailer,
    trailer_size_bytes,
)

SLOT_END_BYTES = 64
GOOD_MAGIC = bytes.fromhex("77 c2 95 f3 60 d2 ef 7f 35 52 50 0f 2c b6 79 80")
BLANK_MAGIC = b"\xff" * 16
ANY = None


def end_of_slot(
    magic: bytes = BLANK_MAGIC,
    *,
    swap_info: int = 0xFF,
    copy_done: int = 0xFF,
    image_ok: int = 0xFF,
) -> bytes:
    """The last bytes of a slot, by the distances from its end in the facts."""
    content = bytearray(b"\xff" * SLOT_END_BYTES)
    content[-16:] = magic
    content[-24] = image_ok
    content[-32] = copy_done
    content[-40] = swap_info
    return bytes(content)


def decode(content: bytes) -> TrailerState:
    def read_from_end(distance_bytes: int, size_bytes: int) -> bytes:
        start = len(content) - distance_bytes
        return content[start : start + size_bytes]

    return decode_trailer(read_from_end)


@pytest.mark.parametrize(
    ("content", "log_text"),
    [
        (end_of_slot(), "magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3"),
        (
            end_of_slot(GOOD_MAGIC, swap_info=2),
            "magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3",
        ),
        (
            end_of_slot(GOOD_MAGIC, swap_info=3, image_ok=1),
            "magic=good, swap_type=0x3, copy_done=0x3, image_ok=0x1",
        ),
        (
            end_of_slot(GOOD_MAGIC, swap_info=2, copy_done=1),
            "magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x3",
        ),
        (
            end_of_slot(GOOD_MAGIC, swap_info=2, copy_done=1, image_ok=1),
            "magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x1",
        ),
    ],
    ids=["erased", "test pending", "permanent pending", "after test swap", "confirmed"],
)
def test_states_are_logged_as_mcuboot_does(content: bytes, log_text: str) -> None:
    assert decode(content).log_text == log_text


@pytest.mark.parametrize(
    ("magic", "decoded"),
    [
        (GOOD_MAGIC, Magic.GOOD),
        (BLANK_MAGIC, Magic.UNSET),
        (bytes(16), Magic.BAD),
        (GOOD_MAGIC[:-1] + b"\x81", Magic.BAD),
        (b"\x76" + GOOD_MAGIC[1:], Magic.BAD),
        (BLANK_MAGIC[:-1] + b"\xfe", Magic.BAD),
        # The magic of another alignment is not the magic of this layout.
        (bytes.fromhex("2000 2de15d29410b8d77679c110f1f8a"), Magic.BAD),
    ],
)
def test_magic(magic: bytes, decoded: Magic) -> None:
    assert decode(end_of_slot(magic)).magic is decoded


def test_every_flag_byte() -> None:
    for byte in range(256):
        expected = {0x01: Flag.SET, 0xFF: Flag.UNSET}.get(byte, Flag.BAD)
        with_image_ok = decode(end_of_slot(image_ok=byte))
        with_copy_done = decode(end_of_slot(copy_done=byte))
        assert (with_image_ok.image_ok, with_image_ok.copy_done) == (expected, Flag.UNSET)
        assert (with_copy_done.copy_done, with_copy_done.image_ok) == (expected, Flag.UNSET)


@pytest.mark.parametrize(
    ("swap_info", "swap_type"),
    [
        (0xFF, SwapType.NONE),
        *((number, number) for number in range(5)),
        # The high nibble is the image number.
        (0x12, SwapType.TEST),
        (0x13, SwapType.PERM),
        (0xF4, SwapType.REVERT),
        # Types that do not exist.
        (0x05, SwapType.NONE),
        (0x0F, SwapType.NONE),
        (0x1F, SwapType.NONE),
    ],
)
def test_swap_info(swap_info: int, swap_type: int) -> None:
    assert decode(end_of_slot(swap_info=swap_info)).swap_type == swap_type


@settings(deadline=None)
@given(st.binary(min_size=SLOT_END_BYTES, max_size=SLOT_END_BYTES))
def test_any_bytes_are_decoded(content: bytes) -> None:
    state = decode(content)
    assert (state.magic is Magic.GOOD) == content.endswith(GOOD_MAGIC)
    assert 0 <= state.swap_type <= SwapType.REVERT


@pytest.mark.parametrize(("max_sectors", "size_bytes"), [(128, 1584), (256, 3120), (512, 6192)])
def test_trailer_size(max_sectors: int, size_bytes: int) -> None:
    assert trailer_size_bytes(max_sectors, 4) == size_bytes


# "Swap decision, first match" (4.2). A row: magic, copy_done and image_ok of the primary, then of
# the secondary; None stands for any value.
_Row = tuple[Magic | None, Flag | None, Flag | None]
DECISIONS: tuple[tuple[_Row, _Row, SwapType], ...] = (
    ((ANY, ANY, ANY), (Magic.GOOD, ANY, Flag.UNSET), SwapType.TEST),
    ((ANY, ANY, ANY), (Magic.GOOD, ANY, Flag.SET), SwapType.PERM),
    ((Magic.GOOD, Flag.SET, Flag.UNSET), (Magic.UNSET, ANY, ANY), SwapType.REVERT),
    ((ANY, ANY, ANY), (ANY, ANY, ANY), SwapType.NONE),
)
STATES = tuple(
    TrailerState(magic, swap_type, copy_done, image_ok)
    for magic, copy_done, image_ok in itertools.product(Magic, Flag, Flag)
    for swap_type in (SwapType.NONE, SwapType.TEST)
)


def fits(row: _Row, state: TrailerState) -> bool:
    values = (state.magic, state.copy_done, state.image_ok)
    return all(wanted is ANY or wanted is value for wanted, value in zip(row, values, strict=True))


def test_swap_decision_of_every_pair_of_states() -> None:
    seen = set()
    for primary, secondary in itertools.product(STATES, STATES):
        expected = next(swap for p, s, swap in DECISIONS if fits(p, primary) and fits(s, secondary))
        assert decide_swap(primary, secondary) is expected, (primary, secondary)
        seen.add(expected)
    assert seen == {SwapType.NONE, SwapType.TEST, SwapType.PERM, SwapType.REVERT}


@pytest.mark.parametrize(
    ("swap", "word", "exchanges"),
    [
        (SwapType.NONE, "none", False),
        (SwapType.TEST, "test", True),
        (SwapType.PERM, "perm", True),
        (SwapType.REVERT, "revert", True),
        (SwapType.FAIL, "fail", False),
        (SwapType.PANIC, "panic", False),
    ],
)
def test_swap_type_words(swap: SwapType, word: str, exchanges: bool) -> None:
    assert (swap.log_word, swap.is_upgrade) == (word, exchanges)

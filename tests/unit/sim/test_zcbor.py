"""CBOR as the board's server takes and writes it, beside a general codec."""

import contextlib

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.sim.app.zcbor import DecodeError, Reader, Text, encode

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | inner.map(lambda value: cbor2.CBORTag(65000, value))
    ),
    max_leaves=8,
)
ANSWERS = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**32 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), ANSWERS, max_size=4))
@settings(deadline=None)
def test_any_decoder_reads_what_is_written(content: dict[str, object]) -> None:
    assert cbor2.loads(encode(content)) == content  # type: ignore[arg-type]


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_a_text_is_written_as_its_bytes(data: bytes) -> None:
    written = encode(Text(data))

    assert Reader(written).text() == data
    assert written[0] >> 5 == 3
    assert len(written) == len(cbor2.dumps(data))


@given(ANYTHING, st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_whatever_is_not_asked_for_is_skipped(
    other: object, is_indefinite: bool, number: int
) -> None:
    pairs = cbor2.dumps("other") + cbor2.dumps(other) + cbor2.dumps("n") + cbor2.dumps(number)
    body = b"\xbf" + pairs + b"\xff" if is_indefinite else b"\xa2" + pairs

    assert Reader(body).fields({"n": Reader.unsigned}) == {"n": number}


@given(st.binary(max_size=40))
@settings(deadline=None)
def test_garbage_is_refused_and_nothing_worse(body: bytes) -> None:
    for wanted in ({}, {"": Reader.byte_string, "n": Reader.unsigned, "t": Reader.texts}):
        with contextlib.suppress(DecodeError):
            Reader(body).fields(wanted)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xa1\x61n\x1b" + bytes(7) + b"\x01", id="1 in eight bytes"),
        pytest.param(b"\xa1\x61n\x20", id="negative"),
        pytest.param(b"\xa1\x61n\x1c", id="reserved length"),
        pytest.param(b"\xa1\x61n\x1f", id="indefinite"),
        pytest.param(b"\xa1\x61n", id="missing"),
    ],
)
def test_numbers_that_a_board_does_not_take(body: bytes) -> None:
    with pytest.raises(DecodeError):
        Reader(body).fields({"n": Reader.unsigned})


@pytest.mark.parametrize("arguments", [b"\x82\x61a\x61b", b"\x9f\x61a\x61b\xff"])
def test_a_list_of_texts(arguments: bytes) -> None:
    assert Reader(b"\xa1\x61t" + arguments).fields({"t": Reader.texts}) == {"t": [b"a", b"b"]}


def test_nesting_deeper_than_any_stack() -> None:
    assert Reader(b"\xa1\x61x" + b"\x81" * 5000 + b"\x00").fields({}) == {}

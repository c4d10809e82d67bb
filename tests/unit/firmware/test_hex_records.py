"""Plain hex files are read and written as intelhex does it."""

import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from intelhex import IntelHex, IntelHexError

from pytest_nrf_fota.firmware.hex_records import Chunk, joined, plain_chunks, plain_text
from tests.unit.firmware.test_hex_file import END_RECORD, record

# Around the borders of 64 KiB, where a record with the upper half of the address is needed.
NEAR_A_BORDER = st.builds(
    lambda bank, offset: max(0, bank * 0x10000 + offset),
    st.sampled_from((0, 1, 2, 0xFF, 0xFFFF)),
    st.integers(-40, 200),
)
CHUNKS = st.lists(st.tuples(NEAR_A_BORDER, st.binary(min_size=1, max_size=40)), max_size=5)


def written_by_intelhex(chunks: list[Chunk]) -> str:
    memory, text = IntelHex(), io.StringIO()
    for address, data in chunks:
        memory.puts(address, data)
    memory.write_hex_file(text)
    return text.getvalue()


def read_by_intelhex(text: str) -> list[Chunk]:
    memory = IntelHex(io.StringIO(text))
    return [
        (start, bytes(memory.tobinarray(start=start, end=end - 1)))
        for start, end in memory.segments()
    ]


@settings(deadline=None)
@example([(0xFFF9, bytes(range(40)))])
@example([(0x1FFF9, b"before"), (0x20003, b"behind")])
@given(CHUNKS)
def test_the_same_file(chunks: list[Chunk]) -> None:
    whole = joined(chunks)
    if whole is not None:
        text = plain_text(whole)
        assert text == written_by_intelhex(chunks)
        assert plain_chunks(text) == whole == read_by_intelhex(text)


RECORDS = st.one_of(
    st.builds(record, st.integers(0, 64), st.binary(max_size=20)),
    st.builds(record, st.integers(0xFFE8, 0xFFFF), st.binary(max_size=20)),
    st.builds(record, st.sampled_from((0, 0, 1)), st.binary(max_size=3), st.integers(0, 6)),
    st.just(record(0, b"\x00\x01", 4)),
    st.text(alphabet=": 0123456789abcdefABCDEF\n\x00", max_size=30),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(RECORDS, max_size=5), st.sampled_from((END_RECORD, "", END_RECORD * 2)))
def test_what_is_taken_for_plain_is_what_intelhex_reads(records: list[str], end: str) -> None:
    text = "".join(records) + end
    chunks = plain_chunks(text)
    if chunks is not None:
        assert chunks == read_by_intelhex(text)


@pytest.mark.parametrize(
    "text",
    [
        record(0, b"ab"),
        record(0, b"ab")[:-3] + "00\n" + END_RECORD,
        record(0, b"ab").replace("6162", "61 62") + END_RECORD,
        record(0, b"ab") + record(1, b"c") + END_RECORD,
        record(0, b"\x10\x00", 2) + END_RECORD,
        record(0xFFFF, b"ab") + END_RECORD,
        END_RECORD + record(0, b"ab"),
        "\n" + END_RECORD,
    ],
    ids=[
        *("cut off", "checksum", "blank", "address twice", "segment", "over the border"),
        *("behind the end", "empty line"),
    ],
)
def test_intelhex_has_to_look(text: str) -> None:
    assert plain_chunks(text) is None


def test_a_file_with_data_twice_is_not_plain() -> None:
    with pytest.raises(IntelHexError):
        read_by_intelhex(record(0, b"ab") + record(1, b"c") + END_RECORD)
    assert joined([(0, b"ab"), (1, b"c")]) is None

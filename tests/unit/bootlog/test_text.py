"""Bytes of a UART become clean lines, however the port cuts them."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_nrf_fota.bootlog.text import LONGEST_LINE_CHARS, TextCleaner

_PIECES = (
    *(b"\x1b", b"[", b"]", b"m", b"0;1", b" ", b"\\", b"\x07", b"\r", b"\n", b"\x00", b"\xff"),
    *(b"\x1b[1;32m", b"\x1b[8D\x1b[J", b"\x1b]0;title\x07", b"\x1b]0;title\x1b\\", b"\x1bM"),
    *("é".encode(), "漢".encode(), "漢".encode()[:2], b"*** Booting", b"uart:~$ "),
    *(b"\x1b[" + b"1" * 80, b"\x1b]" + b"x" * 250, b"\xef\xbb\xbf", b"\xff\xfe"),
)
_STREAMS = st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join)


def _cleaned(*chunks: bytes) -> str:
    cleaner = TextCleaner()
    return "".join(cleaner.clean(chunk) for chunk in chunks)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[1;32muart:~$ \x1b[m", "uart:~$ "),
        (b"\x1b[8D\x1b[Jlog line\r\n", "log line\n"),
        (
            b"[00:00:00.003,092] \x1b[0m<inf> app: up\x1b[0m\r\n",
            "[00:00:00.003,092] <inf> app: up\n",
        ),
        (b"\x1b]0;minicom\x07text", "text"),
        (b"\x1b]0;minicom\x1b\\text", "text"),
        (b"\x1bMtext", "text"),
        (b"one\r\ntwo\n\rthree\nfour\r", "one\ntwo\nthree\nfour"),
        (b"lone\rreturn\n", "lone\nreturn\n"),
        (b"one\r\r\ntwo\n\n\rthree\n", "one\ntwo\n\nthree\n"),
        (b"\x07bell\x01\n", "bell\n"),
        (b"\xef\xbb\xbfmark\n", "mark\n"),
        ("wide\r\n".encode("utf-16"), "wide\n"),
        (b"x" * LONGEST_LINE_CHARS + b"yz\n", "x" * LONGEST_LINE_CHARS + "\nyz\n"),
        (b"n\x00ul", "nul"),
        ("Grüße 漢\n".encode(), "Grüße 漢\n"),
        (b"bad \xff\xfe end\n", "bad \ufffd\ufffd end\n"),
        (b"cut \xe6\xbc end\n", "cut \ufffd end\n"),
    ],
)
def test_one_read_is_cleaned(raw: bytes, text: str) -> None:
    assert _cleaned(raw) == text


@pytest.mark.parametrize(
    "raw",
    [
        b"a\x1b[1;31mb\x1b[mc\r\n",
        b"a\x1b]0;some title\x07b",
        b"a\x1b]0;some title\x1b\\b",
        b"a\x1b[10;20H\x1b[2Jb",
        "a é 漢 🙂 b\n".encode(),
        b"\xef\xbb\xbf\xff\xfetwo marks\n",
    ],
)
def test_a_cut_at_any_byte_changes_nothing(raw: bytes) -> None:
    whole = _cleaned(raw)
    assert "\x1b" not in whole
    for cut in range(len(raw) + 1):
        assert _cleaned(raw[:cut], raw[cut:]) == whole


@given(raw=_STREAMS, cuts=st.lists(st.integers(0, 600), max_size=8))
@example(raw=b"\x1b[" + b"1" * 80 + b"m", cuts=[40])
@example(raw=b"\x1b]" + b"x" * 300 + b"\x07", cuts=[280])
def test_any_chunking_gives_the_same_text(raw: bytes, cuts: list[int]) -> None:
    # The end mark ends whatever sequence may still be open.
    raw += b"\n"
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    chunks = [raw[start:end] for start, end in pairwise(edges)]
    assert _cleaned(*chunks) == _cleaned(raw)
    assert _cleaned(*(bytes([byte]) for byte in raw)) == _cleaned(raw)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\t\n")))
def test_plain_text_is_left_alone(text: str) -> None:
    assert _cleaned(b"> ", text.encode()) == f"> {text}"


@pytest.mark.parametrize(
    "noise", [b"\x1b", b"\x1b[", b"\x1b[1;3", b"\x1b]", b"\x1b]0;half a title"]
)
def test_an_escape_that_never_ends_hides_no_later_line(noise: bytes) -> None:
    cleaner = TextCleaner()
    cleaner.clean(b"before\n" + noise)
    text = cleaner.clean(b"\n*** Booting Zephyr OS build v3.2.99-ncs2 ***\r\n")
    assert text.endswith("\n*** Booting Zephyr OS build v3.2.99-ncs2 ***\n")


def test_an_endless_escape_is_given_back_as_text() -> None:
    cleaner = TextCleaner()
    text = cleaner.clean(b"\x1b]") + "".join(cleaner.clean(b"x" * 10) for _ in range(100))
    assert text.count("x") == 1000


@pytest.mark.parametrize("cut", [0, 1, LONGEST_LINE_CHARS - 1, LONGEST_LINE_CHARS, 40_000])
def test_a_long_line_is_cut_at_the_same_place(cut: int) -> None:
    raw = b"before\n" + b"x" * (2 * LONGEST_LINE_CHARS + 5) + b"\nbehind\n"
    lines = _cleaned(raw[:cut], raw[cut:]).splitlines()
    assert [len(line) for line in lines] == [6, LONGEST_LINE_CHARS, LONGEST_LINE_CHARS, 5, 6]

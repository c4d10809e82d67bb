"""Bytes in hex in one line of a dump, as loggers, probe tools and Intel HEX write them."""

import re
from collections.abc import Collection
from dataclasses import dataclass

# Pairs of digits with something between, as of Zephyr's LOG_HEXDUMP and shell_hexdump, of C, and of
# addresses; at least four, or all that is in a line.
_PAIR = r"(?:0x)?[0-9A-Fa-f]{2}"
_PAIRS = re.compile(rf"(?<![0-9A-Za-z]){_PAIR}(?:[ \t,:\-]{{1,3}}{_PAIR}){{3,}}(?![0-9A-Za-z])")
_FEW_PAIRS = re.compile(rf"^(?:[0-9A-Fa-f]{{4,8}}:)?\s*({_PAIR}(?:[ ,]{{1,3}}{_PAIR})*)[\s,]*$")
# Words behind an address, lowest byte last: `nrfjprog --memrd`, J-Link's mem32.
_WORDS = re.compile(r"(?:0x)?[0-9A-Fa-f]{8}\s?[:=]\s((?:[0-9A-Fa-f]{4,8}\b[ \t]*)+)")
_INTEL_HEX = re.compile(r"^:([0-9A-Fa-f]{10,})\s*$")
_CLOSE = re.compile(r"(?<![0-9A-Za-z])(?:0x)?((?:[0-9A-Fa-f]{2}){4,})(?![0-9A-Za-z])")
# What a logger and a dump put before a row, and what may stand behind it.
_BEFORE = re.compile(
    r"^(?:\x1b\[[\d;]*m)*(?:\[[^\]]*\] ?)?(?:<\w+> ?)?(?:[A-Za-z_][\w.]*: ?)?\s*"
    r"(?:(?:0x)?[0-9A-Fa-f]{2,8}\s?[:=]?\s+)?[{(]?\s*(?:0x)?$"
)
_BEHIND = re.compile(r"^[\s,;)}]*(?:\x1b\[[\d;]*m)*\s*$")
# What rows look like, with each digit an `h` and what may stand between two a space; to look for
# these is much cheaper than for the expressions above, and most lines have none of them.
_LIKE = bytes(
    ord("h" if chr(one) in "0123456789abcdefABCDEF" else " " if chr(one) in "\t,:-" else chr(one))
    for one in range(256)
)
_SIGNS = (b"hh hh hh hh", b"hh hh  hh hh", b"hhhhhhhh", b"hxhh hxhh", b"hxhh  hxhh")
_SHORT_CHARS = 24
# The end of an unfinished line that may go on as a row.
_UNFINISHED = re.compile(
    r":?[0-9A-Fa-fx]{3,}$|(?<![0-9A-Za-z])(?:(?:0x)?[0-9A-Fa-f]{2,8}[ \t,:=\-]{1,3}){2,}"
    r"(?:0x)?[0-9A-Fa-f]{0,8}$|\|[^|]{0,32}$"
)
_DATA_RECORD = 0
_HEADER_BYTES = 4


@dataclass(frozen=True)
class HexRow:
    """The bytes of a line, and in which columns the two digits of each are.

    Args:
        is_dump: whether the line is a row of a dump and nothing else, but for what a logger puts
            before it.
    """

    data: bytes
    columns: tuple[int, ...]
    is_intel_hex: bool = False
    is_dump: bool = True


def may_hold_rows(text: str) -> bool:
    """Whether it is worth while to look closer. Never False where there is a row."""
    like = text.encode("latin-1", "replace").translate(_LIKE)
    for sign in _SIGNS:
        if sign in like:
            return True
    return len(text) <= _SHORT_CHARS and b"hh" in like


def hex_row(line: str) -> HexRow | None:
    """What a line holds; None where it has no such bytes."""
    if not may_hold_rows(line):
        return None
    if found := _INTEL_HEX.match(line):
        return _of_intel_hex(found)
    if found := _WORDS.search(line):
        return _of_words(line, found)
    # A dump's column of text may look like digits.
    shown = line.partition("|")[0]
    columns = [at for run in _PAIRS.finditer(shown) for at in _pairs_in(line, *run.span())]
    if not columns and (few := _FEW_PAIRS.match(shown)):
        columns = _pairs_in(line, *few.span(1))
    if not columns:
        columns = [at for run in _CLOSE.finditer(shown) for at in range(*run.span(1), 2)]
    if not columns:
        return None
    before, behind = shown[: columns[0]], shown[columns[-1] + 2 :]
    is_dump = _BEFORE.match(before) is not None and _BEHIND.match(behind) is not None
    return HexRow(_bytes_at(line, columns), tuple(columns), is_dump=is_dump)


def may_go_on_as_row(begun: str) -> int | None:
    """From which column on an unfinished line may become a row; None where it cannot."""
    if (row := hex_row(begun)) is not None:
        return min(row.columns)
    found = _UNFINISHED.search(begun)
    return found.start() if found else None


def without_bytes(line: str, row: HexRow, masked: Collection[int]) -> str:
    """The line with some of the row's bytes, given by their place in it, as zeros.

    A dump's text goes as a whole; the checksum of an Intel HEX record stays right.
    """
    digits = list(line)
    for number in masked:
        at = row.columns[number]
        digits[at : at + 2] = "00"
    if row.is_intel_hex:
        _put_checksum(digits)
    text, end = line.find("|", row.columns[-1]), line.rfind("|")
    if 0 <= text < end:
        digits[text + 1 : end] = "." * (end - text - 1)
    elif text >= 0:
        digits[text + 1 :] = "." * (len(line) - text - 1)
    return "".join(digits)


def _of_intel_hex(found: "re.Match[str]") -> HexRow | None:
    whole = found[1]
    if len(whole) % 2 or int(whole[6:8], 16) != _DATA_RECORD:
        return None
    begin = found.start(1) + 2 * _HEADER_BYTES
    columns = tuple(range(begin, found.end(1) - 2, 2))
    return HexRow(bytes.fromhex(whole[8:-2]), columns, is_intel_hex=True) if columns else None


def _of_words(line: str, found: "re.Match[str]") -> HexRow | None:
    columns: list[int] = []
    for word in re.finditer(r"[0-9A-Fa-f]+", found[1]):
        if len(word[0]) % 2:
            return None
        begin = found.start(1)
        columns += range(begin + word.end() - 2, begin + word.start() - 2, -2)
    return HexRow(_bytes_at(line, columns), tuple(columns))


def _pairs_in(line: str, begin: int, end: int) -> list[int]:
    return [
        found.end() - 2
        for found in re.compile(rf"{_PAIR}(?![0-9A-Za-z])").finditer(line, begin, end)
    ]


def _bytes_at(line: str, columns: Collection[int]) -> bytes:
    return bytes(int(line[at : at + 2], 16) for at in columns)


def _put_checksum(digits: list[str]) -> None:
    """Intel, Hexadecimal Object File Format, revision A: all bytes of a record add up to 0."""
    begin = digits.index(":") + 1
    whole = "".join(digits[begin:]).rstrip()
    record = bytes.fromhex(whole[:-2])
    end = begin + len(whole)
    digits[end - 2 : end] = f"{-sum(record) & 0xFF:02X}"

"""Memory as tools print it: names in it are replaced in the bytes, not in their digits."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex

# pynrfjprog_call's answer.
_HEX_FIELD = re.compile(r'("memory_hex":\s*")([0-9a-f]+)(")')
# nrfjprog --memrd: words as numbers, behind them the bytes as text.
_MEMORY_LINE = re.compile(
    r"^(?P<start>\s*0x[0-9A-Fa-f]{8}: )(?P<words>[0-9A-Fa-f ]+?)(?P<gap>\s*)\|.*\|",
)
_HEX_FILE = re.compile(r"^:[0-9A-Fa-f]{10}")


def replace_in_memory(text: str, replace: Callable[[bytes], bytes]) -> str:
    """The text with the memory in it replaced: a hex file, or what a tool printed of a read."""
    if _HEX_FILE.match(text):
        return _hex_file(text, replace)
    text = _HEX_FIELD.sub(
        lambda found: found[1] + replace(bytes.fromhex(found[2])).hex() + found[3], text
    )
    return _printed(text, replace)


def _hex_file(text: str, replace: Callable[[bytes], bytes]) -> str:
    with TemporaryDirectory(prefix="nrf_fota_") as folder:
        path = Path(folder) / "memory.hex"
        path.write_text(text, encoding="ascii", errors="replace")
        try:
            segments = read_hex(path)
        except PackageError:
            # Cut off, as a tool may leave it: without its digits nothing can be found in it.
            return ""
        other = [Segment(one.address, replace(one.data)) for one in segments]
        if other == list(segments):
            return text
        write_hex(path, other)
        return path.read_text(encoding="ascii")


def _printed(text: str, replace: Callable[[bytes], bytes]) -> str:
    lines = text.splitlines(keepends=True)
    rows = [(number, found) for number, line in enumerate(lines) if (found := _row(line))]
    if not rows:
        return text
    memory = replace(b"".join(_bytes_of(found["words"]) for _, found in rows))
    at = 0
    for number, found in rows:
        size_bytes = len(_bytes_of(found["words"]))
        row = memory[at : at + size_bytes]
        at += size_bytes
        words = " ".join(_words(row, found["words"]))
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        rest = lines[number][found.end() :]
        lines[number] = f"{found['start']}{words}{found['gap']}|{shown}|{rest}"
    return "".join(lines)


def _row(line: str) -> "re.Match[str] | None":
    found = _MEMORY_LINE.match(line)
    if found is None or any(len(word) % 2 for word in found["words"].split()):
        return None
    return found


def _bytes_of(words: str) -> bytes:
    return b"".join(bytes.fromhex(word)[::-1] for word in words.split())


def _words(row: bytes, like: str) -> Iterator[str]:
    at = 0
    for word in like.split():
        size_bytes = len(word) // 2
        yield row[at : at + size_bytes][::-1].hex().upper()
        at += size_bytes

"""Replace what names people and their things, each by the same stand-in everywhere.

Stand-ins are as long as what they stand for, so that a UART's bytes, a hex file's lines and a
tool's columns stay where they are, and a replay reads them like the original.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath, PureWindowsPath

from pytest_nrf_fota.record.secrets import masked_by_looks
from pytest_nrf_fota.recordings.identities import Identities

_PLACE = "/recorded/"


class Replacements:
    """Replaces what `Identities` found, and keys, which are found by their names.

    Serial numbers become 1000000001 and so on, addresses F0:00:00:00:00:01, users user0001, hosts
    host0001; absolute paths that a tool was given, /recorded/NAME.
    """

    def __init__(self, found: Identities) -> None:
        pairs: dict[str, str] = {}
        for number, serial in enumerate(found.serial_numbers, 1):
            pairs[serial] = "1" + str(number).zfill(len(serial) - 1)
        words: dict[str, str] = {}
        for kind, names in (("user", found.users), ("host", found.hosts)):
            for number, name in enumerate(names, 1):
                words.setdefault(name, _padded(kind, number, len(name)))
        for number, home in enumerate(found.homes, 1):
            pairs[home] = _padded("/home/user", number, len(home))
        self._memory: dict[bytes, bytes] = {}
        for number, address in enumerate(found.addresses, 1):
            pairs.update(_spellings(address, _stand_in(number)))
            # As in FICR and in advertisements: the lowest byte first. What lies in FICR has other
            # upper bits than the address that is made of it.
            lower = bytes.fromhex(address.replace(":", ""))[1:][::-1]
            stand_in = bytes.fromhex(_stand_in(number).replace(":", ""))[1:][::-1]
            if len(set(lower)) > 2:
                self._memory[lower] = stand_in
        for text, other in {**pairs, **words}.items():
            for encoding in ("ascii", "utf-16-le", "utf-16-be"):
                self._memory[text.encode(encoding, "replace")] = other.encode(encoding)
        self._pairs = pairs
        self._texts = _replacer(pairs, words)
        self._in_memory = _any_of(self._memory)
        paths: dict[str, str] = {}
        for path in sorted(found.paths, key=len, reverse=True):
            paths[path] = _PLACE + _file_name(path)
            # As JSON has it.
            paths[path.replace("\\", "\\\\")] = _PLACE + _file_name(path)
        for folder in found.folders:
            for spelling in (folder, folder.replace("\\", "\\\\")):
                paths.setdefault(spelling, _PLACE.rstrip("/"))
        self._paths = _replacer(paths, {})

    def text(self, text: str) -> str:
        """Text that a program wrote; paths that a tool was given become shorter."""
        return self.same_length(self._paths(text))

    def same_length(self, text: str) -> str:
        """Text of the same length, such as what came from a UART."""
        return masked_by_looks(self._texts(text))

    def memory(self, content: bytes) -> bytes:
        """Memory of the same length: names as ASCII and UTF-16, addresses as the chip has them."""
        content = self.same_length(content.decode("latin-1")).encode("latin-1")
        if self._in_memory is None:
            return content
        return self._in_memory.sub(lambda found: self._memory[found[0]], content)


def _stand_in(number: int) -> str:
    digits = f"F0{number:010X}"
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _spellings(address: str, stand_in: str) -> Mapping[str, str]:
    """As programs write it: with colons, dashes (Windows), underscores (BlueZ), or nothing."""
    found: dict[str, str] = {}
    for mark in (":", "-", "_", ""):
        one, other = address.replace(":", mark), stand_in.replace(":", mark)
        found |= {one: other, one.lower(): other.lower()}
    return found


def _padded(kind: str, number: int, size_chars: int) -> str:
    digits = str(number)
    room = size_chars - len(kind)
    if room >= len(digits):
        return kind + digits.zfill(room)
    return (kind[: max(1, size_chars - len(digits))] + digits)[:size_chars]


def _file_name(path: str) -> str:
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name


def _replacer(pairs: Mapping[str, str], words: Mapping[str, str]) -> Callable[[str], str]:
    """Replaces pairs wherever they stand, and words where no letter or digit is beside them."""
    longest_first = sorted(pairs, key=len, reverse=True)
    parts = [re.escape(text) for text in longest_first]
    parts += [
        rf"(?<![^\W_]){re.escape(word)}(?![^\W_])" for word in sorted(words, key=len, reverse=True)
    ]
    if not parts:
        return str
    pattern = re.compile("|".join(parts))
    other = {**words, **pairs}
    return lambda text: pattern.sub(lambda found: other[found[0]], text)


def _any_of(memory: Mapping[bytes, bytes]) -> "re.Pattern[bytes] | None":
    longest_first = sorted(memory, key=len, reverse=True)
    return re.compile(b"|".join(map(re.escape, longest_first))) if memory else None

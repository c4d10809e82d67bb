"""Keys of Bluetooth bonds in memory that was read: Zephyr's settings `bt/keys/...`, in NVS and ZMS.

A setting is two entries of a file system: its name, and its value under another number. Which of
the values are bonds' is told by the names; where a sector begins, which a read does not tell, by
the place of a name and the offset in its entry.

Sources: Zephyr 4.1 and 2.7 to 3.7, subsys/fs/nvs/nvs_priv.h and nvs.c; subsys/fs/zms/zms_priv.h and
zms.c; subsys/settings/src/settings_nvs.c and settings_zms.c; subsys/bluetooth/host/keys.h.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = re.compile(rb"bt/keys/[0-9a-f]{12}[0-9a-f]{0,2}(?:/[0-9]{1,3})?")
_PAGE_BYTES = 4096
_LARGEST_SECTOR_BYTES = 64 * 1024
_KEY_BYTES = 16

# struct bt_keys from storage_start on: enc_size, flags and kinds of keys, the LTK behind rand and
# ediv, the IRK before the address. What follows depends on the build: two CSRKs with their
# counters, an LTK of the peripheral's role, a counter of age, which fills up to its alignment.
_LTK_AT, _IRK_AT, _REST_AT = 14, 30, 52
_REST_KEYS_AT = {
    52: (),
    56: (),
    78: (62,),
    80: (62,),
    84: (62,),
    92: (52, 72),
    96: (52, 72),
    118: (52, 72, 102),
    120: (52, 72, 102),
    124: (52, 72, 102),
}
_ENCRYPTION_BYTES = range(7, 17)
_KINDS_OF_KEYS = 0x3F


@dataclass(frozen=True)
class _Layout:
    """How a file system writes its entries.

    Args:
        form: of an entry, for `struct`; `fields` are the places of number, offset and length in it.
        crc_first: whether the checksum is an entry's first byte; else it is the last.
        value_offset: what a value's number has more than that of its name.
    """

    form: str
    fields: tuple[int, int, int]
    crc_first: bool
    value_offset: int


_LAYOUTS = (
    _Layout("<HHHBB", (0, 1, 2), crc_first=False, value_offset=0x4000),
    _Layout("<BBHIII", (3, 4, 2), crc_first=True, value_offset=0x40000000),
    # ZMS before its first release.
    _Layout("<BBIHII", (2, 4, 3), crc_first=True, value_offset=0x40000000),
)


@dataclass(frozen=True)
class _Entry:
    at: int
    number: int
    offset: int
    length: int


def bond_keys_in(memory: bytes) -> tuple[bytes, ...]:
    """The pairing keys in memory as it was read, each once; of bonds that were replaced, too."""
    names = {found.start(): len(found[0]) for found in _NAME.finditer(memory)}
    if not names:
        return ()
    found: dict[bytes, None] = {}
    for layout in _LAYOUTS:
        for value in _values(memory, names, layout):
            found |= dict.fromkeys(_keys_of(value))
    return tuple(found)


def _values(memory: bytes, names: dict[int, int], layout: _Layout) -> Iterator[bytes]:
    for begin, length in names.items():
        for entry in _name_entries(memory, begin, length, layout):
            sector_at = begin - entry.offset
            yield from _values_of(memory, entry.number + layout.value_offset, sector_at, layout)


def _name_entries(memory: bytes, begin: int, length: int, layout: _Layout) -> Iterator[_Entry]:
    """Entries that can be the one of a name: behind it, of its length, in a sector that fits."""
    number, _, size = (_place(layout, field) for field in layout.fields)
    wanted = struct.pack(f"<{layout.form[1:][layout.fields[2]]}", length)
    behind = memory[begin : begin + _LARGEST_SECTOR_BYTES]
    del number
    at = behind.find(wanted)
    while at >= 0:
        entry = _entry(memory, begin + at - size, layout)
        if entry is not None and entry.length == length and entry.offset <= begin:
            yield entry
        at = behind.find(wanted, at + 1)


def _values_of(memory: bytes, number: int, sector_at: int, layout: _Layout) -> Iterator[bytes]:
    """What entries of a number may mean, in each sector; most of it is refused later."""
    kind = layout.form[1:][layout.fields[0]]
    try:
        wanted = struct.pack(f"<{kind}", number)
    except struct.error:
        return
    place = _place(layout, layout.fields[0])
    at = memory.find(wanted)
    while at >= 0:
        entry = _entry(memory, at - place, layout)
        if entry is not None and entry.number == number and entry.length >= _REST_AT:
            first = sector_at % _PAGE_BYTES
            pages_before = (entry.at - first) // _PAGE_BYTES
            for page in range(
                pages_before, pages_before - _LARGEST_SECTOR_BYTES // _PAGE_BYTES, -1
            ):
                data_at = first + page * _PAGE_BYTES + entry.offset
                if 0 <= data_at < entry.at:
                    yield memory[data_at : data_at + entry.length]
        at = memory.find(wanted, at + 1)


def _entry(memory: bytes, at: int, layout: _Layout) -> _Entry | None:
    size_bytes = struct.calcsize(layout.form)
    raw = memory[at : at + size_bytes]
    if at < 0 or len(raw) < size_bytes:
        return None
    summed, crc = (raw[1:], raw[0]) if layout.crc_first else (raw[:-1], raw[-1])
    if _crc8(summed) != crc:
        return None
    values = struct.unpack(layout.form, raw)
    number, offset, length = (values[field] for field in layout.fields)
    return _Entry(at, number, offset, length)


def _keys_of(value: bytes) -> Iterator[bytes]:
    """The keys in a `struct bt_keys`; none where it can be none."""
    if len(value) < _REST_AT or value[0] not in _ENCRYPTION_BYTES:
        return
    kinds = int.from_bytes(value[2:4], "little")
    if not kinds or kinds & ~_KINDS_OF_KEYS:
        return
    places = _REST_KEYS_AT.get(len(value))
    parts = [value[at : at + _KEY_BYTES] for at in (_LTK_AT, _IRK_AT, *(places or ()))]
    if places is None:
        # Of a build that is not known all of the rest.
        parts.append(value[_REST_AT:])
    # Of a kind that the bond has not there are zeros.
    yield from (part for part in parts if len(set(part)) > 2)


def _place(layout: _Layout, field: int) -> int:
    return struct.calcsize(layout.form[: 1 + field])


def _crc8(data: bytes) -> int:
    """CRC-8-CCITT, begun with 0xff (lib/crc/crc8_sw.c)."""
    crc = 0xFF
    for one in data:
        crc ^= one
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc

"""Keys of bonds in flash: Zephyr's settings in NVS and ZMS, as a probe's tool wrote them down.

The pages are built here as Zephyr's file systems lay them out: subsys/fs/nvs/nvs.c,
subsys/fs/zms/zms.c, subsys/settings/src/settings_nvs.c and settings_zms.c, `struct bt_keys` of
subsys/bluetooth/host/keys.h (Zephyr 4.1).
"""

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.probe.native_sim import NativeSimProbe
from pytest_nrf_fota.probe.recording import RecordingProbe
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.record.secrets import Secrets
from pytest_nrf_fota.record.stored_bonds import bond_keys_in

SECTOR_BYTES = 4096
LTK, IRK, PERIPHERAL_LTK = (bytes(range(at, at + 16)) for at in (0x40, 0x60, 0xA0))
OTHER_LTK = bytes(range(0x13, 0x23))
NAME = b"bt/keys/f27cb65dc3741"
Pages = Callable[[], bytes]


def _crc8(data: bytes) -> int:
    """CRC-8-CCITT, begun with 0xff (Zephyr, lib/crc/crc8_sw.c)."""
    crc = 0xFF
    for one in data:
        crc ^= one
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc


def _value(ltk: bytes = LTK) -> bytes:
    """enc_size, flags, keys; ltk (rand, ediv, val); irk (val, rpa); periph_ltk."""
    ltk_rest = bytes(range(8)) + b"\x11\x22"
    return (
        struct.pack("<BBH", 16, 0x11, 0x0026)
        + ltk_rest
        + ltk
        + IRK
        + bytes.fromhex("6655443322c1")
        + ltk_rest
        + PERIPHERAL_LTK
        + b"\x00\x00"
    )


def _nvs(*entries: tuple[int, bytes]) -> bytes:
    """One sector: data from its begin, entries of 8 bytes from its end."""
    sector = bytearray(b"\xff" * SECTOR_BYTES)
    at, entry_at = 0, SECTOR_BYTES - 2 * 8
    for number, data in entries:
        sector[at : at + len(data)] = data
        entry = struct.pack("<HHHB", number, at, len(data), 0xFF)
        sector[entry_at : entry_at + 8] = entry + bytes([_crc8(entry)])
        at, entry_at = at + (len(data) + 3 & ~3), entry_at - 8
    return bytes(sector)


def _zms(*entries: tuple[int, bytes], id_first: bool = False) -> bytes:
    """One sector: as in NVS, with entries of 16 bytes."""
    sector = bytearray(b"\xff" * SECTOR_BYTES)
    at, entry_at = 0, SECTOR_BYTES - 3 * 16
    for number, data in entries:
        sector[at : at + len(data)] = data
        numbers = (number, len(data)) if id_first else (len(data), number)
        rest = struct.pack("<BIHII" if id_first else "<BHIII", 1, *numbers, at, 0x12345678)
        sector[entry_at : entry_at + 16] = bytes([_crc8(rest)]) + rest
        at, entry_at = at + (len(data) + 15 & ~15), entry_at - 16
    return bytes(sector)


def nvs_pages() -> bytes:
    """The bond was renewed: its new value is in another sector than its name."""
    other = (0xC001, b"\x05"), (0x8001, b"bt/ccc/f27cb65dc3741")
    first = _nvs(*other, (0xC002, _value(OTHER_LTK)), (0x8002, NAME), (0x8000, b"\x02\x80"))
    return b"\xff" * SECTOR_BYTES + first + _nvs((0xC002, _value()))


def zms_pages() -> bytes:
    name = 0x9234567A
    return _zms((name + 0x40000000, _value(OTHER_LTK)), (name, NAME)) + _zms(
        (name + 0x40000000, _value())
    )


def early_zms_pages() -> bytes:
    name = 0x9234567A
    return _zms(
        (name + 0x40000000, _value(OTHER_LTK)),
        (name, NAME),
        (name + 0x40000000, _value()),
        id_first=True,
    )


PAGES = [nvs_pages, zms_pages, early_zms_pages]
KEYS = {LTK, OTHER_LTK, IRK, PERIPHERAL_LTK}


@pytest.mark.parametrize("pages", PAGES)
@pytest.mark.parametrize("before", [0, 4, 4096 + 2048])
def test_keys_are_found(pages: Pages, before: int) -> None:
    """Wherever a read began, also of bonds that were renewed, in whichever sector they are."""
    memory = bytes(range(256)) * 24
    assert set(bond_keys_in(memory[:before] + pages() + memory)) == KEYS


@pytest.mark.parametrize("pages", PAGES)
def test_memory_without_bonds(pages: Pages) -> None:
    assert not bond_keys_in(pages().replace(b"bt/keys", b"bt/mesh"))
    assert not bond_keys_in(b"usage: bt/keys/f27cb65dc3741" + bytes(range(256)) * 64)


def _hex_file(memory: bytes, folder: Path) -> bytes:
    write_hex(folder / "memory.hex", [Segment(0x000F8000, memory)])
    return (folder / "memory.hex").read_bytes()


def _nrfjprog(memory: bytes, folder: Path) -> bytes:
    del folder
    lines = []
    for at in range(0, len(memory), 16):
        row = memory[at : at + 16]
        words = " ".join(row[n : n + 4][::-1].hex().upper() for n in range(0, 16, 4))
        text = "".join(chr(one) if 32 <= one < 127 else "." for one in row)
        lines.append(f"0x{0x000F8000 + at:08X}: {words}   |{text}|")
    return "\n".join([*lines, ""]).encode()


def _pynrfjprog(memory: bytes, folder: Path) -> bytes:
    del folder
    return json.dumps({"ok": True, "memory_hex": memory.hex()}).encode()


def _raw(memory: bytes, folder: Path) -> bytes:
    del folder
    return memory


def _memory_in(written: bytes, folder: Path) -> bytes:
    """What can be read of it by whoever gets the file."""
    if written.startswith(b":"):
        (folder / "written.hex").write_bytes(written)
        return b"".join(one.data for one in read_hex(folder / "written.hex"))
    if written.startswith(b"{"):
        return bytes.fromhex(json.loads(written)["memory_hex"])
    if written.startswith(b"0x"):
        rows = [line.split(": ")[1].split("|")[0].split() for line in written.decode().splitlines()]
        return b"".join(bytes.fromhex(word)[::-1] for row in rows for word in row)
    return written


@pytest.mark.parametrize("written", [_hex_file, _nrfjprog, _pynrfjprog, _raw])
@pytest.mark.parametrize("pages", PAGES)
@pytest.mark.parametrize("shift_bytes", [0, 8])
def test_what_a_tool_wrote_is_kept_without_keys(
    tmp_path: Path, pages: Pages, written: Callable[[bytes, Path], bytes], shift_bytes: int
) -> None:
    """Everything else is still there, and can be read as before."""
    memory = b"firmware" * (shift_bytes // 8) + pages()
    recorder = FlightRecorder(Secrets())
    recorder.open(tmp_path / "recorder.jsonl", "t")
    kept = recorder.keep(written(memory, tmp_path))
    recorder.close()
    assert kept.file is not None
    packed = (tmp_path / "tool-output" / kept.file).read_bytes()
    after = _memory_in(gzip.decompress(packed), tmp_path)
    assert len(after) == len(memory) and NAME in after
    for key in KEYS:
        assert key in memory
        for at in range(14):
            assert key[at : at + 3] not in after
    changed = sum(one != other for one, other in zip(after, memory, strict=True))
    assert changed <= memory.count(b"\x11\x22") * 16 * 2


def test_read_of_a_probe_without_a_tool(tmp_path: Path) -> None:
    """Nothing of it is written, but what a test prints of it is masked."""
    flash = tmp_path / "flash.bin"
    flash.write_bytes(nvs_pages())
    recorder = FlightRecorder(Secrets())
    probe = RecordingProbe(NativeSimProbe(_NoProgram(), "unit", flash), recorder)
    assert LTK in probe.read(0, len(nvs_pages()), Deadline.after(30))
    assert not any(key.hex() in recorder.secrets.masked(key.hex()) for key in KEYS)


class _NoProgram:
    """A program that nobody needs for a read."""

    is_lost = False

    def start(self) -> None: ...

    def stop(self) -> None: ...


def test_key_that_was_read_is_masked_elsewhere() -> None:
    """In what a test prints of it later, and in a log."""
    secrets = Secrets()
    secrets.masked_bytes(nvs_pages())
    assert LTK.hex() not in secrets.masked(f"it has {LTK.hex()}")
    assert repr(IRK)[4:20] not in secrets.masked(f"read {IRK!r}")

"""Private keys that take several lines: PEM blocks and dumps in hex, however they are cut."""

import os
import pty
import signal
import subprocess
import sys
import tty
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from pytest_nrf_fota.firmware.keys import signing_key_for_tests
from pytest_nrf_fota.record.secrets import Secrets
from pytest_nrf_fota.record.uart_masking import UartMasking

KEY = signing_key_for_tests("printed by a board")
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
DER = KEY.private_bytes(
    serialization.Encoding.DER,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
NUMBER = KEY.private_numbers().private_value.to_bytes(32, "big")
BODY = PEM.splitlines()[1:-1]
BOND = bytes(range(0x80, 0x90))


def _zephyr_dump(data: bytes, width: int = 16) -> Iterator[str]:
    """As `LOG_HEXDUMP_INF` writes it (Zephyr, subsys/logging/log_output.c)."""
    for at in range(0, len(data), width):
        row = data[at : at + width]
        half = (row[:8].hex(" "), row[8:].hex(" "))
        text = "".join(chr(one) if 32 <= one < 127 else "." for one in row)
        yield f"{'':38}{'  '.join(half):<49}|{text}|"


def _words(data: bytes, address: int = 0x10000000) -> Iterator[str]:
    """As `nrfjprog --memrd` writes it: words, lowest byte last."""
    for at in range(0, len(data), 16):
        row = data[at : at + 16].ljust(16, b"\xff")
        words = " ".join(row[n : n + 4][::-1].hex().upper() for n in range(0, 16, 4))
        yield f"0x{address + at:08X}: {words}   |................|"


def _hex_lines(data: bytes, width: int = 16) -> Iterator[str]:
    for at in range(0, len(data), width):
        yield data[at : at + width].hex()


def _intel_hex(data: bytes) -> Iterator[str]:
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        record = bytes([len(row), at >> 8, at & 0xFF, 0]) + row
        yield f":{(record + bytes([-sum(record) & 0xFF])).hex().upper()}"


def _prefixed(lines: list[str]) -> list[str]:
    return [f"[00:00:01.{n:03},000] <inf> app: {line}" for n, line in enumerate(lines)]


PRINTED = {
    "PEM": PEM.splitlines(),
    "PEM behind prefixes": _prefixed(PEM.splitlines()),
    "PEM among other lines": [
        *PEM.splitlines()[:2],
        "[00:00:01.000,000] <inf> bt: connected",
        *PEM.splitlines()[2:],
    ],
    "PEM without an end": [*PEM.splitlines()[:-1], "uart:~$ "],
    "DER in a dump": [*_zephyr_dump(DER)],
    "DER in a dump of 8": [*_zephyr_dump(b"\xaa\xbb\xcc" + DER, 8)],
    "DER in lines of hex": [*_hex_lines(DER)],
    "number beneath a heading": ["private key:", *_zephyr_dump(NUMBER)],
    "hex beneath a heading": ["<inf> app: LTK of the peer", *_hex_lines(BOND, 8)],
}
KNOWN = {
    "known, in a dump": [*_zephyr_dump(b"xyz" + NUMBER + b"more of it")],
    "known, in words": [*_words(b"\x01\x02\x03\x04" + NUMBER + BOND)],
    "known, in a hex file": [*_intel_hex(b"\x00" * 9 + BOND + NUMBER + b"\x11" * 20)],
    "known, four in a row": [*_zephyr_dump(NUMBER + BOND, 4)],
    "known, in C": [
        ", ".join(f"0x{one:02x}" for one in (b"ab" + NUMBER)[at : at + 12]) + ","
        for at in range(0, 34, 12)
    ],
}


def _secrets(*known: bytes) -> Secrets:
    secrets = Secrets()
    for one in known:
        secrets.add_bytes(one)
    return secrets


def _leaked(said: str) -> list[str]:
    """Pieces of the keys that can still be read, as hex digits or base64."""
    digits = "".join(said.lower().replace("0x", "").split("|")[0::2])
    flat = "".join(one for one in digits if one in "0123456789abcdef")
    pieces = [line[at : at + 12] for line in BODY for at in range(0, len(line) - 11, 12)]
    raw = [part[at : at + 3].hex() for part in (NUMBER, BOND) for at in range(0, len(part) - 2, 3)]
    turned = [part[at : at + 4][::-1].hex() for part in (NUMBER, BOND) for at in range(0, 16, 4)]
    return [one for one in pieces if one in said] + [one for one in raw + turned if one in flat]


@pytest.mark.parametrize("kind", [*PRINTED, *KNOWN])
def test_search_finds_what_is_printed(kind: str) -> None:
    said = "\n".join([*PRINTED.get(kind, []), *KNOWN.get(kind, [])])
    assert _leaked(said)


@pytest.mark.parametrize("kind", [*PRINTED, *KNOWN])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_that_holds_a_key(kind: str, end: str) -> None:
    """As a whole: what a tool printed, what a failing assertion shows."""
    secrets = _secrets(NUMBER, BOND) if kind in KNOWN else Secrets()
    said = end.join([*PRINTED.get(kind, []), *KNOWN.get(kind, [])]) + end
    masked = secrets.masked(said)
    assert not _leaked(masked), masked
    assert masked.count("\n") == said.count("\n")
    assert not _leaked(secrets.masked_bytes(said.encode()).decode())


@given(
    st.sampled_from([*PRINTED, *KNOWN]),
    st.lists(st.integers(0, 900), max_size=30),
    st.sampled_from(["\n", "\r\n"]),
)
def test_key_on_a_uart_wherever_it_is_cut(kind: str, cuts: list[int], end: str) -> None:
    """No piece of it, none missing, and what was written at each moment is free of it."""
    secrets = _secrets(NUMBER, BOND) if kind in KNOWN else Secrets()
    lines = [*PRINTED.get(kind, []), *KNOWN.get(kind, [])]
    said = end.join(["boot", *lines, "and on: 12", ""]).encode()
    places = sorted({0, len(said), *(cut for cut in cuts if cut < len(said))})
    masking, written = UartMasking(secrets), b""
    for one, other in pairwise(places):
        written += masking.take(said[one:other])
        assert not _leaked(written.decode()), written
    written += masking.rest()
    assert not _leaked(written.decode()), written
    assert len(written) == len(said) and written.count(b"\n") == said.count(b"\n")


def test_hex_file_stays_one(tmp_path: Path) -> None:
    """Masked rows keep their checksum, so that whoever reads the file later can."""
    from pytest_nrf_fota.firmware.hex_file import read_hex

    said = "\n".join([*_intel_hex(b"\x00" * 9 + BOND + b"\x11" * 20), ":00000001FF", ""])
    path = tmp_path / "memory.hex"
    path.write_bytes(_secrets(BOND).masked_bytes(said.encode()))
    (segment,) = read_hex(path)
    assert segment.data == b"\x00" * 25 + b"\x11" * 20


@pytest.mark.parametrize(
    "line",
    [
        "I: Primary image: magic=good, swap_type=0x3, copy_done=0x3, image_ok=0x1",
        "*** Booting nRF Connect SDK v2.6.1-3758bcbfa5cd ***",
        "[00:00:00.254,000] <inf> bt_hci_core: Identity: F2:7C:B6:5D:C3:74 (random)",
        "hash: 3eb9a1f4b1e5f6c0d3eb9a1f4b1e5f6c03eb9a1f4b1e5f6c0d3eb9a1f4b1e5f6",
        "00000000: 30 45 02 20 11 22 33 44  55 66 77 88 99 aa bb cc |0E. ............|",
        "0x00050000: 20004AB0 00051B6D 0005C7F1 00051B59   |.J. m...........|",
    ],
)
def test_what_boards_say_all_day(line: str) -> None:
    secrets = _secrets(NUMBER, BOND)
    assert secrets.masked(line) == line
    masking = UartMasking(secrets)
    assert masking.take(line.encode() + b"\n") == line.encode() + b"\n"


def test_block_that_was_cut_ends() -> None:
    """What a board says after its reset is there again."""
    said = [*PEM.splitlines()[:-2], *(f"*** boot {n} done" for n in range(20))]
    masked = Secrets().masked("\n".join(said)).split("\n")
    assert masked[-8:] == said[-8:]


def test_dump_beneath_another_line_is_left() -> None:
    said = "\n".join(["advertisement:", *_zephyr_dump(bytes(range(16)))])
    assert _secrets(NUMBER).masked(said) == said


@given(st.sampled_from(["REGISTRY token is correcthorse", "correcthorse"]), st.integers(1, 30))
def test_known_value_cut_anywhere_without_a_word(said: str, size: int) -> None:
    """A line that does not look like a secret's: the value is known, its begin waits."""
    masking, written = UartMasking(Secrets(["correcthorse"])), b""
    for at in range(0, len(said), size):
        written += masking.take(said.encode()[at : at + size])
        assert b"corre" not in written
    written += masking.take(b"\n")
    assert b"corre" not in written and len(written) == len(said) + 1


def test_begin_of_a_value_when_nothing_more_comes() -> None:
    masking = UartMasking(Secrets(["correcthorse"]))
    assert masking.take(b"it is correcthors") == b"it is "
    assert masking.rest() == b"*" * 11


KILLED = """
import os, signal, sys, time
from pathlib import Path
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.record.recorder import FlightRecorder

port, folder = sys.argv[1], Path(sys.argv[2])
recorder = FlightRecorder()
recorder.open(folder / "recorder.jsonl", "t", uart_log=folder / "uart.log")
console = Console(port, baudrate=115200, raw_log_path=folder / "raw.log", recorder=recorder)
since = console.position()
print("open", flush=True)
console.expect("last line", since=since, within_s=30)
# Whoever waits for a line has it before the recorder.
ends_at_s = time.monotonic() + 30
while "last line" not in (folder / "uart.log").read_text() and time.monotonic() < ends_at_s:
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pty")
@pytest.mark.parametrize("kind", ["PEM behind prefixes", "DER in a dump"])
def test_killed_while_a_board_prints_a_key(tmp_path: Path, kind: str) -> None:
    """A real console on a pty, bytes in pieces of 3, SIGKILL in the middle of the last line."""
    board, port = pty.openpty()
    tty.setraw(port)
    try:
        program = [sys.executable, "-c", KILLED, os.ttyname(port), str(tmp_path)]
        with subprocess.Popen(program, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline() == b"open\n"
            lines = PRINTED[kind]
            said = "\r\n".join([*lines, "last line", *lines[:2]])[:-3].encode()
            for at in range(0, len(said), 3):
                os.write(board, said[at : at + 3])
            assert process.wait(60) == -signal.SIGKILL
    finally:
        os.close(board)
        os.close(port)
    for name in ("recorder.jsonl", "uart.log", "raw.log"):
        written = (tmp_path / name).read_text()
        assert "last line" in written or name != "uart.log"
        assert not _leaked(written), name

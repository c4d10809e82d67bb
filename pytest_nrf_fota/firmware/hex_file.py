"""Intel hex files, each read once."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from intelhex import AddressOverlapError, HexReaderError, IntelHex, IntelHexError

from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.firmware.given_file import require_file

# All memories of the kit, external flash included, make 27 MB of hex; intelhex needs 40 times that.
LARGEST_HEX_BYTES = 32 * 1024 * 1024
END_RECORD = ":00000001FF"


@dataclass(frozen=True)
class Segment:
    """Consecutive bytes at an absolute address."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """Address behind the last byte."""
        return self.address + len(self.data)


def memory_reader(segments: Sequence[Segment]) -> ReadMemory:
    """Reads memory as it is after programming these segments; the rest is erased."""

    def read(address: int, size_bytes: int) -> bytes:
        content = bytearray(b"\xff" * size_bytes)
        for segment in segments:
            start, end = max(address, segment.address), min(address + size_bytes, segment.end)
            if start < end:
                content[start - address : end - address] = segment.data[
                    start - segment.address : end - segment.address
                ]
        return bytes(content)

    return read


def read_hex(path: Path) -> tuple[Segment, ...]:
    """The segments of a hex file, by rising address.

    Raises `PackageError`: missing, unreadable, overlapping, empty or cut off.
    """
    require_file(path, "The hex file")
    status = path.stat()
    if status.st_size > LARGEST_HEX_BYTES:
        raise PackageError(
            f"The hex file is {status.st_size} bytes; no firmware of this kit is that large.",
            where=str(path),
            next_step="Give the build's merged.hex.",
        )
    return _read(path.absolute(), status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=4)
def _read(path: Path, *_state: int) -> tuple[Segment, ...]:
    """A run asks for the same file before each test; intelhex needs a second for 1 MB."""
    try:
        text = path.read_text(encoding="ascii")
        hex_data = IntelHex(io.StringIO(text))
    except AddressOverlapError as error:
        raise PackageError(
            f"The hex file holds the same address twice: {error}",
            where=str(path),
            next_step="Two images were merged that overlap; compare with the partition report.",
        ) from error
    except UnicodeDecodeError as error:
        raise PackageError(
            "The file is not an Intel hex file: it holds binary data.",
            where=str(path),
            next_step="Give the build's merged.hex, not a .bin, .elf or .zip.",
        ) from error
    except (HexReaderError, IntelHexError, OSError, ValueError) as error:
        raise PackageError(
            f"The file is not a readable Intel hex file: {error}",
            where=str(path),
            next_step="Give the build's merged.hex, not a .bin, .elf or .zip.",
        ) from error
    segments = tuple(
        Segment(start, bytes(hex_data.tobinarray(start=start, end=end - 1)))
        for start, end in hex_data.segments()
    )
    if not segments:
        raise PackageError(
            "The hex file holds no data.", where=str(path), next_step="Is the build complete?"
        )
    # intelhex takes a file that was cut off between two records for a complete one.
    if END_RECORD not in (line.strip().upper() for line in text.splitlines()):
        raise PackageError(
            f"The hex file is cut off: it has no end record ({END_RECORD}).",
            where=str(path),
            next_step="Copy it again, or build it again.",
        )
    return segments


def write_hex(path: Path, segments: Sequence[Segment]) -> None:
    """Write segments as an Intel hex file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hex_data = IntelHex()
    for segment in segments:
        hex_data.puts(segment.address, segment.data)
    hex_data.write_hex_file(str(path), write_start_addr=False)

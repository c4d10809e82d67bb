"""Segments of a hex file, read as if they were a memory: blank where the file says nothing."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from pytest_nrf_fota.firmware.hex_file import Segment

BLANK = b"\xff"
# Larger than any flash on the kit; a length field that asks for more is not believed.
LARGEST_READ_BYTES = 16 * 1024 * 1024


class SparseMemory:
    """The content of a file by address.

    Args:
        segments: by rising address, not overlapping.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = tuple(segments)
        self._starts = [segment.address for segment in self._segments]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """By rising address."""
        return self._segments

    def read(self, address: int, size_bytes: int) -> bytes:
        """`size_bytes` at `address`, 0xFF where there is no data.

        Raises `ValueError` for more than `LARGEST_READ_BYTES`.
        """
        if size_bytes > LARGEST_READ_BYTES:
            raise ValueError(f"{size_bytes} bytes are more than any memory of the kit has")
        result = bytearray(BLANK * size_bytes)
        for segment in self._from(address):
            if segment.address >= address + size_bytes:
                break
            start = max(address, segment.address)
            end = min(address + size_bytes, segment.end)
            if start < end:
                result[start - address : end - address] = segment.data[
                    start - segment.address : end - segment.address
                ]
        return bytes(result)

    def holds(self, address: int, size_bytes: int) -> bool:
        """Whether one segment has data for the whole range."""
        return any(
            segment.address <= address and address + size_bytes <= segment.end
            for segment in self._at(address)
        )

    def find(self, pattern: bytes, start: int = 0) -> Iterator[int]:
        """Addresses of `pattern` at multiples of 4 bytes in a segment, by rising address."""
        for segment in self._segments:
            if segment.end <= start:
                continue
            position = segment.data.find(pattern, max(0, start - segment.address))
            while position >= 0:
                if position % 4 == 0:
                    yield segment.address + position
                position = segment.data.find(pattern, position + 1)

    def _from(self, address: int) -> Iterator[Segment]:
        first = max(0, bisect_right(self._starts, address) - 1)
        return (self._segments[index] for index in range(first, len(self._segments)))

    def _at(self, address: int) -> tuple[Segment, ...]:
        index = bisect_right(self._starts, address) - 1
        return (self._segments[index],) if index >= 0 else ()

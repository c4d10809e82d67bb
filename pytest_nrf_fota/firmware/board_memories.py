"""Whether a hex file has data outside a board's memories."""

from collections.abc import Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType, MemoryRegion
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import Segment


def check_against_map(path: Path, segments: Sequence[Segment], board: BoardType) -> None:
    """Raise `PackageError` where data lies outside the board's memories."""
    for segment in segments:
        if _covered(segment, board.memory):
            continue
        memories = ", ".join(f"{r.name} 0x{r.start:x}-0x{r.start + r.size:x}" for r in board.memory)
        raise PackageError(
            f"The hex file has data at 0x{segment.address:x}-0x{segment.end:x}, where "
            f"{board.name} has no memory.",
            where=str(path),
            next_step=f"Is it a build for this board? Its memories: {memories}.",
        )


def _covered(segment: Segment, memories: Sequence[MemoryRegion]) -> bool:
    return any(region.contains(segment.address, len(segment.data)) for region in memories)

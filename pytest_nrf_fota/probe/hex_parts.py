"""A hex file in the parts that a probe's tool programs one by one."""

from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.boards.memory_map import NETWORK_ADDRESSES
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.wires.probe import Core

# nRF5340: the QSPI flash lies in this window (sdk-zephyr
# scripts/west_commands/runners/nrf_common.py).
_EXTERNAL_ADDRESSES = range(0x1000_0000, 0x2000_0000)


@dataclass(frozen=True)
class HexPart:
    """What one core's call programs: a file, and whether it reaches into the external flash."""

    core: Core
    path: Path
    has_external: bool


def core_of(address: int) -> Core:
    """The core through which an address of the nRF5340 is reached."""
    return Core.NETWORK if address in NETWORK_ADDRESSES else Core.APPLICATION


def is_external(address: int) -> bool:
    """Whether an address lies in the external flash's window."""
    return address in _EXTERNAL_ADDRESSES


def split_by_core(hex_file: Path, folder: Path) -> tuple[HexPart, ...]:
    """The file's parts, network core first; none of the tools programs both cores at once.

    A file for one core is used as it is, otherwise the parts are written into `folder`.

    Raises:
        PackageError: the file cannot be read, or has data across the border of two cores.
    """
    segments = read_hex(hex_file)
    by_core: dict[Core, list[Segment]] = {Core.NETWORK: [], Core.APPLICATION: []}
    for segment in segments:
        core = core_of(segment.address)
        if core is not core_of(segment.end - 1):
            raise PackageError(
                f"Data at 0x{segment.address:x}-0x{segment.end:x} lies across two cores' memories.",
                where=str(hex_file),
                next_step="Is it a build for the nRF5340?",
            )
        by_core[core].append(segment)
    both = all(by_core.values())
    parts = []
    for core, own in by_core.items():
        if not own:
            continue
        path = folder / f"{core.value}_{hex_file.name}" if both else hex_file
        if both:
            write_hex(path, own)
        parts.append(HexPart(core, path, any(is_external(s.address) for s in own)))
    return tuple(parts)

"""A hex file in the parts that a probe's tool programs one by one."""

from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.wires.probe import Core


@dataclass(frozen=True)
class HexPart:
    """What one core's call programs: a file, and whether it reaches into the external flash."""

    core: Core
    path: Path
    has_external: bool


def split_by_core(hex_file: Path, folder: Path, soc: Soc) -> tuple[HexPart, ...]:
    """The file's parts, network core first; none of the tools programs both cores at once.

    A file for one core is used as it is, otherwise the parts are written into `folder`.

    Raises:
        PackageError: the file cannot be read, or has data across the border of two cores.
    """
    segments = read_hex(hex_file)
    by_core: dict[Core, list[Segment]] = {Core.NETWORK: [], Core.APPLICATION: []}
    for segment in segments:
        core = soc.core_of(segment.address)
        if core is not soc.core_of(segment.end - 1):
            raise PackageError(
                f"Data at 0x{segment.address:x}-0x{segment.end:x} lies across two cores' memories.",
                where=str(hex_file),
                next_step=f"Is it a build for the {soc.title}?",
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
        parts.append(HexPart(core, path, any(soc.is_external(s.address) for s in own)))
    return tuple(parts)

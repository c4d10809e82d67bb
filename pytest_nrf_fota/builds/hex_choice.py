"""Which hex files of a build make a board run it, and several hex files as one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex

BOTH_CORES = "merged_domains.hex"
APPLICATION_CORE = "merged.hex"


@dataclass(frozen=True)
class ReadHexFile:
    """A hex file and its data."""

    path: Path
    segments: tuple[Segment, ...]


def hex_files_of(build: Build) -> tuple[Path, ...]:
    """The files that flash all cores and images of a build.

    Before NCS 2.7 merged_domains.hex holds both cores; sysbuild makes merged.hex for the
    application core and merged_CPUNET.hex for the network core (sdk-nrf
    cmake/partition_manager.cmake, cmake/sysbuild/partition_manager.cmake); without the partition
    manager each image has its own.

    Raises `PackageError` where there is none, or two that could be meant.
    """
    names = {path.name for path in build.files.hex_files}
    if BOTH_CORES in names:
        return (only_one(build, build.files.hex_files, BOTH_CORES),)
    if APPLICATION_CORE in names:
        others = sorted(names - {APPLICATION_CORE})
        return tuple(
            only_one(build, build.files.hex_files, name) for name in (APPLICATION_CORE, *others)
        )
    # The partition manager merges what it has placed; single images are then no whole firmware.
    if build.files.image_hex_files and build.files.main_partitions is None:
        return build.files.image_hex_files
    raise not_complete(build, "no merged.hex that a board could be flashed with")


def not_complete(build: Build, missing: str) -> PackageError:
    """The error for a folder in which west stopped half way; `missing` is what it never made."""
    return PackageError(
        f"The build is not complete: there is {missing}.",
        where=str(build.files.folder),
        next_step="Run `west build` to its end; its output shows what stopped it.",
    )


def only_one(build: Build, paths: Iterable[Path], name: str) -> Path:
    """The file of that name nearest to the top. Raises `PackageError` for two of one depth that
    differ.
    """
    named = [path for path in paths if path.name == name]
    nearest = min(len(path.parts) for path in named)
    found = [path for path in named if len(path.parts) == nearest]
    if len({path.read_bytes() for path in found}) > 1:
        raise PackageError(
            f"The folder holds {len(found)} files that could be meant: "
            f"{' and '.join(build.files.name_of(path) for path in found)}.",
            where=str(build.files.folder),
            next_step="Give the folder of one build, or the file itself.",
        )
    return found[0]


def read_hex_files(paths: Sequence[Path]) -> tuple[ReadHexFile, ...]:
    """Read them, and check that no two have data for one address. Raises `PackageError`."""
    files = tuple(ReadHexFile(path, read_hex(path)) for path in paths)
    taken: list[tuple[Segment, Path]] = []
    for file in files:
        for segment in file.segments:
            for other, owner in taken:
                if segment.address < other.end and other.address < segment.end:
                    start = max(segment.address, other.address)
                    raise PackageError(
                        f"Two hex files have data for one core's address 0x{start:x}: {owner} and "
                        f"{file.path}.",
                        where=str(file.path),
                        next_step="Give one hex file for each core, of one build: merged.hex and "
                        "merged_CPUNET.hex, or merged_domains.hex alone.",
                    )
        taken += [(segment, file.path) for segment in file.segments]
    return files

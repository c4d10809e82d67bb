"""Whether there is firmware for the network core, in a build or a hex file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.soc import SOCS
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.builds.hex_choice import hex_files_of
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.findings.finding import Finding
from pytest_nrf_fota.inspection.contents import Container, Contents
from pytest_nrf_fota.inspection.remark import remark
from pytest_nrf_fota.wires.probe import Core

# Hex files for the network core: of sysbuild, and before NCS 2.7 of both cores.
_OF_BOTH_CORES = "merged_domains.hex"
_NAMES_BESIDE = (_OF_BOTH_CORES, "merged_CPUNET.hex")


def chip_has_network_core(build: Build) -> bool:
    """Whether the build is for a chip with such a core, or does not say for which chip it is."""
    chips = [image for image in build.images if image.text("SOC")]
    with_network_core = [soc for soc in SOCS.values() if soc.network is not None]
    return not chips or any(image.is_for(soc) for image in chips for soc in with_network_core)


def on_build(build: Build, files: Sequence[Contents], board: BoardType) -> Iterator[Finding]:
    """What is missing for the network core, of a build whose hex files are all there."""
    hex_files = [one for one in files if one.container is Container.HEX]
    if Core.NETWORK not in board.probe.recover or not chip_has_network_core(build) or not hex_files:
        return
    is_there = any(_holds_network_core(one) for one in hex_files)
    if is_there or _is_half(build):
        return
    if build.hosts_bluetooth_over_ipc:
        yield remark("bluetooth_controller_missing", "network core")
    else:
        yield remark("no_network_core", "network core")


def on_hex_file(
    path: Path, contents: Contents, build: Build | None, board: BoardType
) -> Iterator[Finding]:
    """Likewise of one hex file that holds all of the application core; parts are no firmware.

    Args:
        path: the file.
        contents: what was found in it.
        build: the build that it lies in, where it lies in one.
        board: a board without a network core needs nothing on it.
    """
    if Core.NETWORK not in board.probe.recover or contents.container is not Container.HEX:
        return
    if build is not None and not chip_has_network_core(build):
        return
    if _holds_network_core(contents) or not _is_whole(path, contents, build):
        return
    beside = _beside(path, build)
    if beside is None:
        yield remark("no_network_core", "network core")
    else:
        has_both = beside.name == _OF_BOTH_CORES
        code = "network_core_in_both" if has_both else "network_core_beside"
        yield remark(code, "network core", beside=beside)


def _is_whole(path: Path, contents: Contents, build: Build | None) -> bool:
    if build is not None:
        try:
            return path in hex_files_of(build) or path in build.files.hex_files
        except PackageError:
            return False
    # A bootloader alone, or an image for its slot, is flashed together with others.
    boots = any(segment.address == 0 for segment in contents.segments)
    is_bootloader = contents.mcuboot_alone and not contents.images
    return boots and not is_bootloader and not contents.other_chips


def _is_half(build: Build) -> bool:
    try:
        hex_files_of(build)
    except PackageError:
        return True
    return False


def _beside(path: Path, build: Build | None) -> Path | None:
    found = [] if build is None else list(build.files.hex_files)
    found += sorted(path.parent.glob("merged_*.hex"))
    return next((one for name in _NAMES_BESIDE for one in found if one.name == name), None)


def _holds_network_core(contents: Contents) -> bool:
    return any((one.memory or "").startswith("network") for one in contents.segments)

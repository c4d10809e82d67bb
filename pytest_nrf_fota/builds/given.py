"""What the user gave as baseline and updates: build folders, hex files, packages, signed images."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import OwnSettings
from pytest_nrf_fota.builds.application_settings import (
    asked_pairing,
    has_flash_shell,
    has_shell,
)
from pytest_nrf_fota.builds.build import Build, build_around, read_build
from pytest_nrf_fota.builds.fitted_board import (
    fit_board,
    release_in,
    release_of,
    require_same_soc,
)
from pytest_nrf_fota.builds.hex_agreement import require_hex_fits_slots
from pytest_nrf_fota.builds.hex_choice import ReadHexFile, hex_files_of, read_hex_files
from pytest_nrf_fota.builds.installed_image import image_in_primary, require_newer
from pytest_nrf_fota.builds.kconfig import Kconfig
from pytest_nrf_fota.builds.network_core import has_network_core, require_network_core
from pytest_nrf_fota.builds.one_build import require_one_build, require_updatable
from pytest_nrf_fota.builds.own_build import OwnBuild
from pytest_nrf_fota.builds.slots import slots_of
from pytest_nrf_fota.builds.startable import require_same_soc_in, require_startable
from pytest_nrf_fota.builds.update_choice import (
    GivenImage,
    pack_images,
    read_image,
    require_update_file,
    updates_in,
)
from pytest_nrf_fota.builds.update_place import require_same_place
from pytest_nrf_fota.errors import BoardFileError, PackageError
from pytest_nrf_fota.firmware.board_memories import check_against_map
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.wires.probe import Core

_ZIP_START = b"PK"


@dataclass(frozen=True)
class GivenBaseline:
    """What a board is flashed with, and the board as its build made it.

    `hex_file` holds everything, `picked` are the user's files that it was made of; `build` is None
    for files that lie in no build folder. `tells_release` is whether firmware, build or the user's
    board file say which SDK made it; else the board's is a guess.
    """

    board: BoardType
    hex_file: Path
    picked: tuple[ReadHexFile, ...]
    build: Build | None
    tells_release: bool

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All data, by rising address."""
        all_segments = [s for file in self.picked for s in file.segments]
        return tuple(sorted(all_segments, key=lambda segment: segment.address))


@dataclass(frozen=True)
class GivenUpdates:
    """Packages to send, and the user's files that they are or were made of.

    `given` has each package with the file by which the user knows it: itself, or the image that it
    was made of.
    """

    given: Mapping[Path, Path]
    picked: tuple[Path, ...]

    @property
    def packages(self) -> tuple[Path, ...]:
        """The packages."""
        return tuple(self.given)


def read_baseline(
    board: BoardType, own: OwnSettings, given: Sequence[Path], folder: Path
) -> GivenBaseline:
    """Read what a board is to be flashed with.

    Args:
        board: from its board file.
        own: what the user's board file names.
        given: build folders and hex files, one file for each core.
        folder: gets one hex file, where several were given or picked.

    Raises:
        PackageError: a file or folder cannot be used, or two do not go together.
        BoardFileError: the board file contradicts the build.
    """
    builds = _builds_of(given)
    build = builds[0] if builds else None
    if build is not None:
        lone = [path for path in given if build.files.folder in path.parents]
        require_same_soc(board, build, lone[0] if lone else None)
        require_updatable(build)
    paths = [path for one in given for path in _hex_files(one, builds)]
    files = read_hex_files(paths)
    _require_one_whole_build(given, "The hex files", "what the cores share")
    require_same_soc_in(files, board)
    baseline = GivenBaseline(board, paths[0], files, build, "ncs" in own.boot)
    layout = f"board {board.name}"
    if build is not None:
        board = fit_board(board, build, baseline.segments, own)
        if build.layout is not None:
            layout = build.files.name_of(build.layout.source)
    for file in files:
        check_against_map(file.path, file.segments, board)
    require_hex_fits_slots(baseline.segments, board, paths, layout)
    for one in builds:
        require_one_build(one, baseline.segments, board)
    hex_file = paths[0]
    if len(paths) > 1:
        hex_file = folder / "baseline.hex"
        write_hex(hex_file, baseline.segments)
    segments = baseline.segments
    soc = board.soc
    release = release_in(segments, soc) if build is None else release_of(build, segments, soc)
    tells_release = baseline.tells_release or release is not None
    if not baseline.tells_release and release is not None:
        boot = board.boot.model_copy(update={"ncs": release.ncs})
        board = board.model_copy(update={"boot": boot})
    return replace(baseline, board=board, hex_file=hex_file, tells_release=tells_release)


def board_of_build(board: BoardType, own: OwnSettings, path: Path) -> BoardType:
    """The board as the build at `path`, or around that file, made it; unchanged without one.

    Raises `PackageError`, `BoardFileError`.
    """
    builds = _builds_of([path])
    return fit_board(board, builds[0], (), own) if builds else board


def read_updates(board: BoardType, given: Sequence[Path], folder: Path) -> GivenUpdates:
    """Read what is to be sent.

    Args:
        board: as the baseline's build made it.
        given: build folders, DFU packages, signed images.
        folder: gets packages of what was given as single images.

    Raises:
        PackageError: a file or folder cannot be used, or two are of different builds.
        BoardFileError: an update was built for other slots than the board's.
    """
    target = package_target(board)
    packages: list[Path] = []
    images: list[GivenImage] = []
    for path in _update_files(board, given):
        if _is_package(path):
            require_same_place(read_package(path, target), board, path)
            packages.append(path)
        else:
            images.append(read_image(path, target))
            require_same_place(images[-1].package, board, path)
    picked = (*packages, *(image.path for image in images))
    given_as = {path: path for path in packages} | pack_images(images, folder)
    _require_one_whole_build(given, "The updates", "layout, keys and release")
    return GivenUpdates(given_as, picked)


def describe_baseline(baseline: GivenBaseline) -> list[str]:
    """One line for each file, and one for the layout where a build gave it."""
    lines = [f"baseline {file.path} ({_cores(file, baseline.board)})" for file in baseline.picked]
    build = baseline.build
    if build is not None and build.layout is not None:
        slots = baseline.board.slots
        kind = "NSIB, MCUboot in S0 and S1" if slots.s0 else "MCUboot without NSIB"
        lines.append(
            f"layout   {build.layout.source} ({kind}, {baseline.board.boot.bootloader_mode})"
        )
    if build is not None and build.has_no_smp_server:
        lines.append(
            "note     the application has no SMP server (CONFIG_MCUMGR is off): a kit with it "
            "cannot be updated; a virtual kit runs a stand-in that has one"
        )
    if build is not None and build.application is not None:
        lines += _application_lines(baseline.board, build.application, build)
    if not baseline.tells_release:
        lines.append(
            f"note     NCS {baseline.board.boot.ncs} is a guess: neither a banner in the firmware "
            "nor the build shows the release; name it in a board file (boot.ncs)"
        )
    board = baseline.board
    if Core.NETWORK in board.probe.recover and not has_network_core(baseline.segments, board):
        lines.append("baseline has nothing for the network core, which is erased with the board")
    return lines


def what_application_lacks(baseline: GivenBaseline) -> str:
    """What its application would need to be updated at all; empty where nothing is known."""
    build, radio = baseline.build, baseline.board.radio
    if build is not None and build.has_no_smp_server:
        return "no SMP server (CONFIG_MCUMGR is off)"
    if radio.kind == "ble" and radio.bluetooth is False:
        return "no Bluetooth (CONFIG_BT is off)"
    return ""


def _application_lines(board: BoardType, application: Kconfig, build: Build) -> Iterator[str]:
    """What the application was built with, where that decides how the run goes."""
    source = build.files.name_of(application.path)
    asked = asked_pairing(application)
    if board.radio.kind == "ble" and board.radio.bluetooth is False:
        yield (
            f"note     the application has no Bluetooth (CONFIG_BT is off, {source}), by which "
            f"{board.name} is reached: `nrf-fota board-file` writes a board file with another wire"
        )
    if asked is not None and board.radio.kind == "ble" and asked.pairing != board.radio.pairing:
        yield (
            f"note     the board file has pairing = {board.radio.pairing}, the application asks "
            f"for {asked.pairing} ({asked.option or 'no option that asks for it'}, {source})"
        )
    elif asked is not None and board.radio.kind == "ble" and asked.pairing != "none":
        yield f"radio    pairing {asked.pairing} ({asked.option}, {source})"
    if board.external_flash is None or not has_shell(application):
        return
    if not has_flash_shell(application) and not board.console.flash_shell:
        yield (
            f"note     the shell has no flash commands (CONFIG_FLASH_SHELL is off, {source}): the "
            "probe erases the external flash"
        )


def _hex_files(given: Path, builds: Sequence[Build]) -> tuple[Path, ...]:
    if not given.is_dir():
        return (given,)
    return hex_files_of(next(b for b in builds if b.files.folder == given))


def _builds_of(given: Sequence[Path]) -> tuple[Build, ...]:
    """The builds that were given, or to which the given files belong; one with MCUboot first.

    A network core that was built without sysbuild has a folder of its own, and no layout.
    """
    found = (read_build(p) if p.is_dir() else build_around(p) for p in given)
    builds = [build for build in found if build is not None]
    return tuple(sorted(builds, key=lambda build: build.mcuboot is None))


def _require_one_whole_build(given: Sequence[Path], what: str, shared: str) -> None:
    """Raise `PackageError` for files out of two builds, each with a MCUboot of its own.

    Args:
        given: as the user gave them; of folders nothing is said here.
        what: the files, at the start of a sentence.
        shared: what may be another in each build.
    """
    first: Path | None = None
    folder: Path | None = None
    for path in given:
        build = None if path.is_dir() else build_around(path)
        if build is None or build.mcuboot is None or build.files.folder == folder:
            continue
        if first is not None:
            raise PackageError(
                f"{what} are of two builds: {first} of {folder}, {path} of {build.files.folder}.",
                where=str(path),
                next_step=f"Give those of one build, or its folder: {shared} may differ from "
                "build to build.",
            )
        first, folder = path, build.files.folder


def _update_files(board: BoardType, given: Sequence[Path]) -> Iterator[Path]:
    for path in given:
        build = read_build(path) if path.is_dir() else build_around(path)
        if build is not None:
            require_same_soc(board, build, None if path.is_dir() else path)
        if build is None or not path.is_dir():
            require_update_file(path)
        if build is not None:
            _require_same_slots(board, build)
        if build is None or not path.is_dir():
            yield path
            continue
        if build.files.hex_files or build.files.image_hex_files:
            files = read_hex_files(hex_files_of(build))
            require_one_build(build, [s for file in files for s in file.segments], board)
        yield from updates_in(build, package_target(board))


def _require_same_slots(board: BoardType, build: Build) -> None:
    if build.layout is None:
        return
    slots = slots_of(build.layout, board)
    for name in ("primary", "s0", "s1"):
        ours, theirs = getattr(board.slots, name), getattr(slots, name)
        if ours is not None and theirs is not None and ours.address != theirs.address:
            raise BoardFileError(
                f"The update was built for another layout: its {name} slot lies at "
                f"0x{theirs.address:x}, the board's at 0x{ours.address:x}.",
                where=str(build.layout.source),
                next_step="Give updates of builds with the baseline's layout (pm_static.yml keeps "
                "it), or another baseline: an image runs only in the slot that it was built for.",
            )


def _is_package(path: Path) -> bool:
    if path.suffix.lower() == ".zip" or not path.is_file():
        return True  # whatever is wrong with it, the reader of packages says
    with path.open("rb") as stream:
        return stream.read(len(_ZIP_START)) == _ZIP_START


def _cores(file: ReadHexFile, board: BoardType) -> str:
    if board.soc.network is None:
        return "the only core"
    cores = {board.soc.core_of(segment.address) for segment in file.segments}
    if len(cores) == 2:
        return "both cores"
    return "network core" if cores == {Core.NETWORK} else "application core"


@dataclass(frozen=True)
class GivenFirmware:
    """Everything that the user gave, checked and fitted to each other.

    `own_build` is the baseline's, to make the next version of.
    """

    board: BoardType
    baseline: GivenBaseline | None
    updates: GivenUpdates
    own_build: OwnBuild

    @property
    def lines(self) -> list[str]:
        """What was picked, for people: one line for each file."""
        if self.baseline is None:
            return []
        lines = describe_baseline(self.baseline)
        return [*lines, *(f"update   {path}" for path in self.updates.picked)]


def read_given_firmware(
    board: BoardType,
    own: OwnSettings,
    baselines: Sequence[Path],
    updates: Sequence[Path],
    folder: Path,
    variants: Sequence[str] = (),
) -> GivenFirmware:
    """Read all --baseline and --update.

    Args:
        board: from its board file.
        own: what the user's board file names.
        baselines: build folders and hex files.
        updates: build folders, packages and signed images.
        folder: gets what is made of them.
        variants: all --firmware-variant, which need a baseline, too.

    Raises:
        PackageError: a file cannot be used, two do not go together, or an update is no news.
        BoardFileError: the board file contradicts the build.
    """
    if not baselines:
        without_baseline = [*map(str, updates), *variants]
        if without_baseline:
            raise PackageError(
                "An update was given without the baseline that it updates.",
                where=without_baseline[0],
                next_step="Give the running build as well: --baseline=build",
            )
        return GivenFirmware(board, None, GivenUpdates({}, ()), OwnBuild())
    baseline = read_baseline(board, own, baselines, folder)
    if not any(board.soc.core_of(s.address) is Core.APPLICATION for s in baseline.segments):
        raise PackageError(
            "The baseline has nothing for the application core, which would stay empty.",
            where=", ".join(str(file.path) for file in baseline.picked),
            next_step="Give its hex file as well (merged.hex), or the whole build folder.",
        )
    paths = [file.path for file in baseline.picked]
    require_startable(baseline.segments, baseline.board, paths)
    require_network_core(baseline.segments, baseline.board, baseline.build, paths)
    found = read_updates(baseline.board, updates, folder / "given")
    require_newer(baseline.segments, baseline.board, found.given)
    return GivenFirmware(baseline.board, baseline, found, _own_build(baseline, folder / "own"))


def _own_build(baseline: GivenBaseline, folder: Path) -> OwnBuild:
    keys = baseline.build.files.signing_keys if baseline.build else ()
    return OwnBuild(
        read_updates(baseline.board, _own_updates(baseline, folder), folder).packages, keys
    )


def _own_updates(baseline: GivenBaseline, folder: Path) -> tuple[Path, ...]:
    """Of a build its packages; of a hex file alone the application that it holds."""
    board, build = baseline.board, baseline.build
    if build is not None:
        with suppress(PackageError):
            return updates_in(build, package_target(board))
    image = image_in_primary(baseline.segments, board, folder)
    return () if image is None else (image,)

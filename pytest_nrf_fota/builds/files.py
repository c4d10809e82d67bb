"""Find in a build folder what a build made, by the names that SDKs give their files.

Sysbuild (NCS 2.7 and later) keeps packages and merged.hex at the top, child-image builds keep them
in zephyr/ (sdk-nrf cmake/sysbuild/zip.cmake, cmake/partition_manager.cmake); upstream Zephyr makes
neither, each image's folder holds its own hex file (zephyr cmake/mcuboot.cmake).
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.errors import PackageError

MOST_FOLDERS = 20_000
DEEPEST = 6
# Nothing for updates lies in these, and a Zephyr build has thousands of folders there.
_NOT_ENTERED = frozenset(
    {"CMakeFiles", "generated", "_deps", ".git", "node_modules", ".west", ".venv"}
)
_ARTIFACT = re.compile(
    r"merged(_\w+)?\.hex|dfu_(application|mcuboot|multi_image)\.(zip|bin)"
    r"|signed_by_\w+\.bin|app_update\.bin|net_core_app_update\.bin|[\w.]+\.signed(\.confirmed)?\.bin"
)
_IMAGE_HEX_NAMES = ("zephyr.signed.hex", "zephyr.hex")
_CONFIG = ".config"
# What `west build` leaves behind from its first second on, in each image's folder, too.
SIGNS_OF_A_BUILD = ("CMakeCache.txt", "build.ninja")
SIGNS_OF_A_WHOLE_BUILD = ("partitions.yml", "domains.yaml")
# In build/IMAGE/zephyr a file lies three folders below the build's own.
_FOLDERS_ABOVE = 3
_MOST_CANDIDATES_NAMED = 5


@dataclass(frozen=True)
class BuildFiles:
    """Paths by what they are, those nearest to the top first.

    `hex_files` are those that hold all images of a core (or of both), `image_hex_files` those of
    one image each. `bins` are signed images. `is_begun` is whether CMake has been here, whatever
    came of it.
    """

    folder: Path
    hex_files: tuple[Path, ...]
    image_hex_files: tuple[Path, ...]
    packages: tuple[Path, ...]
    bins: tuple[Path, ...]
    configs: tuple[Path, ...]
    partitions: tuple[Path, ...]
    devicetrees: tuple[Path, ...]
    signing_keys: tuple[Path, ...]
    is_begun: bool

    @property
    def main_partitions(self) -> Path | None:
        """The application core's partitions.yml."""
        return next((p for p in self.partitions if p.name == "partitions.yml"), None)

    def name_of(self, path: Path) -> str:
        """A path as seen from the build folder's parent: `build/merged.hex`."""
        return str(Path(self.folder.name or ".") / path.relative_to(self.folder))


def folder_around(path: Path) -> Path | None:
    """The build folder that a file lies in: the folder above it that looks like one.

    Child-image builds keep merged.hex in build/zephyr, sysbuild in build, and each image's own
    files in build/IMAGE/zephyr. An image of sysbuild has been configured by itself, too, with a
    devicetree that the partition manager overrules: what is said of the whole build goes first.
    """
    above = tuple(path.parents)[:_FOLDERS_ABOVE]
    for signs in (SIGNS_OF_A_WHOLE_BUILD, SIGNS_OF_A_BUILD):
        for folder in above:
            if _has_one_of(folder, signs):
                return folder
    return None


def require_single_build(folder: Path) -> None:
    """Raise `PackageError` for a folder of build folders: which of them is meant?"""
    found = _builds_below(folder)
    if len(found) > 1:
        shown = [str(path) for path in found[:_MOST_CANDIDATES_NAMED]]
        more = len(found) - len(shown)
        named = ", ".join(shown) + (f" and {more} more" if more else "")
        raise PackageError(
            f"The folder holds several builds: {named}.",
            where=str(folder),
            next_step="Give the folder of one build.",
        )


def _builds_below(folder: Path) -> list[Path]:
    """The build folders that lie in a folder; it alone, where it is one."""
    signs = (*SIGNS_OF_A_BUILD, *SIGNS_OF_A_WHOLE_BUILD)
    found: list[Path] = []
    for number, (name, folders, names) in enumerate(os.walk(folder)):
        here = Path(name)
        depth = len(here.relative_to(folder).parts)
        if number == MOST_FOLDERS:
            break  # that is refused for its size
        if any(sign in names for sign in signs):
            found.append(here)
            folders.clear()
        else:
            folders[:] = sorted(set(folders) - _NOT_ENTERED) if depth < DEEPEST else []
    return found


def _has_one_of(folder: Path, names: Iterable[str]) -> bool:
    return any((folder / name).is_file() for name in names)


def _require_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    if not folder.exists():
        raise PackageError(
            "The build folder does not exist.", where=str(folder), next_step="Check the path."
        )
    around = folder_around(folder)
    raise PackageError(
        "A file was given where a build folder is needed.",
        where=str(folder),
        next_step="Give the folder that `west build -d` wrote to"
        f"{f': {around}' if around is not None else '.'}",
    )


def find_build_files(folder: Path) -> BuildFiles:
    """Walk a build folder; links to folders are not followed.

    Raises `PackageError` where it is no build folder, or too large for one.
    """
    _require_folder(folder)
    files: list[Path] = []
    failures: list[OSError] = []
    for number, (name, folders, names) in enumerate(os.walk(folder, onerror=failures.append)):
        if number == MOST_FOLDERS:
            raise PackageError(
                f"The folder has more than {MOST_FOLDERS} folders.",
                where=str(folder),
                next_step="Give one build folder, such as build/ of your application.",
            )
        here = Path(name)
        depth = len(here.relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if f not in _NOT_ENTERED) if depth < DEEPEST else []
        files += [here / file for file in names if (here / file).is_file()]
    files.sort(key=lambda path: (len(path.relative_to(folder).parts), str(path)))
    artifacts = [path for path in files if _ARTIFACT.fullmatch(path.name)]
    images = [folder / p for p in _image_folders(files, folder)]
    found = BuildFiles(
        folder=folder,
        hex_files=_with_suffix(artifacts, ".hex"),
        image_hex_files=tuple(_image_hex_files(images)),
        packages=_with_suffix(artifacts, ".zip"),
        bins=_with_suffix(artifacts, ".bin"),
        configs=tuple(p for p in files if p.name == _CONFIG and p.parent.name == "zephyr"),
        partitions=tuple(p for p in files if re.fullmatch(r"partitions(_\w+)?\.yml", p.name)),
        devicetrees=tuple(p for p in files if p.name == "zephyr.dts"),
        signing_keys=tuple(
            p for p in files if p.name == "GENERATED_NON_SECURE_SIGN_KEY_PRIVATE.pem"
        ),
        is_begun=any(p.name in SIGNS_OF_A_BUILD for p in files),
    )
    if failures and not artifacts:
        raise PackageError(
            f"The folder cannot be read: {failures[0].strerror}.",
            where=str(failures[0].filename or folder),
            next_step="Check its permissions.",
        )
    if not (artifacts or found.configs or found.image_hex_files):
        raise _no_build(found)
    return found


def _no_build(found: BuildFiles) -> PackageError:
    if found.is_begun:
        return PackageError(
            "The build is not complete: CMake has run, and there is no hex file, no package and no "
            "signed image.",
            where=str(found.folder),
            next_step="Run `west build` to its end; its output shows what stopped it.",
        )
    return PackageError(
        "The folder is no build folder: it holds no merged.hex, no dfu_*.zip, no signed .bin "
        f"and no zephyr/{_CONFIG}.",
        where=str(found.folder),
        next_step="Give the folder that `west build -d` wrote to, after a complete build.",
    )


def _image_folders(files: Iterable[Path], folder: Path) -> list[Path]:
    """The `IMAGE/zephyr` folders, as seen from the build folder."""
    parents = (p.parent.relative_to(folder) for p in files if p.name in _IMAGE_HEX_NAMES)
    return [p for p in dict.fromkeys(parents) if p.name == "zephyr"]


def _image_hex_files(images: Iterable[Path]) -> list[Path]:
    # An image for MCUboot's slot is flashed with its header, hence signed.
    found = [[i / name for name in _IMAGE_HEX_NAMES if (i / name).is_file()] for i in images]
    return [names[0] for names in found if names]


def _with_suffix(paths: Iterable[Path], suffix: str) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.suffix == suffix)

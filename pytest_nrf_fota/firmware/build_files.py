"""Find in a build folder what a build made for updates.

Layouts: sysbuild (NCS 2.7 and later) keeps packages and merged.hex at the top, child-image builds
keep them in zephyr/ (facts/dual-stage-boot.md, 3 and 5).
"""

import os
import re
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
    r"merged(_domains)?\.hex|dfu_(application|mcuboot|multi_image)\.zip"
    r"|dfu_multi_image\.bin|signed_by_\w+\.bin|app_update\.bin|net_core_app_update\.bin|[\w.]+\.signed(\.confirmed)?\.bin"
)
_CONFIG = ".config"
_PARTITIONS = "partitions.yml"


@dataclass(frozen=True)
class BuildFiles:
    """Paths by what they are, each group in the order of names."""

    hex_files: tuple[Path, ...]
    packages: tuple[Path, ...]
    bins: tuple[Path, ...]
    configs: tuple[Path, ...]
    partitions: Path | None


def find_build_files(folder: Path) -> BuildFiles:
    """Walk a build folder; links to folders are not followed.

    Raises `PackageError` where it is no build folder, or too large for one.
    """
    artifacts: list[Path] = []
    configs: list[Path] = []
    partitions: list[Path] = []
    failures: list[OSError] = []
    for number, (name, folders, files) in enumerate(os.walk(folder, onerror=failures.append)):
        if number == MOST_FOLDERS:
            raise PackageError(
                f"The folder has more than {MOST_FOLDERS} folders.",
                where=str(folder),
                next_step="Give one build folder, such as build/ of your application.",
            )
        here = Path(name)
        depth = len(here.relative_to(folder).parts)
        folders[:] = sorted(f for f in folders if f not in _NOT_ENTERED) if depth < DEEPEST else []
        present = [here / file for file in files if (here / file).is_file()]
        artifacts += [path for path in present if _ARTIFACT.fullmatch(path.name)]
        configs += [p for p in present if p.name == _CONFIG and here.name == "zephyr"]
        partitions += [path for path in present if path.name == _PARTITIONS]
    found = BuildFiles(
        hex_files=_ordered(artifacts, folder, ".hex"),
        packages=_ordered(artifacts, folder, ".zip"),
        bins=_ordered(artifacts, folder, ".bin"),
        configs=tuple(sorted(configs, key=lambda path: (len(path.parts), str(path)))),
        partitions=min(partitions, key=lambda p: len(p.parts), default=None),
    )
    if failures and not artifacts:
        raise PackageError(
            f"The folder cannot be read: {failures[0].strerror}.",
            where=str(failures[0].filename or folder),
            next_step="Check its permissions.",
        )
    if not (artifacts or configs):
        raise PackageError(
            "The folder is no build folder: it holds no merged.hex, no dfu_*.zip, no signed .bin "
            f"and no zephyr/{_CONFIG}.",
            where=str(folder),
            next_step="Give the folder that `west build -d` wrote to, after a complete build.",
        )
    return found


def _ordered(paths: list[Path], folder: Path, suffix: str) -> tuple[Path, ...]:
    wanted = [path for path in paths if path.suffix == suffix]
    return tuple(sorted(wanted, key=lambda p: (len(p.relative_to(folder).parts), str(p))))

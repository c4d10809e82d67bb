"""Which release of the nRF Connect SDK made a build, by what the build's own files say."""

import re
from collections.abc import Iterable
from pathlib import Path

from pytest_nrf_fota.builds.text_file import read_text
from pytest_nrf_fota.errors import PackageError

# The header that sdk-nrf's cmake/version.cmake makes for each image, and the definition with which
# its build calls the script (NCS 2.5 and later).
_IN_HEADER = re.compile(r'NCS_VERSION_STRING\s+"(\d+)\.(\d+)\.')
_IN_NINJA = re.compile(rb"-DNCS_VERSION_STRING=(\d+)\.(\d+)\.")
# Where nRF Connect's tools install a release: ncs/v2.6.0/zephyr. The folder of upstream Zephyr may
# have a version in its name, too, which would be Zephyr's.
_IN_PATH = re.compile(r"^ZEPHYR_BASE:\w+=.*\bncs[/\\]v(\d+)\.(\d+)\.[^/\\]*[/\\]zephyr/?$", re.M)


def sdk_version_of(image_folders: Iterable[Path]) -> tuple[int, int] | None:
    """Major and minor number, as the build of one of these images was told; None where none was.

    Raises `PackageError` for a header that cannot be read.
    """
    for folder in image_folders:
        header = folder / "zephyr" / "include" / "generated" / "ncs_version.h"
        found = _IN_HEADER.search(read_text(header)) if header.is_file() else None
        if found is not None:
            return int(found[1]), int(found[2])
    for folder in image_folders:
        in_ninja = _in_ninja(folder / "build.ninja")
        if in_ninja is not None:
            return in_ninja
    return None


def sdk_version_in_path(build: Path) -> tuple[int, int] | None:
    """Likewise, by where the SDK lies; None where that does not tell."""
    try:
        found = _IN_PATH.search(read_text(build / "CMakeCache.txt"))
    except PackageError:
        return None
    return None if found is None else (int(found[1]), int(found[2]))


def _in_ninja(path: Path) -> tuple[int, int] | None:
    # Of a large application it has many MB, in lines that are not long.
    try:
        with path.open("rb") as stream:
            found = next(filter(None, map(_IN_NINJA.search, stream)), None)
    except OSError:
        return None
    return None if found is None else (int(found[1]), int(found[2]))

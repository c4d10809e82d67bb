"""The SDK's release, from what a build folder says of it."""

from pathlib import Path

import pytest

from pytest_nrf_fota.builds.sdk_release import sdk_version_in_path, sdk_version_of


def _image(build: Path, name: str) -> Path:
    folder = build / name
    (folder / "zephyr" / "include" / "generated").mkdir(parents=True)
    return folder


def _write_header(image: Path, version: str) -> None:
    header = image / "zephyr" / "include" / "generated" / "ncs_version.h"
    header.write_text(f'#define NCS_VERSION_STRING      "{version}"\n')


def test_header_of_any_image(tmp_path: Path) -> None:
    images = [_image(tmp_path, name) for name in ("mcuboot", "app")]
    assert sdk_version_of(images) is None
    _write_header(images[1], "2.9.1")
    assert sdk_version_of(images) == (2, 9)


@pytest.mark.parametrize(
    ("version", "found"), [("2.5.99-dev1", (2, 5)), ("3.10.0", (3, 10)), ("next", None)]
)
def test_build_ninja(version: str, found: tuple[int, int] | None, tmp_path: Path) -> None:
    """Where somebody packed the build without its headers; the file may be of any size."""
    image = _image(tmp_path, "app")
    rule = f"  COMMAND = cmake -DNCS_VERSION_MAJOR=2 -DNCS_VERSION_STRING={version} -P x.cmake\n"
    (image / "build.ninja").write_text("build a: phony b\n" * 400_000 + rule)
    assert sdk_version_of([image]) == found


def test_header_goes_before_build_ninja(tmp_path: Path) -> None:
    images = [_image(tmp_path, name) for name in ("mcuboot", "app")]
    (images[0] / "build.ninja").write_text("COMMAND = -DNCS_VERSION_STRING=2.3.0\n")
    _write_header(images[1], "3.0.2")
    assert sdk_version_of(images) == (3, 0)


@pytest.mark.parametrize(
    ("zephyr_base", "found"),
    [
        ("/opt/nordic/ncs/v2.6.0/zephyr", (2, 6)),
        ("C:/Users/me/ncs/v2.5.99-dev1/zephyr", (2, 5)),
        ("C:\\ncs\\v3.1.1\\zephyr", (3, 1)),
        ("/home/me/ncs/zephyr", None),
        ("C:/ncs/main/zephyr", None),
        ("/opt/zephyr/v4.1.0/zephyr", None),
        ("/home/me/ncs/toolchains/v2.6.0/opt", None),
    ],
)
def test_path_of_the_sdk(zephyr_base: str, found: tuple[int, int] | None, tmp_path: Path) -> None:
    """A version in the path of upstream Zephyr is Zephyr's own."""
    (tmp_path / "CMakeCache.txt").write_text(
        f"//Zephyr base\nZEPHYR_BASE:PATH={zephyr_base}\n\nX:STRING=ncs/v1.0.0/zephyr\n"
    )
    assert sdk_version_in_path(tmp_path) == found


def test_no_cache_at_all(tmp_path: Path) -> None:
    assert sdk_version_in_path(tmp_path) is None

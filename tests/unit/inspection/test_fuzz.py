"""Whatever bytes a file holds: a result or a clear error, and both can be printed."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.firmware.fw_info import MAGIC as FW_INFO_MAGIC
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex
from pytest_nrf_fota.firmware.mcuboot_image import IMAGE_MAGIC
from pytest_nrf_fota.firmware.trailer import MAGIC as TRAILER_MAGIC
from pytest_nrf_fota.inspection.inspect_path import inspect_path
from pytest_nrf_fota.inspection.table import print_contents

FUZZED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Pieces that open doors, between random bytes.
PIECES = st.sampled_from(
    [IMAGE_MAGIC.to_bytes(4, "little"), FW_INFO_MAGIC, TRAILER_MAGIC, b"\x07\x69", b"\x08\x69"]
)
DOOR_OPENERS = st.lists(PIECES | st.binary(max_size=64), max_size=30).map(b"".join)
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def small_files(demo: DemoSource) -> dict[str, bytes]:
    """Bytes to change: an image, a bootloader as NSIB knows it, and a package."""
    with zipfile.ZipFile(demo.mcuboot_update) as archive:
        image = archive.read("signed_by_mcuboot_and_b0_s0_image_update.bin")
    (bootloader,) = (s.data for s in read_hex(demo.baseline) if s.address == 0x8200)
    return {
        "image.bin": image,
        "bootloader.bin": bootloader,
        "dfu.zip": demo.mcuboot_update.read_bytes(),
    }


def _try(path: Path, board: BoardType) -> None:
    try:
        contents = inspect_path(path, board)
    except FotaError as error:
        assert error.what
        assert error.where
        assert error.next_step
        return
    print_contents(contents, Console(file=io.StringIO(), width=80))
    contents.model_dump_json()


def _changed(content: bytes, changes: list[tuple[float, bytes]], first: int) -> bytes:
    """With changes at fractions of the first bytes, where headers are, or of the whole."""
    changed = bytearray(content)
    for place, data in changes:
        at = int(place * min(first, len(changed)))
        changed[at : at + len(data)] = data
    return bytes(changed)


@FUZZED
@given(content=DOOR_OPENERS, name=st.sampled_from(["f.bin", "f.hex", "f.zip", "f"]))
def test_any_bytes(tmp_path: Path, board: BoardType, content: bytes, name: str) -> None:
    """Random bytes with magics among them."""
    path = tmp_path / name
    path.write_bytes(content)
    _try(path, board)


@FUZZED
@given(
    changes=CHANGES,
    name=st.sampled_from(["image.bin", "bootloader.bin", "dfu.zip"]),
    first=st.sampled_from([64, 0x500, 1 << 20]),
    cut=st.floats(0.5, 1),
)
def test_changed_bytes(
    tmp_path: Path,
    board: BoardType,
    small_files: dict[str, bytes],
    changes: list[tuple[float, bytes]],
    name: str,
    first: int,
    cut: float,
) -> None:
    """Real files, with a few bytes changed, and cut off."""
    content = _changed(small_files[name], changes, first)
    path = tmp_path / name
    path.write_bytes(content[: int(len(content) * cut)])
    _try(path, board)


@FUZZED
@given(
    places=st.lists(
        st.tuples(
            st.sampled_from(
                [0, 0x8000, 0x8200, 0x8400, 0x18400, 0x28000, 0xFFFD0, 0xFF8128, 0x100D7FD0]
            ),
            DOOR_OPENERS.filter(bool),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda place: place[0] >> 16,
    )
)
def test_hex_files(tmp_path: Path, board: BoardType, places: list[tuple[int, bytes]]) -> None:
    """Valid hex files with nonsense where slots, trailers and provisioning data lie."""
    path = tmp_path / "f.hex"
    write_hex(path, [Segment(address, data) for address, data in places])
    _try(path, board)

"""A hex file without its build: its own bytes say where its slots lie, and the board follows."""

import re
from pathlib import Path

import pytest

from pytest_nrf_fota.firmware.hex_file import Segment, read_hex, write_hex

from .shapes import SHAPES
from .west_build import WestBuild


def _lone_hex(folder: Path, shape_name: str) -> Path:
    shape = next(shape for shape in SHAPES if shape.name == shape_name)
    build = WestBuild(shape, folder / "made").first()
    path = folder / "lone.hex"
    names = ("merged.hex", "merged_CPUNET.hex")
    write_hex(path, [s for name in names for s in read_hex(build / name)])
    return path


def _board_file(folder: Path, name: str, base: str, slots: str) -> None:
    (folder / f"{name}.toml").write_text(f'name = "{name}"\nbase = "{base}"\n{slots}\n')


def _collect(folder: pytest.Pytester, board: str) -> pytest.RunResult:
    arguments = (f"--board={board}", "--board-dir=.", "--baseline=lone.hex", "--collect-only")
    return folder.runpytest_subprocess(*arguments)


@pytest.mark.parametrize(
    ("shape_name", "base", "differences"),
    [
        (
            "ncs-2.9-nsib-own-layout",
            "nrf5340dk_sim",
            (
                "s0: 0x8000 in board first, 0x9000 in the hex file (its provisioning data)",
                "s1: 0x18000 in board first, 0x1a000 in the hex file (its provisioning data)",
                "primary: 0x28000 in board first, 0x2c000 in the hex file (an image header)",
            ),
        ),
        # The packaged primary slot, moved, would end behind the flash.
        (
            "ncs-3.0-overwrite-only",
            "nrf5340dk_mcuboot_sim",
            ("primary: 0xc000 in board first, 0x10000 in the hex file (an image header)",),
        ),
    ],
)
def test_shown_slots_are_those_of_a_board_that_takes_the_file(
    shape_name: str, base: str, differences: tuple[str, ...], empty_folder: pytest.Pytester
) -> None:
    """They are to be pasted as they are."""
    _lone_hex(empty_folder.path, shape_name)
    _board_file(empty_folder.path, "first", base, "")
    result = _collect(empty_folder, "first")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    for difference in differences:
        assert difference in text
    table = re.search(r"^\[slots\]\n(?:.+\n)+", text, re.MULTILINE)
    assert table is not None
    _board_file(empty_folder.path, "second", base, table[0])
    pasted = _collect(empty_folder, "second")
    assert pasted.ret == pytest.ExitCode.NO_TESTS_COLLECTED, pasted.stderr.str()


@pytest.mark.parametrize(("named", "moved_bytes"), [(0xFF8000, 0), (0xFF8100, 0x10)])
def test_provisioning_data_elsewhere_than_the_board_file_says(
    named: int, moved_bytes: int, empty_folder: pytest.Pytester
) -> None:
    """Without it NSIB would find no S0 and no key, and the board would not start."""
    path = _lone_hex(empty_folder.path, "ncs-3.0-nsib")
    segments = [
        Segment(s.address + moved_bytes, s.data) if 0xFF8100 <= s.address < 0xFF8400 else s
        for s in read_hex(path)
    ]
    write_hex(path, segments)
    slots = f"[slots]\nprovisioning_address = 0x{named:x}\n"
    _board_file(empty_folder.path, "mine", "nrf5340dk_sim", slots)
    text = _collect(empty_folder, "mine").stderr.str()
    found = 0xFF8100 + moved_bytes
    assert (
        f"provisioning_address: 0x{named:x} in board mine, 0x{found:x} in the hex file "
        "(its provisioning data)"
    ) in text
    assert f"\nprovisioning_address = 0x{found:x}\n" in text

"""Boards that are programs of others: without those, the error says which package to install."""

import shutil
import sys
from pathlib import Path

import pytest

from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.providers import native_sim


@pytest.mark.parametrize("board", ["qemu_cortex_m0", "mps2_an385"])
def test_without_qemu_the_package_is_named(
    board: str, user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ERROR of the rig, not a FAILED test."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    if shutil.which("qemu-system-arm") is not None:
        pytest.skip("QEMU lies beside Python")
    user_folder.makepyfile(test_mine="def test_it(dut): pass")
    result = user_folder.runpytest_subprocess("--board", board)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*qemu-system-arm is not installed.*", "*package*qemu-system-arm*"]
    )


def test_without_the_32_bit_loader_the_packages_are_named(tmp_path: Path) -> None:
    """Asked before anything is downloaded."""
    with pytest.raises(RigError, match=r"(?s)no C library.*libc6-i386"):
        native_sim.require_32_bit_programs(tmp_path / "ld-linux.so.2")


def test_without_the_32_bit_thread_library_the_packages_are_named(tmp_path: Path) -> None:
    """Else the program would start, print its banner and be aborted."""
    loader = tmp_path / "ld-linux.so.2"
    loader.write_text("#!/bin/sh\n[ $1 = --verify ] && [ $2 != libgcc_s.so.1 ]\n")
    loader.chmod(0o755)
    with pytest.raises(RigError, match=r"(?s)no libgcc_s.*lib32gcc-s1"):
        native_sim.require_32_bit_programs(loader)

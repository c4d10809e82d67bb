"""Firmware of others, on a machine that cannot download it."""

import os

import pytest


@pytest.mark.usefixtures("qemu")
def test_report_of_a_missing_firmware_shows_the_tests_own_line(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of Python's library, through which a cached property of ours is read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(user_folder.path / "cache"))
    for name, value in {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    user_folder.makepyfile(test_mine="def test_it(firmware, unit):\n    firmware.app_update\n")
    result = user_folder.runpytest_subprocess("--board", "qemu_cortex_m0")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([">   *firmware.app_update", "E *cannot be downloaded*"])
    result.stdout.no_fnmatch_line("*functools.py*")

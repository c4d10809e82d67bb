"""What starts often imports little; benchmarks/startup.py has what it costs."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("asyncio", "cryptography", "imgtool", "json5", "pydantic", "rich", "serial", "smp")
# A board's log: nothing of a client, a package or a flight recorder.
LOG = """\
*** Booting Zephyr OS build v3.2.99-ncs2 ***
Attempting to boot slot 0.
Firmware version 14
*** Booting Zephyr OS build v3.2.99-ncs2 ***
I: Starting bootloader 14
I: Image index: 0, Swap type: test
E: Image in the secondary slot is not valid!
I: Bootloader chainload address offset: 0x28000
*** Booting Zephyr OS build v3.2.99-ncs2 ***
"""
PROGRAM = f"""
import sys
from pytest_nrf_fota.cli import app

try:
    app()
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["--help"], 0, "doctor"),
        (["explain", "--help"], 0, "--smp"),
        (["--version"], 0, "pytest-nrf-fota"),
        (["explain", "uart.log"], 1, "the image in the secondary slot"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_command_imports_nothing_heavy(
    arguments: list[str], exit_code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "uart.log").write_text(LOG)
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (exit_code, "[]\n")
    assert said in ran.stdout


def test_help_cuts_no_sentence() -> None:
    """typer would, after 45 characters."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--help"], capture_output=True, text=True, timeout=60
    )
    assert "before it is sent." in " ".join(ran.stdout.split())
    assert "..." not in ran.stdout.replace("COMMAND [ARGS]...", "").replace("bumble:...", "")

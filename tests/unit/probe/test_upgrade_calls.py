"""A tool's calls for one upgrade are counted: each is a process, which takes seconds on a kit."""

import os
from pathlib import Path

import pytest

from .upgrade_calls import calls_of_mcuboot_upgrade

pytestmark = [
    pytest.mark.long_proof,
    pytest.mark.skipif(os.name != "posix", reason="virtual kits are POSIX only"),
]


@pytest.mark.parametrize(
    ("reads_halt", "resumes"), [(True, ["go"]), (False, [])], ids=["halting", "harmless"]
)
def test_mcuboot_upgrade_with_the_baseline_on_the_board(
    tmp_path: Path, reads_halt: bool, resumes: list[str]
) -> None:
    """Four memories compared, one look at S0 and S1 in the end; nothing while SMP is connected."""
    calls = calls_of_mcuboot_upgrade("nrfutil", tmp_path, reads_halt=reads_halt)
    assert calls == [*["read"] * 4, "reset", "reset", "read", *resumes]
    assert len(calls) <= 8

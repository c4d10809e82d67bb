"""Unit tests lock no kit of this host, and a busy host may stand still in the middle of one."""

import os
from pathlib import Path

import hypothesis
import pytest

# It may stand still for longer than hypothesis gives one example, or all of the first ones.
_BUSY = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
# Whoever changes nothing gets the same answer again; `HYPOTHESIS_PROFILE=search` looks for more.
hypothesis.settings.register_profile("search", parent=_BUSY)
hypothesis.settings.register_profile("same", parent=_BUSY, derandomize=True, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs of this suite use the same serial numbers."""
    monkeypatch.setenv("NRF_FOTA_LOCK_DIR", str(tmp_path / "kit-locks"))

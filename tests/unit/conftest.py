"""Unit tests lock no kit of this host, and a busy host may stand still in the middle of one."""

from pathlib import Path

import hypothesis
import pytest

# For longer than hypothesis gives one example, or all of the first ones.
hypothesis.settings.register_profile(
    "busy_host", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy_host")


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs of this suite use the same serial numbers."""
    monkeypatch.setenv("NRF_FOTA_LOCK_DIR", str(tmp_path / "kit-locks"))

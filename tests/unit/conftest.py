"""Unit tests lock no kit of this host."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs of this suite use the same serial numbers."""
    monkeypatch.setenv("NRF_FOTA_LOCK_DIR", str(tmp_path / "kit-locks"))

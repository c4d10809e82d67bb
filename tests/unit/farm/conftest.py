"""What these tests note of kits is not this machine's."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the notes."""
    folder = tmp_path / "state"
    monkeypatch.setenv("NRF_FOTA_STATE_DIR", str(folder))
    return folder

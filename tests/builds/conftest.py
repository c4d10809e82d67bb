"""A user's own folder, apart from this repository."""

import pytest


@pytest.fixture
def empty_folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Runs there take nothing from the run around them."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    return pytester

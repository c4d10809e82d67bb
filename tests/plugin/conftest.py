"""A user's own test folder, apart from this repository."""

import pytest

UPGRADE_TEST = """
def test_upgrade(dut, firmware):
    dut.prepare(firmware.baseline)
    assert dut.upgrade(firmware.mcuboot_update).outcome.value == "upgraded"
"""


@pytest.fixture
def user_folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with one upgrade test; runs there take nothing from the run around them."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makepyfile(test_mine=UPGRADE_TEST)
    return pytester

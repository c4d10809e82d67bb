"""All plugins of our field in one environment: `tox -e neighbours`."""

import os
from importlib.metadata import PackageNotFoundError, version

import pytest

NEIGHBOURS = (
    "allure-pytest",
    "labgrid",
    "pytest-asyncio",
    "pytest-embedded",
    "pytest-rerunfailures",
    "pytest-timeout",
    "pytest-xdist",
)
TESTS = """
import asyncio

import pytest

from pytest_nrf_fota.verdict.evidence import assert_upgraded

def test_plain():
    pass

@pytest.mark.asyncio
async def test_asynchronous():
    await asyncio.sleep(0)

@pytest.mark.timeout(120)
@pytest.mark.flaky(reruns=1)
def test_upgrade(dut, firmware):
    dut.prepare(firmware.baseline)
    assert_upgraded(dut.upgrade(firmware.app_update))
"""


@pytest.fixture
def environment() -> None:
    """All of them installed; where `tox -e neighbours` runs, a missing one is a failure."""
    missing = [name for name in NEIGHBOURS if not _is_installed(name)]
    if not missing:
        return
    reason = f"not installed: {', '.join(missing)} (tox -e neighbours installs all)"
    if os.environ.get("NRF_FOTA_NEIGHBOURS"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("options", [(), ("-n", "2"), ("--alluredir=allure", "--timeout=300")])
def test_session_with_all_of_them_passes(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_all=TESTS)
    result = pytester.runpytest_subprocess("--board", "nrf5340dk_sim", *options)
    result.assert_outcomes(passed=3)


@pytest.mark.usefixtures("environment")
def test_session_without_a_board_passes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mine="def test_plain():\n    pass")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.usefixtures("environment")
def test_tests_of_pytest_embedded_have_their_own_dut(pytester: pytest.Pytester) -> None:
    """Where no board is given; labgrid, which has nothing to do, skips none of them."""
    pytester.makepyfile(
        test_theirs="""
        def test_dut(dut):
            assert type(dut).__module__.startswith("pytest_embedded")
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True

"""pytest hooks: a test is skipped where this session's source has not the firmware for it.

A plugin of its own, because its wrapper of the setup lies around the fixtures of a test.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from pytest_nrf_fota.artifacts.source import ArtifactUnavailableError
from pytest_nrf_fota.report.session import MISSING_PROPERTY


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Where a fixture asks for it."""
    with _skipping(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Where the test itself does."""
    with _skipping(pyfuncitem):
        return (yield)


@contextmanager
def _skipping(item: pytest.Item) -> Iterator[None]:
    """Skip with the reason, which the summary tells as well."""
    try:
        yield
    except ArtifactUnavailableError as error:
        reason = f"{error.what} {error.next_step}"
        item.user_properties.append((MISSING_PROPERTY, reason))
        raise pytest.skip.Exception(reason, _use_item_location=True) from error

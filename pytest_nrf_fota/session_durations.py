"""How long tests took on kits, kept in pytest's cache: on several kits the longest begin first."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.cacheprovider import Cache

_NAME = "nrf_fota/durations_s"


def remembered_durations_s(config: pytest.Config) -> Mapping[str, float]:
    """What earlier runs of this project took, in seconds, by test; empty where nobody knows."""
    cache = _cache(config)
    known: object = cache.get(_NAME, {}) if cache is not None else {}
    # Whatever else somebody wrote there: it only sets an order.
    items = known.items() if isinstance(known, dict) else ()
    return {str(name): took_s for name, took_s in items if isinstance(took_s, float)}


class DurationKeeper:
    """Keeps what the tests of this session take; a plugin of the session that gives them out."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._phases_s: dict[str, float] = {}
        self._took_s: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up set-up, call and teardown of a test; one without a call has not run."""
        name = report.nodeid
        before_s = 0.0 if report.when == "setup" else self._phases_s.get(name, 0.0)
        self._phases_s[name] = before_s + report.duration
        if report.when == "call" or (report.when == "teardown" and name in self._took_s):
            self._took_s[name] = self._phases_s[name]

    def pytest_sessionfinish(self) -> None:
        """Write it, with what is known of tests that did not run."""
        cache = _cache(self._config)
        if cache is not None and self._took_s:
            rounded_s = {name: round(took_s, 3) for name, took_s in self._took_s.items()}
            cache.set(_NAME, {**remembered_durations_s(self._config), **rounded_s})


def _cache(config: pytest.Config) -> "Cache | None":
    # There is none with `-p no:cacheprovider`.
    return getattr(config, "cache", None)

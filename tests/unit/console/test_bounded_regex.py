"""A deadline holds inside a regular expression, too."""

import time

import pytest

from pytest_nrf_fota.bounded_regex import BoundedRegex
from tests.unit.boot_lines import Patterns, boots_of

ENDLESS = r"^(a|aa)+$"
LINE = "a" * 100 + "!"


def test_a_search_ends_with_its_limit() -> None:
    pytest.importorskip("regex")
    started_s = time.monotonic()
    with pytest.raises(TimeoutError):
        BoundedRegex(ENDLESS, limit_s=0.2).search(LINE)
    # `re` would take years.
    assert time.monotonic() - started_s < 60


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        (r"version (?P<version>\d+)", "Firmware version 14", {"version": "14"}),
        (r"^ready$", "not\nready", None),
        (r"Advertising successfully started", "Advertising successfully started", {}),
    ],
)
def test_it_finds_what_re_finds(pattern: str, text: str, groups: dict[str, str] | None) -> None:
    match = BoundedRegex(pattern).search(text)
    assert (None if match is None else match.groupdict()) == groups


def test_a_ready_line_that_takes_too_long_costs_one_limit() -> None:
    """The console's thread goes on; whoever waits for the line says what is wrong with it."""
    pytest.importorskip("regex")
    text = "\n".join(["*** Booting Zephyr OS build v3.2.99-ncs2 ***", *[LINE] * 50])
    (boot,) = boots_of(text, Patterns(app_ready=ENDLESS))
    assert boot.reached_app
    assert not boot.app_ready

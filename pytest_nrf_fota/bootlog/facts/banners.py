"""Banners, and which lines a release prints, as its banner tells."""

import re
from collections.abc import Iterable

from pytest_nrf_fota.bootlog.report import Banner
from pytest_nrf_fota.bootlog.segments import RawLine

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


def read_banners(lines: Iterable[RawLine]) -> tuple[Banner, ...]:
    """The banner lines among these."""
    banners = []
    for line in lines:
        hit = line.facts.hit("banner", "banner_more")
        if hit is not None:
            banners.append(
                Banner(
                    (hit.text("product") or "").strip(),
                    hit.text("version") or "",
                    hit.pattern.name == "banner",
                    line.seen(),
                )
            )
    return tuple(banners)


def version_numbers(version: str) -> tuple[int, ...] | None:
    """`v3.2.99-ncs2` as (3, 2, 99); None where it is no version, as with a commit's hash."""
    found = _VERSION.search(version)
    return tuple(int(part or 0) for part in found.groups()) if found else None


def announces_swaps(banners: Iterable[Banner]) -> bool | None:
    """Whether this MCUboot prints `Starting swap using ...` when it swaps; None where unknown.

    MCUboot does so since 2021-12 (commit f9dbf683), Zephyr took it in behind 3.0
    (a public log of Zephyr 3.0.0-360 does not).
    """
    for banner in banners:
        if banner.product == "MCUboot":
            return True
        numbers = version_numbers(banner.version)
        if numbers is None:
            continue
        if banner.product.startswith("Zephyr OS"):
            return numbers >= (3, 0, 99)
        if banner.product.startswith("nRF Connect SDK"):
            return numbers >= (2, 0, 0)
    return None

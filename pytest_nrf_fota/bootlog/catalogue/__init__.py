"""The catalogue of log lines, one module per family."""

import re
from collections.abc import Mapping

from pytest_nrf_fota.bootlog.catalogue import (
    app,
    client,
    faults,
    mcuboot,
    network_core,
    nsib,
    other_soc,
    serial_recovery,
    shell,
    smp_server,
    swap,
    zephyr,
)
from pytest_nrf_fota.bootlog.catalogue.host import HOST_LINES
from pytest_nrf_fota.bootlog.catalogue.pattern import Family, LogPattern, Stage
from pytest_nrf_fota.errors import ExtensionError
from pytest_nrf_fota.extensions import registered

__all__ = ["CATALOGUE", "LINES", "Family", "LogPattern", "Stage", "log_patterns"]

_HOOK = "pytest_nrf_fota_log_patterns"
CATALOGUE: tuple[LogPattern, ...] = (
    *zephyr.PATTERNS,
    *nsib.PATTERNS,
    *mcuboot.PATTERNS,
    *swap.PATTERNS,
    *serial_recovery.PATTERNS,
    *network_core.PATTERNS,
    *faults.PATTERNS,
    *smp_server.PATTERNS,
    *app.PATTERNS,
    *shell.PATTERNS,
    *client.PATTERNS,
    *other_soc.PATTERNS,
)
"""This package's own lines."""

LINES: Mapping[str, LogPattern] = {pattern.name: pattern for pattern in CATALOGUE}
"""The same by name."""


def log_patterns() -> tuple[LogPattern, ...]:
    """All registered lines, this package's first. Raises `ExtensionError`."""
    known = registered(_HOOK, LogPattern)
    # Rules find lines of both by name.
    for pattern in HOST_LINES:
        if pattern.name in known:
            raise ExtensionError(
                f"The name {pattern.name!r} is that of a line which programs on the host print.",
                where=f"{_HOOK}: {known[pattern.name].source}",
                next_step="Rename the line.",
            )
    for name, pattern in known.items():
        if name not in LINES:
            _require_expression(pattern)
    return tuple(known.values())


def _require_expression(pattern: LogPattern) -> None:
    """Compile another package's expression now: later it would end a run in the middle."""
    try:
        _ = pattern.regex
    except re.error as error:
        raise ExtensionError(
            f"The line {pattern.name!r} has an expression that cannot be used: {error}.",
            where=f"{_HOOK}: {pattern.source}",
            next_step="Repair the regular expression.",
        ) from error

"""The catalogue of log lines, one module per family."""

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
from pytest_nrf_fota.bootlog.catalogue.pattern import Family, LogPattern, Stage

__all__ = ["CATALOGUE", "LINES", "Family", "LogPattern", "Stage"]

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

LINES: Mapping[str, LogPattern] = {pattern.name: pattern for pattern in CATALOGUE}
"""The same by name."""

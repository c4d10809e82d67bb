"""The catalogue of log lines, one module per family."""

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
from pytest_nrf_fota.extensions import registered

__all__ = ["CATALOGUE", "Family", "LogPattern", "Stage", "log_patterns"]

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


def log_patterns() -> tuple[LogPattern, ...]:
    """All registered lines, this package's first. Raises `ExtensionError`."""
    return tuple(registered("pytest_nrf_fota_log_patterns", LogPattern).values())

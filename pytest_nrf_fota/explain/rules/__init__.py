"""All rules. Within one confidence their order is the order of what is shown."""

from pytest_nrf_fota.explain.rule import Rule
from pytest_nrf_fota.explain.rules import (
    application,
    cut_swap,
    external_flash,
    host,
    mcuboot,
    network_core,
    nsib,
    s_slots,
    upload,
)
from pytest_nrf_fota.extensions import registered

RULES: tuple[Rule, ...] = (
    *nsib.RULES,
    *s_slots.RULES,
    *cut_swap.RULES,
    *mcuboot.RULES,
    *network_core.RULES,
    *application.RULES,
    *external_flash.RULES,
    *upload.RULES,
    *host.RULES,
)


def all_rules() -> tuple[Rule, ...]:
    """All registered rules, this package's first. Raises `ExtensionError`."""
    return tuple(registered("pytest_nrf_fota_rules", Rule).values())


__all__ = ["RULES", "all_rules"]

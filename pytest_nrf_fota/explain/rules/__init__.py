"""All rules. Within one confidence their order is the order of what is shown."""

from pytest_nrf_fota.explain.rule import Rule
from pytest_nrf_fota.explain.rules import (
    application,
    external_flash,
    host,
    mcuboot,
    network_core,
    nsib,
    s_slots,
    upload,
)

RULES: tuple[Rule, ...] = (
    *nsib.RULES,
    *s_slots.RULES,
    *mcuboot.RULES,
    *network_core.RULES,
    *application.RULES,
    *external_flash.RULES,
    *upload.RULES,
    *host.RULES,
)

__all__ = ["RULES"]

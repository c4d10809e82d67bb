"""A line of Acme's application, and what it means for an upgrade."""

from pytest_nrf_fota.bootlog.catalogue import Family, Stage
from pytest_nrf_fota.explain.rule import Rule, says

_APPLICATION = Family(Stage.APP, "Acme tracker firmware 4.2, src/modem.c")

PATTERNS = (
    _APPLICATION.line(
        "acme_modem_off",
        r"acme_modem: no answer after (?P<seconds>\d+) s, modem off",
        "The modem does not answer, and is switched off.",
        "[00:00:05.120,000] <err> acme_modem: no answer after 5 s, modem off",
        watched=True,
    ),
)

RULES = (
    Rule(
        "acme_modem_off",
        "The modem did not answer for {seconds} s, and the application switched it off.",
        "Charge the battery: below 3.6 V the tracker does not power its modem.",
        says("acme_modem_off"),
    ),
)

"""All rules. Within one confidence their order is the order of what is shown."""

from collections.abc import Mapping
from difflib import get_close_matches

from pytest_nrf_fota.bootlog.catalogue import LogPattern, log_patterns
from pytest_nrf_fota.bootlog.catalogue.error_lines import ERROR_LINES
from pytest_nrf_fota.bootlog.catalogue.host import HOST_LINES
from pytest_nrf_fota.errors import ExtensionError
from pytest_nrf_fota.explain.board_words import board_words
from pytest_nrf_fota.explain.rule import FindLines, Rule
from pytest_nrf_fota.explain.rules import (
    application,
    cut_swap,
    external_flash,
    host,
    mcuboot,
    network_core,
    nsib,
    s_slots,
    test_run,
    unknown_error,
    upload,
)
from pytest_nrf_fota.extensions import registered

_HOOK = "pytest_nrf_fota_rules"
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
    *test_run.RULES,
    *unknown_error.RULES,
)


def all_rules() -> tuple[Rule, ...]:
    """All registered rules, this package's first. Raises `ExtensionError`."""
    rules = tuple(registered(_HOOK, Rule).values())
    packaged = {rule.name for rule in RULES}
    others = [rule for rule in rules if rule.name not in packaged]
    if others:
        lines = {line.name: line for line in (*log_patterns(), *HOST_LINES, *ERROR_LINES)}
        for rule in others:
            if isinstance(rule.find, FindLines):
                _require_lines(rule.name, rule.find, lines)
                _require_values(rule, rule.find, lines)
    return rules


def _require_lines(rule: str, find: FindLines, lines: Mapping[str, LogPattern]) -> None:
    """A rule that asks for a line which nobody registered would never find its cause."""
    for name in (*find.names, *find.also):
        if name not in lines:
            close = get_close_matches(name, lines, n=1)
            raise ExtensionError(
                f"The rule {rule!r} asks for a line {name!r}, which nobody registers."
                + (f" Did you mean {close[0]!r}?" if close else ""),
                where=f"{_HOOK}: {rule}",
                next_step="Correct the name, or return the line from pytest_nrf_fota_log_patterns.",
            )


def _require_values(rule: Rule, find: FindLines, lines: Mapping[str, LogPattern]) -> None:
    """A `{name}` that nothing fills in would be shown to people as it is."""
    groups = {group for name in find.names for group in lines[name].regex.groupindex}
    known = sorted(groups | set(board_words(None)))
    for place in rule.told.places:
        if place not in known:
            raise ExtensionError(
                f"The rule {rule.name!r} has {{{place}}} in its text, which nothing fills in.",
                where=f"{_HOOK}: {rule.name}",
                next_step="Name a group of the line's expression, or a value of the board. "
                f"Known: {', '.join(known)}.",
            )


__all__ = ["RULES", "all_rules"]

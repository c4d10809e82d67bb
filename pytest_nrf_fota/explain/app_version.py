"""Whose version a line names: many parts of a program print one, and few are the application's."""

import re
from collections.abc import Iterable

from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.findings.finding import Origin

_VERSION = re.compile(r"(?i:version)")
_MODULE = re.compile(r"<\w{3}> (?P<module>[\w.-]+):")
# Modules and words of an application about itself.
_OWN_MODULE = re.compile(
    r"(?i:^(?:app|main|application|smp_?svr|smp_sample)|_app\b|^app_|_?sample$|_?example$|fota"
    r"|fw_update|firmware|update|ota$|release$)"
)
_OWN_WORDS = re.compile(
    r"(?i:\b(?:app(?:lication)?|image|current (?:firmware|version)|running (?:firmware|version)"
    r"|firmware|fw|sample,?|our) version)"
)
# What else has a version: parts of the SDK, other chips, boards and protocols.
_FOREIGN = re.compile(
    r"(?i:wi-?fi|modem|controller|sdk|(?<![\w-])ncs(?![\w-])|zephyr|mcuboot|boot ?loader|\bb0\w*"
    r"|nsib|bluetooth"
    r"|\bble\b|\bhci\b|\blmp\b|soft ?device|\bsdc\b|mpsl|radio|net(?:work)?[ _-]?core|cpunet"
    r"|\blib(?:rary)?\b|protocol|\btls\b|mbed ?tls|\bpsa\b|tf-?m\b|thread|matter|zigbee|coap|mqtt"
    r"|lwm2m|http|\bapi\b|hardware|\bhw\b|pcb|board rev|sensor|\besp\w*|stm32|nrf7\d|nrf_?modem"
    r"|nrf9\d{3}\b(?!dk)|wpa|dect|gnss|\blte\b|\bat client|driver|kernel|\bos\b|spec\b|config"
    r"|schema|settings|\bnvs\b|littlefs|fatfs|\busb\b|remote|peer|external|slave|other|target"
    r"|co-?processor|second|gateway|server|broker|cloud lib|\bclient\b|\bcpu\d"
    r"|secure element|\bse05|tpm"
    r"|display|touch|camera|battery|pmic|fuel ?gauge|min(?:imum)?|require[sd]?|available|new\b"
    r"|newest|latest|downloaded|artifact|candidate|expected)"
)


def own_versions(known: Iterable[Known]) -> list[Known]:
    """The lines in which an application names its own version, of those that name any.

    The most explicit ones where there are several kinds.
    """
    ranked = [(rank, one) for one in known if (rank := _rank(one)) is not None]
    best = min((rank for rank, _ in ranked), default=None)
    return [one for rank, one in ranked if rank == best]


def _rank(known: Known) -> int | None:
    """0 for plain words about itself, 1 for a module or a line of its own; None for another's."""
    if known.origin is not Origin.LOG:
        return None
    text = known.seen.text
    words = _VERSION.search(text)
    said = text[: words.end()] if words is not None else text
    module = _MODULE.search(said)
    name = module["module"] if module is not None else ""
    about = said[module.end() :] if module is not None else said
    if _FOREIGN.search(about) or (_FOREIGN.search(name) and not _OWN_MODULE.search(name)):
        return None
    if name and not _OWN_MODULE.search(name):
        # A module that nobody knows: only plain words make its version the application's.
        return 2 if re.search(r"(?i:\bapp(?:lication)? version)", about) else None
    return 0 if _OWN_WORDS.search(about) else 1

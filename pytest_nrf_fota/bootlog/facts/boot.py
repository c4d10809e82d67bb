"""All that one boot said."""

from collections.abc import Iterable
from typing import Protocol

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.facts.app import read_app
from pytest_nrf_fota.bootlog.facts.banners import read_banners
from pytest_nrf_fota.bootlog.facts.faults import read_faults, read_reset_causes
from pytest_nrf_fota.bootlog.facts.mcuboot import read_mcuboot, read_network_core
from pytest_nrf_fota.bootlog.facts.nsib import read_nsib
from pytest_nrf_fota.bootlog.matching import NOTHING
from pytest_nrf_fota.bootlog.report import Boot, StageSpan, Swap
from pytest_nrf_fota.bootlog.segments import RawBoot, RawLine, RawStage
from pytest_nrf_fota.bounded_regex import BoundedRegex

_MOST_UNKNOWN = 30
_BOOTLOADERS = (Stage.NSIB, Stage.MCUBOOT, Stage.TFM)
# Said of one image's slots without naming it, also where another image was swapped.
_OF_ANY_IMAGE = frozenset({"slots_incompatible", "too_many_sectors"})


class BoardPatterns(Protocol):
    """Lines whose wording a board file sets, as regular expressions; None where it has none.

    The numbered ones have a group `version`.
    """

    @property
    def firmware_version(self) -> str | None:
        """NSIB's line with the version of what it starts."""

    @property
    def bootloader_version(self) -> str | None:
        """MCUboot's line with its own number."""

    @property
    def app_ready(self) -> str:
        """The line with which the application is ready."""


def read_boot(raw: RawBoot, patterns: BoardPatterns | None, *, is_last: bool) -> Boot:
    """The boot with all facts; `is_last` is whether no other boot follows in the log."""
    by_stage = {stage.stage: stage for stage in raw.stages}
    nsib, mcuboot = by_stage.get(Stage.NSIB), by_stage.get(Stage.MCUBOOT)
    app = by_stage.get(Stage.APP)
    unknown = [
        line
        for stage in raw.stages
        if stage.stage in _BOOTLOADERS
        for line in stage.lines
        if line.facts is NOTHING and line.body.strip()
    ]
    went_on = Stage.TFM in by_stage or app is not None
    said = read_mcuboot(mcuboot, went_on=went_on) if mcuboot is not None else None
    of_nsib, of_mcuboot = (
        (patterns.firmware_version, patterns.bootloader_version) if patterns else (None, None)
    )
    return Boot(
        number=raw.number,
        start_is_missing=raw.start_is_missing,
        lines=tuple(line.seen() for line in raw.lines),
        line_count=sum(stage.line_count for stage in raw.stages),
        stages=tuple(_span(stage) for stage in raw.stages),
        nsib=read_nsib(nsib) if nsib is not None else None,
        mcuboot=said,
        network_core=read_network_core(mcuboot) if mcuboot is not None else None,
        app=read_app(app) if app is not None else None,
        faults=read_faults(raw, followed_by_boot=not is_last),
        reset_causes=read_reset_causes(raw),
        firmware_version=_number(of_nsib, nsib),
        bootloader_version=_number(of_mcuboot, mcuboot),
        refusals=tuple(_refusals(raw, said.swaps if said is not None else ())),
        unknown=tuple(line.seen() for line in unknown[:_MOST_UNKNOWN]),
        unknown_count=len(unknown),
        dropped_lines=sum(stage.dropped for stage in raw.stages),
    )


def _number(pattern: str | None, stage: RawStage | None) -> int | None:
    if pattern is None or stage is None:
        return None
    bounded = BoundedRegex(pattern)
    try:
        found = [match for line in stage.lines if (match := bounded.search(line.text))]
    except TimeoutError:
        return None
    return int(found[-1]["version"]) if found else None


def _refusals(raw: RawBoot, swaps: Iterable[Swap]) -> list[str]:
    has_swapped = any(swap.algorithm is not None for swap in swaps)
    refusals: list[str] = []
    # NSIB tries its keys one by one, so a wrong one alone refuses nothing.
    wrong_keys: list[str] = []
    for line in [
        one for stage in raw.stages if stage.stage is not Stage.APP for one in stage.lines
    ]:
        for hit in line.facts.hits:
            if hit.pattern.refuses and not (has_swapped and hit.pattern.name in _OF_ANY_IMAGE):
                refusals += [*wrong_keys, line.text.strip()]
                wrong_keys = []
            match hit.pattern.name:
                case "nsib_attempt" | "nsib_verified":
                    wrong_keys = []
                case "nsib_wrong_key":
                    wrong_keys.append(line.text.strip())
                case _:
                    pass
    return refusals


def _span(stage: RawStage) -> StageSpan:
    lines = stage.lines
    told = [line for line in lines if _tells(line)]
    return StageSpan(
        stage.stage,
        lines[0].seen(),
        (stage.last or lines[-1]).seen(),
        stage.line_count,
        read_banners(lines),
        not told,
    )


def _tells(line: RawLine) -> bool:
    """Whether it is a line of the stage itself, not a banner, not empty."""
    if line.facts.names & {"banner", "banner_more", "mcuboot_banner"}:
        return False
    return any(char.isalnum() for char in line.body)

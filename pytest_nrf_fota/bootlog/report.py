"""Read boots from console lines: which stages ran, and what each said."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.catalogue import CATALOGUE, LogPattern, Stage
from pytest_nrf_fota.console.log import LogLine


@dataclass(frozen=True)
class BoardPatterns:
    """The two numbered lines whose wording a board file sets; None where the board has none."""

    firmware_version: str | None
    bootloader_version: str | None
    app_ready: str


@dataclass(frozen=True)
class SwapDecision:
    """One `Swap type` line of MCUboot."""

    image: int | None
    swap_type: str


@dataclass
class Boot:
    """One boot, from its first bootloader line to the last line before the next boot.

    Fields are None or empty where the boot printed no such line. `swap_type` is what MCUboot had
    decided when it began to swap, None where it swapped nothing or resumed an interrupted swap.
    `refusals` are the lines with which a bootloader rejected something, in order.
    """

    lines: list[LogLine] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    nsib_slot: int | None = None
    firmware_version: int | None = None
    key_hash: str | None = None
    counter_set_to: int | None = None
    bootloader_version: int | None = None
    swap_decisions: list[SwapDecision] = field(default_factory=list)
    swap_algorithm: str | None = None
    swap_type: str | None = None
    chainload_address: int | None = None
    image_version: str | None = None
    identity_address: str | None = None
    build_time: str | None = None
    refusals: list[str] = field(default_factory=list)
    app_ready: bool = False

    @property
    def reached_app(self) -> bool:
        """Whether the application printed anything."""
        return Stage.APP in self.stages

    @property
    def swapped(self) -> bool:
        """Whether MCUboot exchanged images on this boot."""
        return self.swap_algorithm is not None

    @property
    def wanted_swap(self) -> bool:
        """Whether MCUboot had decided to exchange images."""
        return any(decision.swap_type != "none" for decision in self.swap_decisions)

    def summary(self) -> str:
        """One line for people: slot, versions, swap."""
        parts: list[str] = []
        if self.nsib_slot is not None:
            parts.append(f"NSIB boots slot {self.nsib_slot}")
        if self.firmware_version is not None:
            parts.append(f"Firmware version {self.firmware_version}")
        if Stage.MCUBOOT in self.stages:
            marker = "" if self.bootloader_version is None else f" {self.bootloader_version}"
            parts.append(f"Starting bootloader{marker}")
        if self.swapped:
            parts.append(f"swap {self.swap_type or 'resumed'}")
        if self.image_version:
            parts.append(f"image v{self.image_version}")
        parts += self.refusals
        parts.append("application runs" if self.reached_app else "no application")
        return ", ".join(parts)


_REFUSALS = frozenset(
    {
        "nsib_below_counter",
        "nsib_invalidated",
        "nsib_nothing",
        "no_room",
        "image_invalid",
        "downgrade",
        "mcuboot_nothing",
    }
)


# `<inf> module: text`, as applications log; MCUboot's own module is left out.
_APP_LOG = re.compile(r"<(?:err|wrn|inf|dbg)> (?!mcuboot: )\w+: ")
# From these lines on the next stage may begin.
_STAGE_IS_OVER = frozenset({"nsib_verified", "chainload", "jump"})


def read_boots(lines: Iterable[LogLine], patterns: BoardPatterns) -> tuple[Boot, ...]:
    """All boots in these lines, in order.

    Lines before the first banner or bootloader line make no boot.
    """
    reader = _Reader(patterns)
    for line in lines:
        reader.take(line)
    reader.finish()
    return tuple(reader.boots)


class _Reader:
    """Assigns lines to boots and stages.

    Banners look alike in all three stages of NCS 2.3, so a banner only opens a stage; the next
    telling line says which. A stage that is not later than the one before it begins a new boot.
    """

    def __init__(self, patterns: BoardPatterns) -> None:
        self.boots: list[Boot] = []
        self._patterns = patterns
        self._banners: list[LogLine] = []
        self._stage_is_over = False
        self._app_banner_is_due = False
        self._wrong_keys: list[str] = []

    def take(self, line: LogLine) -> None:
        """Read the next line."""
        found = {p.name: (p, m) for p in CATALOGUE if (m := p.regex.search(line.text))}
        if "mcuboot_banner" in found:
            self._settle_banners()
            self._enter(Stage.MCUBOOT, line)
            return
        if "banner" in found or ("banner_more" in found and self._lost_a_banner()):
            self._settle_banners()
            self._banners.append(line)
            return
        stage = self._stage_of(line, found)
        if stage is not None and self._begins(stage):
            self._enter(stage, line)
        elif self._banners:
            self._banners.append(line)
        elif self.boots:
            self._append(line)
        if self.boots:
            self._read(line, found)

    def finish(self) -> None:
        """No more lines will come."""
        self._settle_banners()

    def _stage_of(
        self, line: LogLine, found: dict[str, tuple[LogPattern, re.Match[str]]]
    ) -> Stage | None:
        stages = {pattern.stage for pattern, _ in found.values() if pattern.stage is not None}
        if stages:
            return min(stages, key=lambda stage: stage.value)
        if re.search(self._patterns.app_ready, line.text):
            return Stage.APP
        if self._banners and re.search(r"\w", line.text) and "banner_more" not in found:
            return Stage.APP
        if self._mcuboot_is_over() and _APP_LOG.search(line.text):
            return Stage.APP
        return None

    def _begins(self, stage: Stage) -> bool:
        if self._banners:
            return True
        if not self.boots:
            return stage is not Stage.APP
        return self.boots[-1].stages[-1] is not stage

    def _enter(self, stage: Stage, line: LogLine) -> None:
        if self._app_banner_is_due and stage is Stage.APP:
            self._app_banner_is_due = False
        else:
            if not self.boots or stage.value <= self.boots[-1].stages[-1].value:
                self.boots.append(Boot())
            self.boots[-1].stages.append(stage)
            # An application may log before it prints its banner.
            self._app_banner_is_due = stage is Stage.APP and not self._banners
            self._stage_is_over = False
        self._append(line)

    def _append(self, *lines: LogLine) -> None:
        self.boots[-1].lines += [*self._banners, *lines]
        self._banners = []

    def _settle_banners(self) -> None:
        """Behind MCUboot's last line, a banner that nothing telling follows is the app's."""
        if self._banners and self._mcuboot_is_over():
            self.boots[-1].stages.append(Stage.APP)
            self._append()

    def _mcuboot_is_over(self) -> bool:
        return self._stage_is_over and self.boots[-1].stages[-1] is Stage.MCUBOOT

    def _lost_a_banner(self) -> bool:
        """Whether a banner's second line stands alone where a banner is due: the first is lost."""
        return not self._banners and (self._stage_is_over or not self.boots)

    def _read(self, line: LogLine, found: dict[str, tuple[LogPattern, re.Match[str]]]) -> None:
        boot = self.boots[-1]
        self._read_board_patterns(line.text, boot)
        self._stage_is_over |= not _STAGE_IS_OVER.isdisjoint(found)
        for name, (_, match) in found.items():
            if name in _REFUSALS:
                # NSIB tries its keys one by one, so a wrong one alone refuses nothing.
                boot.refusals += [*self._wrong_keys, line.text.strip()]
                self._wrong_keys = []
            match name:
                case "nsib_attempt":
                    boot.nsib_slot = int(match["slot"])
                    self._wrong_keys = []
                case "nsib_wrong_key":
                    self._wrong_keys.append(line.text.strip())
                case "nsib_verified":
                    self._wrong_keys = []
                case "nsib_key_hash":
                    boot.key_hash = f"{match['first']}...{match['last']}"
                case "nsib_counter":
                    boot.counter_set_to = int(match["version"])
                case "swap_type" if boot.stages[-1] is Stage.MCUBOOT:
                    image = match["image"]
                    boot.swap_decisions.append(
                        SwapDecision(int(image) if image else None, match["swap_type"])
                    )
                case "swap_start":
                    boot.swap_algorithm = match["algorithm"]
                    decided = [d.swap_type for d in boot.swap_decisions if d.swap_type != "none"]
                    boot.swap_type = decided[-1] if decided else None
                case "chainload":
                    boot.chainload_address = int(match["address"], 16)
                case "image_version":
                    boot.image_version = match["version"]
                case "identity":
                    boot.identity_address = match["address"].upper()
                case "build_time":
                    boot.build_time = match["text"].strip()
                case _:
                    pass

    def _read_board_patterns(self, text: str, boot: Boot) -> None:
        match boot.stages[-1]:
            case Stage.NSIB:
                version = _version_in(self._patterns.firmware_version, text)
                boot.firmware_version = boot.firmware_version if version is None else version
            case Stage.MCUBOOT:
                version = _version_in(self._patterns.bootloader_version, text)
                boot.bootloader_version = boot.bootloader_version if version is None else version
            case Stage.APP:
                if re.search(self._patterns.app_ready, text):
                    boot.app_ready = True
            case _:
                assert_never(boot.stages[-1])


def _version_in(pattern: str | None, text: str) -> int | None:
    found = re.search(pattern, text) if pattern else None
    return int(found["version"]) if found else None

"""Boots in the short form that a verdict is reached from."""

import re
from collections.abc import Iterable

from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.line import LogLine
from pytest_nrf_fota.bootlog.matching import Hit, LineMatcher
from pytest_nrf_fota.bootlog.report import BoardPatterns, Boot, SwapDecision
from pytest_nrf_fota.bootlog.segments import Limits, RawBoot, RawLine, Segmenter

# Said of one image's slots without naming it, also where another image was swapped.
_OF_ANY_IMAGE = frozenset({"slots_incompatible", "too_many_sectors"})
_EVERY_LINE = Limits(first_lines=1 << 62, last_lines=0)


def read_boots(lines: Iterable[LogLine], patterns: BoardPatterns) -> tuple[Boot, ...]:
    """All boots in these lines, in order.

    Lines before the first banner or bootloader line make no boot.
    """
    raw_boots: list[RawBoot] = []
    ready = re.compile(patterns.app_ready)
    segmenter = Segmenter(
        raw_boots.append,
        lambda text: ready.search(text) is not None,
        _EVERY_LINE,
        keeps_preamble=False,
    )
    matcher = LineMatcher()
    for number, line in enumerate(lines, start=1):
        segmenter.take(
            RawLine(number, line.text, line.text, line.time_s, matcher.facts(line.text), False)
        )
    segmenter.finish()
    return tuple(_BootReader(patterns).read(raw) for raw in raw_boots)


class _BootReader:
    """Reads one boot's lines into a `Boot`."""

    def __init__(self, patterns: BoardPatterns) -> None:
        self._patterns = patterns
        self._wrong_keys: list[str] = []
        self._of_any_image: list[str] = []

    def read(self, raw: RawBoot) -> Boot:
        """The boot."""
        boot = Boot(stages=[stage.stage for stage in raw.stages if stage.stage is not Stage.TFM])
        self._wrong_keys, self._of_any_image = [], []
        for stage in raw.stages:
            for line in stage.lines:
                boot.lines.append(LogLine(line.time_s or 0.0, line.text))
                self._read_board_patterns(line.text, stage.stage, boot)
                for hit in line.facts.hits:
                    self._read_hit(hit, line, stage.stage, boot)
        if boot.swapped:
            boot.refusals = [line for line in boot.refusals if line not in self._of_any_image]
        return boot

    def _read_hit(self, hit: Hit, line: RawLine, stage: Stage, boot: Boot) -> None:
        name = hit.pattern.name
        if hit.pattern.refuses and stage is not Stage.APP:
            # NSIB tries its keys one by one, so a wrong one alone refuses nothing.
            boot.refusals += [*self._wrong_keys, line.text.strip()]
            self._wrong_keys = []
            if name in _OF_ANY_IMAGE:
                self._of_any_image.append(line.text.strip())
        match name:
            case "nsib_attempt":
                boot.nsib_slot = hit.number("slot")
                self._wrong_keys = []
            case "nsib_wrong_key":
                self._wrong_keys.append(line.text.strip())
            case "nsib_verified":
                self._wrong_keys = []
            case "nsib_key_hash":
                boot.key_hash = f"{hit.text('first')}...{hit.text('last')}"
            case "nsib_counter":
                boot.counter_set_to = hit.number("version")
            case "swap_type" if stage is Stage.MCUBOOT:
                decision = SwapDecision(hit.number("image"), hit.text("swap_type") or "")
                boot.swap_decisions.append(decision)
            case "swap_start":
                boot.swap_algorithm = hit.text("algorithm")
                decided = [d.swap_type for d in boot.swap_decisions if d.swap_type != "none"]
                boot.swap_type = decided[-1] if decided else None
            case "overwrite_start" if stage is Stage.MCUBOOT:
                self._read_overwrite(hit.number("image"), boot)
            case "chainload":
                boot.chainload_address = hit.number("address", 16)
            case "image_version":
                boot.image_version = hit.text("version")
            case "identity":
                boot.identity_address = (hit.text("address") or "").upper()
            case "build_time":
                boot.build_time = (hit.text("text") or "").strip()
            case _:
                pass

    def _read_overwrite(self, number: int | None, boot: Boot) -> None:
        # Releases before NCS 2.6 number neither their decisions nor what they overwrite: both come
        # in the order of the images.
        wanted = [i for i, d in enumerate(boot.swap_decisions) if d.swap_type != "none"]
        done = len(boot.overwritten)
        in_order = wanted[done] if done < len(wanted) else done
        image = in_order if number is None else number
        boot.overwritten.append(image)
        if image == 0:
            decided = [d.swap_type for d in boot.swap_decisions if d.image in (0, None)]
            boot.swap_type = decided[0 if number is None else -1] if decided else None

    def _read_board_patterns(self, text: str, stage: Stage, boot: Boot) -> None:
        match stage:
            case Stage.NSIB:
                version = _version_in(self._patterns.firmware_version, text)
                boot.firmware_version = boot.firmware_version if version is None else version
            case Stage.MCUBOOT:
                version = _version_in(self._patterns.bootloader_version, text)
                boot.bootloader_version = boot.bootloader_version if version is None else version
            case Stage.TFM:
                pass
            case Stage.APP:
                if re.search(self._patterns.app_ready, text):
                    boot.app_ready = True
            case _:
                assert_never(stage)


def _version_in(pattern: str | None, text: str) -> int | None:
    found = re.search(pattern, text) if pattern else None
    return int(found["version"]) if found else None

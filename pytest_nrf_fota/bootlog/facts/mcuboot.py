"""What MCUboot said: trailers, decisions, swaps, refusals, and the network core's update."""

import difflib
from dataclasses import dataclass, field

from pytest_nrf_fota.bootlog.facts.banners import announces_swaps, read_banners
from pytest_nrf_fota.bootlog.matching import Hit
from pytest_nrf_fota.bootlog.report import (
    ImageRound,
    LoadedImage,
    McubootReport,
    NetworkCoreUpdate,
    Refusal,
    Seen,
    Swap,
    SwapResult,
    SwapTypeLine,
    TrailerLine,
)
from pytest_nrf_fota.bootlog.segments import RawLine, RawStage

_GAVE_UP = frozenset(
    {
        *("mcuboot_nothing", "mcuboot_panic", "no_slot_to_load", "protect_failed"),
        *("bad_image_magic",),
    }
)
_DONE = frozenset({"chainload", "image_version", "jump", "esp_loads"})
_ERASED = frozenset({"erases_secondary", "overwrite_erase", "stuck_revert_cleared", "ram_removed"})
_NO_SWAP = frozenset({"none", "fail", "panic"})
_SWAP_TYPES = ("none", "test", "perm", "revert", "fail", "panic")


def _swap_type(word: str | None) -> str:
    """The swap type that a word is, also where the UART lost a character of it."""
    near = difflib.get_close_matches(word or "", _SWAP_TYPES, n=1)
    return near[0] if near else word or ""


def read_mcuboot(stage: RawStage, *, went_on: bool) -> McubootReport:
    """What one run of MCUboot said; `went_on` is whether a later stage followed."""
    reader = _McubootReader()
    for line in stage.lines:
        reader.take(line)
    is_done = went_on or reader.is_done or reader.gave_up is not None
    lines_of_swaps = announces_swaps(read_banners(stage.lines))
    return McubootReport(
        started=reader.started,
        marker=reader.marker,
        trailers=tuple(reader.trailers),
        decisions=tuple(reader.decisions),
        rounds=tuple(opened.close() for opened in reader.rounds),
        swaps=_swaps(reader, is_done=is_done, lines_of_swaps=lines_of_swaps),
        cleaned_up=tuple(reader.cleaned_up),
        erased=tuple(reader.erased),
        loaded=tuple(reader.loaded),
        refusals=tuple(reader.refusals),
        chainload_address=reader.chainload_address,
        image_version=reader.image_version,
        jumped=reader.jumped,
        gave_up=reader.gave_up,
    )


def read_network_core(stage: RawStage) -> NetworkCoreUpdate | None:
    """The network core's update; None where no line speaks of it."""
    seen: dict[str, Seen] = {}
    failed: list[Seen] = []
    for line in stage.lines:
        for hit in line.facts.hits:
            if hit.pattern.name == "netcore_failed":
                failed.append(line.seen())
            elif hit.pattern.name.startswith("netcore_"):
                seen.setdefault(hit.pattern.name, line.seen())
    if not seen and not failed:
        return None
    return NetworkCoreUpdate(
        started=seen.get("netcore_start"),
        turned_off=seen.get("netcore_off"),
        done=seen.get("netcore_done"),
        failed=tuple(failed),
    )


@dataclass
class _OpenRound:
    seen: Seen
    trailers: list[TrailerLine] = field(default_factory=list)
    boot_source: str | None = None
    decision: SwapTypeLine | None = None

    def close(self) -> ImageRound:
        resumes = self.boot_source not in (None, "none")
        return ImageRound(tuple(self.trailers), self.boot_source, self.decision, resumes, self.seen)


@dataclass
class _OpenSwap:
    algorithm: str
    image: int | None
    decided: str | None
    resumed: bool
    line: RawLine
    is_copied: bool = False
    next_line: RawLine | None = None


class _McubootReader:
    def __init__(self) -> None:
        self.started: Seen | None = None
        self.marker: str | None = None
        self.trailers: list[TrailerLine] = []
        self.decisions: list[SwapTypeLine] = []
        self.rounds: list[_OpenRound] = []
        self.swaps: list[_OpenSwap] = []
        self.cleaned_up: list[Seen] = []
        self.erased: list[Seen] = []
        self.loaded: list[LoadedImage] = []
        self.refusals: list[Refusal] = []
        self.chainload_address: int | None = None
        self.image_version: str | None = None
        self.jumped: Seen | None = None
        self.gave_up: Seen | None = None
        self.is_done = False
        self.waiting: list[SwapTypeLine] = []

    def take(self, line: RawLine) -> None:
        names = line.facts.names
        if self.swaps and self.swaps[-1].next_line is None:
            self.swaps[-1].next_line = line
        self.is_done = self.is_done or not _DONE.isdisjoint(names)
        for hit in line.facts.hits:
            self._take_hit(hit, line)

    def _take_hit(self, hit: Hit, line: RawLine) -> None:
        name, seen = hit.pattern.name, line.seen()
        if hit.pattern.refuses:
            self.refusals.append(
                Refusal(name, hit.number("image"), hit.text("slot"), hit.pattern.meaning, seen)
            )
        if name in _GAVE_UP:
            self.gave_up = seen
        # An overwrite ends with these; ports without Zephyr name no chainload address.
        if name == "flash_debug" and "secondary" in (hit.text("what") or ""):
            self.is_done = self.is_done or any(s.algorithm == "overwrite" for s in self.swaps)
        if name in _ERASED:
            self.erased.append(seen)
        match name:
            case "mcuboot_start":
                self.started = self.started or seen
                self.marker = hit.text("marker") or self.marker
            case "trailer":
                self._take_trailer(hit, seen)
            case "boot_source":
                self._round(seen).boot_source = hit.text("source")
            case "swap_type":
                self._take_decision(hit, seen)
            case "swap_start":
                self._take_swap(hit, hit.text("algorithm") or "", line)
            case "overwrite_start":
                self._take_swap(hit, "overwrite", line)
            case "overwrite_copy":
                self._take_copy(hit, line)
            case "cleaned_up":
                self.cleaned_up.append(seen)
            case "chainload":
                self.chainload_address = hit.number("address", 16)
            case "image_version":
                self.image_version = hit.text("version")
            case "jump":
                self.jumped = seen
            case "slot_version" | "image_loaded":
                self._take_loaded(hit, seen)
            case _:
                pass

    def _take_trailer(self, hit: Hit, seen: Seen) -> None:
        area = (hit.text("area") or "").lower().split()[0]
        if area == "image":  # MCUboot 1.1 counts the slots
            area = "primary" if (hit.text("area") or "").endswith("0") else "secondary"
        trailer = TrailerLine(
            area,
            hit.text("magic") or "",
            hit.number("swap_type", 16),
            hit.number("copy_done", 16),
            hit.number("image_ok", 16),
            seen,
        )
        self.trailers.append(trailer)
        if area == "primary" or not self.rounds:
            self._begin_round(seen)
        self.rounds[-1].trailers.append(trailer)

    def _begin_round(self, seen: Seen) -> None:
        """Swap using offset asks for the swap type before it looks at the trailers."""
        last = self.rounds[-1] if self.rounds else None
        if last is None or last.trailers:
            self.rounds.append(_OpenRound(seen))

    def _round(self, seen: Seen) -> _OpenRound:
        if not self.rounds:
            self.rounds.append(_OpenRound(seen))
        return self.rounds[-1]

    def _take_decision(self, hit: Hit, seen: Seen) -> None:
        decision = SwapTypeLine(hit.number("image"), _swap_type(hit.text("swap_type")), seen)
        self.decisions.append(decision)
        if self.swaps and not self.waiting and self.swaps[-1].algorithm == "offset":
            return  # said while it swaps: what the next boot will do
        opened = self._round(seen)
        if opened.decision is None or opened.decision.swap_type in _NO_SWAP:
            opened.decision = decision
        if decision.swap_type not in _NO_SWAP:
            self.waiting = [
                *(one for one in self.waiting if one.image is None or one.image != decision.image),
                decision,
            ]

    def _take_swap(self, hit: Hit, algorithm: str, line: RawLine) -> None:
        source = self.rounds[-1].boot_source if self.rounds else None
        image = hit.number("image")
        # Decisions and swaps come in the order of the images; releases before NCS 2.6 number none.
        decided = next((one for one in self.waiting if image in (None, one.image)), None)
        decided = decided or next((one for one in self.waiting if one.image is None), None)
        if decided is not None:
            self.waiting.remove(decided)
            image = decided.image if image is None else image
        self.swaps.append(
            _OpenSwap(
                algorithm,
                image,
                decided.swap_type if decided is not None else None,
                (decided is None and algorithm not in ("overwrite", "nsib"))
                or source not in (None, "none"),
                line,
            )
        )

    def _take_copy(self, hit: Hit, line: RawLine) -> None:
        if not self.swaps or self.swaps[-1].is_copied:
            self._take_swap(hit, "overwrite", line)
        self.swaps[-1].is_copied = True

    def _take_loaded(self, hit: Hit, seen: Seen) -> None:
        slot = (hit.text("slot") or "").lower()
        chosen = hit.pattern.name == "image_loaded"
        versions = [known.version for known in self.loaded if known.slot == slot]
        version = hit.text("version") or (versions[-1] if versions else None)
        self.loaded.append(LoadedImage(hit.number("image"), slot, version, chosen, seen))


def _swaps(
    reader: _McubootReader, *, is_done: bool, lines_of_swaps: bool | None
) -> tuple[Swap, ...]:
    swaps = [
        _close_swap(swap, is_done or swap is not reader.swaps[-1], reader) for swap in reader.swaps
    ]
    silent = _silent_swap(reader, is_done=is_done, lines_of_swaps=lines_of_swaps)
    return (*swaps, silent) if silent is not None else tuple(swaps)


def _close_swap(swap: _OpenSwap, is_done: bool, reader: _McubootReader) -> Swap:
    refused = any(
        refusal.pattern in ("no_room", "wrong_upload_address")
        for refusal in reader.refusals
        if refusal.seen.line_number >= swap.line.number
    )
    if refused:
        result = SwapResult.REFUSED
    elif not is_done and swap.algorithm != "nsib":
        result = SwapResult.CUT
    elif swap.decided == "revert":
        result = SwapResult.REVERTED
    else:
        overwrites = swap.algorithm == "overwrite"
        result = SwapResult.OVERWRITTEN if overwrites else SwapResult.SWAPPED
    return Swap(
        swap.image,
        swap.algorithm,
        swap.decided,
        swap.resumed,
        result,
        _seconds(swap.line, swap.next_line),
        swap.line.seen(),
    )


def _silent_swap(
    reader: _McubootReader, *, is_done: bool, lines_of_swaps: bool | None
) -> Swap | None:
    """The swap that a release does without saying so, or that did not come about."""
    if not reader.waiting or reader.swaps:
        return None
    decided = reader.waiting[-1]
    if reader.refusals:
        result = SwapResult.REFUSED
    elif not is_done:
        result = SwapResult.CUT
    elif lines_of_swaps:
        result = SwapResult.UNKNOWN
    else:
        reverts = decided.swap_type == "revert"
        result = SwapResult.REVERTED if reverts else SwapResult.SWAPPED
    return Swap(decided.image, None, decided.swap_type, False, result, None, decided.seen)


def _seconds(first: RawLine, second: RawLine | None) -> float | None:
    if second is None:
        return None
    for before, after in ((first.time_s, second.time_s), (first.uptime_s, second.uptime_s)):
        if before is not None and after is not None and after >= before:
            return after - before
    return None

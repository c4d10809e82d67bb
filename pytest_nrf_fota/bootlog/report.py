"""What a boot log says, as values: a `BootReport` of boots, and the line that shows each fact.

Every fact carries a `Seen`, the line it was read from. A field that is None or an empty tuple
means that no such line was seen, never that the opposite is true.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain, count

from pytest_nrf_fota.bootlog.catalogue.pattern import Stage


@dataclass(frozen=True)
class Seen:
    """One line of the log.

    Args:
        line_number: counted from 1; a line ends with LF, CR LF, LF CR or CR.
        text: the cleaned line, without the capture tool's prefix.
        time_s: when it arrived, of the capture or of its tool's prefix; seconds of any clock.
        uptime_s: the board's own time stamp, seconds since its reset.
        repaired: the line was damaged; the facts were read from what it probably was.
    """

    line_number: int
    text: str
    time_s: float | None = None
    uptime_s: float | None = None
    repaired: bool = False


# --- the parts of a boot, in the order in which a board prints them ---


@dataclass(frozen=True)
class Banner:
    """One `*** Booting NAME VERSION ***` or `*** Using NAME VERSION ***` line."""

    product: str
    version: str
    is_first: bool
    seen: Seen


@dataclass(frozen=True)
class StageSpan:
    """One stage of a boot and the lines it printed.

    Args:
        stage: which one.
        first, last: its first and last line.
        line_count: lines from first to last that belong to it.
        banners: its banner lines.
        is_silent: only its banner was seen, no line of its own.
    """

    stage: Stage
    first: Seen
    last: Seen
    line_count: int
    banners: tuple[Banner, ...] = ()
    is_silent: bool = False

    @property
    def duration_s(self) -> float | None:
        """Seconds from its first to its last line, where the log tells."""
        for first, last in (
            (self.first.time_s, self.last.time_s),
            (self.first.uptime_s, self.last.uptime_s),
        ):
            if first is not None and last is not None and last >= first:
                return last - first
        return None


@dataclass(frozen=True)
class KeyTried:
    """One of NSIB's public keys.

    Args:
        number: its place in OTP; None where that line is missing.
        hash_ends: first and last byte of its hash, as `7f...07`.
        result: `accepted`, `no match`, `revoked`, or `unknown`.
    """

    number: int | None
    hash_ends: str | None
    result: str
    seen: Seen


@dataclass(frozen=True)
class NsibAttempt:
    """One slot that NSIB tried.

    Args:
        slot: 0 or 1; None where that line is missing.
        verified: whether `Firmware signature verified.` was seen.
        firmware_version: the FW_INFO version it printed.
        below_counter: version and counter of a rollback refusal.
        counter_set_to: version stored in the monotonic counter.
        revoked_keys: numbers of keys that it invalidated.
        invalidated: the line that invalidated the slot's `valid` word.
        aborted: the line that gave up its start although it was verified.
        errors: every line with which something was refused or failed.
    """

    slot: int | None
    address: int | None
    keys: tuple[KeyTried, ...]
    verified: Seen | None
    firmware_version: int | None
    below_counter: tuple[int, int] | None
    counter_set_to: int | None
    revoked_keys: tuple[int, ...]
    invalidated: Seen | None
    aborted: Seen | None
    errors: tuple[Seen, ...]
    seen: Seen


@dataclass(frozen=True)
class NsibReport:
    """What the first stage said; `gave_up` is `No bootable image found`."""

    attempts: tuple[NsibAttempt, ...]
    gave_up: Seen | None
    errors: tuple[Seen, ...]

    @property
    def booted(self) -> NsibAttempt | None:
        """The attempt that was verified last and not aborted; None where none was."""
        verified = [one for one in self.attempts if one.verified is not None and not one.aborted]
        return verified[-1] if verified else None


@dataclass(frozen=True)
class TrailerLine:
    """`Primary image: magic=..., swap_type=..., copy_done=..., image_ok=...`.

    `area` is `primary`, `secondary` or `scratch`. Flags: 1 set, 2 bad, 3 unset
    (MCUboot bootutil_misc.c). Fields are None where the line was cut short.
    """

    area: str
    magic: str
    swap_type: int | None
    copy_done: int | None
    image_ok: int | None
    seen: Seen


@dataclass(frozen=True)
class SwapTypeLine:
    """A `Swap type` line; `image` is None where the release does not print it."""

    image: int | None
    swap_type: str
    seen: Seen


@dataclass(frozen=True)
class ImageRound:
    """One look of MCUboot at an image pair: its trailers, and what it decided.

    `decision` is None where the `Swap type` line is missing: MCUboot then found an image for the
    other S0/S1 slot (sdk-mcuboot loader.c), or it resumed a swap (`is_resume`).
    """

    trailers: tuple[TrailerLine, ...]
    boot_source: str | None
    decision: SwapTypeLine | None
    is_resume: bool
    seen: Seen


class SwapResult(Enum):
    """What MCUboot did with an image.

    SWAPPED and OVERWRITTEN: the new image is in its slot. REVERTED: the old one is back.
    REFUSED: it said why not. CUT: the log ends, or the board was reset, before it was done.
    UNKNOWN: it had decided to swap and printed nothing more.
    """

    SWAPPED = "swapped"
    OVERWRITTEN = "overwritten"
    REVERTED = "reverted"
    REFUSED = "refused"
    CUT = "cut"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Swap:
    """One exchange of images.

    Args:
        image: number of the image pair, where known.
        algorithm: `move`, `offset`, `scratch`, `nsib`, `overwrite`; None where the release prints
            no line for it.
        decided: the swap type it follows from; None for a resumed swap.
        resumed: it goes on with one that a reset had cut.
        duration_s: until MCUboot's next line, where the log has times.
    """

    image: int | None
    algorithm: str | None
    decided: str | None
    resumed: bool
    result: SwapResult
    duration_s: float | None
    seen: Seen


@dataclass(frozen=True)
class Refusal:
    """A line with which a bootloader said no; `pattern` is its name in the catalogue."""

    pattern: str
    image: int | None
    slot: str | None
    meaning: str
    seen: Seen


@dataclass(frozen=True)
class LoadedImage:
    """RAM_LOAD and direct-XIP: which slot an image was taken from, or what a slot holds."""

    image: int | None
    slot: str
    version: str | None
    is_chosen: bool
    seen: Seen


@dataclass(frozen=True)
class McubootReport:
    """What MCUboot said.

    Args:
        started: `Starting bootloader`.
        marker: what stands behind it in a build that was changed to print its number.
        trailers, decisions: all such lines, in order; `rounds` groups them by image pair.
        refusals: lines with which an image or the upgrade was refused.
        chainload_address: offset of the image that it starts.
        image_version: `Image version: v...`, without the build number.
        jumped: `Jumping to the first image slot`. Often missing (seen in UART logs).
        gave_up: `Unable to find bootable image` and its like.
    """

    started: Seen | None
    marker: str | None
    trailers: tuple[TrailerLine, ...]
    decisions: tuple[SwapTypeLine, ...]
    rounds: tuple[ImageRound, ...]
    swaps: tuple[Swap, ...]
    cleaned_up: tuple[Seen, ...]
    erased: tuple[Seen, ...]
    loaded: tuple[LoadedImage, ...]
    refusals: tuple[Refusal, ...]
    chainload_address: int | None
    image_version: str | None
    jumped: Seen | None
    gave_up: Seen | None


@dataclass(frozen=True)
class NetworkCoreUpdate:
    """The network core's update through PCD; `failed` are the lines that say so."""

    started: Seen | None
    turned_off: Seen | None
    done: Seen | None
    failed: tuple[Seen, ...]


@dataclass(frozen=True)
class Fault:
    """A crash.

    Args:
        kind: `BUS FAULT`, `ASSERT`, `KERNEL PANIC`, ...; empty where only the end was seen.
        details: what the dump says about it, in its words.
        fatal_error: number and words of `>>> ZEPHYR FATAL ERROR`.
        registers: name and value of all registers seen, `pc` and `lr` among them.
        fault_address: MMFAR, BFAR or SFAR.
        thread: its address and name.
        in_interrupt: it happened in an interrupt handler.
        assertion: the expression, place and message of an assert.
        secure: it happened in the secure state.
        stack_overflowed: the dump says that a stack overflowed.
        then: `halt`, `reset`, `boot` (the next boot follows at once) or `unknown`.
        stage: what ran; None where no line tells: all stages crash in the same words.
    """

    kind: str
    details: tuple[str, ...]
    fatal_error: tuple[int, str] | None
    registers: tuple[tuple[str, int], ...]
    fault_address: int | None
    thread: tuple[int, str] | None
    in_interrupt: bool
    assertion: str | None
    secure: bool
    stack_overflowed: bool
    then: str
    stage: Stage | None
    seen: Seen
    last: Seen

    @property
    def pc(self) -> int | None:
        """The faulting instruction's address."""
        return dict(self.registers).get("pc")

    @property
    def lr(self) -> int | None:
        """The caller's address, as the link register held it."""
        return dict(self.registers).get("lr")


@dataclass(frozen=True)
class ResetCause:
    """What a stage printed about the reset before it, in its own words."""

    text: str
    value: int | None
    seen: Seen


@dataclass(frozen=True)
class AppReport:
    """What the application said.

    Args:
        identity_address: its Bluetooth address, upper case.
        build_time: what follows `build time: `.
        ready: the line that the board file calls ready.
        said: its first and last lines, at most 60.
        line_count: all its lines.
    """

    identity_address: str | None
    identity_seen: Seen | None
    build_time: str | None
    ready: Seen | None
    said: tuple[Seen, ...]
    line_count: int


@dataclass(frozen=True)
class Boot:
    """One boot: from its first line to the last line before the next boot.

    Args:
        number: counted from 1 through the whole log, boots that are not kept included.
        start_is_missing: the log begins in the middle of it.
        lines: those that were kept, in order.
        line_count: all of them.
        stages: in order.
        firmware_version, bootloader_version: the numbers that the board file's patterns find in the
            lines of NSIB and of MCUboot; None where the reader was given no patterns.
        refusals: lines with which a bootloader rejected something, in order.
        unknown: lines of bootloader stages that the catalogue does not know, at most 30.
        unknown_count: all of them.
        dropped_lines: lines of which nothing was kept, to bound memory.
    """

    number: int = 0
    start_is_missing: bool = False
    lines: tuple[Seen, ...] = ()
    line_count: int = 0
    stages: tuple[StageSpan, ...] = ()
    nsib: NsibReport | None = None
    mcuboot: McubootReport | None = None
    network_core: NetworkCoreUpdate | None = None
    app: AppReport | None = None
    faults: tuple[Fault, ...] = ()
    reset_causes: tuple[ResetCause, ...] = ()
    firmware_version: int | None = None
    bootloader_version: int | None = None
    refusals: tuple[str, ...] = ()
    unknown: tuple[Seen, ...] = ()
    unknown_count: int = 0
    dropped_lines: int = 0

    @property
    def first(self) -> Seen:
        """Its first line."""
        return self.lines[0]

    @property
    def last(self) -> Seen:
        """Its last line so far."""
        return self.lines[-1]

    def stage(self, stage: Stage) -> StageSpan | None:
        """The span of a stage; None where it was not seen."""
        return next((span for span in self.stages if span.stage is stage), None)

    @property
    def reached_app(self) -> bool:
        """Whether the application printed anything."""
        return self.stage(Stage.APP) is not None

    @property
    def app_ready(self) -> bool:
        """Whether the application printed the line that the board file calls ready."""
        return self.app is not None and self.app.ready is not None

    @property
    def nsib_slot(self) -> int | None:
        """The slot that NSIB tried last."""
        return self.nsib.attempts[-1].slot if self.nsib and self.nsib.attempts else None

    @property
    def key_hash(self) -> str | None:
        """First and last byte of the hash of the key that NSIB tried last, as `7f...07`."""
        attempts = self.nsib.attempts if self.nsib is not None else ()
        keys = [key for attempt in attempts for key in attempt.keys if key.hash_ends is not None]
        return keys[-1].hash_ends if keys else None

    @property
    def counter_set_to(self) -> int | None:
        """The version that NSIB stored in the monotonic counter."""
        attempts = self.nsib.attempts if self.nsib is not None else ()
        stored = [one.counter_set_to for one in attempts if one.counter_set_to is not None]
        return stored[-1] if stored else None

    @property
    def image_version(self) -> str | None:
        """The version of the image that MCUboot starts, where it prints one."""
        return self.mcuboot.image_version if self.mcuboot is not None else None

    @property
    def identity_address(self) -> str | None:
        """The application's Bluetooth address, upper case."""
        return self.app.identity_address if self.app is not None else None

    @property
    def build_time(self) -> str | None:
        """What follows `build time: `."""
        return self.app.build_time if self.app is not None else None

    @property
    def swaps(self) -> tuple[Swap, ...]:
        """Exchanges of images that MCUboot printed a line for."""
        swaps = self.mcuboot.swaps if self.mcuboot is not None else ()
        return tuple(swap for swap in swaps if swap.algorithm is not None)

    @property
    def overwritten(self) -> tuple[int, ...]:
        """Numbers of the images that MCUboot replaced without keeping the old ones."""
        return tuple(image for image, _ in self._overwrites)

    @property
    def mcuboot_speaks(self) -> bool:
        """Whether MCUboot printed a line of its own; a banner alone tells nothing."""
        return self.speaks(Stage.MCUBOOT)

    def speaks(self, stage: Stage) -> bool:
        """Whether a stage printed a line of its own, and not its banner alone."""
        span = self.stage(stage)
        return span is not None and not span.is_silent

    @property
    def swapped(self) -> bool:
        """Whether MCUboot exchanged images on this boot, or overwrote one."""
        return bool(self.swaps)

    @property
    def swap_type(self) -> str | None:
        """What MCUboot had decided when it began to replace what may be the application.

        None where it replaced nothing, or resumed a swap that a reset had cut.
        """
        swaps = [swap for swap in self.swaps_of_app if swap.algorithm is not None]
        decided = [swap.decided for swap in swaps if swap.decided is not None]
        return decided[-1] if decided else None

    @property
    def wanted_swap(self) -> bool:
        """Whether MCUboot had decided to exchange images."""
        decisions = self.mcuboot.decisions if self.mcuboot is not None else ()
        return any(decision.swap_type != "none" for decision in decisions)

    @property
    def _overwrites(self) -> list[tuple[int, Swap]]:
        # Releases before NCS 2.6 number neither their decisions nor what they overwrite: both come
        # in the order of the images.
        overwrites = [swap for swap in self.swaps if swap.algorithm == _OVERWRITE]
        decisions = self.mcuboot.decisions if self.mcuboot is not None else ()
        wanted = [
            place
            for place, one in enumerate(decisions)
            if one.swap_type != "none" and not self._is_taken_back(place, overwrites)
        ]
        return [
            (in_order if swap.image is None else swap.image, swap)
            for in_order, swap in zip(chain(wanted, count(len(wanted))), overwrites, strict=False)
        ]

    def _is_taken_back(self, place: int, overwrites: Sequence[Swap]) -> bool:
        """Whether the update that a decision was about was refused right after it.

        sdk-mcuboot v1.9.99-ncs4, loader.c: boot_validated_swap_type.
        """
        assert self.mcuboot is not None
        decisions = self.mcuboot.decisions
        begin = decisions[place].seen.line_number
        behind = [one.seen for one in decisions[place + 1 :][:1]]
        ends = [seen.line_number for seen in (*behind, *(one.seen for one in overwrites[:1]))]
        return any(
            refusal.pattern in _REFUSALS_OF_UPDATES
            and refusal.slot != "primary"
            and begin < refusal.seen.line_number < min(ends, default=sys.maxsize)
            for refusal in self.mcuboot.refusals
        )

    @property
    def swaps_of_app(self) -> list[Swap]:
        """What MCUboot did, or said nothing about, with what may be the application."""
        others = [swap for image, swap in self._overwrites if image != 0]
        swaps = self.mcuboot.swaps if self.mcuboot is not None else ()
        return [swap for swap in swaps if swap not in others]

    def summary(self) -> str:
        """One line for people: slot, versions, swap."""
        parts: list[str] = []
        if self.nsib_slot is not None:
            parts.append(f"NSIB boots slot {self.nsib_slot}")
        if self.firmware_version is not None:
            parts.append(f"Firmware version {self.firmware_version}")
        mcuboot = self.stage(Stage.MCUBOOT)
        if mcuboot is not None and not mcuboot.is_silent:
            marker = "" if self.bootloader_version is None else f" {self.bootloader_version}"
            parts.append(f"Starting bootloader{marker}")
        if any(swap.algorithm != _OVERWRITE for swap in self.swaps):
            parts.append(f"swap {self.swap_type or 'resumed'}")
        if self.overwritten:
            parts.append(f"overwrote image {' and '.join(map(str, self.overwritten))}")
        if self.image_version:
            parts.append(f"image v{self.image_version}")
        parts += self.refusals
        parts.append("application runs" if self.reached_app else "no application")
        return ", ".join(parts)


_OVERWRITE = "overwrite"
# Said of what lies in a secondary slot, right after the decision on it.
_REFUSALS_OF_UPDATES = frozenset(
    {"image_invalid", "insufficient_version", "wrong_s_image", "wrong_reset_address"}
)


# --- the whole log ---


@dataclass(frozen=True)
class ListedImage:
    """One image in a client's listing (smpmgr, mcumgr, nrfutil, smpclient, a phone)."""

    image: int
    slot: int
    version: str | None
    hash: str | None
    bootable: bool | None
    pending: bool | None
    confirmed: bool | None
    active: bool | None
    permanent: bool | None
    seen: Seen


@dataclass(frozen=True)
class ClientReport:
    """What a client on the host or the phone printed."""

    images: tuple[ListedImage, ...]
    errors: tuple[Seen, ...]
    lines: tuple[Seen, ...]


@dataclass(frozen=True)
class BootLoop:
    """The same boot again and again.

    Args:
        first_boot: number of the first of them.
        count: how many in a row.
        reached_app: whether the application printed anything in them.
        fault: how they end, where they crash.
    """

    first_boot: int
    count: int
    reached_app: bool
    fault: Fault | None
    seen: Seen


@dataclass(frozen=True)
class TwoBoards:
    """Signs that two boards' text is in one log.

    Args:
        interleaved: their lines alternate, so facts of one boot may belong to two boards.
        addresses: the Bluetooth addresses seen, where there is more than one.
        signs: lines that show it.
    """

    interleaved: bool
    addresses: tuple[str, ...]
    signs: tuple[Seen, ...]


@dataclass(frozen=True)
class BootReport:
    """All that one log says.

    Args:
        boots: in order. Of very many, the first, the last and all that differ are kept.
        boot_count: all boots, those that are not kept included.
        line_count, size_bytes: of the whole log.
        begins_in_boot: the log begins in the middle of a boot, or of a running application.
        loops: runs of three and more equal boots.
        two_boards: None where nothing speaks for a second board.
        client: None where the log holds no client's output.
        unknown_count: lines of bootloader stages that the catalogue does not know.
        is_binary: most of it is no text.
    """

    boots: tuple[Boot, ...]
    boot_count: int
    line_count: int
    size_bytes: int
    begins_in_boot: bool
    loops: tuple[BootLoop, ...]
    two_boards: TwoBoards | None
    client: ClientReport | None
    unknown_count: int
    is_binary: bool

    @property
    def last_boot(self) -> Boot | None:
        """The last boot; None where the log holds none."""
        return self.boots[-1] if self.boots else None

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults of all boots, in order."""
        return tuple(fault for boot in self.boots for fault in boot.faults)

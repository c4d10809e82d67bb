"""What the boots of a log did with an update, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot, Seen, Swap, SwapResult
from pytest_nrf_fota.verdict.ending import Ending, Upgraded

# They say that there is nothing to start, which refuses no update.
_NOTHING_THERE = ("mcuboot_nothing", "bad_image_magic")
_IN_BETWEEN = "the external flash was erased, or a slot was programmed, in between"
# MCUboot of NCS 2.3 and 2.4 may lose the primary slot's header: `boards.ncs`.
_OR_BY_ITSELF = "; up to NCS 2.4 a power cut may do that alone"
_COPY_DONE_SET, _COPY_DONE_UNSET = 1, 3
_SWAP_TYPES = {2: "test", 3: "perm", 4: "revert"}
_WENT_BACK = "MCUboot reverted to the old image: the new one had not been confirmed"


@dataclass(frozen=True)
class Sign:
    """What became of an update, as lines of a log show it.

    No is never said because a line is missing: it needs a bootloader that decided otherwise,
    refused, reverted, or ran through to the application without swapping.

    Args:
        ending: what became of it.
        why: its evidence, in a sentence's part.
        seen: the lines that show it.
        from_client: they are a client's lines, not the board's.
    """

    ending: Ending
    why: str
    seen: tuple[Seen, ...] = ()
    from_client: bool = False


_NO_LINE = Sign(Ending.UNKNOWN, "no line shows what a bootloader did")


def sign_of_boots(boots: Sequence[Boot], *, of_app: bool = False) -> Sign:
    """The last thing that boots said about an update.

    `of_app` asks for proof about the application alone: what NSIB chose, what the network core
    took, and swaps that are only inferred do not count.
    """
    signs = _Signs(of_app=of_app)
    for boot in boots:
        signs.take(boot)
    sign, last = signs.sign, boots[-1:]
    if sign.ending.upgraded is Upgraded.YES:
        return sign if of_app else _after_copy_for_nsib(boots) or sign
    if sign.ending is Ending.UNKNOWN:
        cut = [swap for boot in last for swap in _swaps(boot) if swap.result is SwapResult.CUT]
        seen = sign.seen or tuple(swap.seen for swap in cut[-1:])
        return Sign(Ending.CUT, sign.why, seen) if cut else sign
    if sign.ending in (Ending.REVERTED, Ending.SPOILT):
        return sign
    gave_up = [seen for boot in last for seen in gave_up_of(boot)]
    if gave_up:
        return Sign(Ending.NO_BOOT, sign.why, tuple(gave_up))
    refused = tuple(seen for boot in boots for seen in refusals_of(boot))
    if refused and not of_app and sign.ending is not Ending.GIVEN_UP:
        return Sign(Ending.REFUSED, sign.why, refused)
    return replace(sign, ending=Ending.NOT_ATTEMPTED) if sign.ending is Ending.NO_BOOT else sign


class _Signs:
    def __init__(self, *, of_app: bool) -> None:
        self.sign = _NO_LINE
        self._of_app = of_app
        self._before: Boot | None = None
        self._cut: Swap | None = None
        self._decided: str | None = None
        self._silent: _SilentSwap | None = None

    def take(self, boot: Boot) -> None:
        sign = (
            self._before_mcuboot(boot)
            or self._spoilt(boot)
            or self._refused_the_rest(boot)
            or _stopped_after_swap(boot)
            or self._by_network_core_refusal(boot)
            or self._by_swaps(boot)
            or self._by_resume(boot)
            or self._ended_before_cut(boot)
            or self._by_network_core(boot)
            or _refused_by_mcuboot(boot)
            or self._by_versions(boot)
        )
        if sign is not None:
            self.sign = sign
        elif self.sign.ending.upgraded is Upgraded.UNKNOWN or self.sign.ending is Ending.SPOILT:
            self.sign = self._ran_through(boot) or self.sign
        self._before = boot

    def _before_mcuboot(self, boot: Boot) -> Sign | None:
        if boot.nsib is None or self._of_app:
            return None
        refused = _refused_by_nsib(boot)
        if refused:
            return Sign(Ending.REFUSED, "NSIB refused the firmware in a slot", refused)
        if boot.nsib.gave_up is not None:
            return Sign(Ending.NO_BOOT, "NSIB found nothing to start", (boot.nsib.gave_up,))
        return None

    def _by_swaps(self, boot: Boot) -> Sign | None:
        sign = None
        for swap in boot.swaps_of_app if self._of_app else _swaps(boot):
            sign = self._by_swap(swap, boot) or sign
        return sign

    def _by_swap(self, swap: Swap, boot: Boot) -> Sign | None:
        cut, self._cut = self._cut, None
        self._silent = None
        # A resumed swap goes on with what the one before it began. Where that came to its end,
        # there is nothing to resume: the line with the type was lost, and it may be a revert.
        was_cut = cut is not None or (self._before is not None and not self._before.reached_app)
        begun = swap.decided or _type_under_way(boot) or (self._decided if was_cut else None)
        if cut is not None and self._decided == "revert" and swap.decided == "perm":
            # Cut before its first sector, a revert left the old image waiting with image_ok set,
            # which the next boot calls permanent; no application ran that could have sent one.
            begun = "revert"
        self._decided = decided = begun
        # Some swap algorithms print no line of their own, which is no proof that they ended.
        is_known = swap.result in (SwapResult.REFUSED, SwapResult.CUT)
        is_guess = self._of_app and swap.algorithm is None and not is_known
        match SwapResult.UNKNOWN if is_guess else swap.result:
            case SwapResult.CUT:
                self._cut = swap if swap.decided is not None else cut or swap
                if decided == "revert":
                    why = "MCUboot began to revert to the old image: the new one was not confirmed"
                    return Sign(Ending.REVERTED, why, (swap.seen,))
                why = "the swap was cut; the next boot resumes it"
                return Sign(Ending.UNKNOWN, why, (swap.seen,))
            case SwapResult.REFUSED:
                return None
            case SwapResult.UNKNOWN:
                self._silent = _SilentSwap(swap, decided, was_done=_done_trailer(boot) is not None)
                why = f"MCUboot had decided to swap ({swap.decided}) and prints no more about it"
                return Sign(Ending.UNKNOWN, why, (swap.seen,))
            case SwapResult.OVERWRITTEN:
                # Nothing is left that it could be reverted to.
                return Sign(Ending.UPGRADED, _BROUGHT, (swap.seen,))
            case SwapResult.REVERTED | SwapResult.SWAPPED:
                if swap.result is SwapResult.REVERTED or decided == "revert":
                    return Sign(Ending.REVERTED, _WENT_BACK, (swap.seen,))
                if swap.resumed and decided is None:
                    why = "MCUboot exchanged images, and no line shows if it was a revert"
                    return Sign(Ending.UNKNOWN, why, (swap.seen,))
                return Sign(Ending.UPGRADED, _BROUGHT, (swap.seen,))

    def _by_resume(self, boot: Boot) -> Sign | None:
        """Releases before 2022 resume a swap in silence: trailers, no decision, the jump."""
        cut, mcuboot = self._cut, boot.mcuboot
        # A release with a line for the swap has it for the resumed one, too.
        if cut is None or cut.algorithm is not None or mcuboot is None:
            return None
        if mcuboot.decisions or mcuboot.chainload_address is None:
            return None
        resumed = [opened for opened in mcuboot.rounds if opened.is_resume]
        if not resumed:
            return None
        self._cut = None
        seen = (cut.seen, resumed[0].seen)
        if cut.decided == "revert":
            return Sign(Ending.REVERTED, _WENT_BACK, seen)
        return Sign(Ending.UPGRADED, "MCUboot ended the swap that a reset had cut", seen)

    def _ended_before_cut(self, boot: Boot) -> Sign | None:
        """Only what MCUboot does behind the exchange itself was cut: the trailer is complete.

        A swap begins with a trailer without `copy_done` (sdk-mcuboot, swap_misc.c:
        swap_status_init, swap_set_copy_done). Where the next boot takes it back, it says so.
        """
        ended = _done_trailer(boot)
        if self._cut is None or ended is None or not boot.reached_app:
            return None
        seen = (self._cut.seen, ended)
        self._cut = None
        if self._decided == "revert":
            return Sign(Ending.REVERTED, _WENT_BACK, seen)
        return Sign(Ending.UPGRADED, "MCUboot had exchanged the images when it was cut", seen)

    def _spoilt(self, boot: Boot) -> Sign | None:
        """A boot behind a cut swap that finds nothing to start, whether it went on or not."""
        gave_up = boot.mcuboot.gave_up if boot.mcuboot is not None else None
        if self._cut is None or gave_up is None:
            return None
        went_on = ", went on, and found no whole image" if boot.swaps else " and cannot go on"
        said = repr(gave_up.text.strip())
        why = f"MCUboot was interrupted in a swap{went_on}: {said}; {_IN_BETWEEN}{_OR_BY_ITSELF}"
        return Sign(Ending.SPOILT, why, (self._cut.seen, gave_up))

    def _refused_the_rest(self, boot: Boot) -> Sign | None:
        """The first boot behind a cut swap refuses what it left in the secondary slot."""
        refused = refusals_of(boot)
        is_first = self.sign.ending is not Ending.GIVEN_UP
        if self._cut is None or not refused or not is_first or not boot.reached_app:
            return None
        said = repr(refused[0].text.strip())
        why = f"MCUboot was interrupted in a swap and refused what it left: {said}; {_IN_BETWEEN}"
        return Sign(Ending.GIVEN_UP, why, (self._cut.seen, *refused))

    def _ran_through(self, boot: Boot) -> Sign | None:
        """Behind a cut swap that proves nothing: it may have been as good as done."""
        sign = _ran_through(boot, of_app=self._of_app)
        if sign is not None and self._silent is not None:
            return self._silent.sign_by(boot)
        if sign is None or self._cut is None:
            return sign
        if self.sign.ending is Ending.GIVEN_UP or boot.mcuboot is None:
            return None
        if self._cut.algorithm == "overwrite":
            # It would have begun anew: the update stays pending until all of it is copied. MCUboot
            # of NCS 2.7 resets by itself behind an update of its own (sdk-mcuboot, loader.c).
            why = "MCUboot was reset as it copied the new image, and found nothing left to copy"
            return Sign(Ending.UNKNOWN, why, (self._cut.seen, *sign.seen))
        why = f"MCUboot was interrupted in a swap and knew nothing of it afterwards; {_IN_BETWEEN}"
        return Sign(Ending.GIVEN_UP, why, (self._cut.seen, *sign.seen))

    def _by_network_core(self, boot: Boot) -> Sign | None:
        update = boot.network_core
        if self._of_app or update is None or update.done is None:
            return None
        return Sign(Ending.UPGRADED, "the network core was updated", (update.done,))

    def _by_network_core_refusal(self, boot: Boot) -> Sign | None:
        if self._of_app or boot.network_core is None or not boot.network_core.failed:
            return None
        why = "the network core took no update"
        return Sign(Ending.REFUSED, why, boot.network_core.failed)

    def _by_versions(self, boot: Boot) -> Sign | None:
        """NSIB starts newer firmware, or MCUboot another image, than on the boot before."""
        if self._before is None:
            return None
        old, new = _nsib_version(self._before), _nsib_version(boot)
        if not self._of_app and old is not None and new is not None and new[0] > old[0]:
            why = f"NSIB starts firmware version {new[0]} instead of {old[0]}"
            return Sign(Ending.UPGRADED, why, (old[1], new[1]))
        before, after = _loaded_version(self._before), _loaded_version(boot)
        if before is not None and after is not None and before[0] != after[0]:
            why = f"MCUboot starts version {after[0]} instead of {before[0]}"
            return Sign(Ending.UPGRADED, why, (before[1], after[1]))
        return None


_BROUGHT = "MCUboot brought the new image into its slot"


@dataclass(frozen=True)
class _SilentSwap:
    """A swap that MCUboot decided on and printed no line about, as that of NCS 1.5.

    `was_done` is whether the primary slot already had the trailer of a swap that was done.
    """

    swap: Swap
    decided: str | None
    was_done: bool

    def sign_by(self, boot: Boot) -> Sign | None:
        """What the trailers of a later boot say about it; None where they leave it open."""
        done = _done_trailer(boot)
        if done is None or self.was_done:
            return None
        seen = (self.swap.seen, done)
        if self.decided == "revert":
            return Sign(Ending.REVERTED, _WENT_BACK, seen)
        return Sign(Ending.UPGRADED, _BROUGHT, seen)


def _done_trailer(boot: Boot) -> Seen | None:
    """The trailer of a swap that was done, in the primary slot; None without one."""
    trailers = boot.mcuboot.trailers if boot.mcuboot is not None else ()
    return next(
        (
            trailer.seen
            for trailer in trailers
            if trailer.area == "primary"
            and trailer.magic == "good"
            and trailer.copy_done == _COPY_DONE_SET
        ),
        None,
    )


def _swaps(boot: Boot) -> tuple[Swap, ...]:
    return boot.mcuboot.swaps if boot.mcuboot is not None else ()


def _type_under_way(boot: Boot) -> str | None:
    """Swap type of a swap that a boot finds begun, by its trailers; None where they do not tell.

    Numbers: sdk-mcuboot, boot/bootutil/include/bootutil/bootutil_public.h.
    """
    types = {
        _SWAP_TYPES.get(trailer.swap_type or 0)
        for trailer in (boot.mcuboot.trailers if boot.mcuboot is not None else ())
        if trailer.area in ("primary", "scratch")
        and trailer.magic == "good"
        and trailer.copy_done == _COPY_DONE_UNSET
    }
    return types.pop() if len(types) == 1 else None


def _refused_by_nsib(boot: Boot) -> tuple[Seen, ...]:
    return tuple(
        seen
        for attempt in (boot.nsib.attempts if boot.nsib else ())
        if attempt.invalidated is not None or attempt.below_counter is not None
        for seen in attempt.errors
    )


def refusals_of(boot: Boot) -> tuple[Seen, ...]:
    """Lines with which a boot's bootloaders refused an image or the network core's update.

    A board that had nothing to start refused nothing.
    """
    refusals = boot.mcuboot.refusals if boot.mcuboot else ()
    mcuboot = [refusal.seen for refusal in refusals if refusal.pattern not in _NOTHING_THERE]
    network_core = boot.network_core.failed if boot.network_core else ()
    return (*_refused_by_nsib(boot), *mcuboot, *network_core)


def _refused_by_mcuboot(boot: Boot) -> Sign | None:
    if boot.mcuboot is None:
        return None
    if boot.mcuboot.refusals:
        refusals = boot.mcuboot.refusals
        is_of_update = any(refusal.pattern not in _NOTHING_THERE for refusal in refusals)
        ending = Ending.REFUSED if is_of_update else Ending.NOT_ATTEMPTED
        return Sign(ending, refusals[0].meaning, tuple(refusal.seen for refusal in refusals))
    if boot.mcuboot.gave_up is not None:
        return Sign(Ending.NO_BOOT, "MCUboot found nothing to start", (boot.mcuboot.gave_up,))
    return None


def trailers_without_decision(boot: Boot) -> list[Seen]:
    """The trailer of a pending image at which a MCUboot of one image looked, and decided nothing.

    Beside NSIB it looks for which slot an image was linked before it prints a swap type
    (sdk-mcuboot, loader.c: boot_validated_swap_type). One of two images looks once for each.
    """
    mcuboot = boot.mcuboot
    if boot.nsib is None or mcuboot is None or not boot.reached_app:
        return []
    if mcuboot.decisions or mcuboot.swaps or mcuboot.refusals or len(mcuboot.rounds) != 1:
        return []
    (opened,) = mcuboot.rounds
    return [
        trailer.seen
        for trailer in opened.trailers
        if not opened.is_resume and trailer.area == "secondary" and trailer.magic == "good"
    ]


def gave_up_of(boot: Boot) -> list[Seen]:
    """Lines with which a boot's bootloaders said that they start nothing."""
    stages = (boot.nsib, boot.mcuboot)
    return [stage.gave_up for stage in stages if stage is not None and stage.gave_up is not None]


def _stopped_after_swap(boot: Boot) -> Sign | None:
    """A swap behind which MCUboot accepts no image: the new one does not run."""
    mcuboot = boot.mcuboot
    if mcuboot is None or mcuboot.gave_up is None or not mcuboot.swaps:
        return None
    swap = mcuboot.swaps[-1]
    if swap.seen.line_number > mcuboot.gave_up.line_number or swap.result is SwapResult.REFUSED:
        return None
    why = "MCUboot swapped, and then found nothing that it may start"
    return Sign(Ending.NO_BOOT, why, (swap.seen, mcuboot.gave_up))


def _nsib_version(boot: Boot) -> tuple[int, Seen] | None:
    booted = boot.nsib.booted if boot.nsib is not None else None
    if booted is None or booted.firmware_version is None:
        return None
    return booted.firmware_version, booted.seen


def _loaded_version(boot: Boot) -> tuple[str, Seen] | None:
    """RAM_LOAD and direct-XIP: the version in the slot that was chosen."""
    for loaded in boot.mcuboot.loaded if boot.mcuboot is not None else ():
        if loaded.is_chosen and loaded.version is not None:
            return loaded.version, loaded.seen
    return None


def _ran_through(boot: Boot, *, of_app: bool) -> Sign | None:
    """A boot that started its application and swapped nothing.

    Of the application only MCUboot's own decision on it says so: a build without a log, or one that
    prints its banner and warnings alone, swaps in silence.
    """
    mcuboot = boot.mcuboot
    decisions = mcuboot.decisions if mcuboot is not None else ()
    swaps: Sequence[Swap] = _swaps(boot)
    if of_app:
        decisions = tuple(one for one in decisions if one.image in (None, 0))
        swaps = boot.swaps_of_app
    if decisions and not swaps:
        seen = tuple(decision.seen for decision in decisions)
        return Sign(Ending.NOT_ATTEMPTED, "MCUboot had nothing to swap", seen)
    if of_app:
        return None
    counter = [
        attempt.seen
        for attempt in (boot.nsib.attempts if boot.nsib is not None else ())
        if attempt.counter_set_to is not None
    ]
    if counter:
        why = "NSIB starts this version for the first time: an update, or the first boot of all"
        return Sign(Ending.UNKNOWN, why, tuple(counter))
    newer = _newer_slot(boot)
    if newer is not None:
        why = "MCUboot starts the newer of two images; no line shows if it is new on this board"
        return Sign(Ending.UNKNOWN, why, newer)
    bootloaders = [span for span in boot.stages if span.stage is not Stage.APP]
    has_jumped = (
        mcuboot is not None
        and mcuboot.jumped is not None
        and (mcuboot.started is not None or bool(mcuboot.loaded))
    )
    if (boot.reached_app or has_jumped) and bootloaders:
        why = "the bootloader went straight on to the application"
        return Sign(Ending.NOT_ATTEMPTED, why, (bootloaders[-1].last,))
    return None


def _newer_slot(boot: Boot) -> tuple[Seen, ...] | None:
    """Direct-XIP and RAM_LOAD: the images in both slots, where the secondary one is started."""
    loaded = boot.mcuboot.loaded if boot.mcuboot is not None else ()
    chosen = [one for one in loaded if one.is_chosen]
    others = [one for one in loaded if not one.is_chosen and one.slot == "primary"]
    if not chosen or chosen[-1].slot != "secondary" or chosen[-1].version is None or not others:
        return None
    return (others[-1].seen, chosen[-1].seen)


def copies_for_nsib(boots: Sequence[Boot]) -> list[tuple[Boot, Swap]]:
    """Boots in which MCUboot put an image into an S0/S1 slot."""
    return [(boot, swap) for boot, swap in _done(boots) if _is_copy_for_nsib(boot, swap)]


def _done(boots: Sequence[Boot]) -> list[tuple[Boot, Swap]]:
    return [
        (boot, swap)
        for boot in boots
        for swap in _swaps(boot)
        if swap.result in (SwapResult.SWAPPED, SwapResult.OVERWRITTEN)
    ]


def _after_copy_for_nsib(boots: Sequence[Boot]) -> Sign | None:
    """What NSIB made of the last image that MCUboot put into an S0/S1 slot.

    None where it starts it, or where the application was swapped since.
    """
    done = _done(boots)
    if not done or not _is_copy_for_nsib(*done[-1]):
        return None
    boot, swap = done[-1]
    before = boot.nsib.booted if boot.nsib is not None else None
    after = [b.nsib.booted for b in boots if b.number > boot.number and b.nsib]
    starts = [attempt for attempt in after if attempt is not None]
    if not starts:
        why = "NSIB chooses between S0 and S1 at the next reset"
        return Sign(Ending.NEEDS_RESET, why, (swap.seen,))
    if before is None or (starts[-1].slot, starts[-1].firmware_version) != (
        before.slot,
        before.firmware_version,
    ):
        return None
    why = "NSIB starts the same slot and version as before the copy"
    return Sign(Ending.NOT_CHOSEN, why, (before.seen, swap.seen, starts[-1].seen))


def _is_copy_for_nsib(boot: Boot, swap: Swap) -> bool:
    """Whether a swap put an image into an S0/S1 slot, behind NSIB's choice.

    Up to NCS 2.4 the lines name no image. There the application's pair comes first, and MCUboot
    decides nothing for it while an S image waits.
    """
    if boot.nsib is None or boot.mcuboot is None:
        return False
    if swap.algorithm == "nsib" or swap.image is not None:
        return swap.algorithm == "nsib" or swap.image == 1
    if len(boot.mcuboot.rounds) < 2:
        return False
    first, *others = boot.mcuboot.rounds
    return (
        first.decision is None
        and not first.is_resume
        and any(r.decision and r.decision.swap_type == swap.decided for r in others)
    )

"""Whether an upgrade happened in a log, from what its boots did one after the other."""

from collections.abc import Sequence

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import (
    Boot,
    ClientReport,
    Seen,
    Swap,
    SwapResult,
    Upgraded,
    UpgradeSign,
)

_UNKNOWN = UpgradeSign(Upgraded.UNKNOWN, "no line says what a bootloader did", ())


def upgrade_sign(boots: Sequence[Boot], client: ClientReport | None) -> UpgradeSign:
    """The last thing that a boot said about an upgrade."""
    judge = _Judge()
    for boot in boots:
        judge.take(boot)
    if judge.sign.upgraded is Upgraded.UNKNOWN and not boots and client is not None:
        return _from_list(client)
    return judge.sign


class _Judge:
    def __init__(self) -> None:
        self.sign = _UNKNOWN
        self._before: Boot | None = None
        self._cut: Swap | None = None

    def take(self, boot: Boot) -> None:
        sign = (
            self._refused_by_nsib(boot)
            or _stopped_after_swap(boot)
            or _refused_by_network_core(boot)
            or self._by_swaps(boot)
            or self._by_resume(boot)
            or self._by_network_core(boot)
            or self._refused_by_mcuboot(boot)
            or self._by_versions(boot)
        )
        if sign is not None:
            self.sign = sign
        elif self.sign.upgraded is Upgraded.UNKNOWN:
            self.sign = _ran_through(boot) or self.sign
        self._before = boot

    def _by_swaps(self, boot: Boot) -> UpgradeSign | None:
        sign = None
        for swap in boot.mcuboot.swaps if boot.mcuboot is not None else ():
            sign = self._by_swap(swap) or sign
        return sign

    def _by_swap(self, swap: Swap) -> UpgradeSign | None:
        cut, self._cut = self._cut, None
        # A resumed swap goes on with what the one before it began.
        decided = swap.decided or (cut.decided if cut is not None else None)
        match swap.result:
            case SwapResult.CUT:
                self._cut = swap if swap.decided is not None else cut or swap
                if decided == "revert":
                    why = "MCUboot began to go back to the old image, which was not confirmed"
                    return UpgradeSign(Upgraded.NO, why, (swap.seen,))
                return UpgradeSign(
                    Upgraded.UNKNOWN, "the swap was cut; the next boot resumes it", (swap.seen,)
                )
            case SwapResult.REFUSED:
                return None
            case SwapResult.UNKNOWN:
                return UpgradeSign(
                    Upgraded.UNKNOWN,
                    f"MCUboot had decided to swap ({swap.decided}) and says no more about it",
                    (swap.seen,),
                )
            case SwapResult.REVERTED | SwapResult.SWAPPED | SwapResult.OVERWRITTEN:
                if swap.result is SwapResult.REVERTED or decided == "revert":
                    why = "MCUboot went back to the old image: the new one had not been confirmed"
                    return UpgradeSign(Upgraded.NO, why, (swap.seen,))
                return UpgradeSign(
                    Upgraded.YES, "MCUboot brought the new image into its slot", (swap.seen,)
                )

    def _by_resume(self, boot: Boot) -> UpgradeSign | None:
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
            why = "MCUboot went back to the old image: the new one had not been confirmed"
            return UpgradeSign(Upgraded.NO, why, seen)
        return UpgradeSign(Upgraded.YES, "MCUboot ended the swap that a reset had cut", seen)

    def _by_network_core(self, boot: Boot) -> UpgradeSign | None:
        update = boot.network_core
        if update is None or update.done is None:
            return None
        return UpgradeSign(Upgraded.YES, "the network core was updated", (update.done,))

    def _refused_by_mcuboot(self, boot: Boot) -> UpgradeSign | None:
        if boot.mcuboot is None:
            return None
        refusals = boot.mcuboot.refusals
        if refusals:
            seen = tuple(refusal.seen for refusal in refusals)
            return UpgradeSign(Upgraded.NO, refusals[0].meaning, seen)
        if boot.mcuboot.gave_up is not None:
            return UpgradeSign(
                Upgraded.NO, "MCUboot found nothing to start", (boot.mcuboot.gave_up,)
            )
        return None

    def _refused_by_nsib(self, boot: Boot) -> UpgradeSign | None:
        if boot.nsib is None:
            return None
        burnt = [attempt for attempt in boot.nsib.attempts if attempt.invalidated is not None]
        if burnt:
            seen = tuple(line for attempt in burnt for line in attempt.errors)
            return UpgradeSign(Upgraded.NO, "NSIB refused the firmware in a slot", seen)
        if boot.nsib.gave_up is not None:
            return UpgradeSign(Upgraded.NO, "NSIB found nothing to start", (boot.nsib.gave_up,))
        return None

    def _by_versions(self, boot: Boot) -> UpgradeSign | None:
        """NSIB starts newer firmware, or MCUboot another image, than on the boot before."""
        if self._before is None:
            return None
        old, new = _nsib_version(self._before), _nsib_version(boot)
        if old is not None and new is not None and new[0] > old[0]:
            why = f"NSIB starts firmware version {new[0]} instead of {old[0]}"
            return UpgradeSign(Upgraded.YES, why, (old[1], new[1]))
        before, after = _loaded_version(self._before), _loaded_version(boot)
        if before is not None and after is not None and before[0] != after[0]:
            why = f"MCUboot starts version {after[0]} instead of {before[0]}"
            return UpgradeSign(Upgraded.YES, why, (before[1], after[1]))
        return None


def _refused_by_network_core(boot: Boot) -> UpgradeSign | None:
    if boot.network_core is None or not boot.network_core.failed:
        return None
    return UpgradeSign(Upgraded.NO, "the network core took no update", boot.network_core.failed)


def _stopped_after_swap(boot: Boot) -> UpgradeSign | None:
    """A swap behind which MCUboot accepts no image: the new one does not run."""
    mcuboot = boot.mcuboot
    if mcuboot is None or mcuboot.gave_up is None or not mcuboot.swaps:
        return None
    swap = mcuboot.swaps[-1]
    if swap.seen.line_number > mcuboot.gave_up.line_number or swap.result is SwapResult.REFUSED:
        return None
    why = "MCUboot swapped, and then found nothing that it may start"
    return UpgradeSign(Upgraded.NO, why, (swap.seen, mcuboot.gave_up))


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


def _ran_through(boot: Boot) -> UpgradeSign | None:
    """A boot that started its application and swapped nothing."""
    mcuboot = boot.mcuboot
    if mcuboot is not None and mcuboot.decisions and not mcuboot.swaps:
        seen = tuple(decision.seen for decision in mcuboot.decisions)
        return UpgradeSign(Upgraded.NO, "MCUboot had nothing to swap", seen)
    counter = [
        attempt.seen
        for attempt in (boot.nsib.attempts if boot.nsib is not None else ())
        if attempt.counter_set_to is not None
    ]
    if counter:
        why = "NSIB starts this version for the first time: an update, or the first boot of all"
        return UpgradeSign(Upgraded.UNKNOWN, why, tuple(counter))
    newer = _newer_slot(boot)
    if newer is not None:
        why = "MCUboot starts the newer of two images; no line says whether it is new on this board"
        return UpgradeSign(Upgraded.UNKNOWN, why, newer)
    bootloaders = [span for span in boot.stages if span.stage is not Stage.APP]
    has_jumped = (
        mcuboot is not None
        and mcuboot.jumped is not None
        and (mcuboot.started is not None or bool(mcuboot.loaded))
    )
    if (boot.reached_app or has_jumped) and bootloaders:
        why = "the bootloader went straight on to the application"
        return UpgradeSign(Upgraded.NO, why, (bootloaders[-1].last,))
    return None


def _newer_slot(boot: Boot) -> tuple[Seen, ...] | None:
    """Direct-XIP and RAM_LOAD: the images in both slots, where the secondary one is started."""
    loaded = boot.mcuboot.loaded if boot.mcuboot is not None else ()
    chosen = [one for one in loaded if one.is_chosen]
    others = [one for one in loaded if not one.is_chosen and one.slot == "primary"]
    if not chosen or chosen[-1].slot != "secondary" or chosen[-1].version is None or not others:
        return None
    return (others[-1].seen, chosen[-1].seen)


def _from_list(client: ClientReport) -> UpgradeSign:
    waiting = [image for image in client.images if not image.active and image.slot == 1]
    if not waiting:
        return _UNKNOWN
    why = "an image waits in the other slot"
    if any(image.pending for image in waiting):
        why = "an image is pending; the board was not reset yet"
    return UpgradeSign(Upgraded.NO, why, tuple(image.seen for image in waiting))

"""What became of a swap that was interrupted, where the boot after it did not finish it."""

from collections.abc import Sequence

from pytest_nrf_fota.bootlog.report import Boot, SwapResult

_IN_BETWEEN = "the external flash was erased, or a slot was programmed, in between"


def cut_swap_reason(boots: Sequence[Boot]) -> str:
    """Why nothing came of a swap that was interrupted.

    Empty where no swap was, where no boot followed yet, and where the next boot finished it.
    """
    after = _after_last_cut(boots)
    if not after:
        return ""
    stands = stands_still(after[-1])
    if not after[0].swapped:
        end = f"cannot go on with it: {stands!r}" if stands else "knew nothing of it afterwards"
        return f"MCUboot was interrupted in a swap and {end}; {_IN_BETWEEN}"
    if after[0].reached_app:
        return ""
    end = repr(stands or after[0].last.text)
    return f"MCUboot was interrupted in a swap, went on, and found no whole image: {end}; " + (
        _IN_BETWEEN
    )


def is_swap_given_up(boots: Sequence[Boot]) -> bool:
    """Whether the last swap was interrupted and the next boot did not go on with it."""
    after = _after_last_cut(boots)
    return bool(after) and not after[0].swapped


def stands_still(boot: Boot) -> str:
    """The line with which a bootloader said that it starts nothing; empty where it did not."""
    stages = (boot.nsib, boot.mcuboot)
    ends = (stage.gave_up for stage in stages if stage is not None)
    return next((seen.text.strip() for seen in ends if seen is not None), "")


def _after_last_cut(boots: Sequence[Boot]) -> Sequence[Boot]:
    """The boots behind the last one in which a swap was interrupted.

    Only swaps that have a line: a release that prints one prints it for the resumed swap, too.
    """
    cut = [
        place
        for place, boot in enumerate(boots)
        if any(swap.result is SwapResult.CUT for swap in boot.swaps)
    ]
    return boots[cut[-1] + 1 :] if cut else ()

"""Swaps that were interrupted, and what was done to the flash before they could go on."""

from collections.abc import Iterator, Sequence

from pytest_nrf_fota.bootlog.report import Boot, Seen, SwapResult
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.rule import Find, Match, Rule, found
from pytest_nrf_fota.findings.finding import Confidence, Weight
from pytest_nrf_fota.verdict.boots import sign_of_boots
from pytest_nrf_fota.verdict.ending import Ending

_COPY_DONE_UNSET = 3
_NO_SWAP = (0, 1)


def unless_cut_in_a_swap(find: Find) -> Find:
    """A rule that holds no more, or whose remedy does harm, where half a swap lies in the slots."""

    def find_elsewhere(case: Case) -> Match | None:
        is_cut = _under_way(case) or _spoilt(case) or _given_up(case)
        return None if is_cut else find(case)

    return find_elsewhere


def _under_way(case: Case) -> Match | None:
    """The log's last boot ends in a swap."""
    last = case.boots.last_boot
    mcuboot = last.mcuboot if last is not None else None
    if last is None or mcuboot is None or last.reached_app:
        return None
    if mcuboot.gave_up or mcuboot.jumped or mcuboot.chainload_address is not None:
        return None
    return found([*_cut_swaps(last), *_trailers_of_a_swap(last)])


def _spoilt(case: Case) -> Match | None:
    """No boot since the cut reaches an application.

    The MCUboot of NCS 2.3 loses the primary slot's header where the power fails between the erase
    and the write of its first sector (`boards.ncs`); no line tells that from somebody's doing.
    """
    boots = _boots_without_app(case.boots.boots)
    last = boots[-1].mcuboot if boots else None
    if last is None or last.gave_up is None:
        return None
    cut = [seen for boot in boots[:-1] for seen in _cut_swaps(boot)]
    trailers = [seen for boot in boots for seen in _trailers_of_a_swap(boot)]
    if not cut and not trailers:
        return None
    went_on = [s.seen for b in boots if b.mcuboot and b.mcuboot.gave_up for s in b.swaps]
    return found([*cut[-1:], *trailers[-1:], *went_on[:1], last.gave_up])


def _given_up(case: Case) -> Match | None:
    """The boot after the cut decides for no swap and starts what it finds."""
    sign = sign_of_boots(case.boots.boots)
    return found(sign.seen, Confidence.LIKELY) if sign.ending is Ending.GIVEN_UP else None


def _boots_without_app(boots: Sequence[Boot]) -> list[Boot]:
    """Those at the log's end."""
    without: list[Boot] = []
    for boot in reversed(boots):
        if boot.reached_app:
            break
        without.insert(0, boot)
    return without


def _cut_swaps(boot: Boot) -> Iterator[Seen]:
    return (swap.seen for swap in boot.swaps if swap.result is SwapResult.CUT)


def _trailers_of_a_swap(boot: Boot) -> Iterator[Seen]:
    """Magic and swap type without `copy_done` where MCUboot keeps them while it swaps.

    sdk-mcuboot, boot/bootutil/src/swap_misc.c: swap_status_init, swap_set_copy_done.
    """
    trailers = boot.mcuboot.trailers if boot.mcuboot is not None else ()
    return (
        trailer.seen
        for trailer in trailers
        if trailer.area in ("primary", "scratch")
        and trailer.magic == "good"
        and trailer.swap_type is not None
        and trailer.swap_type not in _NO_SWAP
        and trailer.copy_done == _COPY_DONE_UNSET
    )


RULES = (
    Rule(
        "cut_swap_spoilt",
        "MCUboot was interrupted in a swap, and before it could go on the external flash was "
        "erased or a slot was programmed, so that it finds no whole image where the swap left "
        "them; up to NCS 2.4 a power cut may do that alone.",
        "Flash the whole build, which clears the swap's status, too: `west flash --recover` with "
        "build/merged.hex; after it erase the external flash in the shell. Next time reset first "
        "and let the swap end.",
        _spoilt,
    ),
    Rule(
        "cut_swap_given_up",
        "MCUboot was interrupted in a swap and knew nothing of it on the next boot: in between the "
        "board was recovered, or its external flash was erased. What lies in the primary slot "
        "runs.",
        "Upload the update again, set it pending and reset; do not cut the power while it swaps.",
        _given_up,
    ),
    Rule(
        "swap_under_way",
        "The log ends while MCUboot brings an image into the primary slot: what lies there may be "
        "no whole image.",
        "Reset the board and let the swap end. Do not erase the external flash and do not program "
        "a slot before; if it does not end, `west flash --recover` with build/merged.hex.",
        _under_way,
        weight=Weight.ADVICE,
    ),
)

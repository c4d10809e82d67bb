"""Claim kits of a desk for one session: all that it needs or none, at once or by a deadline."""

import platform
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.desk import Kit, QuarantinedKitError
from pytest_nrf_fota.farm.kit_lock import KitClaim, KitState, state_of, try_claim
from pytest_nrf_fota.farm.quarantine import Quarantine, clearing_command

_INTERVAL_S = 0.2


class KitsTakenError(RigError):
    """Too few of the fitting kits are free."""


@dataclass(frozen=True)
class ClaimedKit:
    """A kit, and this session's right to it."""

    kit: Kit
    claim: KitClaim


def claim_kits(
    kits: Sequence[Kit],
    *,
    at_least: int,
    at_most: int,
    wait_s: float,
    on_wait: Callable[[str], None] = lambda text: None,
    own_pids: Collection[int] = (),
    set_aside: Callable[[Sequence[Kit]], Mapping[str, Quarantine]] = lambda kits: {},
    folder: Path | None = None,
) -> tuple[ClaimedKit, ...]:
    """Claim the first that are free.

    Nothing is kept while it waits: two sessions that each hold what the other needs would both
    wait until their deadlines.

    Args:
        kits: fitting ones, in the order in which they are preferred.
        at_least: how many are needed, no more than there are.
        at_most: how many are of use.
        wait_s: how long to wait for them; 0 gives up at once.
        on_wait: gets who holds them, once, before it waits.
        own_pids: processes of this session, which hold what they have until it ends.
        set_aside: tells which are quarantined now: who holds a kit may find that it is broken.
        folder: of the locks; None takes this host's.

    Raises:
        KitsTakenError: others hold too many of them, and who; after `wait_s`. Or this session has
            too many itself; at once.
        QuarantinedKitError: too few are left besides those that are set aside.
        RigError: the folder of the locks cannot be used.
    """
    deadline = Deadline.after(wait_s)
    has_told = False
    while True:
        aside = set_aside(kits)
        usable = [kit for kit in kits if kit.serial_number not in aside]
        if len(usable) < at_least:
            raise _quarantined(aside, at_least, len(kits))
        claimed = _claim_free(usable, at_most, folder)
        # Who gave one back this moment noted before what was wrong with it.
        is_sound = not set_aside([one.kit for one in claimed])
        if len(claimed) >= at_least and is_sound:
            for one in claimed:
                one.claim.announce()
            return tuple(claimed)
        for one in claimed:
            one.claim.release()
        if not is_sound:
            continue
        states = {kit.serial_number: state_of(kit.serial_number, folder) for kit in usable}
        own = [number for number, state in states.items() if _is_own(state, own_pids)]
        if len(usable) - len(own) < at_least:
            raise _own(own, len(usable))
        if deadline.expired:
            raise _taken(states, own, at_least, wait_s)
        if not has_told:
            on_wait(f"waiting up to {wait_s:g} s for {_kits(at_least)}; {_held(states, own)}")
            has_told = True
        time.sleep(min(_INTERVAL_S, deadline.remaining_s))


def _claim_free(kits: Sequence[Kit], at_most: int, folder: Path | None) -> list[ClaimedKit]:
    claimed: list[ClaimedKit] = []
    try:
        for kit in kits:
            if len(claimed) == at_most:
                break
            claim = try_claim(kit.serial_number, folder)
            if claim is not None:
                claimed.append(ClaimedKit(kit, claim))
    except BaseException:
        for one in claimed:
            one.claim.release()
        raise
    return claimed


def _is_own(state: KitState, own_pids: Collection[int]) -> bool:
    holder = state.holder
    return holder is not None and holder.pid in own_pids and holder.host == platform.node()


def _held(states: Mapping[str, KitState], own: Sequence[str]) -> str:
    held = (
        f"{number}: {'this session has it' if number in own else state}"
        for number, state in states.items()
        if state.is_held
    )
    return "; ".join(held)


def _own(own: Sequence[str], count: int) -> KitsTakenError:
    return KitsTakenError(
        f"This session itself has all {count} kits that fit, until it ends."
        if count > 1
        else "This session itself has the only kit that fits, until it ends.",
        where=", ".join(own),
        next_step=one_more_step(count),
    )


def one_more_step(count: int) -> str:
    """What to do where a session has all `count` kits that fit, and a test wants one more."""
    if count == 1:
        return "Attach a second kit that fits, or let the run take others as well."
    return f"Start fewer workers than kits: -n {count // 2} for tests that need two kits."


def _quarantined(aside: Mapping[str, Quarantine], at_least: int, count: int) -> QuarantinedKitError:
    return QuarantinedKitError(
        f"{_kits(at_least)} of the {count} that fit {'is' if at_least == 1 else 'are'} needed, "
        "and too many were quarantined meanwhile."
        if count > 1
        else "The kit was quarantined meanwhile.",
        where="; ".join(f"{number}: {note}" for number, note in aside.items()),
        next_step=f"Look at what is wrong, then: {clearing_command([*aside])}",
    )


def _taken(
    states: Mapping[str, KitState], own: Sequence[str], at_least: int, wait_s: float
) -> KitsTakenError:
    waited, count, held = f" after {wait_s:g} s" if wait_s else "", len(states), _held(states, own)
    return KitsTakenError(
        f"{_kits(at_least)} of the {count} that fit {'is' if at_least == 1 else 'are'} needed, "
        f"and others hold too many{waited}."
        if count > 1
        else f"The kit is taken{waited}.",
        where=held or "they were given back this very moment",
        next_step=f"Wait {'longer' if wait_s else 'for it'}: --wait-for-kit=SECONDS. "
        "`nrf-fota boards` shows who holds which.",
    )


def _kits(count: int) -> str:
    return f"{count} kit{'' if count == 1 else 's'}"

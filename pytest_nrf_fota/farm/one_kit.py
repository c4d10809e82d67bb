"""One kit for a command that touches it, as a test session would claim it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pytest_nrf_fota.console.ports import AttachedKit, attached_kits, plain_serial_number
from pytest_nrf_fota.farm.claims import claim_kits
from pytest_nrf_fota.farm.desk import Kit, quarantined_among
from pytest_nrf_fota.farm.kit_lock import use_kit


@contextmanager
def kit_alone(
    device_id: str | None,
    attached: Sequence[AttachedKit] | None = None,
    wait_s: float = 0.0,
    on_wait: Callable[[str], None] = lambda text: None,
    *,
    may_be_quarantined: bool = True,
) -> Iterator[None]:
    """Nobody else has the kit meanwhile.

    Which one that is where none is named and several are attached is for the caller to refuse;
    nothing is claimed then.

    Args:
        device_id: its serial number, with or without leading zeros; None takes the only one.
        attached: kits on USB; None looks.
        wait_s: how long to wait for it; 0 gives up at once.
        on_wait: gets who holds it, once, before it waits.
        may_be_quarantined: a person wants this one; tests want one that is not.

    Raises:
        KitsTakenError: somebody has it, and who.
        QuarantinedKitError: it is quarantined, and must not be.
        RigError: the folder of the locks cannot be used.
    """
    if device_id is not None:
        number = plain_serial_number(device_id)
    else:
        kits = attached_kits() if attached is None else attached
        if len(kits) != 1:
            yield
            return
        number = kits[0].serial_number
    (claimed,) = claim_kits(
        [Kit(number)],
        at_least=1,
        at_most=1,
        wait_s=wait_s,
        on_wait=on_wait,
        set_aside=(lambda kits: {}) if may_be_quarantined else quarantined_among,
    )
    try:
        use = use_kit(number)
        try:
            yield
        finally:
            use.release()
    finally:
        claimed.claim.release()

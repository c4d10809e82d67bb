"""Whether a kit's ports are there: a probe that updates its firmware takes them away meanwhile."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_nrf_fota.console.ports import AttachedKit
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ConsoleLostError

_INTERVAL_S = 0.05


def wait_for_port(name: str, deadline: Deadline) -> None:
    """Wait until a port's node is there, or the deadline is over: whoever opens it says the rest.

    Names that are no path (`COM7`, pyserial's URLs) are not waited for.
    """
    while not is_there(name) and not deadline.expired:
        time.sleep(min(_INTERVAL_S, deadline.remaining_s))


def is_there(name: str) -> bool:
    """Whether the port has a node, as far as that can be told."""
    return os.name != "posix" or not name.startswith("/") or Path(name).exists()


def kit_with_its_ports(
    before: AttachedKit,
    look: Callable[[], Sequence[AttachedKit]],
    deadline: Deadline,
    settle_s: float,
) -> AttachedKit:
    """The kit once it has its serial ports again.

    Args:
        before: the kit as it was before its probe was contacted.
        look: lists the attached kits.
        deadline: by when the ports must be there.
        settle_s: where it comes back with fewer ports - another firmware of the probe may have
            fewer - how long these must stay the same to count as all.

    Raises:
        ConsoleLostError: it has none at the deadline.
    """
    seen: AttachedKit | None = None
    settled = Deadline.after(settle_s)
    while True:
        kit = next((k for k in look() if k.serial_number == before.serial_number), None)
        if kit is not None and not all(is_there(vcom.name) for vcom in kit.vcoms):
            kit = None
        if kit is not None and len(kit.vcoms) >= len(before.vcoms):
            return kit
        if kit != seen:
            seen, settled = kit, Deadline.after(settle_s)
        if kit is not None and kit.vcoms and settled.expired:
            return kit
        if deadline.expired:
            raise ConsoleLostError(
                f"The serial ports of the kit {before.serial_number} did not come back within "
                f"{deadline.allowed_s:g} s after its probe was contacted.",
                where=", ".join(vcom.name for vcom in before.vcoms),
                next_step="A probe that updates its firmware takes its ports away for a while. "
                "Unplug the kit and plug it in again; raise --flash-timeout where it was slow.",
            )
        time.sleep(_INTERVAL_S)

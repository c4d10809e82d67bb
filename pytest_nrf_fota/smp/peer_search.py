"""Find one board among those that advertise, whichever Bluetooth stack hears them."""

import asyncio
import re

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import NotSeenError, RigError

_ADDRESS = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}|[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
"""An address, or the UUID by which macOS hides it."""

# A board whose name was heard may have namesakes; Zephyr's slow advertising interval is 1 to 1.2 s
# (BT_GAP_ADV_SLOW_INT_MAX in bluetooth/gap.h), and one report may be lost.
_NAMESAKES_S = 2.5


class PeerSearch:
    """One search; tell it every advertisement with `hear`, and wait with `found`.

    An address ends the search at once. A name does not say which of several boards is meant, so
    a search by name goes on for a moment, and fails where a second board has the name.

    Args:
        wanted: address or advertised name.
        where: which radio, for messages.
    """

    def __init__(self, wanted: str, where: str) -> None:
        self._wanted = wanted
        self._where = where
        self._is_by_address = _ADDRESS.fullmatch(wanted.upper()) is not None
        self._names: dict[str, str] = {}
        self._first = asyncio.Event()
        self._second = asyncio.Event()

    @property
    def heard_anybody(self) -> bool:
        """Whether any board at all was heard."""
        return bool(self._names)

    def hear(self, address: str, name: str | None) -> None:
        """Take one advertisement; the name often comes in the scan response only."""
        self._names[address] = name or self._names.get(address, "")
        matches = len(self._matches())
        if matches > 0:
            self._first.set()
        if matches > 1:
            self._second.set()

    async def wait_for_anybody(self, timeout_s: float) -> None:
        """Wait until the peer is found, or the time is over."""
        await _wait(self._first, timeout_s)

    async def found(self, deadline: Deadline) -> str:
        """The peer's address.

        Raises `NotSeenError` with who advertised instead, and `RigError` where several have the
        name.
        """
        await _wait(self._first, deadline.remaining_s)
        if not self._is_by_address and self._first.is_set():
            await _wait(self._second, deadline.within(_NAMESAKES_S).remaining_s)
        matches = self._matches()
        if not matches:
            raise NotSeenError(
                f"The board is not advertising: {self._wanted!r} was not seen in "
                f"{deadline.allowed_s:.1f} s; advertising: {self._others()}",
                where=self._where,
                next_step="Look at the UART log: has the application booted, and under which name "
                "does it advertise?",
            )
        if len(matches) > 1:
            raise RigError(
                f"{len(matches)} boards or more advertise the name {self._wanted!r}: "
                f"{', '.join(matches)}.",
                where=self._where,
                next_step="Let the boot log show the board's own address: build with "
                "CONFIG_BT_LOG_LEVEL_INF=y for the line `Identity: ...`. Or give each board a name "
                "of its own.",
            )
        return matches[0]

    def _matches(self) -> list[str]:
        if self._is_by_address:
            wanted = self._wanted.upper()
            return [address for address in self._names if address.upper() == wanted]
        return [address for address, name in self._names.items() if name == self._wanted]

    def _others(self) -> str:
        others = [f"{address} {name}".strip() for address, name in self._names.items()]
        return ", ".join(others) or "nobody"


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({waiting}, timeout=timeout_s)
    waiting.cancel()

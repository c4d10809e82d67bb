"""Find one board among those that advertise, whichever Bluetooth stack hears them."""

import asyncio
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import NotSeenError, RigError

if TYPE_CHECKING:
    from smpclient.transport import SMPTransport

SMP_SERVICE_UUID = "8d53dc1d-1db7-4cd3-868b-8a527460aa84"
"""SMP's GATT service (Zephyr documentation, SMP over Bluetooth), as both stacks write it."""

_HIDDEN = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
"""The UUID by which macOS hides an address: its own, and another one on each host."""

_ADDRESS = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}")

# A board whose name was heard may have namesakes; Zephyr's slow advertising interval is 1 to 1.2 s
# (BT_GAP_ADV_SLOW_INT_MAX in bluetooth/gap.h), and one report may be lost.
_NAMESAKES_S = 2.5
LONGEST_ADVERTISING_INTERVAL_S = 10.24
"""Who advertises is heard at least so often (Bluetooth Core, Vol 6 Part B, 4.4.2.2)."""


@dataclass(frozen=True)
class Peer:
    """Whom to look for: by address, and by name where the address cannot be seen.

    Args:
        address: the board's own one, as its boot log shows it; None where it is not known.
        name: that it advertises; None where it is not known.
        private_address: whether another address than `address` is on the air (CONFIG_BT_PRIVACY);
            None where that is not known. A host that hides addresses is noticed by what it hears.
    """

    address: str | None = None
    name: str | None = None
    private_address: bool | None = None

    @classmethod
    def of(cls, text: str) -> "Peer":
        """A peer by its address, or by its name; nothing else is taken instead."""
        if _ADDRESS.fullmatch(text.upper()) or _HIDDEN.fullmatch(text.upper()):
            return cls(address=text, private_address=False)
        return cls(name=text)

    def __str__(self) -> str:
        """For messages."""
        return self.address or self.name or "(any board with SMP)"


@dataclass(frozen=True)
class FoundPeer:
    """Whom a search has found.

    Args:
        address: to connect to.
        by_address: whether it is the address that was wanted; else its name or its SMP service led
            there, and it may be another board.
        heard: all that advertised, for messages.
    """

    address: str
    by_address: bool
    heard: str


@runtime_checkable
class SearchingRadio(Protocol):
    """A radio on which a board is searched for."""

    def transport_for(self, search: "PeerSearch") -> "SMPTransport":
        """A fresh, unconnected transport that finds its peer by this search."""


@dataclass(frozen=True)
class _Advertiser:
    name: str = ""
    has_smp: bool = False
    is_public: bool = False


class PeerSearch:
    """One search; tell it every advertisement with `hear`, and wait with `found`.

    The address ends the search at once. A name does not say which of several boards is meant, so
    a search by name goes on for a moment, and fails where a second board has the name.

    Where an address is wanted, only who may hide that address is taken by its name: behind a
    UUID of macOS, or a private address (Bluetooth Core, Vol 6 Part B, 1.3.2.2). Whoever advertises
    another static or public address is another board.

    Args:
        wanted: the peer; a text is its address or its name.
        where: which radio, for messages.
    """

    def __init__(self, wanted: Peer | str, where: str) -> None:
        self.wanted = Peer.of(wanted) if isinstance(wanted, str) else wanted
        self.result: FoundPeer | None = None
        self._where = where
        self._advertisers: dict[str, _Advertiser] = {}
        self._changed = asyncio.Event()

    @property
    def heard_anybody(self) -> bool:
        """Whether any board at all was heard."""
        return bool(self._advertisers)

    def hear(
        self, address: str, name: str | None, *, has_smp: bool = False, is_public: bool = False
    ) -> None:
        """Take one advertisement; name and services may come in different ones.

        Args:
            address: the advertiser's, or what the host shows instead.
            name: the advertised name.
            has_smp: whether SMP's service is advertised.
            is_public: whether the address is known to be a public one.
        """
        before = self._advertisers.get(address, _Advertiser())
        self._advertisers[address] = replace(
            before,
            name=name or before.name,
            has_smp=has_smp or before.has_smp,
            is_public=is_public,
        )
        self._changed.set()

    async def wait_for_anybody(self, timeout_s: float) -> None:
        """Wait until somebody is found who may be the peer, or the time is over."""
        until = Deadline.after(timeout_s)
        while not (self._exact() or self._candidates()) and not until.expired:
            await self._wait(until)

    async def found(self, deadline: Deadline) -> str:
        """The peer's address; `result` has how it was found.

        Raises `NotSeenError` with who advertised instead, and `RigError` where several have the
        name.
        """
        begun_s = deadline.remaining_s
        await self.wait_for_anybody(deadline.remaining_s)
        if not self._exact() and self._candidates():
            await self._wait_for_better(deadline, begun_s)
        exact, candidates = self._exact(), self._candidates()
        if exact is None and not candidates:
            raise NotSeenError(
                f"The board is not advertising: {str(self.wanted)!r} was not seen in "
                f"{deadline.allowed_s:.1f} s; advertising: {self._heard()}",
                where=self._where,
                next_step="Look at the UART log: has the application booted, and under which name "
                "does it advertise?" + self._hint_of_hidden_name(),
            )
        if exact is None and len(candidates) > 1:
            raise self._several(candidates)
        address = exact or candidates[0]
        self.result = FoundPeer(address, exact is not None, self._heard())
        return address

    async def _wait_for_better(self, deadline: Deadline, begun_s: float) -> None:
        """Wait for the address itself, or for a namesake."""
        patience_s = _NAMESAKES_S
        if self.wanted.address is not None and not self._is_hidden_for_sure():
            # Only a board that is not heard for so long is not there under its own address.
            waited_s = begun_s - deadline.remaining_s
            patience_s = max(patience_s, LONGEST_ADVERTISING_INTERVAL_S - waited_s)
        # The connection needs its time, too.
        until = deadline.within(min(patience_s, deadline.remaining_s / 2))
        while not self._exact() and len(self._candidates()) < 2 and not until.expired:
            await self._wait(until)

    async def _wait(self, until: Deadline) -> None:
        self._changed.clear()
        waiting = asyncio.ensure_future(self._changed.wait())
        await asyncio.wait({waiting}, timeout=until.remaining_s)
        waiting.cancel()

    def _exact(self) -> str | None:
        if self.wanted.address is None:
            return None
        wanted = self.wanted.address.upper()
        return next((one for one in self._advertisers if one.upper() == wanted), None)

    def _candidates(self) -> list[str]:
        """Who may be the peer by its name, or, where it has none, by its SMP service."""
        fitting = {
            address: one
            for address, one in self._advertisers.items()
            if self._may_be_peer(address, one)
        }
        with_smp = [address for address, one in fitting.items() if one.has_smp]
        # An application need not advertise its service.
        return with_smp or (list(fitting) if self.wanted.name is not None else [])

    def _may_be_peer(self, address: str, one: _Advertiser) -> bool:
        wanted = self.wanted
        if wanted.name is not None and one.name != wanted.name:
            return False
        if wanted.address is None:
            return True
        if _HIDDEN.fullmatch(address.upper()):
            return not _HIDDEN.fullmatch(wanted.address.upper())
        return wanted.private_address is not False and not one.is_public and _is_private(address)

    def _is_hidden_for_sure(self) -> bool:
        hides = any(_HIDDEN.fullmatch(address.upper()) for address in self._advertisers)
        return hides or self.wanted.private_address is True

    def _hint_of_hidden_name(self) -> str:
        wanted = self.wanted
        if wanted.address is None or wanted.name is not None or wanted.private_address is False:
            return ""
        return " Where its address on the air is a private one, radio.name finds it."

    def _several(self, candidates: list[str]) -> RigError:
        listed = ", ".join(candidates)
        if self.wanted.address is not None:
            shared = f"the name {self.wanted.name!r}" if self.wanted.name else "SMP"
            return RigError(
                f"{len(candidates)} boards or more advertise {shared} and hide their addresses, so "
                f"none shows that it is {self.wanted.address}: {listed}.",
                where=self._where,
                next_step="Give each board a name of its own (CONFIG_BT_DEVICE_NAME and "
                "radio.name), switch the others off, or build without CONFIG_BT_PRIVACY. macOS "
                "hides every address.",
            )
        return RigError(
            f"{len(candidates)} boards or more advertise the name {self.wanted.name!r}: {listed}.",
            where=self._where,
            next_step="Let the boot log show the board's own address: build with "
            "CONFIG_BT_LOG_LEVEL_INF=y for the line `Identity: ...`. Or give each board a name "
            "of its own.",
        )

    def _heard(self) -> str:
        heard = [f"{address} {one.name}".strip() for address, one in self._advertisers.items()]
        return ", ".join(heard) or "nobody"


def _is_private(address: str) -> bool:
    """Whether a random address is a private one, resolvable or not, by its two highest bits."""
    return int(address[:2], 16) >> 6 in (0b00, 0b01)

"""The air of one BLE connection, packet by packet.

Sans-IO: time comes in as seconds and is asked for as seconds, so the same model runs in virtual
time (`virtual_time.py`) and behind the running kit's radio. What it plays (Bluetooth Core 5.3,
Vol 6 Part B, 4.5):

- An event begins every interval. In it the central sends a packet, the peripheral one 150 us
  later, and so on, as long as either had more to send when it sent its last packet (the More Data
  bit), the next pair fits in front of the next event, and `pdus_per_event` is not reached. The
  first pair of an event always takes place.
- A side with nothing to send sends an empty packet. Data of both sides ride in the same pairs.
- A packet is acknowledged by the other side's next one: the central's by the peripheral's packet
  of the same pair, the peripheral's by the central's packet of the next pair - and where the event
  ends between them, that is an interval later. Nothing is lost on this air.
- A value that is longer than a packet goes out in several, and arrives with the last of them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from math import ceil

from pytest_nrf_fota.sim.link_timing import INTER_FRAME_SPACE_US, LinkTiming

_SPACE_S = INTER_FRAME_SPACE_US * 1e-6
# Intervals are sums of floats.
_ROUNDING_S = 1e-9


class Side(Enum):
    """The two ends of a connection."""

    CENTRAL = auto()
    PERIPHERAL = auto()


def _nothing() -> None:
    """What happens where nobody asked to be told."""


@dataclass(frozen=True)
class _Packet:
    payload_bytes: int
    on_arrival: Callable[[], None] = _nothing
    on_acknowledgement: Callable[[], None] = _nothing


_EMPTY = _Packet(0)


@dataclass
class _End:
    """One side: what it has to send, and what it has sent without hearing of it."""

    waiting: deque[_Packet] = field(default_factory=deque)
    unacknowledged: _Packet | None = None

    @property
    def next_bytes(self) -> int:
        return self.waiting[0].payload_bytes if self.waiting else 0


class ConnectionEvents:
    """One connection, from its first event at `start_s` on.

    Args:
        timing: its parameters.
        start_s: when its first event begins, in seconds of the caller's clock.
    """

    def __init__(self, timing: LinkTiming, start_s: float = 0.0) -> None:
        self.timing = timing
        self._start_s = start_s
        self._ends = {side: _End() for side in Side}
        self._last_anchor = -1
        self._steps: Iterator[float] | None = None
        self._next_s: float | None = None

    @property
    def next_at_s(self) -> float | None:
        """When something happens next; None while nobody has anything to send."""
        return self._next_s

    def queue(
        self,
        side: Side,
        size_bytes: int,
        now_s: float,
        on_arrival: Callable[[], None] = _nothing,
        on_acknowledgement: Callable[[], None] = _nothing,
    ) -> None:
        """Give one side something to send.

        Args:
            side: the sender.
            size_bytes: with the headers of L2CAP and ATT.
            now_s: the time at which it does.
            on_arrival: called when its last packet has arrived.
            on_acknowledgement: called when the sender knows.
        """
        whole, rest_bytes = divmod(size_bytes, self.timing.pdu_bytes)
        sizes = [self.timing.pdu_bytes] * whole + ([rest_bytes] if rest_bytes else [])
        waiting = self._ends[side].waiting
        waiting.extend(_Packet(size) for size in sizes[:-1])
        waiting.append(_Packet(sizes[-1], on_arrival, on_acknowledgement))
        if self._steps is None:
            self._begin_event(now_s)

    def run_until(self, now_s: float) -> None:
        """Let everything happen that is due.

        Whoever calls late loses no event: what is due happens at its own time.
        """
        while self._steps is not None and self._next_s is not None:
            due_s = self._next_s
            if due_s > now_s + _ROUNDING_S:
                break
            self._next_s = next(self._steps, None)
            if self._next_s is None:
                self._begin_event(due_s)

    def _begin_event(self, earliest_s: float) -> None:
        if not any(end.waiting or end.unacknowledged for end in self._ends.values()):
            self._steps = self._next_s = None
            return
        first = ceil((earliest_s - self._start_s) / self.timing.interval_s - _ROUNDING_S)
        self._last_anchor = max(self._last_anchor + 1, first)
        self._steps = self._event(self._start_s + self._last_anchor * self.timing.interval_s)
        self._next_s = next(self._steps)

    def _event(self, anchor_s: float) -> Iterator[float]:
        """Yields the times at which a packet begins or ends."""
        central, peripheral = self._ends[Side.CENTRAL], self._ends[Side.PERIPHERAL]
        at_s, pairs = anchor_s, 0
        while True:
            yield at_s
            packet, more = _take(central)
            at_s += self.timing.packet_time_s(packet.payload_bytes)
            yield at_s
            _arrived(packet, at=peripheral)
            at_s += _SPACE_S
            yield at_s
            packet, more_back = _take(peripheral)
            at_s += self.timing.packet_time_s(packet.payload_bytes)
            yield at_s
            _arrived(packet, at=central)
            at_s += _SPACE_S
            pairs += 1
            if not (more or more_back) or pairs == self.timing.pdus_per_event:
                return
            if at_s + self._next_pair_s() > anchor_s + self.timing.interval_s + _ROUNDING_S:
                return

    def _next_pair_s(self) -> float:
        both = (self.timing.packet_time_s(end.next_bytes) for end in self._ends.values())
        return sum(both) + 2 * _SPACE_S


def _take(sender: _End) -> tuple[_Packet, bool]:
    """What a side sends now, and whether it says that it has more."""
    packet = sender.waiting.popleft() if sender.waiting else _EMPTY
    sender.unacknowledged = packet if packet.payload_bytes else None
    return packet, bool(sender.waiting)


def _arrived(packet: _Packet, at: _End) -> None:
    """A packet came: it acknowledges the receiver's last one, then its value is there."""
    acknowledged, at.unacknowledged = at.unacknowledged, None
    if acknowledged is not None:
        acknowledged.on_acknowledgement()
    packet.on_arrival()

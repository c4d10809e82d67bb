"""How long data takes over the air: connection events, PHY, data length extension.

The model is coarse on purpose (measurements show a finer one): a transfer fills
connection events one after the other, and an answer begins with the next event. With these rules
stop-and-wait uploads reach the measured rates within a tenth.
"""

import math
from dataclasses import dataclass
from typing import Literal

# Bluetooth Core 5.3, Vol 6 Part B: 150 us between packets (4.1.1); preamble, access address,
# header, MIC and CRC around the payload (2.1).
_INTER_FRAME_SPACE_US = 150.0
_OVERHEAD_BYTES = {1: 14, 2: 15}
_EMPTY_PDU_BYTES = {1: 10, 2: 11}
# L2CAP header and ATT header in front of each value (Vol 3 Part A, 3.1; Part F, 3.4).
_L2CAP_AND_ATT_BYTES = 7


@dataclass(frozen=True)
class LinkTiming:
    """Parameters of one connection.

    Args:
        interval_s: connection interval; NCS' SMP server asks for 7.5 to 11.25 ms (section 6.1).
        phy_mbit_s: 1 or 2 Mbit/s.
        pdu_bytes: longest payload of a link-layer packet, 251 with data length extension.
        pdus_per_event: limit of a host that ends its events early; None fills the interval.
    """

    interval_s: float = 0.0075
    phy_mbit_s: Literal[1, 2] = 1
    pdu_bytes: int = 251
    pdus_per_event: int | None = None

    @property
    def pdu_time_s(self) -> float:
        """Air time of one full packet and its acknowledgement."""
        packet_bytes = self.pdu_bytes + _OVERHEAD_BYTES[self.phy_mbit_s]
        bits = 8 * (packet_bytes + _EMPTY_PDU_BYTES[self.phy_mbit_s])
        return (bits / self.phy_mbit_s + 2 * _INTER_FRAME_SPACE_US) * 1e-6

    def pdus(self, size_bytes: int) -> int:
        """Packets for one written or notified value."""
        return math.ceil((size_bytes + _L2CAP_AND_ATT_BYTES) / self.pdu_bytes)

    def events(self, pdus: int) -> int:
        """Connection events that so many packets in one direction fill."""
        in_one = max(1, int(self.interval_s / self.pdu_time_s + 1e-9))
        if self.pdus_per_event is not None:
            in_one = min(in_one, self.pdus_per_event)
        return math.ceil(pdus / in_one)


class AirTime:
    """Counts the connection events of one link, direction by direction."""

    def __init__(self, timing: LinkTiming) -> None:
        self._timing = timing
        self._sending: Literal["central", "kit"] | None = None
        self._pdus = 0
        self._events = 0

    def transfer_s(self, sender: Literal["central", "kit"], size_bytes: int) -> float:
        """Time that one more value from `sender` adds.

        Values from the same side share events; a change of direction begins a new one.
        """
        if sender != self._sending:
            self._sending = sender
            self._pdus = self._events = 0
        self._pdus += self._timing.pdus(size_bytes)
        events = self._timing.events(self._pdus)
        added = events - self._events
        self._events = events
        return added * self._timing.interval_s

"""What one BLE connection allows: interval, PHY, length of packets, packets per event.

`connection_events.py` plays the connection with it; `AirTime` here only counts events, for a kit
that waits for nothing and whose log shall still show times like a board's.
"""

import math
from dataclasses import dataclass
from typing import Literal

INTER_FRAME_SPACE_US = 150.0
"""Between two packets of one event (Bluetooth Core 5.3, Vol 6 Part B, 4.1.1)."""

OVERHEAD_BYTES = {1: 10, 2: 11}
"""An empty packet: preamble, access address, header and CRC (Vol 6 Part B, 2.1)."""

MIC_BYTES = 4
"""In each packet with a payload on an encrypted link (Vol 6 Part B, 2.4)."""

L2CAP_HEADER_BYTES = 4
"""In front of each ATT message (Vol 3 Part A, 3.1)."""

ATT_HEADER_BYTES = 3
"""Opcode and handle in front of a written or notified value (Vol 3 Part F, 3.4)."""


@dataclass(frozen=True)
class LinkTiming:
    """Parameters of one connection.

    Args:
        interval_s: connection interval; NCS' SMP server asks for 7.5 to 11.25 ms (section 6.1).
        phy_mbit_s: 1 or 2 Mbit/s.
        pdu_bytes: longest payload of a link-layer packet, 251 with data length extension, else 27.
        pdus_per_event: limit of a host that ends its events early; None fills the interval.
        encrypted: whether each packet carries a message integrity check.
    """

    interval_s: float = 0.0075
    phy_mbit_s: Literal[1, 2] = 1
    pdu_bytes: int = 251
    pdus_per_event: int | None = None
    encrypted: bool = False

    def packet_time_s(self, payload_bytes: int) -> float:
        """Air time of one packet; of an empty one with 0."""
        mic_bytes = MIC_BYTES if self.encrypted and payload_bytes else 0
        packet_bytes = payload_bytes + OVERHEAD_BYTES[self.phy_mbit_s] + mic_bytes
        return 8e-6 * packet_bytes / self.phy_mbit_s

    @property
    def pdu_time_s(self) -> float:
        """Air time of one full packet and its acknowledgement, with the spaces behind both."""
        both_s = self.packet_time_s(self.pdu_bytes) + self.packet_time_s(0)
        return both_s + 2 * INTER_FRAME_SPACE_US * 1e-6

    @property
    def pdus_in_event(self) -> int:
        """Full packets of one side that one event holds; at least one."""
        in_one = max(1, int(self.interval_s / self.pdu_time_s + 1e-9))
        return in_one if self.pdus_per_event is None else min(in_one, self.pdus_per_event)

    def limit_bytes_per_s(self, write_bytes: int) -> float:
        """Bytes of values that one side can send without a pause, in values of that length."""
        return write_bytes / self.pdus(write_bytes) * self.pdus_in_event / self.interval_s

    def pdus(self, size_bytes: int) -> int:
        """Packets for one written or notified value."""
        return math.ceil((size_bytes + L2CAP_HEADER_BYTES + ATT_HEADER_BYTES) / self.pdu_bytes)

    def events(self, pdus: int) -> int:
        """Connection events that so many packets in one direction fill."""
        return math.ceil(pdus / self.pdus_in_event)


class AirTime:
    """Counts the connection events of one link, direction by direction.

    Coarse: a transfer fills events one after the other, and an answer begins with the next event.
    """

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

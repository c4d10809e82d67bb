"""The air of one connection against numbers computed by hand from the Core Specification."""

from typing import Literal

import pytest

from pytest_nrf_fota.sim.connection_events import ConnectionEvents, Side
from pytest_nrf_fota.sim.link_timing import LinkTiming

WRITE_BYTES = 495
MESSAGE_BYTES = WRITE_BYTES + 7
"""With the headers of L2CAP and ATT: two packets of 251."""


def us(seconds: float) -> float:
    return round(seconds * 1e6, 3)


@pytest.mark.parametrize(
    ("phy", "payload_bytes", "encrypted", "by_hand_us"),
    [
        # 1 + 4 + 2 + 251 + 3 bytes of 8 us
        (1, 251, False, 2088),
        (1, 251, True, 2120),
        (1, 27, False, 296),
        (1, 0, True, 80),
        # 2 + 4 + 2 + 251 + 3 bytes of 4 us
        (2, 251, False, 1048),
        (2, 251, True, 1064),
        (2, 0, False, 44),
    ],
)
def test_air_time_of_a_packet(
    phy: Literal[1, 2], payload_bytes: int, encrypted: bool, by_hand_us: float
) -> None:
    timing = LinkTiming(phy_mbit_s=phy, encrypted=encrypted)
    assert us(timing.packet_time_s(payload_bytes)) == by_hand_us


@pytest.mark.parametrize(
    ("phy", "interval_ms", "pdus", "limit_kb_s"),
    [
        # 2088 + 150 + 80 + 150 = 2468 us for a pair
        (1, 7.5, 3, 99.0),
        (1, 15, 6, 99.0),
        (1, 30, 12, 99.0),
        (1, 50, 20, 99.0),
        # 1048 + 150 + 44 + 150 = 1392 us
        (2, 7.5, 5, 165.0),
        (2, 15, 10, 165.0),
        (2, 30, 21, 173.25),
        (2, 50, 35, 173.25),
    ],
)
def test_packets_in_an_event_and_what_a_link_can_carry(
    phy: Literal[1, 2], interval_ms: float, pdus: int, limit_kb_s: float
) -> None:
    timing = LinkTiming(interval_s=interval_ms / 1000, phy_mbit_s=phy)
    assert timing.pdus_in_event == pdus
    assert timing.limit_bytes_per_s(WRITE_BYTES) / 1000 == pytest.approx(limit_kb_s)
    sent = _arrivals(timing, messages=4 * pdus)
    assert 4 * pdus * WRITE_BYTES / _end_of_event(sent[-1], timing) / 1000 == pytest.approx(
        limit_kb_s
    )


def test_a_message_arrives_with_its_last_packet() -> None:
    # The event at 0: packet, space, empty packet, space, packet.
    (arrival_s,) = _arrivals(LinkTiming(), messages=1)
    assert us(arrival_s) == 2088 + 150 + 80 + 150 + 2088


def test_short_events_leave_the_rest_for_the_next_ones() -> None:
    (arrival_s,) = _arrivals(LinkTiming(interval_s=0.03, pdus_per_event=1), messages=1)
    assert us(arrival_s) == 30_000 + 2088


def test_without_data_length_extension_packets_hold_27_bytes() -> None:
    timing = LinkTiming(interval_s=0.0075, pdu_bytes=27)
    # 502 bytes: 18 packets of 27 and one of 16; 296 + 150 + 80 + 150 = 676 us for a pair, so 11.
    assert timing.pdus_in_event == 11
    (arrival_s,) = _arrivals(timing, messages=1)
    assert us(arrival_s) == 7500 + 7 * 676 + 8 * (16 + 10)


def test_an_answer_begins_with_the_next_event() -> None:
    """Nobody had more to send when the request's last packet went out: the event was over."""
    events, clock = ConnectionEvents(LinkTiming(interval_s=0.03)), _Clock()
    events.queue(Side.CENTRAL, 20, 0.0)
    events.run_until(0.001)
    arrived: list[float] = []
    events.queue(Side.PERIPHERAL, 20, 0.001, lambda: arrived.append(clock.now_s))
    clock.run(events)
    # Of the second event: empty packet, space, 30 bytes of 8 us.
    assert us(arrived[0]) == 30_000 + 80 + 150 + 240


@pytest.mark.parametrize(
    ("more", "by_hand_us"), [(False, 60_080), (True, 30_000 + 2088 + 150 + 240 + 150 + 2088)]
)
def test_a_notification_is_acknowledged_at_once_only_where_the_central_sends_on(
    more: bool, by_hand_us: float
) -> None:
    events, clock = ConnectionEvents(LinkTiming(interval_s=0.03)), _Clock()
    acknowledged: list[float] = []
    # Queued behind the event at 0.
    events.queue(
        Side.PERIPHERAL, 20, 0.001, on_acknowledgement=lambda: acknowledged.append(clock.now_s)
    )
    if more:
        events.queue(Side.CENTRAL, MESSAGE_BYTES, 0.001)
    clock.run(events)
    # With more: full packet, space, 30 bytes, space, full packet.
    assert us(acknowledged[0]) == by_hand_us


def test_data_of_both_sides_ride_in_the_same_pairs() -> None:
    timing = LinkTiming(interval_s=0.03)
    events, clock = ConnectionEvents(timing), _Clock()
    arrived: list[tuple[Side, float]] = []
    for side in Side:
        events.queue(
            side,
            251,
            0.0,
            lambda side=side: arrived.append((side, us(clock.now_s))),  # type: ignore[misc]
        )
    clock.run(events)
    assert arrived == [(Side.CENTRAL, 2088), (Side.PERIPHERAL, 2 * 2088 + 150)]


def test_nothing_to_send_is_nothing_to_wait_for() -> None:
    events = ConnectionEvents(LinkTiming())
    assert events.next_at_s is None
    events.queue(Side.CENTRAL, 10, 0.01)
    assert us(events.next_at_s or 0) == 15_000
    _run(events)
    assert events.next_at_s is None


def test_a_late_call_loses_no_event() -> None:
    """A timer of a real loop fires late; the air was not."""
    timing, arrived = LinkTiming(), list[int]()
    events = ConnectionEvents(timing)
    for number in range(6):
        events.queue(Side.CENTRAL, 251, 0.0, lambda number=number: arrived.append(number))  # type: ignore[misc]
    events.run_until(0.0149)
    assert arrived == [0, 1, 2, 3, 4, 5]


class _Clock:
    """Runs a connection and knows when."""

    now_s = 0.0

    def run(self, events: ConnectionEvents) -> None:
        while events.next_at_s is not None:
            self.now_s = events.next_at_s
            events.run_until(self.now_s)


def _run(events: ConnectionEvents) -> None:
    _Clock().run(events)


def _arrivals(timing: LinkTiming, messages: int) -> list[float]:
    events, clock = ConnectionEvents(timing), _Clock()
    arrivals: list[float] = []
    for _ in range(messages):
        events.queue(Side.CENTRAL, MESSAGE_BYTES, 0.0, lambda: arrivals.append(clock.now_s))
    clock.run(events)
    return arrivals


def _end_of_event(time_s: float, timing: LinkTiming) -> float:
    return (int(time_s / timing.interval_s) + 1) * timing.interval_s

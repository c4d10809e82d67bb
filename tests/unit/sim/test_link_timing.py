"""The link's timing model against rates that were measured with a finer one."""

from typing import Literal

import pytest

from pytest_nrf_fota.sim.link_timing import AirTime, LinkTiming

FRAME_BYTES = 2475
MTU_PAYLOAD_BYTES = 495
ANSWER_BYTES = 20


@pytest.mark.parametrize(
    ("phy", "interval_ms", "measured_kb_s"),
    [(1, 7.5, 65), (1, 30, 41), (1, 50, 24), (2, 15, 81), (2, 30, 41)],
)
def test_stop_and_wait_upload_reaches_the_measured_rate(
    phy: Literal[1, 2], interval_ms: float, measured_kb_s: float
) -> None:
    """As measured with free flash: within a tenth."""
    air_time = AirTime(LinkTiming(interval_s=interval_ms / 1000, phy_mbit_s=phy))
    duration_s = 0.0
    frames = 20
    for _ in range(frames):
        for _ in range(FRAME_BYTES // MTU_PAYLOAD_BYTES):
            duration_s += air_time.transfer_s("central", MTU_PAYLOAD_BYTES)
        duration_s += air_time.transfer_s("kit", ANSWER_BYTES)
    rate_kb_s = frames * FRAME_BYTES / duration_s / 1000
    assert rate_kb_s == pytest.approx(measured_kb_s, rel=0.1)


def test_short_events_and_short_packets_cost_events() -> None:
    plain = LinkTiming(interval_s=0.03)
    assert plain.events(plain.pdus(MTU_PAYLOAD_BYTES)) == 1
    short_events = LinkTiming(interval_s=0.03, pdus_per_event=1)
    assert short_events.events(short_events.pdus(MTU_PAYLOAD_BYTES)) == 2
    without_dle = LinkTiming(interval_s=0.0075, pdu_bytes=27)
    assert without_dle.pdus(MTU_PAYLOAD_BYTES) == 19
    assert without_dle.events(19) > 1


def test_two_megabit_halves_most_of_a_packets_time() -> None:
    assert 0.5 < LinkTiming(phy_mbit_s=2).pdu_time_s / LinkTiming().pdu_time_s < 0.62

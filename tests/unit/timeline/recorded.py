"""Flight recorders for tests of the time line, event by event."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.record.events import (
    RECORDED_LINE,
    Event,
    FactsJudged,
    Moment,
    Recorded,
    RunStarted,
    SmpMessage,
    StepEnd,
    StepEnded,
    StepStarted,
    UartLine,
    VerdictReached,
)

PORT = "/dev/ttyACM0"
REFUSED_BOOT = (
    "*** Booting Zephyr OS build v3.2.99-ncs2 ***",
    "Attempting to boot slot 1.",
    "Failed to validate signature.",
    "Failed to validate, permanently invalidating!",
    "Attempting to boot slot 0.",
    "Firmware version 14",
    "*** Booting Zephyr OS build v3.2.99-ncs2 ***",
    "I: Starting bootloader 14",
    "I: Bootloader chainload address offset: 0x28000",
    "*** Booting Zephyr OS build v3.2.99-ncs2 ***",
    "Bluetooth initialized",
)
BOOT = (*REFUSED_BOOT[:1], *REFUSED_BOOT[4:])
REFUSED = VerdictReached(
    outcome="not upgraded",
    subject="MCUboot 14 in S0 -> 15 in S1",
    reason="the bootloader refused the image: 'Failed to validate signature.'",
    evidence=(
        Evidence(Source.UART, Says.OLD, "NSIB boots slot 0, Firmware version 14"),
        Evidence(Source.SMP, Says.UNKNOWN, "the image list cannot show MCUboot"),
    ),
)


def write_recorder(path: Path, events: Iterable[Event | tuple[float, Event]]) -> Path:
    """A recorder's file; an event without a time comes 10 ms behind the one before it."""
    t_s = 0.0
    with path.open("wb") as file:
        for one in (RunStarted(title="t.py::test_it", wall_clock="2026-01-01"), *events):
            t_s, event = one if isinstance(one, tuple) else (t_s + 0.01, one)
            file.write(RECORDED_LINE.dump_json(Recorded(t_s=t_s, event=event)) + b"\n")
    return path


def uart(lines: Iterable[str]) -> list[UartLine]:
    """Lines of the application core."""
    return [UartLine(port=PORT, text=line) for line in lines]


def smp(direction: str, sequence: int, name: str = "image upload", **payload: object) -> SmpMessage:
    """A message."""
    return SmpMessage.model_validate(
        {
            "direction": direction,
            "name": name,
            "sequence": sequence,
            "size_bytes": 100,
            "payload": payload,
        }
    )


def step(name: str, inside: Sequence[Event] = (), error: str = "") -> list[Event]:
    """A step with what happens in it."""
    end: StepEnd = "broken off" if error else "done"
    ended = StepEnded(step=name, duration_s=0.1, end=end, error=error)
    return [StepStarted(step=name), *inside, ended]


def refused_update() -> list[Event]:
    """A boot, an update that NSIB refuses, and the verdict."""
    facts = FactsJudged(since="set pending", has_images=False, was_tried=True, updates=())
    return [*uart(BOOT), Moment(name="set pending"), *uart(REFUSED_BOOT), facts, REFUSED]

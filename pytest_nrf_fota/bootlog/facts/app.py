"""What an application said about itself."""

from collections import deque

from pytest_nrf_fota.bootlog.report import AppReport, Seen
from pytest_nrf_fota.bootlog.segments import RawStage

_SAID_AT_EACH_END = 30


def read_app(stage: RawStage) -> AppReport:
    """What an application said about itself."""
    found: dict[str, tuple[str, Seen]] = {}
    for line in stage.lines:
        hit = line.facts.hit("identity", "build_time")
        if hit is not None:
            said = (hit.text("address") or hit.text("text") or "").strip()
            found[hit.pattern.name] = (said, line.seen())
    identity, built = found.get("identity"), found.get("build_time")
    return AppReport(
        identity_address=identity[0].upper() if identity else None,
        identity_seen=identity[1] if identity else None,
        build_time=built[0] if built else None,
        ready=stage.ready.seen() if stage.ready is not None else None,
        said=_said(stage),
        line_count=stage.line_count,
    )


def _said(stage: RawStage) -> tuple[Seen, ...]:
    first = stage.lines[:_SAID_AT_EACH_END]
    last = deque(stage.lines[_SAID_AT_EACH_END:], maxlen=_SAID_AT_EACH_END)
    return tuple(line.seen() for line in (*first, *last))

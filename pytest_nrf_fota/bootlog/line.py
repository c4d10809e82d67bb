"""One line of a console."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LogLine:
    """One complete line and the host's monotonic time at which its end arrived."""

    time_s: float
    text: str

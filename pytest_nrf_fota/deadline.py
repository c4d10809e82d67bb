"""One deadline object, handed down through every call that waits."""

import math
import time
from dataclasses import dataclass

from pytest_nrf_fota.errors import InputError


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock by which something must have happened.

    Nested waits share one deadline instead of adding up time-outs of their own.
    """

    expires_at_s: float
    allowed_s: float

    @classmethod
    def after(cls, timeout_s: float) -> "Deadline":
        """A deadline `timeout_s` seconds from now. Raises `InputError` for what is no time."""
        if not isinstance(timeout_s, int | float) or not 0 <= timeout_s < math.inf:
            raise InputError(
                f"{timeout_s!r} is no time in seconds.",
                next_step="Give a number, such as within_s=30.",
            )
        return cls(expires_at_s=time.monotonic() + timeout_s, allowed_s=timeout_s)

    def within(self, timeout_s: float) -> "Deadline":
        """The earlier of this deadline and `timeout_s` seconds from now."""
        inner = Deadline.after(timeout_s)
        return inner if inner.expires_at_s < self.expires_at_s else self

    @property
    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.expires_at_s - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s == 0.0

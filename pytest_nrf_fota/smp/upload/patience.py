"""How long an answer may take before its request counts as lost."""

LEAST_S = 0.3
"""A flash page that is erased meanwhile delays an answer by up to 0.1 s (nRF53: 87.5 ms)."""

FIRST_S = 1.0
"""Before anything was measured (RFC 6298, 2.1)."""

_GAIN, _VARIATION_GAIN = 1 / 8, 1 / 4
_VARIATIONS = 4


class Patience:
    """RFC 6298's estimate from the answers so far: mean and four times the variation.

    A time-out doubles it until the next answer (5.5). Answers to requests that were sent twice are
    not to be given to it (section 3).

    Args:
        most_s: longest it ever is.
        least_s: shortest.
    """

    def __init__(self, most_s: float, least_s: float = LEAST_S) -> None:
        self._most_s = most_s
        self._least_s = least_s
        self._mean_s: float | None = None
        self._variation_s = 0.0
        self._backoff = 1

    @property
    def timeout_s(self) -> float:
        """From the moment that a request was sent."""
        estimate_s = FIRST_S
        if self._mean_s is not None:
            estimate_s = self._mean_s + _VARIATIONS * self._variation_s
        return min(self._most_s, max(self._least_s, estimate_s) * self._backoff)

    def note_answer(self, taken_s: float) -> None:
        """An answer came after so long."""
        self._backoff = 1
        if self._mean_s is None:
            self._mean_s, self._variation_s = taken_s, taken_s / 2
            return
        deviation_s = abs(taken_s - self._mean_s)
        self._variation_s += _VARIATION_GAIN * (deviation_s - self._variation_s)
        self._mean_s += _GAIN * (taken_s - self._mean_s)

    def note_timeout(self) -> None:
        """None came."""
        self._backoff *= 2

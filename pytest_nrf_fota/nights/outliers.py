"""Robust statistics: a median and a spread that a few bad values do not move."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# The median absolute deviation of a normal distribution, times this, is its standard deviation.
_NORMAL = 1.4826


@dataclass(frozen=True)
class Centre:
    """The median of values, and how far most of them are from it."""

    median: float
    spread: float

    def score(self, value: float) -> float:
        """How many spreads a value is above the median; below it is negative."""
        return (value - self.median) / self.spread


def centre_of(values: Sequence[float], least_spread: float) -> Centre:
    """Median and 1.4826 times the median absolute deviation.

    `least_spread` is taken where the values are closer together: half of them may be equal, and
    then the first other one would be infinitely far. Raises `StatisticsError` without values.
    """
    median = statistics.median(values)
    deviation = statistics.median(abs(value - median) for value in values)
    return Centre(median, max(_NORMAL * deviation, least_spread))

"""Causes as they are written down: a code, and texts that leave values open."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.findings.finding import Confidence, Finding, Shown, Weight

_PLACE = re.compile(r"\{(\w+)\}")


def fill_in(text: str, values: Mapping[str, object]) -> str:
    """A text with values for its `{name}`; what is not known stays readable."""
    return _PLACE.sub(lambda place: str(values.get(place[1], f"<{place[1]}>")), text)


@dataclass(frozen=True)
class Cause:
    """One cause; the arguments are those of `Finding`, with `{name}` where a value belongs."""

    code: str
    cause: str
    remedy: str = ""
    weight: Weight = Weight.CAUSE
    asks_for: str = ""

    def found(
        self,
        values: Mapping[str, object],
        shown: Sequence[Shown] = (),
        confidence: Confidence = Confidence.CERTAIN,
        weight: Weight | None = None,
    ) -> Finding:
        """The finding: with these values, shown by these lines."""
        return Finding(
            code=self.code,
            cause=fill_in(self.cause, values),
            remedy=fill_in(self.remedy, values),
            shown=tuple(shown),
            confidence=confidence,
            weight=weight or self.weight,
            asks_for="" if confidence is Confidence.CERTAIN else fill_in(self.asks_for, values),
        )

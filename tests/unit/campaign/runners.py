"""What campaign workers run cases with where no kit is needed; imported by their processes."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.campaign.case import Case
from pytest_nrf_fota.campaign.result import Answer, Result
from pytest_nrf_fota.campaign.witness import Truth


@dataclass(frozen=True)
class Odd:
    """Cases with odd numbers do `odd`; the others are right at once."""

    odd: str

    def run(self, case: Case) -> Result:
        """Run a case."""
        if case.number % 2:
            if self.odd == "hang":
                threading.Event().wait()
            os._exit(7)
        return Result(case, Answer.UPGRADED, Truth.YES)

    def close(self) -> None:
        """Nothing is held."""


def hanging(folder: Path) -> Odd:
    """Hangs in each second case."""
    del folder
    return Odd("hang")


def dying(folder: Path) -> Odd:
    """Takes its process along in each second case."""
    del folder
    return Odd("die")

"""The verdict that follows from what each interface (UART, SMP, SWD) reports about an upgrade."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.verdict.ending import Ending


class Outcome(Enum):
    """The verdict."""

    UPGRADED = "upgraded"
    NOT_UPGRADED = "not upgraded"
    CONTRADICTION = "contradiction"
    UNPROVEN = "unproven"


@dataclass(frozen=True, repr=False)
class Verdict:
    """The outcome of an upgrade.

    Args:
        subject: what was to be upgraded, and to what.
        evidence: one item per source at least.
        reason: why it is not upgraded, in a sentence; empty where it is.
        preflight: what was predicted before the upload, where that is worth a word.
        ending: what became of it, in addition to what is proven.
        notes: what else is to be known: how long it was watched, that it is not confirmed.
    """

    subject: str
    evidence: tuple[Evidence, ...]
    reason: str = ""
    preflight: str = ""
    ending: Ending = Ending.UNKNOWN
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """UPGRADED needs a positive word from a boot since the image was pending, and no other.

        A source that knows nothing neither proves nor contradicts, so a bootloader that prints
        nothing leaves it to the application, SMP and SWD.
        """
        return outcome_of(self.evidence)

    def __bool__(self) -> bool:
        """Whether it is proven: so `assert dut.upgrade(package)` is a test."""
        return self.outcome is Outcome.UPGRADED

    def __repr__(self) -> str:
        """One line, which pytest shows of `assert dut.upgrade(package)`."""
        return f"<{self.outcome.value.upper()}: {self.reason or self.subject}>"

    def __str__(self) -> str:
        """A few lines for people."""
        lines = [f"{self.subject}: {self.outcome.value.upper()}"]
        if self.reason:
            lines.append(f"  why: {self.reason}")
        if self.preflight:
            lines.append(f"  preflight: {self.preflight}")
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  {item.line()}" for item in self.evidence]
        return "\n".join(lines)


_WORST_FIRST = (
    Outcome.CONTRADICTION,
    Outcome.NOT_UPGRADED,
    Outcome.UNPROVEN,
    Outcome.UPGRADED,
)


def outcome_of(evidence: Sequence[Evidence]) -> Outcome:
    """What evidence proves; of several images, the one for which least is proven decides."""
    subjects = {item.about for item in evidence} or {""}
    outcomes = {_outcome([i for i in evidence if i.about == subject]) for subject in subjects}
    return next(outcome for outcome in _WORST_FIRST if outcome in outcomes)


def _outcome(evidence: Sequence[Evidence]) -> Outcome:
    new = [item for item in evidence if item.says is Says.NEW]
    if any(item.says.is_contrary for item in evidence):
        return Outcome.CONTRADICTION if new else Outcome.NOT_UPGRADED
    is_proven = any(item.source is Source.UART or item.after_boot for item in new)
    return Outcome.UPGRADED if is_proven else Outcome.UNPROVEN


class UpgradeNotProvenError(AssertionError):
    """An upgrade that had to happen is not proven; the message is the verdict."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(str(verdict))


def assert_upgraded(verdict: Verdict) -> None:
    """Raise `UpgradeNotProvenError` unless the verdict is UPGRADED."""
    if verdict.outcome is not Outcome.UPGRADED:
        raise UpgradeNotProvenError(verdict)

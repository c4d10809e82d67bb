"""What NSIB said."""

from dataclasses import dataclass, field

from pytest_nrf_fota.bootlog.matching import Hit
from pytest_nrf_fota.bootlog.report import KeyTried, NsibAttempt, NsibReport, Seen
from pytest_nrf_fota.bootlog.segments import RawLine, RawStage

_ERRORS = frozenset(
    {
        *("nsib_no_fw_info", "nsib_counter_unreadable", "nsib_counter_slots_unreadable"),
        *("nsib_counter_failed", "nsib_version_unreadable", "b0n_failed", "nsib_huk"),
    }
)

# What NSIB prints before it tries a slot, or of the board as a whole.
_BEFORE_ATTEMPTS = frozenset(
    {
        *("nsib_fprotect_off", "nsib_lcs", "nsib_huk", "nsib_unbootable", "nsib_protect_failed"),
        *("b0n_failed", "nsib_counter_disabled"),
    }
)
_OF_A_GOOD_ATTEMPT = frozenset(
    {
        *("nsib_verifying", "nsib_key_hash", "nsib_verified", "nsib_hash_verified"),
        *("nsib_firmware_version", "nsib_counter", "nsib_reads_version", "nsib_booting"),
        *("nsib_revokes_key", "nsib_key_revoked"),
    }
)


@dataclass
class _OpenAttempt:
    seen: Seen
    slot: int | None = None
    address: int | None = None
    keys: list[KeyTried] = field(default_factory=list)
    verified: Seen | None = None
    version: int | None = None
    below_counter: tuple[int, int] | None = None
    counter: int | None = None
    revoked: list[int] = field(default_factory=list)
    invalidated: Seen | None = None
    gave_up: bool = False
    aborted: Seen | None = None
    errors: list[Seen] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether NSIB gave this slot up."""
        return self.invalidated is not None or self.gave_up

    def close(self) -> NsibAttempt:
        return NsibAttempt(
            slot=self.slot,
            address=self.address,
            keys=tuple(self.keys),
            verified=self.verified,
            firmware_version=self.version,
            below_counter=self.below_counter,
            counter_set_to=self.counter,
            revoked_keys=tuple(self.revoked),
            invalidated=self.invalidated,
            aborted=self.aborted,
            errors=tuple(self.errors),
            seen=self.seen,
        )


def read_nsib(stage: RawStage) -> NsibReport:
    """The attempts of one NSIB run."""
    reader = _NsibReader()
    for line in stage.lines:
        for hit in line.facts.hits:
            reader.take(hit, line)
    attempts = tuple(attempt.close() for attempt in reader.attempts)
    return NsibReport(attempts, reader.gave_up, tuple(reader.errors))


class _NsibReader:
    def __init__(self) -> None:
        self.attempts: list[_OpenAttempt] = []
        self.gave_up: Seen | None = None
        self.errors: list[Seen] = []

    def take(self, hit: Hit, line: RawLine) -> None:
        seen, name = line.seen(), hit.pattern.name
        if name == "nsib_nothing":
            self.gave_up = seen
            return
        if not name.startswith(("nsib_", "b0n_")):
            return
        if name in _BEFORE_ATTEMPTS:
            if hit.pattern.refuses or name in _ERRORS:
                self.errors.append(seen)
            return
        attempt = self._attempt(name, seen)
        if hit.pattern.refuses or name in _ERRORS:
            attempt.errors.append(seen)
            self.errors.append(seen)
        self._take_fact(attempt, hit, seen)

    def _attempt(self, name: str, seen: Seen) -> _OpenAttempt:
        """The attempt that a line belongs to; the line that begins one may be missing."""
        last = self.attempts[-1] if self.attempts else None
        begins = name == "nsib_attempt" or (
            name == "nsib_address" and last is not None and last.address is not None
        )
        # Nothing is verified behind a refusal: the next slot's first line was lost or garbled.
        if last is not None and not begins:
            begins = last.is_over and name in _OF_A_GOOD_ATTEMPT
        if last is None or begins:
            last = _OpenAttempt(seen)
            self.attempts.append(last)
        return last

    def _take_fact(self, attempt: _OpenAttempt, hit: Hit, seen: Seen) -> None:
        match hit.pattern.name:
            case "nsib_attempt":
                attempt.slot = hit.number("slot")
            case "nsib_address":
                attempt.address = hit.number("address", 16)
            case "nsib_verifying":
                attempt.keys.append(KeyTried(hit.number("key"), None, "unknown", seen))
            case "nsib_key_revoked":
                attempt.keys.append(KeyTried(hit.number("key"), None, "revoked", seen))
            case "nsib_key_hash":
                _set_hash(attempt, f"{hit.text('first')}...{hit.text('last')}", seen)
            case "nsib_wrong_key":
                _set_result(attempt, "no match")
            case "nsib_verified" | "nsib_hash_verified":
                attempt.verified = seen
                _set_result(attempt, "accepted")
            case "nsib_revokes_key":
                attempt.revoked.append(hit.number("key") or 0)
            case "nsib_firmware_version":
                attempt.version = hit.number("version")
            case "nsib_below_counter":
                attempt.below_counter = (hit.number("version") or 0, hit.number("counter") or 0)
            case "nsib_counter":
                attempt.counter = hit.number("version")
            case "nsib_invalidated":
                attempt.invalidated = seen
            case "nsib_no_fw_info":
                attempt.gave_up = True
            case "nsib_ext_api":
                attempt.aborted = seen
            case _:
                pass


def _set_hash(attempt: _OpenAttempt, hash_ends: str, seen: Seen) -> None:
    if attempt.keys and attempt.keys[-1].hash_ends is None:
        last = attempt.keys.pop()
        attempt.keys.append(KeyTried(last.number, hash_ends, last.result, last.seen))
    else:
        attempt.keys.append(KeyTried(None, hash_ends, "unknown", seen))


def _set_result(attempt: _OpenAttempt, result: str) -> None:
    if attempt.keys and attempt.keys[-1].result == "unknown":
        last = attempt.keys.pop()
        attempt.keys.append(KeyTried(last.number, last.hash_ends, result, last.seen))

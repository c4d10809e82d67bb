"""How an update can end: the one list of answers to "was it upgraded, and if not, why"."""

from enum import Enum


class Upgraded(Enum):
    """Whether an upgrade happened and lasts."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Ending(Enum):
    """What became of an update."""

    UPGRADED = "upgraded"
    TESTED = "upgraded, not confirmed"
    ON_TRIAL = "upgraded, confirmation not seen"
    NOT_HEARD = "swapped, application not heard"
    PROBABLY = "probably upgraded"
    REVERTED = "reverted"
    REFUSED = "refused"
    NEEDS_RESET = "copied, runs after the next reset"
    NOT_CHOSEN = "copied, not started by NSIB"
    NOT_RESET = "pending, not reset since"
    NOT_PENDING = "nothing was pending at the reset"
    NOT_MARKED = "uploaded, not pending"
    UPLOADED = "uploaded, no reset since"
    NOT_TAKEN = "pending, and the same application runs"
    CLIENT_FAILED = "the client was refused"
    NO_BOOT = "no image was started"
    NOT_READY = "started, cannot be used"
    NOT_ATTEMPTED = "not attempted"
    NO_SIGN = "no sign of an upgrade"
    NOT_FLASHED = "flashing failed"
    CUT = "cut in the middle"
    GIVEN_UP = "cut in the middle, and not gone on with"
    SPOILT = "cut in the middle, and nothing left to start"
    UNKNOWN = "unknown"

    @property
    def upgraded(self) -> Upgraded:
        """Yes, no or unknown."""
        match self:
            case Ending.UPGRADED | Ending.TESTED | Ending.ON_TRIAL:
                return Upgraded.YES
            case Ending.CUT | Ending.GIVEN_UP | Ending.NOT_HEARD | Ending.PROBABLY | Ending.UNKNOWN:
                return Upgraded.UNKNOWN
            case _:
                return Upgraded.NO

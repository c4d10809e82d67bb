"""What an upload sends when, and what it makes of each answer. No input, no output, no clock.

The window is how many requests are on their way at once; a server with n buffers takes n - 1 of
them (`sim/upload_server.py` says why). The one that takes its last buffer is sent with care: that
buffer is free only when the board has heard that its last answer arrived, and it hears that by the
central's next packet. So this request begins 1.1 intervals after the last answer, and its parts
follow one per connection event: each of them also acknowledges an answer of its event at once,
which would else cost the board an interval.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from smp.error import MGMT_ERR

from pytest_nrf_fota.smp.upload.frames import Answer, Content, Frame, FramePlan
from pytest_nrf_fota.smp.upload.patience import LEAST_S, Patience

_HOLD_INTERVALS = 1.1
# So many packets in an event, and the first of them acknowledges what the peripheral sends behind
# the one before.
_PACKETS_THAT_ACKNOWLEDGE = 2
_MOST_REPEATS = 6
_REST_S = 0.05
_FRAMES_UNTIL_WIDER = 8
_PASSING = (MGMT_ERR.ENOMEM, MGMT_ERR.EBUSY)


@dataclass(frozen=True)
class Limits:
    """How an upload may use its server and its connection.

    Args:
        window: most requests on their way at once.
        floor: to how many losses may reduce that.
        interval_s: of the connection; None where it is unknown, or there is none.
        care_from: from so many requests on the last one is sent with care, where the interval is
            known.
        first_answer_s: how long the first answer may take: a slot may be erased before.
        first_again_s: after how long the first request is sent again; None for never.
        silence_s: how long the board may say nothing while requests are on their way.
        restarts: whether a half-received request can be made forgotten.
        least_timeout_s: after how long at the earliest an answer counts as missing.
    """

    window: int
    floor: int
    interval_s: float | None
    care_from: int
    first_answer_s: float
    first_again_s: float | None
    silence_s: float
    restarts: bool
    least_timeout_s: float = LEAST_S


@dataclass(frozen=True)
class Send:
    """Send this part of a request."""

    frame: Frame
    part: bytes
    is_first: bool


@dataclass(frozen=True)
class Restart:
    """Make the server forget what it has of a request; then call `restarted`.

    Args:
        until_s: when it has to be done, or the board counts as silent: call `fall_silent`.
    """

    until_s: float


@dataclass(frozen=True)
class Wait:
    """Nothing to do before this time but to take answers."""

    until_s: float


@dataclass(frozen=True)
class Complete:
    """The server has all bytes. `match` is what it says of their hash."""

    match: bool | None


@dataclass(frozen=True)
class Refused:
    """The server refused a request."""

    answer: Answer


@dataclass(frozen=True)
class Silent:
    """No answer came for so long."""

    waited_s: float


@dataclass(frozen=True)
class Stuck:
    """The server asked for the same byte so many times in a row."""

    offset_bytes: int
    times: int


@dataclass(frozen=True)
class Forgotten:
    """The server wants byte 0, though it had more.

    It was reset, or it has all: then `may_be_complete`, and only the image list tells.
    """

    may_be_complete: bool


Outcome: TypeAlias = Complete | Refused | Silent | Stuck | Forgotten
Action: TypeAlias = Send | Restart | Wait | Outcome


class _Phase(Enum):
    OPENING = auto()
    STREAMING = auto()
    DRAINING = auto()
    RESTARTING = auto()


@dataclass
class _Flight:
    frame: Frame
    parts: deque[bytes]
    last_part_at_s: float
    in_event: int = 0


class Pipeline:
    """One upload over one connection.

    Args:
        content: what is sent.
        plan: in what requests.
        limits: how many at once, and how long is waited.
        patience: how long a single answer may take.
    """

    def __init__(
        self, content: Content, plan: FramePlan, limits: Limits, patience: Patience
    ) -> None:
        self._content = content
        self._plan = plan
        self._limits = limits
        self._patience = patience
        self._phase = _Phase.OPENING
        self._flying: deque[_Flight] = deque()
        self._next_bytes = 0
        self._highest_bytes = 0
        self._heard_at_s = 0.0
        self._waiting_since_s = 0.0
        self._opened_at_s: float | None = None
        self._repeats = 0
        self._repeated_bytes: int | None = None
        self._rests_until_s = 0.0
        self._calm_frames = 0
        self._frames_until_wider = _FRAMES_UNTIL_WIDER
        self._has_lost = False
        self._frame_bytes = plan.sure_frame_bytes or plan.frame_bytes
        self._outcome: Outcome | None = None
        self.confirmed_bytes: int | None = None
        self.window = limits.window
        self.retries = 0

    @property
    def is_half_sent(self) -> bool:
        """Whether a request has begun and not ended: the next one would be taken for its rest."""
        return bool(self._flying) and bool(self._flying[-1].parts)

    @property
    def open_sequences(self) -> frozenset[int]:
        """Those of the requests whose answers may still come."""
        return frozenset(flight.frame.sequence for flight in self._flying)

    @property
    def may_be_complete(self) -> bool:
        """Whether the last byte was sent."""
        return self._highest_bytes == len(self._content.data)

    def rest_of_frame(self) -> tuple[bytes, ...]:
        """The parts that end the request under way, for who gives the upload up."""
        rest = tuple(self._flying[-1].parts) if self._flying else ()
        if rest:
            self._flying[-1].parts.clear()
        return rest

    def next(self, now_s: float) -> Action:
        """What to do now."""
        self._take_time(now_s)
        if self._outcome is not None:
            return self._outcome
        if self._phase is _Phase.RESTARTING:
            return Restart(now_s + self._limits.silence_s)
        if self.is_half_sent:
            due_s = self._part_due_s(now_s)
            return self._send_part(now_s) if due_s <= now_s else Wait(due_s)
        if self._may_begin():
            due_s = self._begin_due_s()
            if due_s <= now_s:
                return self._begin(now_s)
            return Wait(min(due_s, self._timeout_at_s()) if self._flying else due_s)
        return Wait(self._timeout_at_s())

    def restarted(self) -> None:
        """The server has forgotten what it had of a request."""
        self._phase = _Phase.STREAMING if self.confirmed_bytes is not None else _Phase.OPENING

    def fall_silent(self, now_s: float) -> None:
        """The server does not answer to that either."""
        self._outcome = Silent(now_s - self._waiting_since_s)

    def take(self, answer: Answer, now_s: float) -> None:
        """An answer came. One to no request that is on its way is none of ours."""
        flight = self._land(answer.sequence)
        if flight is None:
            return
        # Before the first answer a slot may be erased: it says nothing of the others.
        if not self._has_lost and self._phase is not _Phase.OPENING:
            self._patience.note_answer(now_s - flight.last_part_at_s)
        self._heard_at_s = self._waiting_since_s = now_s
        if answer.rc in _PASSING:
            self._take_refusal(now_s)
        elif answer.offset_bytes is None or "err" in answer.payload or answer.rc is not None:
            self._outcome = Refused(answer)
        else:
            self._take_offset(answer.offset_bytes, flight.frame, answer)
        if self._phase is _Phase.DRAINING and not self._flying and self._outcome is None:
            self._go_on(now_s)

    def _take_refusal(self, now_s: float) -> None:
        if self._phase is _Phase.OPENING:
            self.retries += 1
            self._rest(0, now_s)
        else:
            self._drain()

    def _land(self, sequence: int) -> _Flight | None:
        for flight in self._flying:
            if flight.frame.sequence == sequence:
                break
        else:
            return None
        # The server answers in the order in which it was asked: what came before is lost, or its
        # answer is.
        while self._flying.popleft() is not flight:
            self._has_lost = True
        return flight

    def _take_offset(self, offset_bytes: int, frame: Frame, answer: Answer) -> None:
        size_bytes = len(self._content.data)
        if not 0 <= offset_bytes <= size_bytes:
            self._outcome = Refused(answer)
            return
        had_bytes = self.confirmed_bytes
        if offset_bytes == 0 and had_bytes:
            self._outcome = Forgotten(self.may_be_complete)
            return
        if self._phase is _Phase.OPENING and offset_bytes != size_bytes:
            self._note_repeat(offset_bytes)
        self.confirmed_bytes = offset_bytes
        if offset_bytes == size_bytes:
            self._outcome = Complete(answer.match)
        elif self._phase is _Phase.OPENING:
            self._next_bytes = offset_bytes
            if offset_bytes:
                self._phase = _Phase.STREAMING
                self._frame_bytes = self._plan.frame_bytes
        elif offset_bytes != frame.end_bytes:
            self._drain()
        elif self._phase is _Phase.STREAMING:
            # Of earlier requests only the answers were lost.
            self._has_lost = False
            self._note_calm()

    def _note_repeat(self, offset_bytes: int) -> None:
        self._repeats = self._repeats + 1 if offset_bytes == self._repeated_bytes else 1
        self._repeated_bytes = offset_bytes
        if self._repeats == _MOST_REPEATS:
            self._outcome = Stuck(offset_bytes, self._repeats)

    def _rest(self, offset_bytes: int, now_s: float) -> None:
        """Go on at once the first time; then a server that is busy gets time."""
        self._note_repeat(offset_bytes)
        self._rests_until_s = now_s + _REST_S * (2 ** (self._repeats - 1) - 1)

    def _note_calm(self) -> None:
        self._calm_frames += 1
        if self._calm_frames >= self._frames_until_wider and self.window < self._limits.window:
            self.window += 1
            self._calm_frames = 0

    def _drain(self) -> None:
        if self._phase is _Phase.STREAMING:
            self._note_loss()
        self._phase = _Phase.DRAINING

    def _note_loss(self) -> None:
        self.retries += 1
        self.window = max(self._limits.floor, self.window - 1)
        self._calm_frames = 0
        self._frames_until_wider *= 2
        self._frame_bytes = self._plan.sure_frame_bytes or self._frame_bytes

    def _go_on(self, now_s: float) -> None:
        """Everything that was on its way is answered or lost: from the wanted offset on."""
        self._flying.clear()
        self._next_bytes = self.confirmed_bytes or 0
        if self._phase is _Phase.DRAINING:
            self._rest(self._next_bytes, now_s)
        needs_restart = self._has_lost and self._limits.restarts
        self._has_lost = False
        self.restarted()
        if needs_restart:
            self._phase = _Phase.RESTARTING

    def _take_time(self, now_s: float) -> None:
        if self._outcome is not None or not self._flying or self.is_half_sent:
            return
        if now_s < self._timeout_at_s():
            return
        waited_s = now_s - self._waiting_since_s
        limit_s = self._limits.silence_s
        if self._phase is _Phase.OPENING:
            limit_s = self._limits.first_answer_s
        if waited_s >= limit_s:
            self._outcome = Silent(waited_s)
            return
        self._patience.note_timeout()
        if self._phase is _Phase.OPENING:
            self.retries += 1
        else:
            self._note_loss()
        self._has_lost = True
        self._go_on(now_s)

    def _timeout_at_s(self) -> float:
        sent_at_s = self._flying[0].last_part_at_s if self._flying else self._heard_at_s
        if self._phase is _Phase.OPENING:
            again_s, limit_s = self._limits.first_again_s, self._limits.first_answer_s
            is_named = bool(self._flying) and self._flying[0].frame.names_upload
            if again_s is None or not is_named or self.may_be_complete or self.retries:
                return self._waiting_since_s + limit_s
            return min(sent_at_s + again_s, self._waiting_since_s + limit_s)
        due_s = max(sent_at_s, self._heard_at_s) + self._patience.timeout_s
        return min(due_s, max(sent_at_s, self._waiting_since_s + self._limits.silence_s))

    def _may_begin(self) -> bool:
        match self._phase:
            case _Phase.OPENING:
                return not self._flying
            case _Phase.STREAMING:
                has_more = self._next_bytes < len(self._content.data)
                return has_more and len(self._flying) < self.window
            case _Phase.DRAINING | _Phase.RESTARTING:
                return False

    def _needs_care(self, on_their_way: int) -> bool:
        return self._limits.interval_s is not None and on_their_way >= self._limits.care_from

    def _begin_due_s(self) -> float:
        if not self._needs_care(len(self._flying) + 1):
            return self._rests_until_s
        return self._heard_at_s + _HOLD_INTERVALS * (self._limits.interval_s or 0.0)

    def _part_due_s(self, now_s: float) -> float:
        if self._phase is not _Phase.STREAMING or not self._needs_care(len(self._flying)):
            return now_s
        flight = self._flying[-1]
        if flight.in_event * self._plan.packets_per_part < _PACKETS_THAT_ACKNOWLEDGE:
            return now_s
        return flight.last_part_at_s + (self._limits.interval_s or 0.0)

    def _begin(self, now_s: float) -> Send:
        frame = self._content.frame(self._next_bytes, self._frame_bytes)
        self._next_bytes = frame.end_bytes
        self._highest_bytes = max(self._highest_bytes, frame.end_bytes)
        if not self._flying:
            self._waiting_since_s = now_s
        self._flying.append(_Flight(frame, deque(self._plan.parts(frame.message)), now_s))
        return self._send_part(now_s, is_first=True)

    def _send_part(self, now_s: float, *, is_first: bool = False) -> Send:
        flight = self._flying[-1]
        in_same_event = now_s - flight.last_part_at_s < 0.9 * (self._limits.interval_s or 0.0)
        flight.in_event = flight.in_event + 1 if in_same_event or is_first else 1
        flight.last_part_at_s = now_s
        return Send(flight.frame, flight.parts.popleft(), is_first)

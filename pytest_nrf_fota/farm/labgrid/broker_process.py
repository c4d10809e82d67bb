"""The broker as this process sees it: requests with deadlines, and leases that outlive a broker."""

import contextlib
import getpass
import os
import platform
import queue
import secrets
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TextIO

from pydantic import ValidationError
from typing_extensions import assert_never

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.farm.labgrid.address import FarmAddress
from pytest_nrf_fota.farm.labgrid.broker import run
from pytest_nrf_fota.farm.labgrid.broker.farm_values import OWNER_MARK, RENEW_S
from pytest_nrf_fota.farm.labgrid.farm_python import INSTALL_HINT
from pytest_nrf_fota.farm.labgrid.messages import (
    HEARD,
    Adopt,
    Answer,
    FarmPlace,
    Heard,
    Lease,
    Leased,
    Look,
    Lost,
    Places,
    Ready,
    Reap,
    Reaped,
    Reason,
    Refused,
    Release,
    Released,
    Request,
    Told,
)

# Python, labgrid and grpc take seconds to import on a small host; then it connects.
_START_S = 40.0
_ANSWER_S = 60.0
# Hung exporters cost 10 s each, and what they have in hand is released one after the other.
_LONG_ANSWER_S = 240.0
_END_S = 15.0
# One that dies at once would die for ever.
_MAX_RESTARTS = 5


class FarmError(RigError):
    """The farm gives no kit; `reason` as the broker has it."""

    def __init__(self, reason: Reason, what: str, *, where: str, next_step: str) -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.reason = reason


@dataclass(frozen=True)
class _Connection:
    """One broker; `answers` gets None behind its last answer."""

    process: "subprocess.Popen[str]"
    answers: "queue.Queue[Answer | None]" = field(default_factory=queue.Queue)

    def send(self, number: int, request: Request) -> bool:
        """Whether it could be sent; a broker that just ended takes nothing."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f'{{"id": {number}, {request.model_dump_json()[1:]}\n')
            self.process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def close_input(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()


@dataclass(frozen=True)
class Listeners:
    """Who hears of what nobody asked for; called on the broker's thread.

    `lost` gets a place's name, and why it is no longer ours. `told` gets other news.
    """

    lost: Callable[[str, str], None] = lambda place, why: None
    told: Callable[[str], None] = lambda text: None


class BrokerProcess:
    """A broker that is connected; all its leases end with `close`, or with this process.

    If the broker itself is killed, another one takes its place: the coordinator still has the
    leases under the owner's name.

    Args:
        address: of the coordinator.
        python: with labgrid.
        log: file that gets the broker's log; None for no log.
        listeners: hear of lost leases.
        renew_s: how often leases are renewed; `reap` must watch for longer.

    Raises:
        FarmError: labgrid is not there, or the coordinator does not answer.
    """

    def __init__(
        self,
        address: FarmAddress,
        python: Path,
        log: Path | None = None,
        listeners: Listeners | None = None,
        renew_s: float = RENEW_S,
    ) -> None:
        self._address = address
        self._python = python
        self._log = log
        self._listeners = listeners or Listeners()
        self._renew_s = renew_s
        self._owner = _owner_name()
        self._leases: dict[str, FarmPlace] = {}
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._count = 0
        self._restarts = 0
        self._is_closing = False
        self._is_over = False
        self._has_been_ready = False
        self._ready = threading.Event()
        self._refusal: Refused | None = None
        self._connection: _Connection | None = self._start()
        self._pid = self._connection.process.pid
        self._thread = threading.Thread(target=self._listen, name="farm-broker", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_S):
            self.close()
            raise self._error("no_answer", "the broker does not start")
        if self._refusal is not None:
            raise self._error(self._refusal.reason, self._refusal.text)

    @property
    def owner(self) -> str:
        """Under which name labgrid knows the leases."""
        return self._owner

    @property
    def pid(self) -> int:
        """Of the present broker, or the last one."""
        return self._pid

    def look(self) -> tuple[FarmPlace, ...]:
        """All places. Raises `FarmError`."""
        answer = self._ask(Look(), _ANSWER_S)
        assert isinstance(answer, Places)
        return answer.places

    def lease(
        self,
        filters: tuple[dict[str, str], ...],
        *,
        at_least: int,
        at_most: int,
        wait_s: float,
        avoid: Mapping[str, str] | None = None,
    ) -> Leased:
        """Lease places that have all tags of one of the filters.

        Args:
            filters: in the order in which they are preferred.
            at_least: so many or none.
            at_most: of those that are free now.
            wait_s: how long to queue for `at_least`.
            avoid: places that are not wanted, and why.

        Raises:
            FarmError: there are not so many, or others have them.
        """
        request = Lease(
            filters=filters,
            at_least=at_least,
            at_most=at_most,
            wait_s=wait_s,
            avoid=dict(avoid or {}),
        )
        answer = self._ask(request, wait_s + _LONG_ANSWER_S)
        assert isinstance(answer, Leased)
        self._leases.update((place.name, place) for place in answer.places)
        return answer

    def release(self, place: str) -> None:
        """Give one back. Raises `FarmError`."""
        self._leases.pop(place, None)
        answer = self._ask(Release(place=place), _ANSWER_S)
        assert isinstance(answer, Released)

    def reap(self, watch_s: float) -> Reaped:
        """Release what others lease and do not renew while we watch. Raises `FarmError`."""
        answer = self._ask(Reap(watch_s=watch_s), watch_s + _LONG_ANSWER_S)
        assert isinstance(answer, Reaped)
        return answer

    def close(self) -> None:
        """Give everything back. A broker that hangs meanwhile ends a little later, by itself."""
        with self._changed:
            self._is_closing = True
            connection = self._connection
        if connection is not None:
            connection.close_input()
            with contextlib.suppress(subprocess.TimeoutExpired):
                connection.process.wait(_END_S)
        self._thread.join(_END_S)

    def __enter__(self) -> "BrokerProcess":
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> _Connection:
        command = (
            *(str(self._python), run.__file__, self._address.target, self._owner),
            str(self._renew_s),
        )
        kept = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "PYTHONHOME")}
        with contextlib.ExitStack() as files:
            log: int | TextIO = subprocess.DEVNULL
            if self._log is not None:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                log = files.enter_context(self._log.open("a"))
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=kept,
                    text=True,
                    encoding="utf-8",
                )
            except OSError as error:
                raise self._error("no_labgrid", f"{self._python}: {error.strerror}") from error

        return _Connection(process)

    def _ask(self, request: Request, within_s: float) -> Answer:
        """Ask until one answers: a broker that took over does not know the question."""
        deadline = Deadline.after(within_s)
        with self._asking:
            self._count += 1
            failed: _Connection | None = None
            while True:
                connection = self._connected(failed, deadline)
                answer = None
                if connection.send(self._count, request):
                    answer = self._answer_of(connection, deadline, within_s)
                if isinstance(answer, Refused):
                    raise self._error(answer.reason, answer.text)
                if answer is not None:
                    return answer
                failed = connection

    def _connected(self, failed: _Connection | None, deadline: Deadline) -> _Connection:
        """The present broker, or the one after that which failed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_over or self._connection not in (None, failed),
                deadline.remaining_s,
            )
            if self._connection in (None, failed):
                text = self._refusal.text if self._refusal else "the broker ended"
                raise self._error("no_answer", text)
            assert self._connection is not None
            return self._connection

    def _answer_of(
        self, connection: _Connection, deadline: Deadline, within_s: float
    ) -> Answer | None:
        while True:
            try:
                answer = connection.answers.get(timeout=deadline.remaining_s)
            except queue.Empty:
                raise self._error("no_answer", f"no answer within {within_s:g} s") from None
            if answer is None or answer.id == self._count:
                return answer

    def _listen(self) -> None:
        """The thread: read until the broker ends, and start another one where it should not."""
        connection = self._connection
        while connection is not None:
            assert connection.process.stdout is not None
            for line in connection.process.stdout:
                # A listener may not be able to write, as on a full disk; the next news may matter.
                with contextlib.suppress(ValidationError, OSError):
                    self._hear(HEARD.validate_json(line), connection)
            connection.process.stdout.close()
            connection.process.wait()
            connection.close_input()
            with self._changed:
                self._connection = None
            connection.answers.put(None)
            connection = self._start_again()
            with self._changed:
                # Closed meanwhile: then nobody else would end it.
                if self._is_closing and connection is not None:
                    connection.close_input()
                self._connection = connection
                self._is_over = connection is None
                self._changed.notify_all()
        self._ready.set()

    def _start_again(self) -> _Connection | None:
        if self._is_closing:
            return None
        if not self._has_been_ready:
            self._refusal = self._refusal or Refused(
                kind="refused",
                id=None,
                reason="no_answer",
                text=f"the broker ended at once{f'; see {self._log}' if self._log else ''}",
            )
            return None
        self._restarts += 1
        if self._restarts > _MAX_RESTARTS:
            why = self._refusal.text if self._refusal else "the broker ended again and again"
            self._lose_all(why)
            return None
        self._listeners.told("the broker ended; another one takes its leases over")
        try:
            connection = self._start()
        except (FarmError, OSError) as error:
            self._lose_all(str(error))
            return None
        # Its answer is not waited for: what it lost, it tells.
        connection.send(0, Adopt(places=tuple(self._leases)))
        self._pid = connection.process.pid
        return connection

    def _lose_all(self, why: str) -> None:
        for place in tuple(self._leases):
            self._lose(place, why)

    def _lose(self, place: str, why: str) -> None:
        if self._leases.pop(place, None) is not None:
            self._listeners.lost(place, why)

    def _hear(self, heard: Heard, connection: _Connection) -> None:
        match heard:
            case Ready():
                self._has_been_ready = True
                self._restarts = 0
                self._ready.set()
            case Lost(place=place, why=why):
                self._lose(place, why)
            case Told(text=text):
                self._listeners.told(text)
            case Refused(id=None):
                self._refusal = heard
            case Places() | Leased() | Released() | Reaped() | Refused():
                connection.answers.put(heard)
            case _:
                assert_never(heard)

    def _error(self, reason: Reason, text: str) -> FarmError:
        what, next_step = _wording(reason)
        return FarmError(reason, what, where=f"{self._address}: {text}", next_step=next_step)


def _wording(reason: Reason) -> tuple[str, str]:
    match reason:
        case "no_match":
            return (
                "The farm has no place, or too few, that fit.",
                "Correct the tags of --farm, or those of the place: `labgrid-client -p PLACE "
                "set-tags board=...`; start fewer workers; or make a place (`create`).",
            )
        case "taken":
            return (
                "Too few of the farm's fitting places are free.",
                "Wait for them: --wait-for-kit=SECONDS. An owner with `.nrf-fota.` in its name is "
                "a run; where it is dead: `nrf-fota farm reap`. Others are people: ask them.",
            )
        case "unusable":
            return (
                "The farm's fitting places are of no use now.",
                "Look at the exporters on the kits' hosts (systemctl status labgrid-exporter), and "
                "whether the kits are plugged in; --wait-for-kit=SECONDS waits for them.",
            )
        case "set_aside":
            return (
                "The farm's fitting places are of no use now.",
                "Look at the kits that are set aside, for the reasons above; at others' exporters "
                "(systemctl status labgrid-exporter), and whether they are plugged in.",
            )
        case "no_answer":
            return (
                "The farm does not answer.",
                "Check host and port of --farm, and that labgrid-coordinator runs there.",
            )
        case "no_labgrid":
            return "labgrid cannot be used.", INSTALL_HINT
        case "refused":
            return "The farm refused.", "Read the coordinator's log."
        case _:
            assert_never(reason)


def _owner_name() -> str:
    """A name of this session alone; labgrid wants `HOST/USER`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "nobody"
    host = platform.node() or "localhost"
    unique = f"{os.getpid()}.{secrets.token_hex(3)}"
    return f"{host}/{user}{OWNER_MARK}{unique}".replace(" ", "_")

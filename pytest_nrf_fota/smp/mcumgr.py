"""A synchronous SMP session with one board: connect, list, upload, test, confirm, reset."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar, cast

from smp.error import ErrorV1, ErrorV2
from smpclient import SMPClient
from smpclient.exceptions import (
    SMPBadSequence,
    SMPValidationException,
)
from smpclient.generics import SMPRequest, TEr1, TEr2, TRep, success
from smpclient.requests.image_management import (
    ImageErase,
    ImageStatesRead,
    ImageStatesWrite,
)
from smpclient.requests.os_management import EchoWrite, MCUMgrParametersRead, ResetWrite
from smpclient.transport import SMPTransport, SMPTransportDisconnected
from typing_extensions import assert_never

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import (
    BoardError,
    ConnectionBrokeError,
    FotaError,
    NotSeenError,
    RadioLostError,
)
from pytest_nrf_fota.portal import start_portal
from pytest_nrf_fota.record.events import RadioState
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.messages import (
    ImageState,
    ServerParameters,
    describe_error,
    describe_payload,
    is_legacy_ok,
    return_code_of,
    states_in,
)
from pytest_nrf_fota.smp.peer_search import FoundPeer, Peer, PeerSearch, SearchingRadio
from pytest_nrf_fota.smp.recording_transport import RecordingTransport
from pytest_nrf_fota.smp.session_errors import (
    NO_PARAMETERS,
    connection_failed,
    connection_lost,
    erase_refused,
)
from pytest_nrf_fota.smp.session_uploads import (
    LOOK_AROUND,
    SessionUploads,
    forgotten,
    refused,
    stuck,
    uploader_for,
)
from pytest_nrf_fota.smp.upload.frames import Content, DeviceFile, ImageFile
from pytest_nrf_fota.smp.upload.link import UploadTimes, why_one_at_a_time
from pytest_nrf_fota.smp.upload.pipeline import Forgotten, Refused, Silent, Stuck
from pytest_nrf_fota.smp.upload.uploader import Progress, Uploader, UploadFailedError
from pytest_nrf_fota.wires.radio import MuteRadio, Radio, RememberingRadio, ResettableRadio

_Result = TypeVar("_Result")
_DISCONNECT_TIMEOUT_S = 5.0
_CONNECT_ATTEMPTS = 3
_CONNECT_GRACE_S = 3.0
_LONGEST_LOG_TEXT = 500


class _CallersError(Exception):
    """What a callback of the caller raised, on its way through the client."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(str(error))


class UnexpectedAnswerError(BoardError):
    """An answer came, and is none that the protocol knows for the request."""


@dataclass(frozen=True)
class SmpTimeouts:
    """Seconds that single exchanges may take."""

    answer_s: float
    first_upload_packet_s: float


class Mcumgr:
    """An SMP client for tests.

    Verbs raise `BoardError` when the server refuses, `NotSeenError` when it does not answer in
    time or the connection breaks, and `RadioLostError` when the host's radio is the problem.
    After an unanswered request the connection is closed, because smpclient's transports are out
    of step then.

    Args:
        radio: makes transports.
        recorder: gets messages and connection events.
        timeouts: for single exchanges.
    """

    def __init__(self, radio: Radio, recorder: FlightRecorder, timeouts: SmpTimeouts) -> None:
        self._radio = radio
        self._recorder = recorder
        self._timeouts = timeouts
        self._portal, self._end_portal = start_portal(self)
        self._client: SMPClient | None = None
        self._is_uploading = False
        self._writes = 0
        self._transport: RecordingTransport | None = None
        self._found: FoundPeer | None = None
        self._peer: str | Peer | None = None
        # `smp` warns about every answer of an SMP version 1 server, which NCS 2.3 has.
        logging.getLogger("smp.message").setLevel(logging.ERROR)
        logging.getLogger("smpclient").addFilter(_shorten)

    def __enter__(self) -> "Mcumgr":
        """For `with`."""
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    @property
    def is_connected(self) -> bool:
        """Whether a connection was made and not given up since."""
        return self._client is not None

    @property
    def mtu_bytes(self) -> int | None:
        """Longest write of the connection; None where there is none, or none any more."""
        # A transport may refuse to tell once its link is gone.
        with contextlib.suppress(SMPTransportDisconnected):
            return self._transport.mtu if self._client and self._transport else None
        return None

    @property
    def is_uploading(self) -> bool:
        """Whether an upload is under way."""
        return self._is_uploading

    @property
    def writes(self) -> int:
        """How many requests were sent after which the server may have changed its flash."""
        return self._writes

    @property
    def found(self) -> FoundPeer | None:
        """How the connected board was found; None where it was not searched for."""
        return self._found

    def forget_services(self) -> None:
        """Take what the host remembers of the board's services for outdated."""
        if isinstance(self._radio, RememberingRadio):
            self._radio.forget_services()

    def connect(self, peer: str | Peer, within_s: float) -> None:
        """Find the peer and connect to its SMP server.

        A connection that drops at once is tried again, three times in all. Where this host's radio
        fails, or before the last try, its adapter is reset if that is possible.

        Args:
            peer: address or advertised name, or both; serial radios ignore it. `found` shows
                whether it was its address that led there.
            within_s: for everything together.
        """
        deadline = Deadline.after(within_s)
        self.disconnect()
        self._peer = peer
        self._recorder.record(RadioState(state="connecting", detail=f"to {peer}"))
        try:
            self._client = self._portal.call(self._connect, peer, deadline)
        except FotaError as error:
            self._recorder.record(RadioState(state="failed", detail=error.what))
            raise
        slowness = NO_PARAMETERS if self._hides_buffers() else self._slowness()
        hint = f". {slowness}" if slowness else ""
        found = self._found
        by_name = f", found at {found.address}" if found and not found.by_address else ""
        self._recorder.record(
            RadioState(
                state="connected",
                detail=f"to {peer}{by_name}{hint}",
                mtu_bytes=self.mtu_bytes,
                message_bytes=self._message_bytes(),
            )
        )

    def _slowness(self) -> str:
        with contextlib.suppress(SMPTransportDisconnected):
            if self._transport is not None:
                return why_one_at_a_time(self._transport.upload_link(), self._transport.server)
        return ""

    def _message_bytes(self) -> int | None:
        with contextlib.suppress(SMPTransportDisconnected):
            return self._transport.max_unencoded_size if self._transport else None
        return None

    def disconnect(self) -> None:
        """Close the connection, if there is one. Never raises."""
        client, self._client = self._client, None
        if client is not None:
            self._portal.call(_disconnect, client)
            self._recorder.record(RadioState(state="disconnected", detail="by the harness"))

    def close(self) -> None:
        """Disconnect and end the session's thread. Never raises."""
        self.disconnect()
        self._end_portal()

    def get_parameters(self) -> ServerParameters:
        """Read the server's buffer size and count."""
        answer = self._ask(MCUMgrParametersRead(), "read parameters")
        return ServerParameters(answer.buf_size, answer.buf_count)

    def get_image_list(self) -> tuple[ImageState, ...]:
        """Read the image list."""
        try:
            answer = self._ask(ImageStatesRead(), "read image list")
        except UnexpectedAnswerError:
            states = self._states_as_they_came()
            if states is None:
                raise
            return states
        return tuple(ImageState.from_smp(state) for state in answer.images)

    def echo(self, text: str) -> str:
        """Let the server repeat a text."""
        return self._ask(EchoWrite(d=text), "echo").r

    def image_upload(
        self,
        image: bytes,
        *,
        image_number: int = 0,
        within_s: float,
        on_progress: Callable[[int], None] | None = None,
        reconnects: int = 0,
    ) -> None:
        """Upload an update file to the secondary slot of an image.

        Where the board has a part of this file from an earlier upload, that goes on.

        Args:
            image: content of the file.
            image_number: which image of the application's image numbering.
            within_s: for the whole upload.
            on_progress: called with the number of bytes that the server has.
            reconnects: how often a connection that breaks is made anew, and the upload goes on
                where the board has it.
        """
        deadline, file = Deadline.after(within_s), ImageFile(image, image_number)
        for left in range(reconnects, -1, -1):
            uploader = self._uploader(file)
            try:
                self._upload_once(uploader, file, deadline, on_progress)
            except ConnectionBrokeError:
                if not left or self._peer is None or deadline.expired:
                    raise
            else:
                return
            self.connect(self._peer, deadline.remaining_s)
            # A server forgets an upload that is complete, and would begin it anew.
            if uploader.may_be_complete and self._run(
                self._uploads().holds(file), "read image list", deadline
            ):
                return

    def image_upload_steps(
        self, image: bytes, *, image_number: int = 0, within_s: float
    ) -> Iterator[Progress]:
        """As `image_upload`, and tells how far it is after each answer of the board.

        Leaving the loop early leaves the server usable, and the upload to be resumed.
        """
        deadline = Deadline.after(within_s)
        file = ImageFile(image, image_number)
        steps = self._uploads().steps(self._uploader(file), file)

        async def step() -> Progress | None:
            return await anext(steps, None)

        with self._uploading():
            try:
                while (progress := self._run(step(), f"upload {file}", deadline)) is not None:
                    yield progress
            finally:
                self._portal.call(steps.aclose)

    def file_upload(
        self,
        data: bytes,
        path: str,
        *,
        within_s: float,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write a file of the board's file system (CONFIG_MCUMGR_GRP_FS); it is replaced.

        Args:
            data: its new content.
            path: absolute, with the mount point: `/lfs1/settings.bin`.
            within_s: for the whole upload.
            on_progress: called with the number of bytes that the server has.
        """
        file = DeviceFile(data, path)
        uploader = self._uploader(file)
        self._upload_once(uploader, file, Deadline.after(within_s), on_progress)

    def _upload_once(
        self,
        uploader: Uploader,
        content: Content,
        deadline: Deadline,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        steps = self._uploads().steps(uploader, content)

        async def upload() -> None:
            async with contextlib.aclosing(steps):
                async for progress in steps:
                    if on_progress is not None:
                        try:
                            on_progress(progress.done_bytes)
                        except Exception as error:
                            raise _CallersError(error) from error

        with self._uploading():
            self._run(upload(), f"upload {content}", deadline)

    def _uploader(self, content: Content) -> Uploader:
        self._connected()
        assert self._transport is not None
        times = UploadTimes(self._timeouts.first_upload_packet_s, self._timeouts.answer_s)
        try:
            return uploader_for(self._transport, content, times)
        except SMPTransportDisconnected as error:
            raise self._broken_off(f"upload {content}", str(error), 0.0, None) from error

    def _uploads(self) -> SessionUploads:
        client, where = self._connected(), self._radio.description
        assert self._transport is not None
        return SessionUploads(
            client, self._transport, self._recorder, where, self._timeouts.answer_s
        )

    @contextlib.contextmanager
    def _uploading(self) -> Iterator[None]:
        self._is_uploading = True
        self._writes += 1
        try:
            yield
        finally:
            self._is_uploading = False

    def image_test(self, image_hash: bytes) -> tuple[ImageState, ...]:
        """Set the image with this hash pending for one test boot. Returns the new image list."""
        return self._set_state(image_hash, confirm=False)

    def image_confirm(self, image_hash: bytes | None = None) -> tuple[ImageState, ...]:
        """Set an image pending as permanent, or confirm the running one. Returns the new list."""
        return self._set_state(image_hash, confirm=True)

    def image_erase(self, within_s: float) -> None:
        """Erase the secondary slot of image 0."""
        self._writes += 1
        self._ask(ImageErase(slot=1), "erase slot 1", Deadline.after(within_s), erase_refused)

    def reset_device(self, *, to_bootloader: bool = False) -> None:
        """Ask the server to reset the board, then disconnect.

        Args:
            to_bootloader: whether MCUboot is to stay in its serial recovery (`boot_mode` 1 of
                Zephyr's `bootmode.h`); needs CONFIG_MCUMGR_GRP_OS_RESET_BOOT_MODE.
        """
        self._ask(ResetWrite(boot_mode=1 if to_bootloader else None), "reset")
        self.disconnect()

    def _set_state(self, image_hash: bytes | None, *, confirm: bool) -> tuple[ImageState, ...]:
        self._writes += 1
        what = "confirm" if confirm else "test"
        name = f" image {image_hash.hex()[:8]}..." if image_hash else " the running image"
        try:
            answer = self._ask(ImageStatesWrite(hash=image_hash, confirm=confirm), what + name)
        except UnexpectedAnswerError:
            states = self._states_as_they_came()
            if states is None:
                raise
            return states
        return tuple(ImageState.from_smp(state) for state in answer.images)

    def _states_as_they_came(self) -> tuple[ImageState, ...] | None:
        """The image list of an answer with keys that smpclient refuses; None where it has none."""
        # Not where the connection was given up: that was the answer to another request.
        has_own_answer = self._transport is not None and self._client is not None
        return states_in(self._transport.last_answer if self._transport and has_own_answer else {})

    async def _connect(self, peer: str | Peer, deadline: Deadline) -> SMPClient:
        for attempt in range(1, _CONNECT_ATTEMPTS):
            try:
                return await self._connect_once(peer, deadline)
            except FotaError as error:
                radio_failed = isinstance(error, RadioLostError)
                may_help = isinstance(self._radio, ResettableRadio) or not radio_failed
                if deadline.expired or not (may_help and (radio_failed or _was_dropped(error))):
                    raise
                self._recorder.record(RadioState(state="retrying", detail=error.what))
                if radio_failed or attempt == _CONNECT_ATTEMPTS - 1:
                    await self._reset_adapter()
                    break
        return await self._connect_once(peer, deadline)

    async def _reset_adapter(self) -> None:
        if not isinstance(self._radio, ResettableRadio):
            return
        try:
            name = await self._radio.reset_adapter()
        except RadioLostError as refusal:
            # What is wrong with it, the last try will say.
            self._recorder.record(RadioState(state="failed", detail=refusal.what))
        else:
            self._recorder.record(RadioState(state="reset", detail=name))

    async def _connect_once(self, peer: str | Peer, deadline: Deadline) -> SMPClient:
        search, self._found = None, None
        if isinstance(self._radio, SearchingRadio):
            search = PeerSearch(peer, self._radio.description)
        transport = RecordingTransport(self._new_transport(search), self._recorder)
        self._transport = transport
        client = SMPClient(transport, str(peer), timeout_s=self._timeouts.answer_s)
        try:
            # The transport keeps the deadline, and says more about why than this guard.
            limit_s = deadline.remaining_s + _CONNECT_GRACE_S
            await asyncio.wait_for(client.connect(deadline.remaining_s), limit_s)
        except BaseException as error:
            await _disconnect(client)
            if isinstance(error, Exception):
                raise self._explained(error, str(peer), deadline) from error
            raise
        self._found = search.result if search is not None else None
        return client

    def _new_transport(self, search: PeerSearch | None) -> SMPTransport:
        if search is not None and isinstance(self._radio, SearchingRadio):
            return self._radio.transport_for(search)
        return self._radio.transport()

    def _explained(self, error: Exception, peer: str, deadline: Deadline) -> FotaError:
        where = f"{self._radio.description}, peer {peer}"
        match error:
            case FotaError():
                return error
            case SMPBadSequence() | SMPValidationException():
                return self._unexpected_answer("read parameters", error)
            case _:
                known = connection_failed(error, where, deadline.allowed_s)
                if known is None and self._is_answered():
                    return self._unexpected_answer("read parameters", error)
                return known or connection_lost(error, where)

    def _connected(self) -> SMPClient:
        if self._client is None:
            raise BoardError(
                "There is no SMP connection.",
                where=self._radio.description,
                next_step="Call dut.connect() first; after a reset or an unanswered request the "
                "connection is closed.",
            )
        return self._client

    def _ask(
        self,
        request: SMPRequest[TRep, TEr1, TEr2],
        what: str,
        deadline: Deadline | None = None,
        next_step: Callable[[int], str] = lambda _return_code: LOOK_AROUND,
    ) -> TRep:
        client = self._connected()
        limit = deadline or Deadline.after(self._timeouts.answer_s)
        answer = self._run(client.request(request, limit.remaining_s), what, limit)
        if success(answer):
            return answer
        if is_legacy_ok(answer):
            return cast(TRep, request._Response.model_construct())
        assert isinstance(answer, ErrorV1 | ErrorV2)
        raise BoardError(
            f"The board refused to {what}: {describe_error(answer)}",
            where=self._radio.description,
            next_step=next_step(return_code_of(answer)),
        )

    def _run(
        self, work: Coroutine[object, object, _Result], what: str, deadline: Deadline
    ) -> _Result:
        try:
            return self._portal.call(asyncio.wait_for, work, deadline.remaining_s)
        except BoardError:
            raise
        except _CallersError as callers:
            raise callers.error from None
        except UploadFailedError as failure:
            raise self._upload_failed(failure, what) from failure
        except ValueError as error:
            if self._is_answered():
                raise self._unexpected_answer(what, error) from error
            # Transports know what the board's buffers hold.
            raise BoardError(
                f"The board cannot take the message to {what}: {error}",
                where=self._radio.description,
                next_step="Send less at once.",
            ) from error
        except (
            SMPTransportDisconnected,
            TimeoutError,
            asyncio.TimeoutError,
            RuntimeError,
        ) as error:
            # smpclient's bleak transport raises RuntimeError where a request timed out.
            lost = str(error) if isinstance(error, SMPTransportDisconnected) else ""
            raise self._broken_off(what, lost, self._waited_s(deadline), deadline) from error
        except FotaError:
            raise
        # smp, smpclient, cbor2 and pydantic refuse answers in many ways of their own.
        except Exception as error:
            if not self._is_answered():
                raise
            raise self._unexpected_answer(what, error) from error

    def _upload_failed(self, failure: UploadFailedError, what: str) -> FotaError:
        where = self._radio.description
        match failure.outcome:
            case Refused() as end:
                # Of whatever else the answer may be, the recorder has it.
                return refused(end, what, where) or self._unexpected_answer(what, failure)
            case Stuck() as end:
                return stuck(end, failure.size_bytes, where)
            case Silent(waited_s):
                return self._broken_off(what, "", waited_s, None)
            case Forgotten():
                return self._broken_off(what, str(forgotten()), 0.0, None)
            case _:
                assert_never(failure.outcome)

    def _broken_off(
        self, what: str, lost: str, waited_s: float, deadline: Deadline | None
    ) -> FotaError:
        """The connection is given up: it broke, for the reason in `lost`, or nobody answered."""
        # smpclient's text about a silence has all bytes of the request.
        detail = f"{what}: {lost or 'no answer'}"
        self._recorder.record(RadioState(state="failed", detail=detail))
        is_late = deadline is not None and deadline.expired
        uploads_slowly = self._is_uploading and self._hides_buffers() and is_late
        hint = self._hint_of_silence()
        self.disconnect()
        silence = f"No answer within {waited_s:.3g} s"
        return (ConnectionBrokeError if lost else NotSeenError)(
            f"{'The connection broke' if lost else silence} while trying to {what}.",
            where=self._radio.description,
            next_step=hint
            or (NO_PARAMETERS if uploads_slowly else None)
            or "Look at the UART log: did the board reset, hang, or run out of buffers?",
        )

    def _is_answered(self) -> bool:
        return self._transport is not None and self._transport.is_answered

    def _unexpected_answer(self, what: str, error: Exception) -> "UnexpectedAnswerError":
        answer = self._transport.last_answer if self._transport is not None else {}
        said = describe_payload(answer)
        if isinstance(error, SMPBadSequence):
            # Whatever comes next may be the answer to this request.
            self.disconnect()
            said = f"{error} ({said})"
        self._recorder.record(RadioState(state="failed", detail=f"{what}: {said}"))
        return UnexpectedAnswerError(
            f"The board's answer to {what} is none that SMP knows: {said}",
            where=self._radio.description,
            next_step="The whole answer is in the flight recorder. Is the firmware's Zephyr newer "
            "than this client (pip install --upgrade smpclient), or its SMP server changed?",
        )

    def _hint_of_silence(self) -> str | None:
        is_mute = self._transport is not None and not self._transport.has_answered
        return self._radio.silence_hint if is_mute and isinstance(self._radio, MuteRadio) else None

    def _waited_s(self, deadline: Deadline) -> float:
        # Of an upload, each packet has a deadline of its own.
        unanswered_s = self._transport.unanswered_s if self._transport else deadline.allowed_s
        return min(unanswered_s, deadline.allowed_s)

    def _hides_buffers(self) -> bool:
        """Whether the server answers, and has refused to tell the size of its buffers."""
        transport = self._transport
        if transport is None or not transport.has_answered:
            return False
        return transport.server_buffer_size_bytes is None


def _shorten(record: logging.LogRecord) -> bool:
    # smpclient logs the request that was not answered, with all bytes of an image's piece.
    text = record.getMessage()
    if len(text) > _LONGEST_LOG_TEXT:
        record.msg, record.args = f"{text[:_LONGEST_LOG_TEXT]}... ({len(text)} characters)", None
    return True


def _was_dropped(error: FotaError) -> bool:
    return isinstance(error.__cause__, SMPTransportDisconnected)


async def _disconnect(client: SMPClient) -> None:
    # A peer that is gone must not keep the test waiting, whatever the transport thinks of it.
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.disconnect(), _DISCONNECT_TIMEOUT_S)

"""Uploads of a session: from its connection to an `Uploader`, and from its end to an error."""

import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from enum import IntEnum

from smp.error import MGMT_ERR
from smp.file_management import FS_MGMT_ERR
from smp.header import GroupId
from smp.image_management import IMG_MGMT_ERR
from smpclient import SMPClient
from smpclient.exceptions import SMPValidationException
from smpclient.generics import success
from smpclient.requests.file_management import FileStatus
from smpclient.requests.image_management import ImageStatesRead
from smpclient.transport import SMPTransportDisconnected

from pytest_nrf_fota.errors import BoardError
from pytest_nrf_fota.record.events import Measurement, RadioState
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.messages import describe_payload, describe_return_code, states_in
from pytest_nrf_fota.smp.recording_transport import RecordingTransport
from pytest_nrf_fota.smp.upload.frames import (
    FILE_UPLOAD,
    Content,
    DeviceFile,
    FramePlan,
    ImageFile,
    plan_frames,
)
from pytest_nrf_fota.smp.upload.link import UploadTimes, limits_for
from pytest_nrf_fota.smp.upload.pipeline import Complete, Forgotten, Refused, Stuck
from pytest_nrf_fota.smp.upload.uploader import Progress, Uploader, UploadFailedError

LOOK_AROUND = "See the image list and the last UART lines."
NO_FILE = (
    "Does the path begin with a mount point of the board, is its folder there, and has its file "
    "system room? An application without CONFIG_MCUMGR_GRP_FS answers ENOTSUP."
)
NO_REASSEMBLY = (
    "The server got pieces of a message. Build it with CONFIG_MCUMGR_TRANSPORT_BT_REASSEMBLY=y "
    "(NCS 2.3: CONFIG_MCUMGR_SMP_REASSEMBLY_BT=y); without it a message must fit in one write "
    "(CONFIG_BT_L2CAP_TX_MTU)."
)


_CODES: Mapping[object, type[IntEnum]] = {
    GroupId.IMAGE_MANAGEMENT: IMG_MGMT_ERR,
    GroupId.FILE_MANAGEMENT: FS_MGMT_ERR,
}


def uploader_for(transport: RecordingTransport, content: Content, times: UploadTimes) -> Uploader:
    """An uploader that uses the connection as its transport and the board's server allow."""
    link, server = transport.upload_link(), transport.server
    sure_bytes = transport.max_unencoded_size
    if server is not None:
        # Not every transport looks at it: UDP has datagrams of one length.
        sure_bytes = min(sure_bytes, server.buffer_size_bytes)
    plan = plan_frames(sure_bytes, link.part_bytes if link is not None else None)
    if link is not None and link.most_message_bytes is not None:
        plan = FramePlan(link.most_message_bytes, None, sure_bytes)
    return Uploader(transport, content, plan, limits_for(link, server, times))


def forgotten() -> SMPTransportDisconnected:
    """The board wants an upload from its beginning of which it had more."""
    return SMPTransportDisconnected("The board has forgotten the upload: was it reset?")


def stuck(end: Stuck, size_bytes: int, where: str) -> BoardError:
    """The board asked for the same byte again and again."""
    return BoardError(
        f"The upload does not advance: the board asks for byte {end.offset_bytes} of "
        f"{size_bytes} again, {end.times} times in a row.",
        where=where,
        next_step="Its server takes the pieces and stores none: look at the UART log, "
        "and erase the slot (a flash that cannot be written?).",
    )


def refused(end: Refused, what: str, where: str) -> BoardError | None:
    """The board's refusal by name; None for an answer that is none."""
    said = _refusal(end.answer.payload)
    if said is None:
        return None
    next_step = LOOK_AROUND
    if end.answer.rc == MGMT_ERR.ECORRUPT:
        next_step = NO_REASSEMBLY
    elif end.answer.command == FILE_UPLOAD:
        next_step = NO_FILE
    return BoardError(f"The board refused to {what}: {said}", where=where, next_step=next_step)


def stored_otherwise(size_bytes: int, said: str, where: str) -> BoardError:
    """The board has all bytes, and they are others than those of the file."""
    return BoardError(
        f"The board took all {size_bytes} bytes, and {said}.",
        where=where,
        next_step="Erase the slot, or remove the file, and upload again. Where it happens twice: "
        "does the application write there, or the flash not hold what is written?",
    )


def _refusal(payload: Mapping[str, object]) -> str | None:
    error, rc, reason = payload.get("err"), payload.get("rc"), payload.get("rsn")
    if isinstance(error, dict):
        group, group_rc = error.get("group"), error.get("rc")
        known = {one.value: one.name for one in _CODES.get(group, ())}
        if group_rc in known:
            return f"group {group} rc {group_rc} ({known[group_rc]})"
        return describe_payload(payload)
    if not isinstance(rc, int) or rc not in {one.value for one in MGMT_ERR} or rc == 0:
        return None
    return describe_return_code(rc) + (f": {reason}" if isinstance(reason, str) else "")


class SessionUploads:
    """Uploads over one connection, measured, and checked where there is doubt.

    Args:
        client: a connected client.
        transport: its transport.
        recorder: gets the measurements.
        where: the radio, for messages.
        answer_s: how long the image list, or a file's status, may take.
    """

    def __init__(
        self,
        client: SMPClient,
        transport: RecordingTransport,
        recorder: FlightRecorder,
        where: str,
        answer_s: float,
    ) -> None:
        self._client = client
        self._transport = transport
        self._recorder = recorder
        self._where = where
        self._answer_s = answer_s

    async def steps(self, uploader: Uploader, content: Content) -> AsyncGenerator[Progress, None]:
        """Upload; yields after each answer. Raises as `Uploader.run`, and `BoardError`."""
        started_at_s, retries = time.monotonic(), 0
        try:
            async with contextlib.aclosing(uploader.run()) as steps:
                async for progress in steps:
                    if progress.retries > retries:
                        retries = progress.retries
                        lost = f"upload: a message was lost, on from byte {progress.done_bytes}"
                        self._recorder.record(RadioState(state="retrying", detail=lost))
                    yield progress
        except UploadFailedError as failure:
            is_unsure = isinstance(failure.outcome, Forgotten) and failure.outcome.may_be_complete
            if not is_unsure or await self.holds(content) is not True:
                raise
        duration_s = time.monotonic() - started_at_s
        await self._check_stored(uploader, content)
        self._measure("upload throughput", round(len(content.data) / duration_s / 1000, 1), "kB/s")
        self._measure("upload retries", uploader.retries, "times")
        self._measure("upload window", uploader.window, "requests")
        # A link may drop right behind the last answer.
        with contextlib.suppress(SMPTransportDisconnected):
            link = self._transport.upload_link()
            if link is not None and link.interval_s is not None:
                self._measure("connection interval", round(link.interval_s * 1000, 2), "ms")

    def _measure(self, name: str, value: float, unit: str) -> None:
        self._recorder.record(Measurement(name=name, value=value, unit=unit))

    async def _check_stored(self, uploader: Uploader, content: Content) -> None:
        """Whether the board has the file, where that is in doubt or it says so itself."""
        match = uploader.outcome.match if isinstance(uploader.outcome, Complete) else None
        if match is False:
            said = "the hash of what it stored is not that of the file"
            raise stored_otherwise(len(content.data), said, self._where)
        # Each answer named the next byte; only where one was missing something may be amiss.
        if match is None and uploader.retries and await self.holds(content) is False:
            said = "another image, or a file of another length, lies where this one should"
            raise stored_otherwise(len(content.data), said, self._where)

    async def holds(self, content: Content) -> bool | None:
        """Whether the board has it, by its image list or the file's length; None for unknown."""
        match content:
            case ImageFile(data):
                return await self._holds_image(data)
            case DeviceFile(data, path):
                return await self._holds_file(data, path)
            case _:
                return None

    async def _holds_file(self, data: bytes, path: str) -> bool | None:
        with contextlib.suppress(SMPValidationException):
            answer = await self._client.request(FileStatus(name=path), self._answer_s)
            # Of the same length it may be the old one.
            if success(answer) and answer.len != len(data):
                return False
        return None

    async def _holds_image(self, image: bytes) -> bool | None:
        from pytest_nrf_fota.firmware.mcuboot_image import McubootImage, NotAnImageError

        try:
            image_hash = McubootImage.parse(image).hash
        except NotAnImageError:
            return None
        with contextlib.suppress(SMPValidationException):
            await self._client.request(ImageStatesRead(), self._answer_s)
        states = states_in(self._transport.last_answer) or ()
        if any(state.hash == image_hash for state in states):
            return True
        return False if any(not state.active for state in states) else None

"""The SMP server of the application: frames in, frames out, SMP version 1 as in NCS 2.3.

Messages are the `smp` package's models (facts/dual-stage-boot.md, section 6).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import cbor2
from smp import header as smp_header
from smp import image_management as smp_image
from smp import message as smp_message
from smp import os_management as smp_os
from smp.exceptions import SMPException

from pytest_nrf_fota.sim.app.images import RC_INVALID, RC_OK, ImageManager

RC_NOT_SUPPORTED = 8
UPLOADABLE_IMAGE = 0
VERSION = smp_header.Version.V1

# Operation and version, flags, size of the body, group, sequence number, command.
_HEADER = struct.Struct("!BBHHBB")
_OP_MASK = 0b111
_RESPONSES = {
    int(smp_header.OP.READ): int(smp_header.OP.READ_RSP),
    int(smp_header.OP.WRITE): int(smp_header.OP.WRITE_RSP),
}


class FrameAssembler:
    """Puts the fragments of one direction together into SMP frames.

    A frame is as long as its header says; a fragment that cannot be a header is dropped.
    """

    def __init__(self, buffer_size_bytes: int) -> None:
        self._buffer_size_bytes = buffer_size_bytes
        self._pending = b""

    def feed(self, fragment: bytes) -> bytes | None:
        """Take one fragment; returns the frame that it completes."""
        if not self._pending and len(fragment) < smp_header.Header.SIZE:
            return None
        self._pending += fragment
        size_bytes = smp_header.Header.SIZE + int.from_bytes(self._pending[2:4], "big")
        if size_bytes > self._buffer_size_bytes:
            self._pending = b""
            return None
        if len(self._pending) < size_bytes:
            return None
        frame, self._pending = self._pending[:size_bytes], b""
        return frame


@dataclass(frozen=True)
class ServerSettings:
    """NCS_SAMPLE_MCUMGR_BT_OTA_DFU's buffers (facts/dual-stage-boot.md, 6.1)."""

    buffer_size_bytes: int = 2475
    buffer_count: int = 4


class SmpServer:
    """Answers requests.

    Args:
        images: the image group's back end.
        settings: buffers, as `params` reports them.
        on_reset: called when a client asks for a reset; the caller resets after its delay.
    """

    def __init__(
        self, images: ImageManager, settings: ServerSettings, on_reset: Callable[[], None]
    ) -> None:
        self._images = images
        self._settings = settings
        self._on_reset = on_reset

    def answer(self, frame: bytes) -> bytes | None:
        """The response frame, or None where the bytes are no request."""
        if len(frame) < smp_header.Header.SIZE or frame[0] & _OP_MASK not in _RESPONSES:
            return None
        try:
            header = smp_header.Header.loads(frame[: smp_header.Header.SIZE])
        except ValueError:
            # A command that does not exist in a group that does.
            return _return_code(frame, RC_NOT_SUPPORTED)
        try:
            response = self._dispatch(header, frame)
        except (ValueError, TypeError, RecursionError, SMPException, cbor2.CBORDecodeError):
            return _return_code(frame, RC_INVALID)
        # The smp package's answer to a written image state claims to answer a read.
        return bytes([_RESPONSES[frame[0] & _OP_MASK]]) + bytes(response)[1:]

    def _dispatch(self, header: smp_header.Header, frame: bytes) -> smp_message.Response | bytes:
        key = (header.group_id, header.command_id, header.op)
        image_group = smp_header.GroupId.IMAGE_MANAGEMENT
        os_group = smp_header.GroupId.OS_MANAGEMENT
        image_command = smp_header.CommandId.ImageManagement
        os_command = smp_header.CommandId.OSManagement
        read, write = smp_header.OP.READ, smp_header.OP.WRITE
        if key == (os_group, os_command.ECHO, write):
            echo = smp_os.EchoWriteRequest.loads(frame)
            return smp_os.EchoWriteResponse(version=VERSION, sequence=header.sequence, r=echo.d)
        if key == (os_group, os_command.RESET, write):
            self._on_reset()
            return smp_os.ResetWriteResponse(version=VERSION, sequence=header.sequence)
        if key == (os_group, os_command.MCUMGR_PARAMETERS, read):
            return smp_os.MCUMgrParametersReadResponse(
                version=VERSION,
                sequence=header.sequence,
                buf_size=self._settings.buffer_size_bytes,
                buf_count=self._settings.buffer_count,
            )
        if key == (image_group, image_command.STATE, read):
            return smp_image.ImageStatesReadResponse(
                version=VERSION,
                sequence=header.sequence,
                images=self._image_states(),
                splitStatus=0,
            )
        if key == (image_group, image_command.STATE, write):
            return self._set_state(header, frame)
        if key == (image_group, image_command.UPLOAD, write):
            return self._upload(header, frame)
        if key == (image_group, image_command.ERASE, write):
            erase = smp_image.ImageEraseRequest.loads(frame)
            slot = 1 if erase.slot is None else erase.slot
            return _return_code(frame, self._images.erase_slot(slot))
        return _return_code(frame, RC_NOT_SUPPORTED)

    def _image_states(self) -> list[smp_image.ImageState]:
        return [
            smp_image.ImageState(
                slot=entry.slot,
                version=entry.version.as_smp_reports,
                hash=entry.hash,
                bootable=entry.bootable,
                pending=entry.pending,
                confirmed=entry.confirmed,
                active=entry.active,
                permanent=entry.permanent,
            )
            for entry in self._images.list_images()
        ]

    def _set_state(self, header: smp_header.Header, frame: bytes) -> smp_message.Response | bytes:
        request = smp_image.ImageStatesWriteRequest.loads(frame)
        rc = self._images.set_state(request.hash or None, confirm=request.confirm)
        if rc != RC_OK:
            return _return_code(frame, rc)
        return smp_image.ImageStatesWriteResponse(
            version=VERSION, sequence=header.sequence, images=self._image_states(), splitStatus=0
        )

    def _upload(self, header: smp_header.Header, frame: bytes) -> smp_message.Response | bytes:
        request = smp_image.ImageUploadWriteRequest.loads(frame)
        if (request.image or UPLOADABLE_IMAGE) != UPLOADABLE_IMAGE:
            return _return_code(frame, RC_INVALID)
        rc, offset_bytes = self._images.upload(
            request.off,
            request.data,
            request.len,
            request.sha,
            only_newer=bool(request.upgrade),
        )
        if rc != RC_OK:
            return _return_code(frame, rc)
        return smp_image.ImageUploadWriteResponse(
            version=VERSION, sequence=header.sequence, rc=RC_OK, off=offset_bytes
        )


def _return_code(frame: bytes, rc: int) -> bytes:
    """`{"rc": rc}` as the answer to a request, also to one that the smp package has no name for."""
    op_and_version, _, _, group_id, sequence, command_id = _HEADER.unpack_from(frame)
    body = cbor2.dumps({"rc": rc})
    response_op = _RESPONSES[op_and_version & _OP_MASK]
    return _HEADER.pack(response_op, 0, len(body), group_id, sequence, command_id) + body

"""The SMP server of the application: frames in, frames out.

Messages are the `smp` package's models (Zephyr subsys/mgmt/mcumgr).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import cbor2
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from smp import header as smp_header
from smp import image_management as smp_image
from smp import message as smp_message
from smp import os_management as smp_os
from smp import shell_management as smp_shell
from smp.error import MGMT_ERR
from smp.exceptions import SMPException
from smp.os_management import OS_MGMT_RET_RC

from pytest_nrf_fota.firmware.description import BootloaderMode
from pytest_nrf_fota.sim.app.image_group import ImageGroup
from pytest_nrf_fota.sim.app.image_result import DONE, ImageResult

# Operation and version, flags, size of the body, group, sequence number, command.
_HEADER = struct.Struct("!BBHHBB")
_OP_MASK = 0b111
_VERSION_SHIFT = 3
_VERSION_MASK = 0b11
_RESPONSES = {
    int(smp_header.OP.READ): int(smp_header.OP.READ_RSP),
    int(smp_header.OP.WRITE): int(smp_header.OP.WRITE_RSP),
}

# bootutil/boot_status.h, enum mcuboot_mode (Zephyr mcumgr/transport). The last is in
# sdk-mcuboot v2.1.0-ncs5; that os_mgmt.c of NCS 3.0 answers it is inferred from a later one.
_BOOTLOADER_MODES: dict[BootloaderMode, int] = {
    "single_app": 0,
    "swap_scratch": 1,
    "overwrite_only": 2,
    "swap_without_scratch": 3,
    "swap_using_offset": 9,
}


class FrameAssembler:
    """Puts the fragments of one direction together into SMP frames.

    A frame is as long as its header says; a fragment that cannot be a header is dropped.
    """

    def __init__(self, buffer_size_bytes: int) -> None:
        self._buffer_size_bytes = buffer_size_bytes
        self._pending = b""

    @property
    def is_empty(self) -> bool:
        """No frame is under way, so that the next fragment needs a buffer."""
        return not self._pending

    def clear(self) -> None:
        """Give up the frame under way."""
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
class OsInfo:
    """What `os info` tells, by its format letters (Zephyr's os_mgmt.c)."""

    node_name: str = "unknown"
    kernel_release: str = "v3.2.99-ncs2"
    kernel_version: str = "3.2.99"
    machine: str = "arm"
    processor: str = "cortex-m33"
    hardware_platform: str = "unknown"

    def text(self, letters: str) -> str | None:
        """The fields that `letters` ask for, in their own order; None for an unknown letter."""
        fields = {
            "s": "Zephyr",
            "n": self.node_name,
            "r": self.kernel_release,
            "v": self.kernel_version,
            "m": self.machine,
            "p": self.processor,
            "i": self.hardware_platform,
            "o": "Zephyr",
        }
        if any(letter not in fields and letter != "a" for letter in letters):
            return None
        wanted = fields if "a" in letters else letters or "s"
        return " ".join(text for letter, text in fields.items() if letter in wanted)


@dataclass(frozen=True)
class ServerSettings:
    """How the server was built.

    Args:
        buffer_size_bytes, buffer_count: NCS_SAMPLE_MCUMGR_BT_OTA_DFU's buffers
            (Zephyr mcumgr/transport).
        os_info: answers to `os info`, or None for a build without it.
        bootloader_info: whether `bootloader info` is answered, as from Zephyr 3.5 on.
        bootloader_mode: what its query `mode` answers, by the application's own Kconfig.
        active_b0_slot: what its query `active_b0_slot` answers, as in newer NCS; None for a build
            without it.
        shell_exec: runs a shell command, gives its return code and output; None for a build
            without the shell group.
    """

    buffer_size_bytes: int = 2475
    buffer_count: int = 4
    os_info: OsInfo | None = None
    bootloader_info: bool = False
    bootloader_mode: BootloaderMode = "swap_without_scratch"
    active_b0_slot: int | None = None
    shell_exec: Callable[[list[str]], tuple[int, str]] | None = None


class _UploadFields(BaseModel):
    """An upload request as the server decodes it: every field may be missing, others do not count.

    Hence not the `smp` package's model, which says what a client should send.
    """

    model_config = ConfigDict(strict=True, extra="ignore")

    off: int | None = Field(default=None, ge=0)
    data: bytes = b""
    len: int | None = Field(default=None, ge=0)
    sha: bytes | None = None
    image: int = Field(default=0, ge=0)
    upgrade: bool = False


class SmpServer:
    """Answers requests.

    Args:
        images: the image group's back end.
        settings: how the server was built.
        on_reset: called when a client asks for a reset; the caller resets after its delay.
        version: newest SMP version that it speaks. Version 2 is spoken only to clients that do:
            errors of a group are then `err` with the group's own codes, while errors of the
            protocol remain `rc` (Zephyr mcumgr headers).
    """

    def __init__(
        self,
        images: ImageGroup,
        settings: ServerSettings,
        on_reset: Callable[[], None],
        version: int = 1,
    ) -> None:
        self._images = images
        self._settings = settings
        self._on_reset = on_reset
        self._version = version

    def answer(self, frame: bytes) -> bytes | None:
        """The response frame, or None where the bytes are no request."""
        if not _is_request(frame):
            return None
        try:
            header = smp_header.Header.loads(frame[: smp_header.Header.SIZE])
        except ValueError:
            # A command that does not exist in a group that does.
            return self._with_version(frame, _return_code(frame, MGMT_ERR.ENOTSUP))
        try:
            response = self._dispatch(header, frame)
        except (ValueError, TypeError, RecursionError, SMPException, cbor2.CBORDecodeError):
            response = _return_code(frame, MGMT_ERR.EINVAL)
        return self._with_version(frame, bytes(response))

    def answer_no_memory(self, frame: bytes) -> bytes | None:
        """The answer to a request whose response finds no buffer, or None as for `answer`."""
        if not _is_request(frame):
            return None
        return self._with_version(frame, _return_code(frame, MGMT_ERR.ENOMEM))

    def _speaks_version_2(self, frame: bytes) -> bool:
        return self._version >= 2 and bool(frame[0] >> _VERSION_SHIFT & _VERSION_MASK)

    def _with_version(self, frame: bytes, answer: bytes) -> bytes:
        # The smp package's answer to a written image state claims to answer a read.
        first = _RESPONSES[frame[0] & _OP_MASK]
        if self._speaks_version_2(frame):
            first |= int(smp_header.Version.V2) << _VERSION_SHIFT
        return bytes([first]) + answer[1:]

    def _dispatch(self, header: smp_header.Header, frame: bytes) -> smp_message.Response | bytes:
        match header.group_id:
            case smp_header.GroupId.OS_MANAGEMENT:
                return self._dispatch_os(header, frame)
            case smp_header.GroupId.IMAGE_MANAGEMENT:
                return self._dispatch_image(header, frame)
            case smp_header.GroupId.SHELL_MANAGEMENT:
                return self._dispatch_shell(header, frame)
            case _:
                return _return_code(frame, MGMT_ERR.ENOTSUP)

    def _dispatch_os(self, header: smp_header.Header, frame: bytes) -> smp_message.Response | bytes:
        command = smp_header.CommandId.OSManagement
        match (header.command_id, header.op):
            case (command.ECHO, smp_header.OP.WRITE):
                echo = smp_os.EchoWriteRequest.loads(frame)
                return smp_os.EchoWriteResponse(sequence=header.sequence, r=echo.d)
            case (command.RESET, smp_header.OP.WRITE):
                self._on_reset()
                return smp_os.ResetWriteResponse(sequence=header.sequence)
            case (command.MCUMGR_PARAMETERS, smp_header.OP.READ):
                return smp_os.MCUMgrParametersReadResponse(
                    sequence=header.sequence,
                    buf_size=self._settings.buffer_size_bytes,
                    buf_count=self._settings.buffer_count,
                )
            case (command.OS_APPLICATION_INFO, smp_header.OP.READ) if self._settings.os_info:
                return self._os_info(self._settings.os_info, header, frame)
            case (command.BOOTLOADER_INFO, smp_header.OP.READ) if self._settings.bootloader_info:
                return self._bootloader_info(frame)
            case _:
                return _return_code(frame, MGMT_ERR.ENOTSUP)

    def _os_info(
        self, info: OsInfo, header: smp_header.Header, frame: bytes
    ) -> smp_message.Response | bytes:
        request = smp_os.OSApplicationInfoReadRequest.loads(frame)
        text = info.text(request.format or "")
        if text is None:
            return self._group_error(frame, MGMT_ERR.EINVAL, OS_MGMT_RET_RC.INVALID_FORMAT)
        return smp_os.OSApplicationInfoReadResponse(sequence=header.sequence, output=text)

    def _bootloader_info(self, frame: bytes) -> bytes:
        query = smp_os.BootloaderInformationReadRequest.loads(frame).query
        if query is None:
            return _answer(frame, {"bootloader": "MCUboot"})
        if query == "mode":
            return _answer(frame, {"mode": _BOOTLOADER_MODES[self._settings.bootloader_mode]})
        if query == "active_b0_slot" and self._settings.active_b0_slot is not None:
            return _answer(frame, {"active": self._settings.active_b0_slot})
        return self._group_error(frame, MGMT_ERR.ENOENT, OS_MGMT_RET_RC.QUERY_YIELDS_NO_ANSWER)

    def _dispatch_shell(
        self, header: smp_header.Header, frame: bytes
    ) -> smp_message.Response | bytes:
        run = self._settings.shell_exec
        is_exec = header.command_id == smp_header.CommandId.ShellManagement.EXECUTE
        if run is None or not is_exec or header.op != smp_header.OP.WRITE:
            return _return_code(frame, MGMT_ERR.ENOTSUP)
        arguments = smp_shell.ExecuteRequest.loads(frame).argv
        if not arguments:
            return _return_code(frame, MGMT_ERR.EINVAL)
        return_code, output = run(arguments)
        return smp_shell.ExecuteResponse(sequence=header.sequence, o=output, ret=return_code)

    def _dispatch_image(
        self, header: smp_header.Header, frame: bytes
    ) -> smp_message.Response | bytes:
        command = smp_header.CommandId.ImageManagement
        match (header.command_id, header.op):
            case (command.STATE, smp_header.OP.READ):
                return smp_image.ImageStatesReadResponse(
                    sequence=header.sequence, images=self._image_states(), splitStatus=0
                )
            case (command.STATE, smp_header.OP.WRITE):
                return self._set_state(header, frame)
            case (command.UPLOAD, smp_header.OP.WRITE):
                return self._upload(header, frame)
            case (command.ERASE, smp_header.OP.WRITE):
                erase = smp_image.ImageEraseRequest.loads(frame)
                slot = 1 if erase.slot is None else erase.slot
                return self._image_result(frame, self._images.erase_slot(slot))
            case _:
                return _return_code(frame, MGMT_ERR.ENOTSUP)

    def _image_states(self) -> list[smp_image.ImageState]:
        return [
            smp_image.ImageState(
                image=line.image if self._images.count > 1 else None,
                slot=line.entry.slot,
                version=line.entry.version.as_smp_reports,
                hash=line.entry.hash,
                bootable=line.entry.bootable,
                pending=line.entry.pending,
                confirmed=line.entry.confirmed,
                active=line.entry.active,
                permanent=line.entry.permanent,
            )
            for line in self._images.list_images()
        ]

    def _set_state(self, header: smp_header.Header, frame: bytes) -> smp_message.Response | bytes:
        request = smp_image.ImageStatesWriteRequest.loads(frame)
        result = self._images.set_state(request.hash or None, confirm=request.confirm)
        if result != DONE:
            return self._image_result(frame, result)
        return smp_image.ImageStatesWriteResponse(
            sequence=header.sequence, images=self._image_states(), splitStatus=0
        )

    def _upload(self, header: smp_header.Header, frame: bytes) -> smp_message.Response | bytes:
        try:
            request = _UploadFields.model_validate(cbor2.loads(frame[smp_header.Header.SIZE :]))
        except ValidationError:
            return _return_code(frame, MGMT_ERR.EINVAL)
        result, offset_bytes = self._images.upload(
            request.image,
            request.off,
            request.data,
            request.len,
            request.sha,
            only_newer=request.upgrade,
        )
        if result != DONE:
            return self._image_result(frame, result)
        if self._version >= 2:
            return _answer(frame, {"off": offset_bytes})
        return smp_image.ImageUploadWriteResponse(
            sequence=header.sequence, rc=MGMT_ERR.EOK, off=offset_bytes
        )

    def _image_result(self, frame: bytes, result: ImageResult) -> bytes:
        if self._version < 2:
            return _return_code(frame, result.rc)
        if result == DONE:
            # CONFIG_MCUMGR_SMP_LEGACY_RC_BEHAVIOUR is off by default.
            return _answer(frame, {})
        return self._group_error(frame, result.translated_rc, result.group_rc)

    def _group_error(self, frame: bytes, rc: MGMT_ERR, group_rc: IntEnum) -> bytes:
        if rc == MGMT_ERR.EOK or not self._speaks_version_2(frame):
            return _return_code(frame, rc)
        (group_id,) = struct.unpack_from("!H", frame, 4)
        return _answer(frame, {"err": {"group": group_id, "rc": int(group_rc)}})


def _is_request(frame: bytes) -> bool:
    return len(frame) >= smp_header.Header.SIZE and frame[0] & _OP_MASK in _RESPONSES


def _return_code(frame: bytes, rc: MGMT_ERR) -> bytes:
    return _answer(frame, {"rc": int(rc)})


def _answer(frame: bytes, content: dict[str, object]) -> bytes:
    """An answer to any request, also to one that the smp package has no name for."""
    _, _, _, group_id, sequence, command_id = _HEADER.unpack_from(frame)
    body = cbor2.dumps(content)
    response_op = _RESPONSES[frame[0] & _OP_MASK]
    return _HEADER.pack(response_op, 0, len(body), group_id, sequence, command_id) + body

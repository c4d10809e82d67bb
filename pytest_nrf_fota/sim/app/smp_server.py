"""The SMP server of the application: frames in, frames out.

Sources, all in Zephyr's subsys/mgmt/mcumgr: smp/src/smp.c, transport/src/smp_reassembly.c,
grp/os_mgmt/src/os_mgmt.c, grp/img_mgmt/src/img_mgmt.c and img_mgmt_state.c.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from smp import header as smp_header
from smp.error import MGMT_ERR
from smp.os_management import OS_MGMT_RET_RC

from pytest_nrf_fota.firmware.description import BootloaderMode
from pytest_nrf_fota.sim.app.image_group import ImageGroup
from pytest_nrf_fota.sim.app.image_result import DONE, ImageResult
from pytest_nrf_fota.sim.app.zcbor import DecodeError, Reader, Text, Value, encode

# Operation and version, flags, size of the body, group, sequence number, command.
_HEADER = struct.Struct("!BBHHBB")
_OP_MASK = 0b111
_VERSION_SHIFT = 3
_VERSION_MASK = 0b11
_NEWEST_VERSION = 1
"""What version 2 of the protocol writes into the header."""

# MGMT_ERR_UNSUPPORTED_TOO_NEW of mgmt_defines.h, which the smp package does not name.
_TOO_NEW = 13
# SIZE_MAX of the board, by which the server itself marks numbers that did not come.
_NO_SIZE = 0xFFFF_FFFF

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

    A frame is as long as its header says. A fragment that cannot be a header is dropped, and so is
    a frame of which more arrives than that, or which is larger than the buffer.
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
        size_bytes = _frame_size_bytes(self._pending)
        if size_bytes > self._buffer_size_bytes or len(self._pending) > size_bytes:
            self._pending = b""
            return None
        if len(self._pending) < size_bytes:
            return None
        frame, self._pending = self._pending, b""
        return frame


class SingleWrites:
    """Takes each write for a whole frame: a build without CONFIG_MCUMGR_TRANSPORT_BT_REASSEMBLY.

    What stands behind the frame in the same write is lost here; a board takes it for another.
    """

    is_empty = True

    def __init__(self, buffer_size_bytes: int) -> None:
        self._buffer_size_bytes = buffer_size_bytes

    def clear(self) -> None:
        """There is never a frame under way."""

    def feed(self, write: bytes) -> bytes | None:
        """The write, unless it does not fit in the server's buffer."""
        return write if len(write) <= self._buffer_size_bytes else None


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
        parameters: whether it tells its buffers (CONFIG_MCUMGR_GRP_OS_MCUMGR_PARAMS).
        bootloader_info: whether `bootloader info` is answered, as from Zephyr 3.5 on.
        bootloader_mode: what its query `mode` answers, by the application's own Kconfig.
        active_b0_slot: what its query `active_b0_slot` answers, as in newer NCS; None for a build
            without it.
        shell_exec: runs a shell command, gives its return code and output; None for a build
            without the shell group.
        refuses_operations_first, unknown_query_is_group_error: see `boards.ncs.Release`.
    """

    buffer_size_bytes: int = 2475
    buffer_count: int = 4
    parameters: bool = True
    os_info: OsInfo | None = None
    bootloader_info: bool = False
    bootloader_mode: BootloaderMode = "swap_without_scratch"
    active_b0_slot: int | None = None
    shell_exec: Callable[[list[str]], tuple[int, str]] | None = None
    refuses_operations_first: bool = True
    unknown_query_is_group_error: bool = False


@dataclass(frozen=True)
class _Request:
    """A frame taken apart; `body` is as long as the header says, or shorter where it was cut."""

    op: int
    version: int
    body_size_bytes: int
    group: int
    sequence: int
    command: int
    body: bytes

    @classmethod
    def parse(cls, frame: bytes) -> "_Request | None":
        """None where there is no whole header."""
        if len(frame) < _HEADER.size:
            return None
        first, _flags, body_size_bytes, group, sequence, command = _HEADER.unpack_from(frame)
        return cls(
            op=first & _OP_MASK,
            version=first >> _VERSION_SHIFT & _VERSION_MASK,
            body_size_bytes=body_size_bytes,
            group=group,
            sequence=sequence,
            command=command,
            body=frame[_HEADER.size : _HEADER.size + body_size_bytes],
        )

    @property
    def is_operation(self) -> bool:
        """Whether it asks for reading or writing."""
        return self.op in (smp_header.OP.READ, smp_header.OP.WRITE)


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
        """The response frame, or None where the bytes are not even a header."""
        request = _Request.parse(frame)
        if request is None:
            return None
        answer = self._pack(request, self._content(request))
        if len(answer) > self._settings.buffer_size_bytes:
            # The response is written into a buffer of the same pool.
            return self._pack(request, _return_code(MGMT_ERR.EMSGSIZE))
        return answer

    def answer_no_memory(self, frame: bytes) -> bytes | None:
        """The answer to a request whose response finds no buffer, or None as for `answer`."""
        request = _Request.parse(frame)
        if request is None:
            return None
        return self._pack(request, self._refusal_of_frame(request) or _return_code(MGMT_ERR.ENOMEM))

    def _pack(self, request: _Request, content: dict[str, Value]) -> bytes:
        is_read = request.op == smp_header.OP.READ
        first = int(smp_header.OP.READ_RSP if is_read else smp_header.OP.WRITE_RSP)
        if self._version >= 2:
            first |= min(request.version, _NEWEST_VERSION) << _VERSION_SHIFT
        body = encode(content)
        return (
            _HEADER.pack(first, 0, len(body), request.group, request.sequence, request.command)
            + body
        )

    def _content(self, request: _Request) -> dict[str, Value]:
        refusal = self._refusal_of_frame(request)
        if refusal is not None:
            return refusal
        if self._version >= 2 and request.version > _NEWEST_VERSION:
            return {"rc": _TOO_NEW}
        if not request.is_operation:
            is_known = request.command <= self._last_command(request.group)
            return _return_code(MGMT_ERR.EINVAL if is_known else MGMT_ERR.ENOTSUP)
        try:
            return self._dispatch(request)
        except DecodeError:
            return _return_code(MGMT_ERR.EINVAL)

    def _refusal_of_frame(self, request: _Request) -> dict[str, Value] | None:
        """What is refused before a buffer for the response is taken."""
        if len(request.body) < request.body_size_bytes:
            return _return_code(MGMT_ERR.ECORRUPT)
        if self._settings.refuses_operations_first and not request.is_operation:
            return _return_code(MGMT_ERR.ENOTSUP)
        return None

    def _last_command(self, group: int) -> int:
        """Where a group's table of handlers ends; -1 for a group that was not built."""
        os_command = smp_header.CommandId.OSManagement
        match group:
            case smp_header.GroupId.OS_MANAGEMENT:
                built = {
                    os_command.RESET: True,
                    os_command.MCUMGR_PARAMETERS: self._settings.parameters,
                    os_command.OS_APPLICATION_INFO: self._settings.os_info is not None,
                    os_command.BOOTLOADER_INFO: self._settings.bootloader_info,
                }
                return max(command for command, is_built in built.items() if is_built)
            case smp_header.GroupId.IMAGE_MANAGEMENT:
                return int(smp_header.CommandId.ImageManagement.ERASE)
            case smp_header.GroupId.SHELL_MANAGEMENT if self._settings.shell_exec is not None:
                return int(smp_header.CommandId.ShellManagement.EXECUTE)
            case _:
                return -1

    def _dispatch(self, request: _Request) -> dict[str, Value]:
        match request.group:
            case smp_header.GroupId.OS_MANAGEMENT:
                return self._dispatch_os(request)
            case smp_header.GroupId.IMAGE_MANAGEMENT:
                return self._dispatch_image(request)
            case smp_header.GroupId.SHELL_MANAGEMENT:
                return self._dispatch_shell(request)
            case _:
                return _return_code(MGMT_ERR.ENOTSUP)

    def _dispatch_os(self, request: _Request) -> dict[str, Value]:
        command, settings = smp_header.CommandId.OSManagement, self._settings
        match (request.command, request.op):
            case (command.ECHO, _):
                # Both handlers are the same function.
                return {"r": _text(_decode(request, {"d": Reader.text}), "d") or Text()}
            case (command.RESET, smp_header.OP.WRITE):
                self._on_reset()
                return {}
            case (command.MCUMGR_PARAMETERS, smp_header.OP.READ) if settings.parameters:
                return {"buf_size": settings.buffer_size_bytes, "buf_count": settings.buffer_count}
            case (command.OS_APPLICATION_INFO, smp_header.OP.READ) if settings.os_info:
                return self._os_info(settings.os_info, request)
            case (command.BOOTLOADER_INFO, smp_header.OP.READ) if settings.bootloader_info:
                return self._bootloader_info(request)
            case _:
                return _return_code(MGMT_ERR.ENOTSUP)

    def _os_info(self, info: OsInfo, request: _Request) -> dict[str, Value]:
        letters = _text(_decode(request, {"format": Reader.text}), "format") or Text()
        text = info.text(letters.decode("utf-8", "replace"))
        if text is None:
            return self._group_error(request, MGMT_ERR.EINVAL, OS_MGMT_RET_RC.INVALID_FORMAT)
        return {"output": text}

    def _bootloader_info(self, request: _Request) -> dict[str, Value]:
        query = _text(_decode(request, {"query": Reader.text}), "query")
        if query is None:
            return {"bootloader": "MCUboot"}
        if query == b"mode":
            return {"mode": _BOOTLOADER_MODES[self._settings.bootloader_mode]}
        if query == b"active_b0_slot" and self._settings.active_b0_slot is not None:
            return {"active": self._settings.active_b0_slot}
        no_answer = OS_MGMT_RET_RC.QUERY_YIELDS_NO_ANSWER
        if not self._settings.unknown_query_is_group_error:
            # The group's number, where one of the protocol belongs: a client reads EINVAL.
            return {"rc": int(no_answer)}
        return self._group_error(request, MGMT_ERR.ENOENT, no_answer)

    def _dispatch_shell(self, request: _Request) -> dict[str, Value]:
        run = self._settings.shell_exec
        is_exec = request.command == smp_header.CommandId.ShellManagement.EXECUTE
        if run is None or not is_exec or request.op != smp_header.OP.WRITE:
            return _return_code(MGMT_ERR.ENOTSUP)
        arguments = _decode(request, {"argv": Reader.texts}).get("argv")
        if not isinstance(arguments, list) or not arguments:
            return _return_code(MGMT_ERR.EINVAL)
        return_code, output = run([argument.decode("utf-8", "replace") for argument in arguments])
        return {"o": output, "ret": return_code}

    def _dispatch_image(self, request: _Request) -> dict[str, Value]:
        command = smp_header.CommandId.ImageManagement
        match (request.command, request.op):
            case (command.STATE, smp_header.OP.READ):
                return self._image_list()
            case (command.STATE, smp_header.OP.WRITE):
                return self._set_state(request)
            case (command.UPLOAD, smp_header.OP.WRITE):
                return self._upload(request)
            case (command.ERASE, smp_header.OP.WRITE):
                slot = _number(_decode(request, {"slot": Reader.unsigned}), "slot")
                return self._image_result(
                    request, self._images.erase_slot(1 if slot is None else slot)
                )
            case _:
                return _return_code(MGMT_ERR.ENOTSUP)

    def _image_list(self) -> dict[str, Value]:
        return {
            "images": [
                {
                    **({"image": line.image} if self._images.count > 1 else {}),
                    "slot": line.entry.slot,
                    "version": line.entry.version.as_smp_reports,
                    "hash": line.entry.hash,
                    "bootable": line.entry.bootable,
                    "pending": line.entry.pending,
                    "confirmed": line.entry.confirmed,
                    "active": line.entry.active,
                    "permanent": line.entry.permanent,
                }
                for line in self._images.list_images()
            ],
            "splitStatus": 0,
        }

    def _set_state(self, request: _Request) -> dict[str, Value]:
        fields = _decode(request, {"hash": Reader.byte_string, "confirm": Reader.boolean})
        image_hash = _byte_string(fields, "hash") or None
        result = self._images.set_state(image_hash, confirm=bool(fields.get("confirm")))
        return self._image_list() if result == DONE else self._image_result(request, result)

    def _upload(self, request: _Request) -> dict[str, Value]:
        fields = _decode(
            request,
            {
                "image": Reader.unsigned,
                "data": Reader.byte_string,
                "len": Reader.unsigned,
                "off": Reader.unsigned,
                "sha": Reader.byte_string,
                "upgrade": Reader.boolean,
            },
        )
        result, offset_bytes = self._images.upload(
            _number(fields, "image") or 0,
            _size(fields, "off"),
            _byte_string(fields, "data") or b"",
            _size(fields, "len"),
            _byte_string(fields, "sha"),
            only_newer=bool(fields.get("upgrade")),
        )
        if result != DONE:
            return self._image_result(request, result)
        # CONFIG_MCUMGR_SMP_LEGACY_RC_BEHAVIOUR is off by default.
        return {"off": offset_bytes} if self._version >= 2 else {"rc": 0, "off": offset_bytes}

    def _image_result(self, request: _Request, result: ImageResult) -> dict[str, Value]:
        if self._version < 2:
            return _return_code(result.rc)
        if result == DONE:
            return {}
        return self._group_error(request, result.translated_rc, result.group_rc)

    def _group_error(self, request: _Request, rc: MGMT_ERR, group_rc: IntEnum) -> dict[str, Value]:
        if self._version < 2 or request.version == 0:
            return _return_code(rc)
        return {"err": {"group": request.group, "rc": int(group_rc)}}


def _frame_size_bytes(frame: bytes) -> int:
    return smp_header.Header.SIZE + int.from_bytes(frame[2:4], "big")


def _return_code(rc: MGMT_ERR) -> dict[str, Value]:
    return {"rc": int(rc)}


def _decode(
    request: _Request, wanted: Mapping[str, Callable[[Reader], object]]
) -> dict[str, object]:
    return Reader(request.body).fields(wanted)


def _number(fields: dict[str, object], name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) else None


def _size(fields: dict[str, object], name: str) -> int | None:
    value = _number(fields, name)
    return None if value == _NO_SIZE else value


def _byte_string(fields: dict[str, object], name: str) -> bytes | None:
    value = fields.get(name)
    return value if isinstance(value, bytes) else None


def _text(fields: dict[str, object], name: str) -> Text | None:
    value = fields.get(name)
    return value if isinstance(value, Text) else None

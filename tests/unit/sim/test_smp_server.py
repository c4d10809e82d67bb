"""The SMP server, spoken to with the `smp` package's own models, and with garbage."""

import functools
import hashlib
import struct
from dataclasses import replace
from typing import TypeVar

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from smp import header as smp_header
from smp.image_management import (
    ImageEraseRequest,
    ImageManagementErrorV1,
    ImageManagementErrorV2,
    ImageStatesReadRequest,
    ImageStatesReadResponse,
    ImageStatesWriteRequest,
    ImageStatesWriteResponse,
    ImageUploadWriteRequest,
    ImageUploadWriteResponse,
)
from smp.message import Request, Response
from smp.os_management import (
    BootloaderInformationReadRequest,
    EchoWriteRequest,
    EchoWriteResponse,
    MCUMgrParametersReadRequest,
    MCUMgrParametersReadResponse,
    OSApplicationInfoReadRequest,
    OSApplicationInfoReadResponse,
    OSManagementErrorV2,
    ResetWriteRequest,
    ResetWriteResponse,
)
from smp.shell_management import ExecuteRequest, ExecuteResponse

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.description import AppDescription, BootloaderMode
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion, McubootImage
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.firmware.signing import SlotLayout, sign_for_mcuboot
from pytest_nrf_fota.sim.app.image_group import ImageGroup
from pytest_nrf_fota.sim.app.images import ImageGroupBuild, ImageManager
from pytest_nrf_fota.sim.app.smp_server import (
    FrameAssembler,
    OsInfo,
    ServerSettings,
    SingleWrites,
    SmpServer,
)
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout

PAGE = 0x1000
SLOT_BYTES = 16 * PAGE
LAYOUT = MemoryLayout("flash", 0, 2 * SLOT_BYTES, PAGE, 4, 0.0, 0.0)

OK, NO_MEMORY, INVALID, BAD_STATE, TOO_LONG, NOT_SUPPORTED, CORRUPT = 0, 2, 3, 6, 7, 8, 9

ResponseT = TypeVar("ResponseT", bound=Response)


@functools.cache
def image(version: ImageVersion) -> bytes:
    payload = build_payload(0x28200, 0x1000, AppDescription(build_time=str(version)))
    return sign_for_mcuboot(payload, version, SlotLayout(SLOT_BYTES), None)


OLD, NEW = image(ImageVersion(1, 0, 0, 7)), image(ImageVersion(1, 1, 0))


def hash_of(data: bytes) -> bytes:
    found = McubootImage.parse(data).hash
    assert found is not None
    return found


class Board:
    """A server over two slots; `resets` counts what clients asked for.

    Speaks the version of the protocol that is asked for as the first release that spoke it, or as
    the release that is named.
    """

    def __init__(
        self, settings: ServerSettings | None = None, version: int = 1, *, ncs: str | None = None
    ) -> None:
        release = RELEASES[ncs or ("2.3" if version == 1 else "2.6")]
        self._version = release.smp_version
        self.flash = Flash((LAYOUT,), VirtualClock())
        self.flash.write(0, OLD + b"\xff" * (-len(OLD) % 4))
        self.resets = 0
        images = ImageManager(
            FlashArea(self.flash, "primary", 0, SLOT_BYTES),
            FlashArea(self.flash, "secondary", SLOT_BYTES, SLOT_BYTES),
            ImageGroupBuild(
                asks_for_next_boot=release.asks_for_next_boot,
                forgets_refused_upload=release.forgets_refused_upload,
            ),
            lambda function, text: None,
            lambda word: None,
        )
        of_release = replace(
            settings or ServerSettings(),
            refuses_operations_first=release.refuses_operations_first,
            unknown_query_is_group_error=release.unknown_query_is_group_error,
        )
        group = ImageGroup([images])
        self.server = SmpServer(group, of_release, self._count_reset, self._version)

    def ask(self, request: Request, response: type[ResponseT]) -> ResponseT:
        """Send a request; the answer must be a frame that answers it."""
        frame = self.answer(bytes(request))
        return response.loads(frame)

    def return_code(self, request: Request) -> int:
        return return_code(self.answer(bytes(request)))

    def answer(self, frame: bytes) -> bytes:
        answer = self.server.answer(frame)
        assert answer is not None
        check_answers(frame, answer, self._version)
        return answer

    def upload(self, data: bytes) -> None:
        offset = 0
        while offset < len(data):
            request = ImageUploadWriteRequest(
                off=offset, data=data[offset : offset + 500], len=len(data) if not offset else None
            )
            offset = self.ask(request, ImageUploadWriteResponse).off or 0
        assert offset == len(data)

    def _count_reset(self) -> None:
        self.resets += 1


def check_answers(request: bytes, answer: bytes, server_version: int = 1) -> None:
    """Header fields of any answer: response bit, length, and the request's group and number."""
    op, flags, length, group, sequence, command = struct.unpack_from("!BBHHBB", answer)
    assert op & 7 == (1 if request[0] & 7 == 0 else 3)
    client_speaks_2 = bool(request[0] & 0b11000)
    assert op >> 3 == int(server_version == 2 and client_speaks_2)
    assert flags == 0
    assert length == len(answer) - 8
    assert (group, sequence, command) == struct.unpack_from("!HBB", request, 4)


def return_code(answer: bytes) -> int:
    body = cbor2.loads(answer[8:])
    assert list(body) == ["rc"]
    return int(body["rc"])


def content(answer: bytes) -> object:
    return cbor2.loads(answer[8:])


def raw_request(op: int, group: int, command: int, body: bytes = b"\xa0") -> bytes:
    return struct.pack("!BBHHBB", op, 0, len(body), group, 42, command) + body


class TestOsGroup:
    def test_echo(self) -> None:
        assert Board().ask(EchoWriteRequest(d="grüezi"), EchoWriteResponse).r == "grüezi"

    def test_parameters(self) -> None:
        answer = Board().ask(MCUMgrParametersReadRequest(), MCUMgrParametersReadResponse)

        assert (answer.buf_size, answer.buf_count) == (2475, 4)

    def test_reset_is_answered_and_passed_on(self) -> None:
        board = Board()

        board.ask(ResetWriteRequest(), ResetWriteResponse)

        assert board.resets == 1

    @pytest.mark.parametrize("version", list(smp_header.Version))
    def test_the_answer_is_version_1_whatever_the_client_speaks(
        self, version: smp_header.Version
    ) -> None:
        board = Board()

        answer = board.ask(EchoWriteRequest(version=version, d="x"), EchoWriteResponse)
        assert answer.header.version == smp_header.Version.V1
        refusal = board.answer(bytes(ImageEraseRequest(version=version, slot=0)))
        assert ImageManagementErrorV1.loads(refusal).rc == BAD_STATE


class TestImageGroup:
    def test_the_list_as_a_client_sees_it(self) -> None:
        board = Board()
        board.upload(NEW)

        answer = board.ask(ImageStatesReadRequest(), ImageStatesReadResponse)

        assert answer.splitStatus == 0
        first, second = answer.images
        assert (first.slot, first.version, first.hash) == (0, "1.0.0.7", hash_of(OLD))
        assert (second.slot, second.version, second.hash) == (1, "1.1.0", hash_of(NEW))
        assert first.image is None
        assert first.active and first.confirmed and first.bootable
        assert not first.pending and not first.permanent
        assert second.bootable
        assert not (second.active or second.confirmed or second.pending or second.permanent)

    def test_marking_answers_with_the_new_list(self) -> None:
        board = Board()
        board.upload(NEW)

        answer = board.ask(
            ImageStatesWriteRequest(hash=hash_of(NEW), confirm=False), ImageStatesWriteResponse
        )

        assert answer.images[1].pending
        assert not answer.images[1].permanent
        assert board.return_code(ImageEraseRequest(slot=1)) == BAD_STATE

    @pytest.mark.parametrize(
        "request_",
        [
            ImageStatesWriteRequest(confirm=False),
            ImageStatesWriteRequest(hash=bytes(32), confirm=False),
            ImageStatesWriteRequest(hash=b"", confirm=False),
            ImageUploadWriteRequest(off=0, data=NEW[:100]),
            ImageUploadWriteRequest(off=0, data=NEW[:31], len=len(NEW)),
            ImageUploadWriteRequest(off=0, data=bytes(100), len=len(NEW)),
        ],
    )
    def test_invalid_requests(self, request_: Request) -> None:
        board = Board()

        assert board.return_code(request_) == INVALID
        assert len(board.flash.operations) == 1

    def test_an_upload_may_be_for_newer_images_only(self) -> None:
        board = Board()

        for data, rc in ((OLD, BAD_STATE), (NEW, None)):
            request = ImageUploadWriteRequest(
                off=0, data=data[:100], len=len(data), image=0, upgrade=True
            )
            if rc is None:
                assert board.ask(request, ImageUploadWriteResponse).off == 100
            else:
                assert board.return_code(request) == rc

    @pytest.mark.parametrize(
        ("fields", "server_2_3", "later_server"),
        [
            pytest.param({"data": NEW[:64], "len": 64}, 3, {"group": 1, "rc": 20}, id="no off"),
            pytest.param({"off": 0, "len": 64}, 3, {"group": 1, "rc": 22}, id="no data"),
            pytest.param({}, 3, {"group": 1, "rc": 20}, id="nothing"),
            pytest.param({"off": "0"}, 3, None, id="off is a text"),
            pytest.param({"off": -1}, 3, None, id="off is negative"),
        ],
    )
    def test_fields_that_a_client_forgets(
        self, fields: dict[str, object], server_2_3: int, later_server: dict[str, int] | None
    ) -> None:
        for version, content in (
            (1, {"rc": server_2_3}),
            (2, {"err": later_server} if later_server else {"rc": 3}),
        ):
            frame = raw_request(2 | 8, 1, 1, cbor2.dumps(fields))
            assert cbor2.loads(Board(version=version).answer(frame)[8:]) == content

    def test_fields_that_nobody_knows_do_not_count(self) -> None:
        body = {"off": 0, "data": NEW[:64], "len": len(NEW), "colour": "green"}

        answer = Board().answer(raw_request(2, 1, 1, cbor2.dumps(body)))

        assert cbor2.loads(answer[8:]) == {"rc": 0, "off": 64}

    @pytest.mark.parametrize("number", [None, 0, 1, 2, 7])
    def test_with_one_image_its_number_is_ignored(self, number: int | None) -> None:
        """Hence a phone's file for `image 1` ends up in the application's secondary slot."""
        board = Board()
        request = ImageUploadWriteRequest(off=0, data=NEW[:100], len=len(NEW), image=number)

        assert board.ask(request, ImageUploadWriteResponse).off == 100
        assert board.flash.read(SLOT_BYTES, 100) == NEW[:100]

    def test_with_one_image_the_list_does_not_number_it(self) -> None:
        board = Board()
        board.upload(NEW)

        body = cbor2.loads(board.answer(bytes(ImageStatesReadRequest()))[8:])

        flags = {"bootable", "pending", "confirmed", "active", "permanent"}
        keys = {"slot", "version", "hash"} | flags
        assert [set(image) for image in body["images"]] == [keys] * 2
        assert set(body) == {"images", "splitStatus"}

    def test_erase_takes_slot_1_unless_told(self) -> None:
        board = Board()
        board.upload(NEW)

        assert board.return_code(ImageEraseRequest()) == OK
        assert board.flash.is_erased(SLOT_BYTES, SLOT_BYTES)


class TestOptionalCommands:
    @pytest.mark.parametrize(
        ("letters", "text"),
        [
            (None, "Zephyr"),
            ("s", "Zephyr"),
            ("vn", "kit 3.2.99"),
            ("oi", "unknown Zephyr"),
            (
                "a",
                "Zephyr kit v3.2.99-ncs2 3.2.99 arm cortex-m33 unknown Zephyr",
            ),
        ],
    )
    def test_os_info(self, letters: str | None, text: str) -> None:
        board = Board(ServerSettings(os_info=OsInfo(node_name="kit")))

        request = OSApplicationInfoReadRequest(format=letters)

        assert board.ask(request, OSApplicationInfoReadResponse).output == text

    def test_os_info_in_an_unknown_format(self) -> None:
        settings = ServerSettings(os_info=OsInfo())
        request = OSApplicationInfoReadRequest(format="sx")

        assert Board(settings).return_code(request) == INVALID
        answer = Board(settings, version=2).ask(request, OSManagementErrorV2)
        assert (answer.err.group, answer.err.rc) == (0, 2)

    @pytest.mark.parametrize(
        ("active_slot", "query", "told"),
        [
            (None, None, {"bootloader": "MCUboot"}),
            (1, "active_b0_slot", {"active": 1}),
            (0, "active_b0_slot", {"active": 0}),
        ],
    )
    def test_bootloader_info(
        self, active_slot: int | None, query: str | None, told: dict[str, object]
    ) -> None:
        board = Board(ServerSettings(bootloader_info=True, active_b0_slot=active_slot))

        answer = board.answer(bytes(BootloaderInformationReadRequest(query=query)))

        assert content(answer) == told

    @pytest.mark.parametrize("query", ["active_b0_slot", "colour"])
    @pytest.mark.parametrize(
        ("ncs", "client_version", "told"),
        [
            ("2.6", 0, {"rc": 3}),
            ("2.6", 1, {"rc": 3}),
            ("3.0", 0, {"rc": 5}),
            ("3.0", 1, {"err": {"group": 0, "rc": 3}}),
        ],
    )
    def test_bootloader_info_that_the_server_does_not_know(
        self, query: str, ncs: str, client_version: int, told: dict[str, object]
    ) -> None:
        """Before 2.9 the group's number stands where one of the protocol belongs."""
        board = Board(ServerSettings(bootloader_info=True), ncs=ncs)
        request = BootloaderInformationReadRequest(
            version=smp_header.Version(client_version), query=query
        )

        assert content(board.answer(bytes(request))) == told

    def test_parameters_may_be_left_out_of_a_build(self) -> None:
        board = Board(ServerSettings(parameters=False))

        assert board.return_code(MCUMgrParametersReadRequest()) == NOT_SUPPORTED

    @pytest.mark.parametrize(
        ("mode", "number"),
        [
            ("single_app", 0),
            ("swap_scratch", 1),
            ("overwrite_only", 2),
            ("swap_without_scratch", 3),
            ("swap_using_offset", 9),
        ],
    )
    def test_bootloader_mode_of_the_build(self, mode: BootloaderMode, number: int) -> None:
        board = Board(ServerSettings(bootloader_info=True, bootloader_mode=mode))

        answer = board.answer(bytes(BootloaderInformationReadRequest(query="mode")))

        assert cbor2.loads(answer[8:]) == {"mode": number}

    def test_shell_exec(self) -> None:
        commands: list[list[str]] = []

        def execute(arguments: list[str]) -> tuple[int, str]:
            commands.append(arguments)
            return -22, "Erase Failed, code -22.\r\n"

        board = Board(ServerSettings(shell_exec=execute))

        answer = board.ask(ExecuteRequest(argv=["flash", "erase"]), ExecuteResponse)

        assert (answer.ret, answer.o) == (-22, "Erase Failed, code -22.\r\n")
        assert commands == [["flash", "erase"]]
        assert board.return_code(ExecuteRequest(argv=[])) == INVALID


class TestVersion2:
    @pytest.mark.parametrize(
        ("request_", "rc"),
        [
            (ImageEraseRequest(slot=0), 9),
            (ImageEraseRequest(slot=2), 10),
            (ImageEraseRequest(slot=9), 10),
            (ImageStatesWriteRequest(confirm=False), 24),
            (ImageStatesWriteRequest(hash=bytes(32), confirm=False), 8),
            (ImageUploadWriteRequest(off=0, data=NEW[:31], len=len(NEW)), 22),
            (ImageUploadWriteRequest(off=0, data=NEW[:64]), 21),
            (ImageUploadWriteRequest(off=0, data=bytes(64), len=64), 23),
            (ImageUploadWriteRequest(off=0, data=OLD[:64], len=len(OLD), upgrade=True), 27),
        ],
    )
    def test_errors_of_the_image_group(self, request_: Request, rc: int) -> None:
        answer = Board(version=2).ask(request_, ImageManagementErrorV2)

        assert (answer.err.group, answer.err.rc) == (1, rc)

    def test_errors_of_the_protocol_remain_return_codes(self) -> None:
        not_cbor = raw_request(2 | 8, 1, 1, b"\xff")
        assert return_code(Board(version=2).answer(not_cbor)) == INVALID
        assert return_code(Board(version=2).answer(raw_request(2 | 8, 2, 0))) == NOT_SUPPORTED

    @pytest.mark.parametrize(
        ("request_", "server_2_3", "later_server"),
        [
            (ImageEraseRequest(slot=0), 6, 6),
            (ImageEraseRequest(slot=2), 1, 1),
            (ImageEraseRequest(slot=9), 1, 1),
            (ImageStatesWriteRequest(confirm=False), 3, 3),
            (ImageStatesWriteRequest(hash=bytes(32), confirm=False), 3, 1),
            (ImageStatesWriteRequest(hash=bytes(31), confirm=False), 3, 3),
            (ImageStatesWriteRequest(hash=hash_of(OLD), confirm=False), 1, 1),
            (ImageUploadWriteRequest(off=0, data=NEW[:31], len=len(NEW)), 3, 3),
            (ImageUploadWriteRequest(off=0, data=NEW[:64]), 3, 3),
            (ImageUploadWriteRequest(off=0, data=bytes(64), len=64), 3, 1),
            (ImageUploadWriteRequest(off=0, data=OLD[:64], len=len(OLD), upgrade=True), 6, 6),
        ],
    )
    def test_a_client_of_version_1_is_answered_in_version_1(
        self, request_: Request, server_2_3: int, later_server: int
    ) -> None:
        """Later servers translate their own codes (img_mgmt.c, img_mgmt_translate_error_code)."""
        frame = bytes([request_.BYTES[0] & 0b111]) + request_.BYTES[1:]

        assert return_code(Board(version=1).answer(frame)) == server_2_3
        assert return_code(Board(version=2).answer(frame)) == later_server

    @pytest.mark.parametrize(("version", "server_2_3", "later_server"), [(0, 5, 6), (1, 5, None)])
    def test_no_free_slot(self, version: int, server_2_3: int, later_server: int | None) -> None:
        request = ImageUploadWriteRequest(
            version=smp_header.Version(version), off=0, data=NEW[:64], len=len(NEW)
        )
        for board, rc in ((Board(), server_2_3), (Board(version=2), later_server)):
            board.upload(NEW)
            mark = ImageStatesWriteRequest(hash=hash_of(NEW), confirm=False)
            board.ask(mark, ImageStatesWriteResponse)
            body = cbor2.loads(board.answer(request.BYTES)[8:])
            assert body == ({"err": {"group": 1, "rc": 9}} if rc is None else {"rc": rc})

    def test_success_goes_without_a_return_code(self) -> None:
        """Real servers of version 2 (seen under QEMU)."""
        for version, erased, stored in (
            (1, {"rc": 0}, {"rc": 0, "off": 64}),
            (2, {}, {"off": 64}),
        ):
            board = Board(version=version)
            assert cbor2.loads(board.answer(bytes(ImageEraseRequest()))[8:]) == erased
            upload = ImageUploadWriteRequest(off=0, data=NEW[:64], len=len(NEW))
            assert cbor2.loads(board.answer(bytes(upload))[8:]) == stored


# What the body of an echo request, by name, makes a server answer.
ECHOES: dict[str, tuple[bytes, dict[str, object]]] = {
    "indefinite map": (b"\xbf\x61d\x61x\xff", {"r": "x"}),
    "unknown key": (b"\xa2\x61c\x82\x01\xa1\x02\x03\x61d\x61x", {"r": "x"}),
    "unknown key behind it": (b"\xa2\x61d\x61x\x61c\xf6", {"r": "x"}),
    "unknown key twice": (b"\xa3\x61c\x01\x61c\x02\x61d\x61x", {"r": "x"}),
    "no key": (b"\xa0", {"r": ""}),
    "bytes behind the map": (b"\xa1\x61d\x61x\x00\x00", {"r": "x"}),
    "bytes for a text": (b"\xa1\x61d\x41x", {"rc": INVALID}),
    "text of indefinite length": (b"\xa1\x61d\x7f\x61x\xff", {"rc": INVALID}),
    "key twice": (b"\xa2\x61d\x61x\x61d\x61y", {"rc": INVALID}),
    "no map": (b"\x61x", {"rc": INVALID}),
    "empty": (b"", {"rc": INVALID}),
    "map ends too soon": (b"\xa2\x61d\x61x", {"rc": INVALID}),
    "indefinite map without end": (b"\xbf\x61d\x61x", {"rc": INVALID}),
    "number for a key": (b"\xa1\x01\x61x", {"rc": INVALID}),
    "length beyond the body": (b"\xa1\x61d\x7b" + b"\xff" * 8, {"rc": INVALID}),
}


class TestBodies:
    """What is read and written as zcbor does it, whichever release."""

    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize("op", [0, 2])
    @pytest.mark.parametrize("name", ECHOES)
    def test_echo(self, version: int, op: int, name: str) -> None:
        body, told = ECHOES[name]

        assert content(Board(version=version).answer(raw_request(op, 0, 0, body))) == told

    def test_a_text_comes_back_even_if_it_is_none(self) -> None:
        """Nobody checks that it is UTF-8."""
        answer = Board().answer(raw_request(2, 0, 0, b"\xa1\x61d\x62\xff\xfe"))

        assert answer[8:] == b"\xbf\x61r\x62\xff\xfe\xff"

    @pytest.mark.parametrize("length_bytes", [0, 23, 24, 255, 256])
    def test_an_echo_of_any_length(self, length_bytes: int) -> None:
        text = "x" * length_bytes

        assert Board().ask(EchoWriteRequest(d=text), EchoWriteResponse).r == text

    @pytest.mark.parametrize("version", [1, 2])
    def test_maps_and_lists_are_of_indefinite_length(self, version: int) -> None:
        board = Board(version=version)
        listed = board.answer(bytes(ImageStatesReadRequest()))
        entry = b"\x64slot\x00\x67version\x671.0.0.7\x64hash\x58\x20" + hash_of(OLD)

        assert listed[8:].startswith(b"\xbf\x66images\x9f\xbf" + entry)
        assert listed.endswith(b"\xff\xff\x6bsplitStatus\x00\xff")
        parameters = board.answer(bytes(MCUMgrParametersReadRequest()))
        assert parameters[8:] == b"\xbf\x68buf_size\x19\x09\xab\x69buf_count\x04\xff"
        refusal = board.answer(raw_request(2, 9, 0))
        assert refusal[8:] == b"\xbf\x62rc\x08\xff"

    @pytest.mark.parametrize(
        "fields",
        [
            {"hash": None, "confirm": True},
            {"hash": None},
            {"confirm": 1},
            {"hash": hash_of(NEW), "confirm": 1},
            {"hash": hash_of(NEW), "confirm": None},
            {"hash": hash_of(NEW).hex()},
        ],
    )
    @pytest.mark.parametrize("version", [1, 2])
    def test_a_state_of_the_wrong_types_changes_nothing(
        self, version: int, fields: dict[str, object]
    ) -> None:
        board = Board(version=version)
        board.upload(NEW)
        before = len(board.flash.operations)

        assert return_code(board.answer(raw_request(2, 1, 0, cbor2.dumps(fields)))) == INVALID
        assert len(board.flash.operations) == before

    @pytest.mark.parametrize("slot", [-1, "1", b"1", None, True, 1.0, 2**32])
    @pytest.mark.parametrize("version", [1, 2])
    def test_erase_of_what_is_no_number(self, version: int, slot: object) -> None:
        board = Board(version=version)
        board.upload(NEW)

        request = raw_request(2 | 8, 1, 5, cbor2.dumps({"slot": slot}))
        assert return_code(board.answer(request)) == INVALID
        assert not board.flash.is_erased(SLOT_BYTES, SLOT_BYTES)

    @pytest.mark.parametrize(("name", "rc"), [("off", 20), ("len", 21)])
    def test_the_largest_number_is_as_good_as_none(self, name: str, rc: int) -> None:
        """SIZE_MAX is how the server marks a field that did not come (img_mgmt_upload)."""
        fields = {"off": 0, "len": len(NEW), "data": NEW[:64], name: 0xFFFF_FFFF}

        answer = Board(version=2).answer(raw_request(2 | 8, 1, 1, cbor2.dumps(fields)))

        assert content(answer) == {"err": {"group": 1, "rc": rc}}


class TestBufferSize:
    @pytest.mark.parametrize("version", [1, 2])
    def test_an_answer_needs_room_in_a_buffer_of_the_same_size(self, version: int) -> None:
        """An echo is a byte longer than its request, by the end of the map."""
        board = Board(version=version)
        # Header, map, key, and a text with three bytes of length.
        longest = "x" * (2475 - 8 - 1 - 2 - 3)

        request = bytes(EchoWriteRequest(d=longest))
        assert len(request) == 2475
        assert return_code(board.answer(request)) == TOO_LONG
        assert board.ask(EchoWriteRequest(d=longest[1:]), EchoWriteResponse).r == longest[1:]

    def test_an_upload_may_fill_it(self) -> None:
        board = Board(ServerSettings(buffer_size_bytes=2475), version=2)
        request = bytes(ImageUploadWriteRequest(off=0, data=NEW[:2000], len=len(NEW)))
        room = 2475 - len(request)
        request = bytes(ImageUploadWriteRequest(off=0, data=NEW[: 2000 + room], len=len(NEW)))

        assert len(request) == 2475
        assert content(board.answer(request)) == {"off": 2000 + room}

    def test_without_a_buffer_for_the_answer(self) -> None:
        server = Board().server

        answer = server.answer_no_memory(bytes(EchoWriteRequest(d="x")))

        assert answer is not None and return_code(answer) == NO_MEMORY

    def test_what_needs_no_buffer_is_refused_for_what_it_is(self) -> None:
        server = Board(version=2).server

        for frame, rc in (
            (raw_request(4, 0, 0), NOT_SUPPORTED),
            (raw_request(2, 0, 0)[:8], CORRUPT),
        ):
            answer = server.answer_no_memory(frame)
            assert answer is not None and return_code(answer) == rc
        assert server.answer_no_memory(b"short") is None


UPLOAD_SHA = hashlib.sha256(NEW).digest()
REFUSED_UPLOADS: list[dict[str, object]] = [
    {"off": 0, "len": 64, "data": bytes(64)},
    {"data": NEW[64:128]},
    {"off": 0, "data": NEW[:64]},
    {"off": 0, "len": len(NEW), "data": NEW[:31]},
]
OVERRUN: dict[str, object] = {"off": 64, "data": bytes(len(NEW))}


class TestRefusedUpload:
    """What becomes of an upload under way when a request of it is refused."""

    def begin(self, ncs: str) -> Board:
        board = Board(ncs=ncs)
        begin = {"off": 0, "len": len(NEW), "data": NEW[:64], "sha": UPLOAD_SHA}
        assert self.offset(board, begin) == 64
        return board

    def offset(self, board: Board, fields: dict[str, object]) -> int | None:
        """The offset that the server wants next, None where it refuses."""
        answer = content(board.answer(raw_request(2 | 8, 1, 1, cbor2.dumps(fields))))
        assert isinstance(answer, dict)
        return answer.get("off")

    @pytest.mark.parametrize("ncs", ["2.6", "2.7", "2.8", "2.9", "3.0", "3.2"])
    @pytest.mark.parametrize("refused", [*REFUSED_UPLOADS, OVERRUN])
    def test_it_is_forgotten(self, ncs: str, refused: dict[str, object]) -> None:
        board = self.begin(ncs)

        assert self.offset(board, refused) is None
        assert self.offset(board, {"off": 64, "data": NEW[64:128]}) == 0
        again = {"off": 0, "len": len(NEW), "data": NEW[:100], "sha": UPLOAD_SHA}
        assert self.offset(board, again) == 100, "and not resumed at 64"

    @pytest.mark.parametrize("refused", REFUSED_UPLOADS)
    def test_2_3_goes_on_where_it_was(self, refused: dict[str, object]) -> None:
        board = self.begin("2.3")

        assert self.offset(board, refused) is None
        resume = {"off": 0, "len": len(NEW), "data": NEW[:100], "sha": UPLOAD_SHA}
        assert self.offset(board, resume) == 64
        assert self.offset(board, {"off": 64, "data": NEW[64:128]}) == 128

    @pytest.mark.parametrize("ncs", ["2.3", "2.6"])
    def test_what_cannot_be_read_is_no_request_of_it(self, ncs: str) -> None:
        board = self.begin(ncs)

        assert self.offset(board, {"off": "64", "data": bytes(8)}) is None
        assert self.offset(board, {"off": 64, "data": NEW[64:128]}) == 128

    @pytest.mark.parametrize("ncs", ["2.3", "2.6"])
    @pytest.mark.parametrize(("slot", "offset"), [(1, 0), (9, 0), (0, 128)])
    def test_an_erase_ends_it_even_of_no_slot(self, ncs: str, slot: int, offset: int) -> None:
        """Not that of a slot in use, which the server does not try to erase."""
        board = self.begin(ncs)

        board.answer(bytes(ImageEraseRequest(slot=slot)))

        assert self.offset(board, {"off": 64, "data": NEW[64:128]}) == offset

    @pytest.mark.parametrize(("ncs", "next_offset"), [("2.3", 128), ("2.6", None)])
    def test_an_upload_of_nothing_takes_its_first_data(
        self, ncs: str, next_offset: int | None
    ) -> None:
        """Only the packets behind the first are compared with the length, and not in 2.3."""
        board = Board(ncs=ncs)

        assert self.offset(board, {"off": 0, "len": 0, "data": NEW[:64]}) == 64
        assert self.offset(board, {"off": 64, "data": NEW[64:128]}) == next_offset


class TestWhatIsNotSupported:
    @pytest.mark.parametrize(
        ("op", "group", "command"),
        [
            pytest.param(0, 0, 8, id="bootloader info"),
            pytest.param(0, 0, 2, id="task statistics"),
            pytest.param(0, 0, 4, id="date and time"),
            pytest.param(2, 0, 4, id="date and time, written"),
            pytest.param(0, 0, 7, id="os info"),
            pytest.param(0, 1, 6, id="image slot info, unknown to the package"),
            pytest.param(0, 0, 77, id="no such os command"),
            pytest.param(2, 2, 0, id="statistics"),
            pytest.param(2, 9, 0, id="shell"),
            pytest.param(2, 64, 1, id="user group"),
            pytest.param(0, 0xFFFF, 255, id="no such group"),
            pytest.param(2, 0, 6, id="parameters, written"),
            pytest.param(0, 1, 1, id="upload, read"),
        ],
    )
    def test_is_answered_so(self, op: int, group: int, command: int) -> None:
        assert return_code(Board().answer(raw_request(op, group, command))) == NOT_SUPPORTED

    @pytest.mark.parametrize("op", [1, 3, 4, 5, 6, 7])
    @pytest.mark.parametrize(
        ("ncs", "group", "command", "rc"),
        [
            pytest.param("2.3", 0, 0, INVALID, id="2.3: echo"),
            pytest.param("2.3", 1, 5, INVALID, id="2.3: erase"),
            pytest.param("2.3", 0, 7, NOT_SUPPORTED, id="2.3: os info, not built"),
            pytest.param("2.3", 9, 0, NOT_SUPPORTED, id="2.3: shell, not built"),
            pytest.param("2.6", 0, 0, NOT_SUPPORTED, id="2.6: echo"),
            pytest.param("2.6", 64, 0, NOT_SUPPORTED, id="2.6: user group"),
        ],
    )
    def test_what_neither_reads_nor_writes_is_refused(
        self, op: int, ncs: str, group: int, command: int, rc: int
    ) -> None:
        """Even answers are answered, and as if they had been writes."""
        assert return_code(Board(ncs=ncs).answer(raw_request(op, group, command))) == rc

    @pytest.mark.parametrize(
        ("command", "built"),
        [
            (7, ServerSettings(os_info=OsInfo(), parameters=False)),
            (8, ServerSettings(bootloader_info=True)),
        ],
    )
    def test_2_3_tells_another_code_where_the_command_was_built(
        self, command: int, built: ServerSettings
    ) -> None:
        assert return_code(Board(built).answer(raw_request(4, 0, command))) == INVALID
        assert return_code(Board(built).answer(raw_request(4, 0, command + 1))) == NOT_SUPPORTED

    @pytest.mark.parametrize("version", [2, 3])
    def test_a_protocol_that_is_too_new(self, version: int) -> None:
        """MGMT_ERR_UNSUPPORTED_TOO_NEW; 2.3 does not look at the version."""
        request = raw_request(2 | version << 3, 0, 0, cbor2.dumps({"d": "x"}))

        assert content(Board(ncs="2.6").answer(request)) == {"rc": 13}
        assert content(Board(ncs="2.3").answer(request)) == {"r": "x"}

    @pytest.mark.parametrize("ncs", ["2.3", "2.6"])
    @pytest.mark.parametrize("op", [0, 2, 4])
    def test_a_body_that_was_cut(self, ncs: str, op: int) -> None:
        request = raw_request(op, 0, 0, cbor2.dumps({"d": "x"}))

        assert return_code(Board(ncs=ncs).answer(request[:-1])) == CORRUPT

    @pytest.mark.parametrize("size_bytes", range(8))
    def test_less_than_a_header_gets_no_answer(self, size_bytes: int) -> None:
        assert Board().server.answer(bytes(EchoWriteRequest(d="x"))[:size_bytes]) is None


COMMANDS = [(2, 0, 0), (2, 0, 5), (0, 0, 6), (0, 1, 0), (2, 1, 0), (2, 1, 1), (2, 1, 5)]
CBOR = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELD_NAMES = ["d", "off", "data", "len", "sha", "image", "upgrade", "slot", "hash", "confirm"]
FIELD_NAMES += ["header", "sequence", "smp_data", "version", "self"]  # the package's own
FIELDS = st.dictionaries(
    st.sampled_from(FIELD_NAMES),
    CBOR | st.integers(-2, 2**70) | st.just(NEW[:64]),
    max_size=5,
)


class TestGarbage:
    @given(st.binary(max_size=64))
    @settings(deadline=None)
    def test_any_bytes_get_a_well_formed_answer_or_none(self, frame: bytes) -> None:
        for version in (1, 2):
            answer = Board(version=version).server.answer(frame)
            assert (answer is None) == (len(frame) < 8)
            if answer is not None:
                check_answers(frame, answer, version)

    @given(st.sampled_from(COMMANDS), st.binary(max_size=64))
    @example((2, 0, 0), b"\x81" * 5000)  # nested deeper than any stack
    @example((2, 0, 0), b"\x5b" + b"\xff" * 8)  # a string of 2^64 bytes
    @example((2, 0, 0), b"\xd8\x23\x61\x28")  # a regular expression that is none
    @example((2, 0, 0), b"\xc4\x82\x1a\xff\xff\xff\xff\x01")  # a decimal fraction beyond limits
    @example((2, 0, 0), b"\xc1\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00")  # a date at infinity
    @settings(deadline=None)
    def test_a_body_that_is_no_cbor(self, command: tuple[int, int, int], body: bytes) -> None:
        Board().answer(raw_request(*command, body))

    @given(st.sampled_from(COMMANDS), CBOR | FIELDS)
    @settings(max_examples=300, deadline=None)
    def test_a_body_with_anything_in_it(self, command: tuple[int, int, int], body: object) -> None:
        board = Board()

        board.answer(raw_request(*command, cbor2.dumps(body)))

        # It still works afterwards.
        assert board.ask(EchoWriteRequest(d="x"), EchoWriteResponse).r == "x"
        assert board.flash.read(0, len(OLD)) == OLD


class TestSingleWrites:
    """A build without reassembly."""

    def test_each_write_is_a_frame(self) -> None:
        writes = SingleWrites(384)
        request = bytes(EchoWriteRequest(d="x" * 100))
        board = Board()

        assert writes.feed(request) == request
        first = writes.feed(request[:50])
        assert first is not None
        assert return_code(board.answer(first)) == CORRUPT

    def test_what_does_not_fit_is_dropped(self) -> None:
        assert SingleWrites(64).feed(bytes(65)) is None
        assert SingleWrites(64).feed(bytes(64)) == bytes(64)


class TestFrameAssembler:
    REQUEST = bytes(EchoWriteRequest(d="x" * 600))

    @given(st.lists(st.integers(8, 300), min_size=1))
    @settings(deadline=None)
    def test_fragments_of_any_size_make_the_frame(self, sizes: list[int]) -> None:
        assembler = FrameAssembler(2475)
        frames: list[bytes] = []
        rest = self.REQUEST
        while rest:
            size = sizes[len(rest) % len(sizes)]
            fragment, rest = rest[:size], rest[size:]
            frame = assembler.feed(fragment)
            assert (frame is not None) == (not rest)
            if frame is not None:
                frames.append(frame)
        assert frames == [self.REQUEST]

    def test_one_frame_after_the_other(self) -> None:
        assembler = FrameAssembler(2475)
        second = bytes(EchoWriteRequest(d="second"))

        assert assembler.feed(self.REQUEST[:100]) is None
        assert assembler.feed(self.REQUEST[100:]) == self.REQUEST
        assert assembler.feed(second) == second

    @pytest.mark.parametrize("size_bytes", range(8))
    def test_a_fragment_shorter_than_a_header_does_not_spoil_the_next_frame(
        self, size_bytes: int
    ) -> None:
        assembler = FrameAssembler(2475)

        assert assembler.feed(bytes(size_bytes)) is None
        assert assembler.feed(self.REQUEST) == self.REQUEST

    def test_a_header_that_promises_more_than_the_buffer_is_dropped(self) -> None:
        assembler = FrameAssembler(2475)

        assert assembler.feed(struct.pack("!BBHHBB", 2, 0, 2475 - 8 + 1, 0, 0, 0)) is None
        assert assembler.feed(self.REQUEST) == self.REQUEST

    @pytest.mark.parametrize(
        "writes",
        [
            pytest.param([REQUEST + b"\xff"], id="trailing byte"),
            pytest.param([REQUEST + REQUEST], id="two in one write"),
            pytest.param([REQUEST[:100], REQUEST[100:] + b"\xff"], id="last write too long"),
        ],
    )
    def test_more_than_the_header_says_is_dropped(self, writes: list[bytes]) -> None:
        assembler = FrameAssembler(2475)

        assert [assembler.feed(write) for write in writes] == [None] * len(writes)
        assert assembler.is_empty
        assert assembler.feed(self.REQUEST) == self.REQUEST

    def test_the_largest_frame_fits_exactly(self) -> None:
        body_bytes = 2475 - 8
        frame = struct.pack("!BBHHBB", 2, 0, body_bytes, 0, 0, 0) + bytes(body_bytes)
        assembler = FrameAssembler(2475)

        assert assembler.feed(frame[:-1]) is None
        assert assembler.feed(frame[-1:]) == frame

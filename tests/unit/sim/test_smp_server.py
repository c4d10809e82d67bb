"""The SMP server, spoken to with the `smp` package's own models, and with garbage."""

import functools
import struct
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
    SmpServer,
)
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, FlashArea, MemoryLayout

PAGE = 0x1000
SLOT_BYTES = 16 * PAGE
LAYOUT = MemoryLayout("flash", 0, 2 * SLOT_BYTES, PAGE, 4, 0.0, 0.0)

OK, INVALID, BAD_STATE, NOT_SUPPORTED = 0, 3, 6, 8

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
    """A server over two slots; `resets` counts what clients asked for."""

    def __init__(self, settings: ServerSettings | None = None, version: int = 1) -> None:
        self.flash = Flash((LAYOUT,), VirtualClock())
        self.flash.write(0, OLD + b"\xff" * (-len(OLD) % 4))
        self.resets = 0
        images = ImageManager(
            FlashArea(self.flash, "primary", 0, SLOT_BYTES),
            FlashArea(self.flash, "secondary", SLOT_BYTES, SLOT_BYTES),
            ImageGroupBuild(),
            lambda function, text: None,
            lambda word: None,
        )
        self._version = version
        group = ImageGroup([images])
        self.server = SmpServer(group, settings or ServerSettings(), self._count_reset, version)

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
    assert op & 7 == (request[0] & 7) + 1
    client_speaks_2 = bool(request[0] & 0b11000)
    assert op >> 3 == int(server_version == 2 and client_speaks_2)
    assert flags == 0
    assert length == len(answer) - 8
    assert (group, sequence, command) == struct.unpack_from("!HBB", request, 4)


def return_code(answer: bytes) -> int:
    body = cbor2.loads(answer[8:])
    assert list(body) == ["rc"]
    return int(body["rc"])


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
        ("active_slot", "query", "content"),
        [
            (None, None, {"bootloader": "MCUboot"}),
            (1, "active_b0_slot", {"active": 1}),
            (0, "active_b0_slot", {"active": 0}),
            (None, "active_b0_slot", {"rc": 5}),
            (None, "colour", {"rc": 5}),
        ],
    )
    def test_bootloader_info(
        self, active_slot: int | None, query: str | None, content: dict[str, object]
    ) -> None:
        board = Board(ServerSettings(bootloader_info=True, active_b0_slot=active_slot))

        answer = board.answer(bytes(BootloaderInformationReadRequest(query=query)))

        assert cbor2.loads(answer[8:]) == content

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
            (ImageEraseRequest(slot=7), 14),
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
            (ImageEraseRequest(slot=7), 1, 3),
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
    def test_what_is_no_request_gets_no_answer(self, op: int) -> None:
        assert Board().server.answer(raw_request(op, 0, 0)) is None

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
        answer = Board().server.answer(frame)
        if answer is not None:
            check_answers(frame, answer)

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

    def test_the_largest_frame_fits_exactly(self) -> None:
        body_bytes = 2475 - 8
        frame = struct.pack("!BBHHBB", 2, 0, body_bytes, 0, 0, 0) + bytes(body_bytes)
        assembler = FrameAssembler(2475)

        assert assembler.feed(frame[:-1]) is None
        assert assembler.feed(frame[-1:]) == frame

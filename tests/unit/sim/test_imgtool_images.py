"""What imgtool makes, uploaded to the kit's application and judged by the kit's MCUboot."""

import functools
import hashlib
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from imgtool.main import imgtool

from pytest_nrf_fota.boards.ncs import RELEASES
from pytest_nrf_fota.firmware.description import AppDescription, McubootDescription
from pytest_nrf_fota.firmware.keys import SigningKey
from pytest_nrf_fota.firmware.mcuboot_image import HEADER, TLV_SHA512, McubootImage
from pytest_nrf_fota.firmware.payload import build_payload
from pytest_nrf_fota.sim.app.image_result import DONE, MAGIC_MISMATCH, ImageResult
from pytest_nrf_fota.sim.app.images import ImageGroupBuild, ImageManager
from pytest_nrf_fota.sim.boot.held_header import HeldHeader
from pytest_nrf_fota.sim.boot.image_check import Acceptance, SlotContent, check_slot
from pytest_nrf_fota.sim.boot.mcuboot import run_mcuboot
from pytest_nrf_fota.sim.boot.mcuboot_setup import McubootBuild
from pytest_nrf_fota.sim.boot.stage import Hardware, Jump, NsibSlots, Place, SlotMap, StageEnd
from pytest_nrf_fota.sim.clock import VirtualClock
from pytest_nrf_fota.sim.flash import Flash, MemoryLayout

PAGE = 0x1000
SLOT_BYTES = 24 * PAGE
SECTORS = 24
PRIMARY = 0x28000
CHUNK_BYTES = 700
INTERNAL = MemoryLayout("application flash", 0, PRIMARY + SLOT_BYTES, PAGE, 4, 0.0, 0.0)
EXTERNAL = MemoryLayout("external flash", 0x10000000, SLOT_BYTES, PAGE, 4, 0.0, 0.0)
SLOTS = SlotMap(
    primary=Place(PRIMARY, SLOT_BYTES),
    secondary=Place(EXTERNAL.start, SLOT_BYTES),
    nsib=NsibSlots(Place(0x8000, 0xC200), Place(0x18000, 0xC200), 0xFF8100),
)
KEY_TYPES = ("none", "ecdsa-p256", "rsa-2048", "rsa-3072", "ed25519")
NOT_VALID = "E: Image in the secondary slot is not valid!"


@functools.cache
def key_of(kind: str, number: int = 0) -> SigningKey | None:
    match kind:
        case "ecdsa-p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "rsa-2048":
            return rsa.generate_private_key(65537, 2048)
        case "rsa-3072":
            return rsa.generate_private_key(65537, 3072)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return None


def made_by_imgtool(
    key: SigningKey | None,
    *options: str,
    header_bytes: int = 0x200,
    payload_bytes: int = 0x1800,
    payload: bytes | None = None,
) -> bytes:
    """What `imgtool sign` makes on the command line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, result = folder / "unsigned.bin", folder / "signed.bin"
        if payload is None:
            description = AppDescription(build_time="new")
            payload = build_payload(PRIMARY + header_bytes, payload_bytes, description)
        source.write_bytes(payload)
        arguments = ["sign", "--header-size", hex(header_bytes), "--pad-header"]
        arguments += ["--slot-size", hex(SLOT_BYTES), "--max-sectors", str(SECTORS)]
        if "--version" not in options:
            arguments += ["--version", "1.2.3+4"]
        if "--align" not in options:
            arguments += ["--align", "4"]
        if key is not None:
            pem = folder / "key.pem"
            pem.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
            arguments += ["--key", str(pem)]
        outcome = CliRunner().invoke(imgtool, [*arguments, *options, str(source), str(result)])
        assert outcome.exit_code == 0, outcome.output
        return result.read_bytes()


@dataclass(frozen=True)
class Judgement:
    """How an upload ended, and what MCUboot did with it."""

    uploaded: ImageResult
    end: StageEnd
    holds_update: bool
    lines: list[str]


def judge(
    data: bytes,
    key: SigningKey | None,
    *,
    swap: str = "move",
    installed: tuple[str, ...] = (),
    ncs: str = "2.3",
) -> Judgement:
    """Upload, mark for good where an upload alone does not, and boot."""
    flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
    lines: list[str] = []
    hardware = Hardware(flash, SLOTS, lines.append, keep_last_line=True)
    old = made_by_imgtool(key, "--version", "1.0.0", *installed)
    hardware.primary_area().write(0, old + b"\xff" * (-len(old) % 4))
    images = ImageManager(
        hardware.primary_area(),
        hardware.secondary_area(),
        ImageGroupBuild(),
        lambda function, text: None,
        lambda word: None,
    )
    result = _upload(images, data)
    if result == DONE:
        new_image, running = McubootImage.parse(data), McubootImage.parse(old)
        assert new_image.hash is not None
        marked = images.set_state(new_image.hash, confirm=True)
        assert (marked == DONE) == (new_image.hash_algorithm == running.hash_algorithm)
    build = McubootBuild(
        McubootDescription.model_validate({"swap": swap}),
        () if key is None else (key.public_key(),),
        None,
        max_sectors=SECTORS,
    )
    end = run_mcuboot(hardware, build, RELEASES[ncs])
    image_bytes = min(len(data), 0x2000)
    holds_update = hardware.primary_area().read(0, image_bytes) == data[:image_bytes]
    return Judgement(result, end, holds_update, lines)


def _upload(images: ImageManager, data: bytes) -> ImageResult:
    offset = 0
    while offset < len(data):
        chunk = data[offset : offset + CHUNK_BYTES]
        size_bytes = len(data) if offset == 0 else None
        result, offset = images.upload(offset, chunk, size_bytes, None)
        if result != DONE:
            return result
    return DONE


def accepted(header_bytes: int = 0x200) -> Jump:
    return Jump(PRIMARY + header_bytes)


@pytest.mark.parametrize("kind", KEY_TYPES)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="plain"),
        pytest.param(("--align", "1"), id="align 1"),
        pytest.param(("--align", "8", "--max-align", "8"), id="align 8"),
        pytest.param(("--security-counter", "9"), id="security counter"),
        pytest.param(("--dependencies", "(0, 1.0.0+0)"), id="dependency"),
        pytest.param(("--boot-record", "APP"), id="boot record"),
        pytest.param(("--custom-tlv", "0x00a0", "0x01020304"), id="custom protected TLV"),
        pytest.param(("--custom-tlv", "0x00a1", "text", "-s", "auto"), id="several"),
        pytest.param(("--pad",), id="padded"),
        pytest.param(("--pad", "--confirm"), id="padded, confirmed"),
        pytest.param(("--pad-sig",), id="padded signature"),
    ],
)
def test_each_option_with_each_key(kind: str, options: tuple[str, ...]) -> None:
    key = key_of(kind)

    judgement = judge(made_by_imgtool(key, *options), key)

    assert judgement.uploaded == DONE
    assert judgement.end == accepted(), judgement.lines
    assert judgement.holds_update
    assert NOT_VALID not in judgement.lines


@pytest.mark.parametrize("header_bytes", [0x20, 0x100, 0x200, 0x400, 0x1000])
def test_header_sizes(header_bytes: int) -> None:
    key = key_of("ecdsa-p256")

    judgement = judge(made_by_imgtool(key, header_bytes=header_bytes), key)

    assert (judgement.end, judgement.holds_update) == (accepted(header_bytes), True)


@pytest.mark.parametrize("options", [("--overwrite-only",), ("--overwrite-only", "--pad"), ()])
def test_overwrite_only(options: tuple[str, ...]) -> None:
    key = key_of("ecdsa-p256")

    judgement = judge(made_by_imgtool(key, *options), key, swap="overwrite")

    assert (judgement.end, judgement.holds_update) == (accepted(), True)


@given(
    kind=st.sampled_from(("none", "ecdsa-p256", "ed25519")),
    header_bytes=st.sampled_from((0x20, 0x200, 0x400)),
    payload_bytes=st.integers(0x1000, 0x5000),
    version=st.tuples(*[st.integers(0, 255)] * 2, *[st.integers(0, 65535)] * 2),
    counter=st.none() | st.integers(0, 2**32 - 1),
    align=st.sampled_from(("1", "2", "4", "8")),
)
@settings(max_examples=25, deadline=None)
def test_any_mixture(
    kind: str,
    header_bytes: int,
    payload_bytes: int,
    version: tuple[int, int, int, int],
    counter: int | None,
    align: str,
) -> None:
    key = key_of(kind)
    options = ["--version", "{}.{}.{}+{}".format(*version), "--align", align]
    if counter is not None:
        options += ["--security-counter", str(counter)]
    data = made_by_imgtool(
        key, *options, header_bytes=header_bytes, payload_bytes=payload_bytes // 4 * 4
    )

    judgement = judge(data, key)

    assert (judgement.end, judgement.holds_update) == (accepted(header_bytes), True)


@pytest.mark.parametrize("options", [("--sha", "512"), ("--pure",)], ids=("sha-512", "pure"))
def test_ed25519_over_sha_512_or_over_the_image_itself(options: tuple[str, ...]) -> None:
    """MCUboot with an Ed25519 key may be built for it; the SMP list names it by its SHA-512."""
    key = key_of("ed25519")
    data = made_by_imgtool(key, *options)

    judgement = judge(data, key, installed=options)

    assert (judgement.end, judgement.holds_update) == (accepted(), True)


class TestRefusals:
    """The opposites: a MCUboot that accepts anything would pass all of the above."""

    @pytest.mark.parametrize("kind", KEY_TYPES)
    def test_a_changed_byte(self, kind: str) -> None:
        data = bytearray(made_by_imgtool(key_of(kind)))
        data[0x300] ^= 1

        self._is_refused(bytes(data), kind)

    @pytest.mark.parametrize("kind", KEY_TYPES[1:])
    def test_another_key_of_the_same_kind(self, kind: str) -> None:
        self._is_refused(made_by_imgtool(key_of(kind, 1)), kind)

    @pytest.mark.parametrize("kind", KEY_TYPES[1:])
    def test_no_signature(self, kind: str) -> None:
        self._is_refused(made_by_imgtool(None), kind)

    @pytest.mark.parametrize("other", KEY_TYPES[1:])
    def test_a_key_of_another_kind(self, other: str) -> None:
        for kind in KEY_TYPES[1:]:
            if kind != other:
                self._is_refused(made_by_imgtool(key_of(other)), kind)

    def test_a_public_key_instead_of_its_hash(self) -> None:
        """Needs CONFIG_MCUBOOT_HW_KEY, which NCS does not set."""
        data = made_by_imgtool(key_of("ecdsa-p256"), "--public-key-format", "full")

        self._is_refused(data, "ecdsa-p256")

    def test_a_hash_of_another_length_is_not_even_listed(self) -> None:
        data = made_by_imgtool(None, "--sha", "512")

        judgement = judge(data, None)

        assert judgement.uploaded == DONE
        assert "I: Swap type: none" in judgement.lines
        assert (judgement.end, judgement.holds_update) == (accepted(), False)

    @pytest.mark.parametrize("kind", ["none", "ecdsa-p256", "rsa-2048"])
    def test_a_longer_hash_where_mcuboot_knows_one_only(self, kind: str) -> None:
        """MCUboot's Kconfig offers SHA-512 for Ed25519; here it would be taken for nothing."""
        signed = McubootImage.parse(made_by_imgtool(key_of(kind)))
        digest = hashlib.sha512(signed.data[: signed.header.hashed_size_bytes]).digest()
        flash = Flash((INTERNAL, EXTERNAL), VirtualClock())
        area = Hardware(flash, SLOTS, lambda line: None).secondary_area()
        tlv = struct.pack("<HHHH", 0x6907, 4 + 4 + len(digest), TLV_SHA512, len(digest)) + digest
        data = signed.data[: signed.header.hashed_size_bytes] + tlv
        area.write(0, data + b"\xff" * (-len(data) % 4))
        key = key_of(kind)

        keys = () if key is None else (key.public_key(),)
        header = HeldHeader.unpack(area.read(0, HEADER.size))
        check = check_slot(
            area,
            header,
            Acceptance(keys, area.size_bytes, refuses_flags=True, refuses_rogue_tlvs=True),
        )

        assert check.content is SlotContent.INVALID
        assert "SHA512" in check.reason

    @pytest.mark.parametrize(
        "options", [("--encrypt",), ("--compression", "lzma2armthumb")], ids=("encrypted", "lzma2")
    )
    def test_an_image_that_must_be_unpacked(self, options: tuple[str, ...], tmp_path: Path) -> None:
        """MCUboot of 2.8 and later refuses it by its header (loader.c, boot_validate_slot).

        Before, nothing looks at the flag of a compressed one, and its signature is right.
        """
        if options == ("--encrypt",):
            pem = tmp_path / "enc.pem"
            pem.write_bytes(
                ec.generate_private_key(ec.SECP256R1())
                .public_key()
                .public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
            options = ("--encrypt", str(pem))
        compressible = b"\x00" * 0x1800
        data = made_by_imgtool(key_of("ecdsa-p256"), *options, payload=compressible)
        assert not McubootImage.parse(data).shows_its_code

        self._is_refused(data, "ecdsa-p256", ncs="2.8")
        before = judge(data, key_of("ecdsa-p256"), ncs="2.7")
        assert before.holds_update == ("lzma2armthumb" in options)

    def test_a_big_endian_image_is_refused_by_the_upload(self) -> None:
        data = made_by_imgtool(None, "--endian", "big")

        judgement = judge(data, None)

        assert judgement.uploaded == MAGIC_MISMATCH
        assert (judgement.end, judgement.holds_update) == (accepted(), False)

    @staticmethod
    def _is_refused(data: bytes, kind: str, ncs: str = "2.3") -> None:
        judgement = judge(data, key_of(kind), ncs=ncs)

        assert judgement.uploaded == DONE
        assert NOT_VALID in judgement.lines
        assert (judgement.end, judgement.holds_update) == (accepted(), False)

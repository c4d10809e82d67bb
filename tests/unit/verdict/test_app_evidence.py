"""What UART, SMP and flash say about an application."""

import struct
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from pytest_nrf_fota.boards.board import Slot
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.findings.evidence import Says, Source
from pytest_nrf_fota.firmware.mcuboot_image import (
    HEADER,
    IMAGE_MAGIC,
    TLV_ENTRY,
    TLV_INFO,
    TLV_INFO_MAGIC,
    TLV_SHA256,
    ImageVersion,
    McubootImage,
)
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.app_evidence import (
    AppIdentity,
    identity_of,
    read_identity,
    smp_evidence,
    swd_evidence,
    uart_evidence,
)
from pytest_nrf_fota.verdict.boots import sign_of_boots
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.facts import AppUpdate, Watch
from tests.unit.boot_lines import APP_LINES, boot_of, mcuboot_lines, nsib_lines
from tests.unit.imgtool_specimens import imgtool_sign

_OLD_HASH, _NEW_HASH, _THIRD_HASH = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
_BEFORE = AppIdentity(ImageVersion(1, 0, 0), _OLD_HASH)
_UPDATE = AppIdentity(ImageVersion(1, 1, 0, 4), _NEW_HASH)
_REBUILT = AppIdentity(ImageVersion(1, 0, 0, 7), _NEW_HASH)
_REFUSAL = "E: Image in the secondary slot is not valid!"


def _boot(
    swap_type: str | None = None,
    version: str | None = None,
    *,
    swaps: bool | None = None,
    says: tuple[str, ...] = (),
    reaches_app: bool = True,
) -> Boot:
    """A complete boot; with a swap where `swap_type` is given."""
    lines = mcuboot_lines(swap_type, swaps=swaps, version=version, says=says)
    return boot_of(*nsib_lines(0, 14), *lines, *(APP_LINES if reaches_app else []))


def _of_ncs_1_5(primary: str, swap_type: str, *, reaches_app: bool = True) -> Boot:
    """As a public nRF5340 build of NCS 1.5 prints it: nothing about a swap but its type."""
    last = ["I: Bootloader chainload address offset: 0xc000", "I: Jumping to the first image slot"]
    return boot_of(
        "*** Booting Zephyr OS build v2.4.99-ncs2-1  ***",
        "I: Starting bootloader",
        f"I: Primary image: {primary}",
        "I: Boot source: none",
        f"I: Swap type: {swap_type}",
        *(last if reaches_app else []),
        *(APP_LINES if reaches_app else []),
    )


_UNSET = "magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3"
_TESTED = "magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x3"
_CONFIRMED = "magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x1"


def _resumed() -> Boot:
    return _boot(swaps=True)


def _state(image_hash: bytes, **flags: bool | int) -> ImageState:
    state = ImageState(
        image=0,
        slot=0,
        version="1.1.0",
        hash=image_hash,
        bootable=True,
        pending=False,
        confirmed=False,
        active=True,
        permanent=False,
    )
    return replace(state, **flags)  # type: ignore[arg-type]  # names are checked at run time


def _uart(
    *boots: Boot, update: AppIdentity = _UPDATE, before: AppIdentity | None = _BEFORE
) -> Says:
    evidence = uart_evidence(boots, update, before)
    assert evidence.source is Source.UART
    assert evidence.detail
    return evidence.says


@pytest.mark.parametrize(
    ("logged", "says"), [("1.1.0", Says.NEW), ("1.0.0", Says.OLD), ("9.9.9", Says.UNKNOWN)]
)
def test_the_logged_version_decides_where_it_can(logged: str, says: Says) -> None:
    assert _uart(_boot(version=logged)) is says
    assert _uart(_boot("test", logged)) is says
    assert _uart(_boot("test", "1.1.0"), _boot("revert", logged)) is says


def test_a_logged_version_without_one_from_before_proves_only_the_new_one() -> None:
    assert _uart(_boot(version="1.1.0"), before=None) is Says.NEW
    assert _uart(_boot(version="1.0.0"), before=None) is Says.UNKNOWN


@pytest.mark.parametrize("version", [None, "1.0.0"])
@pytest.mark.parametrize(
    ("boots", "says"),
    [
        (["test"], Says.NEW),
        (["perm"], Says.NEW),
        (["test", None], Says.NEW),
        (["test", "revert"], Says.OLD),
        (["test", "revert", None], Says.OLD),
        (["test", "revert", "test"], Says.NEW),
        ([None], Says.OLD),
        ([None, None], Says.OLD),
    ],
)
def test_swaps_decide_where_no_version_can(
    boots: list[str | None], says: Says, version: str | None
) -> None:
    """Also where the update has the version of the image before it."""
    update = _UPDATE if version is None else _REBUILT
    assert _uart(*(_boot(swap, version) for swap in boots), update=update) is says


def test_a_version_that_is_neither_is_unknown_though_both_are_equal() -> None:
    assert _uart(_boot("test", "9.9.9"), update=_REBUILT) is Says.UNKNOWN


def test_a_resumed_swap_goes_on_with_what_was_begun() -> None:
    cut = _boot("test", reaches_app=False)
    assert _uart(cut, _resumed()) is Says.NEW
    cut = _boot("revert", reaches_app=False)
    assert _uart(_boot("test"), cut, _resumed()) is Says.OLD
    assert _uart(_resumed()) is Says.UNKNOWN


def test_a_further_swap_whose_type_was_lost_is_not_the_one_before_again() -> None:
    assert _uart(_boot("test"), _resumed()) is Says.UNKNOWN
    assert _uart(_boot("test"), _boot(None), _resumed()) is Says.UNKNOWN


@pytest.mark.parametrize(
    ("boots", "says"),
    [
        ([(_UNSET, "test")], Says.UNKNOWN),
        ([(_UNSET, "test"), (_CONFIRMED, "none")], Says.NEW),
        # Whether the second of two updates was swapped in, trailers that are alike do not tell.
        ([(_CONFIRMED, "test"), (_CONFIRMED, "none")], Says.UNKNOWN),
        ([(_UNSET, "test"), (_UNSET, "none")], Says.UNKNOWN),
        ([(_UNSET, "test"), (_TESTED, "revert")], Says.UNKNOWN),
        ([(_UNSET, "none")], Says.OLD),
    ],
)
def test_a_swap_without_a_line_shows_in_the_next_boots_trailer(
    boots: list[tuple[str, str]], says: Says
) -> None:
    assert _uart(*(_of_ncs_1_5(*boot) for boot in boots)) is says


def test_a_swap_without_a_line_can_be_cut() -> None:
    """The recovered board knows nothing of it: the update was not taken."""
    cut = _of_ncs_1_5(_UNSET, "test", reaches_app=False)
    sign = sign_of_boots([cut, _of_ncs_1_5(_UNSET, "none")], of_app=True)
    assert sign.ending is Ending.GIVEN_UP
    assert "interrupted in a swap" in sign.why


def test_a_revert_that_was_cut_at_its_begin_is_resumed_as_permanent() -> None:
    """Seen on the virtual kit: trailers of both slots say so in the boot behind the cut."""
    lines = mcuboot_lines("revert")[:-1]
    tried, cut = _boot("test"), boot_of(*lines)
    assert _uart(tried, cut, _boot("perm")) is Says.OLD
    assert _uart(tried, cut, _boot("perm"), _boot(None)) is Says.OLD
    # Near misses: a cut test swap, a revert that came to its end, a further update behind it.
    assert _uart(boot_of(*mcuboot_lines("test")[:-1]), _boot("perm")) is Says.NEW
    assert _uart(tried, _boot("revert"), _boot("perm")) is Says.NEW
    assert _uart(tried, cut, _boot("perm"), _boot("test")) is Says.NEW


def test_a_wanted_swap_without_its_line_proves_nothing() -> None:
    silent = _boot("test", swaps=False)
    assert _uart(silent) is Says.UNKNOWN
    refused = _boot("test", swaps=False, says=(_REFUSAL,))
    assert _uart(refused) is Says.OLD


def test_only_the_last_boot_tells_what_runs() -> None:
    dead = _boot("test", "1.1.0", reaches_app=False)
    assert _uart(dead) is Says.UNKNOWN
    assert _uart(_boot("test", "1.1.0"), dead) is Says.UNKNOWN
    assert _uart(dead, _boot(version="1.1.0")) is Says.NEW


def test_without_a_boot_the_uart_knows_nothing() -> None:
    evidence = uart_evidence((), _UPDATE, _BEFORE)
    assert evidence.says is Says.UNKNOWN
    assert "no boot" in evidence.detail


def test_the_same_image_again_cannot_be_told_apart() -> None:
    evidence = uart_evidence([_boot("test", "1.0.0")], _BEFORE, _BEFORE)
    assert evidence.says is Says.UNKNOWN
    assert "the update is the image that ran before" in evidence.detail
    assert smp_evidence([_state(_OLD_HASH)], _BEFORE, _BEFORE).says is Says.UNKNOWN
    assert swd_evidence(_BEFORE, _BEFORE, _BEFORE).says is Says.UNKNOWN


@pytest.mark.parametrize(
    ("active_hash", "says"),
    [(_NEW_HASH, Says.NEW), (_OLD_HASH, Says.OLD), (_THIRD_HASH, Says.OTHER)],
)
def test_the_active_slots_hash_decides(active_hash: bytes, says: Says) -> None:
    waiting = _state(_NEW_HASH, slot=1, active=False, pending=True)
    evidence = smp_evidence([waiting, _state(active_hash)], _UPDATE, _BEFORE)
    assert (evidence.source, evidence.says) == (Source.SMP, says)
    assert active_hash.hex()[:8] in evidence.detail
    version = _BEFORE.version if says is Says.OLD else _UPDATE.version
    evidence = swd_evidence(AppIdentity(version, active_hash), _UPDATE, _BEFORE)
    assert (evidence.source, evidence.says) == (Source.SWD, says)
    assert active_hash.hex()[:8] in evidence.detail


@pytest.mark.parametrize(
    ("header", "tlvs"), [(_UPDATE, _BEFORE), (_BEFORE, _UPDATE)], ids=["new header", "new hash"]
)
def test_half_a_swap_is_neither_image(header: AppIdentity, tlvs: AppIdentity) -> None:
    half = AppIdentity(header.version, tlvs.hash)
    evidence = swd_evidence(half, _UPDATE, _BEFORE)
    assert evidence.says is Says.UNKNOWN
    assert "parts of two images" in evidence.detail
    assert not AppUpdate(_UPDATE, _BEFORE, half).is_in_place


def test_without_a_hash_from_before_another_one_is_not_the_update() -> None:
    assert smp_evidence([_state(_NEW_HASH)], _UPDATE, None).says is Says.NEW
    assert smp_evidence([_state(_OLD_HASH)], _UPDATE, None).says is Says.OTHER
    assert smp_evidence([_state(b"")], _UPDATE, None).says is Says.UNKNOWN


@pytest.mark.parametrize(
    "images",
    [
        None,
        (),
        (_state(_NEW_HASH, slot=1, active=False),),
        (_state(_NEW_HASH, image=1),),
    ],
    ids=["no answer", "empty", "nothing active", "another core's image"],
)
def test_a_list_without_the_active_application_knows_nothing(
    images: tuple[ImageState, ...] | None,
) -> None:
    assert smp_evidence(images, _UPDATE, _BEFORE).says is Says.UNKNOWN


def test_an_empty_primary_slot_does_not_hold_the_update() -> None:
    assert swd_evidence(None, _UPDATE, _BEFORE).says is Says.OTHER


_SLOT = Slot(address=0x28000, size=0x1000)


def _image(payload_bytes: int = 100, size_in_header: int | None = None) -> bytes:
    size = payload_bytes if size_in_header is None else size_in_header
    header = HEADER.pack(IMAGE_MAGIC, 0, 0x20, 0, size, 0, 1, 1, 0, 4)
    tlvs = TLV_ENTRY.pack(TLV_SHA256, 32) + _NEW_HASH
    info = TLV_INFO.pack(TLV_INFO_MAGIC, TLV_INFO.size + len(tlvs))
    return header + b"\x5a" * payload_bytes + info + tlvs


def _read_slot(content: bytes) -> AppIdentity | None:
    flash = content.ljust(_SLOT.size, b"\xff")

    def read(address: int, size_bytes: int) -> bytes:
        offset = address - _SLOT.address
        assert offset >= 0
        assert offset + size_bytes <= _SLOT.size, "read behind the slot"
        return flash[offset : offset + size_bytes]

    return read_identity(read, _SLOT)


def test_the_identity_in_a_slot_is_the_identity_of_its_file() -> None:
    assert _read_slot(_image()) == identity_of(McubootImage.parse(_image())) == _UPDATE
    assert str(_UPDATE) == "1.1.0+4 (02020202...)"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 0x1000,
        _image()[:-40],
        _image(size_in_header=0xFFFFFFFF),
        _image(size_in_header=0x1000 - 0x20),
        _image(size_in_header=0x1000 - 0x20 - TLV_INFO.size),
        _image(size_in_header=0x1000 - 0x20 - TLV_INFO.size)[: 0x20 + 100].ljust(0xFFC, b"\x5a")
        + struct.pack("<HH", TLV_INFO_MAGIC, 400),
    ],
    ids=["empty", "zeros", "cut", "huge", "no TLVs", "erased TLVs", "TLVs leave the slot"],
)
def test_a_slot_without_a_complete_image_has_no_identity(content: bytes) -> None:
    assert _read_slot(content) is None


def test_an_overwritten_application_is_new_whatever_the_decision_was() -> None:
    """Noise may swallow the line with the swap type; nothing reverts to what was overwritten."""
    line = "I: Image {} upgrade secondary slot -> primary slot"
    assert _uart(_boot(says=(line.format(0),))) is Says.NEW
    assert _uart(_boot(says=(line.format(1),))) is Says.OLD


def test_image_with_a_longer_hash_is_known_by_it() -> None:
    """In flash and in the image list it is the same TLV, whichever it is."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    data = imgtool_sign(bytes(4096), key, "--sha", "512")
    slot = Slot(address=0x28000, size=0xD8000)
    found = read_identity(lambda a, n: data[a - 0x28000 : a - 0x28000 + n], slot)
    assert found == identity_of(McubootImage.parse(data))
    assert found is not None
    assert len(found.hash) == 64


def test_bootloader_without_a_log_says_nothing() -> None:
    """It may have swapped; only its lines could tell. NSIB's lines are not its own."""
    assert _uart(boot_of(*APP_LINES)) is Says.UNKNOWN
    assert _uart(boot_of(*nsib_lines(0, 14), *APP_LINES)) is Says.UNKNOWN


def test_bootloader_that_prints_its_banner_and_warnings_alone_says_nothing() -> None:
    """CONFIG_MCUBOOT_LOG_LEVEL_WRN: no decision is printed, and a swap neither."""
    banner = "*** Booting MCUboot v2.1.0-dev-12e5ee106034 ***"
    boot = boot_of(*nsib_lines(0, 14), banner, "W: Failed reading image headers", *APP_LINES)
    assert _uart(boot) is Says.UNKNOWN
    # A decision on another image is none on the application.
    other = "I: Image index: 1, Swap type: none"
    boot = boot_of("I: Starting bootloader", other, *APP_LINES)
    assert _uart(boot) is Says.UNKNOWN
    assert _uart(boot_of("I: Starting bootloader", other.replace("1", "0"), *APP_LINES)) is Says.OLD


_BUILD = "build time: May  8 2024 a 10:11:12"


@pytest.mark.parametrize(
    ("before", "now", "firmware", "says"),
    [
        ("build time: May  7", _BUILD, b"..May  8 2024 a 10:11:12..", Says.NEW),
        # It does not stand in the update, it was printed before, nothing is known from before.
        ("build time: May  7", _BUILD, b"..May  9 2024 a 10:11:12..", Says.UNKNOWN),
        (_BUILD, _BUILD, b"..May  8 2024 a 10:11:12..", Says.UNKNOWN),
        (None, _BUILD, b"..May  8 2024 a 10:11:12..", Says.UNKNOWN),
        ("build time: May  7", "Bluetooth up", b"..May  8 2024 a 10:11:12..", Says.UNKNOWN),
        (_BUILD, _BUILD, b"*** Booting Zephyr OS build v3.2.99-ncs2 ***", Says.UNKNOWN),
    ],
)
def test_what_the_update_alone_prints_names_it(
    before: str | None, now: str, firmware: bytes, says: Says
) -> None:
    boot_before = None if before is None else boot_of(*APP_LINES, before)
    evidence = uart_evidence(
        [boot_of(*APP_LINES, now)], _UPDATE, _BEFORE, firmware=firmware, boot_before=boot_before
    )
    assert evidence.says is says


def test_an_own_banner_names_the_update() -> None:
    """NCS 2.7 and later, with a VERSION file: `*** Booting My Application v1.1.0-... ***`."""
    banners = [f"*** Booting My Application v1.{minor}.0-5c0c6a46a7e4 ***" for minor in (0, 1)]
    sdk = "*** Using nRF Connect SDK v2.9.0-7787b2649840 ***"
    before, now = (boot_of(banner, sdk, "Bluetooth initialized") for banner in banners)
    firmware = f"..{banners[1]}..{sdk}..".encode()
    evidence = uart_evidence([now], _UPDATE, _BEFORE, firmware=firmware, boot_before=before)
    assert evidence.says is Says.NEW
    assert "v1.1.0-5c0c6a46a7e4" in evidence.detail


def test_a_swap_names_nothing_where_the_update_was_not_marked() -> None:
    boots = [_boot("test")]
    assert uart_evidence(boots, _UPDATE, _BEFORE).says is Says.NEW
    evidence = uart_evidence(boots, _UPDATE, _BEFORE, swaps_name_it=False)
    assert evidence.says is Says.UNKNOWN
    assert "no line names the image" in evidence.detail


def test_behind_a_gap_in_the_console_its_lines_prove_nothing() -> None:
    """A revert may be what was missed."""
    for boots in ([_boot("test", "1.1.0")], [_boot(None)], []):
        evidence = uart_evidence(boots, _UPDATE, _BEFORE, watch=Watch(gaps=1))
        assert evidence.says is Says.UNKNOWN
        assert "the console was away once since" in evidence.detail

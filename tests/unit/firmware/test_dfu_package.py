"""DFU packages: the shapes that Nordic's builds make, and every way to be refused."""

import contextlib
import io
import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.boards.names import is_same_board
from pytest_nrf_fota.boards.soc import NRF5340
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.dfu_package import (
    DfuPackage,
    PackageTarget,
    package_target,
    read_package,
)
from pytest_nrf_fota.firmware.dfu_package_writer import PackageEntry, write_package
from pytest_nrf_fota.firmware.mcuboot_image import ImageVersion
from pytest_nrf_fota.firmware.package_kind import PackageKind
from tests.unit.imgtool_specimens import imgtool_sign

MANIFEST = "manifest.json"
BOARD = "nrf5340dk_nrf5340_cpuapp"
SOC = "nRF5340_CPUAPP_QKAA"
APP = "app_update.bin"
NETWORK = "net_core_app_update.bin"
S0 = "signed_by_mcuboot_and_b0_s0_image_update.bin"
S1 = "signed_by_mcuboot_and_b0_s1_image_update.bin"
# Zip file format (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16): signatures, and fields relative to them.
LOCAL_HEADER, LOCAL_FLAGS, LOCAL_METHOD = b"PK\x03\x04", 6, 8
END_OF_DIRECTORY, DIRECTORY_OFFSET = b"PK\x05\x06", 16
CENTRAL_HEADER, CENTRAL_FLAGS, CENTRAL_METHOD, CENTRAL_SIZE = b"PK\x01\x02", 8, 10, 24

Entries = Mapping[str, bytes]


def file_keys(file: str, **more: JsonValue) -> dict[str, JsonValue]:
    return {"file": file, "board": BOARD, "soc": SOC, **more}


def manifest_of(*files: Mapping[str, JsonValue]) -> bytes:
    return json.dumps({"format-version": 0, "files": [dict(file) for file in files]}).encode()


def app_manifest(**more: JsonValue) -> bytes:
    return manifest_of(file_keys(APP, type="application", **more))


def zip_file(
    path: Path, entries: Entries | Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_STORED
) -> Path:
    pairs = list(entries.items()) if isinstance(entries, Mapping) else entries
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in pairs:
            archive.writestr(name, data)
    return path


@pytest.fixture
def package_path(tmp_path: Path) -> Path:
    return tmp_path / "dfu_application.zip"


def refusal(path: Path, target: PackageTarget) -> PackageError:
    """The error that opening this package gives; it says what, where and what next."""
    with pytest.raises(PackageError) as caught:
        read_package(path, target)
    error = caught.value
    assert error.what
    assert error.next_step
    assert str(path) in error.where
    return error


def opened(path: Path, target: PackageTarget, entries: Entries) -> DfuPackage:
    return read_package(zip_file(path, entries), target)


# Packages as builds make them.


def test_application_of_ncs_2_3(
    package_path: Path, target: PackageTarget, app_image: bytes, network_image: bytes
) -> None:
    manifest: JsonValue = {
        "format-version": 0,
        "time": 1683450000,
        "files": [
            {
                "type": "application",
                "board": BOARD,
                "soc": SOC,
                "load_address": 164352,
                "image_index": "0",
                "slot_index_primary": "1",
                "slot_index_secondary": "2",
                "version_MCUBOOT": "1.0.0+0",
                "size": len(app_image),
                "file": APP,
                "modtime": 1683450000,
            },
            {
                "image_index": "1",
                "slot_index_primary": "3",
                "slot_index_secondary": "4",
                "file": NETWORK,
            },
        ],
    }
    package = opened(
        package_path,
        target,
        {APP: app_image, NETWORK: network_image, MANIFEST: json.dumps(manifest).encode()},
    )

    assert (package.path, package.kind) == (package_path, PackageKind.APPLICATION)
    assert [file.name for file in package.files] == [APP, NETWORK]
    assert [file.data for file in package.files] == [app_image, network_image]
    assert [file.image_index for file in package.files] == [0, 1]
    assert [(file.s_slot, file.fw_info) for file in package.files] == [(None, None)] * 2
    assert package.files[0].image.version == ImageVersion(1, 2, 3, 4)
    assert package.manifest.files[0].load_address == 164352
    assert package.manifest.files[0].version_mcuboot == "1.0.0+0"


def test_application_without_network_core(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    manifest = app_manifest(load_address=164352, version_MCUBOOT="1.0.0+0")
    package = opened(package_path, target, {MANIFEST: manifest, APP: app_image})
    assert package.kind is PackageKind.APPLICATION
    assert [file.image_index for file in package.files] == [0]


@pytest.mark.parametrize("with_slots", [False, True], ids=["NCS 2.3", "NCS 3.0"])
def test_mcuboot_package_holds_both_s_images(
    package_path: Path,
    target: PackageTarget,
    s0_image: bytes,
    s1_image: bytes,
    with_slots: bool,
) -> None:
    def keys(file: str, address: int, slot: str) -> dict[str, JsonValue]:
        common = file_keys(file, type="mcuboot", load_address=address, version_B0="7")
        return common | {"version_MCUBOOT": "0.0.7+0"} | ({"slot": slot} if with_slots else {})

    manifest = manifest_of(keys(S0, 32768, "0"), keys(S1, 98304, "1"))
    package = opened(package_path, target, {MANIFEST: manifest, S0: s0_image, S1: s1_image})

    assert package.kind is PackageKind.MCUBOOT
    assert [file.name for file in package.files] == [S0, S1]
    assert [file.s_slot for file in package.files] == [0, 1]
    assert [file.fw_info.version for file in package.files if file.fw_info] == [7, 7]
    assert [file.slot for file in package.manifest.files] == ([0, 1] if with_slots else [None] * 2)
    assert package.manifest.files[1].version_b0 == "7"


def test_s_slot_is_read_from_the_image_not_from_its_name(
    package_path: Path, target: PackageTarget, s1_image: bytes
) -> None:
    manifest = manifest_of(file_keys(S0, type="mcuboot", slot="0", load_address=32768))
    package = opened(package_path, target, {MANIFEST: manifest, S0: s1_image})
    assert [file.s_slot for file in package.files] == [1]


def test_bare_hex_numbers_are_read(
    package_path: Path, target: PackageTarget, s0_image: bytes
) -> None:
    manifest = (
        f'{{"files":[{{"file":"{S0}","type":"mcuboot","load_address":0x8000,'
        f'"size":{len(s0_image):#x}}}]}}'
    ).encode()
    package = opened(package_path, target, {MANIFEST: manifest, S0: s0_image})
    assert package.manifest.files[0].load_address == 0x8000


@pytest.mark.parametrize(
    ("written", "number"), [("1", 1), ("0x10", 16), (3, 3), ("0", 0), (None, 0)]
)
def test_numbers_may_be_strings(
    package_path: Path, target: PackageTarget, app_image: bytes, written: JsonValue, number: int
) -> None:
    entries = {MANIFEST: app_manifest(image_index=written), APP: app_image}
    assert opened(package_path, target, entries).files[0].image_index == number


@pytest.mark.parametrize("known", [BOARD, "nrf5340dk/nrf5340/cpuapp"])
@pytest.mark.parametrize(
    "name",
    [
        *(BOARD, f"{BOARD}_ns", "nrf5340dk/nrf5340/cpuapp", "nrf5340dk/nrf5340/cpuapp/ns"),
        *("nrf5340dk@2.0.0/nrf5340/cpuapp", "NRF5340DK_NRF5340_CPUAPP", ""),
    ],
)
def test_board_name_in_any_spelling(
    package_path: Path, app_image: bytes, name: str, known: str
) -> None:
    manifest = manifest_of({"file": APP, "board": name, "soc": "nrf5340_cpuapp_qkaa"})
    target = PackageTarget("kit", boards=(known,), socs=(SOC,), s_slot_ranges=(), soc=NRF5340)
    opened(package_path, target, {MANIFEST: manifest, APP: app_image})


@pytest.mark.parametrize(
    ("name", "is_for_network_core", "fits"),
    [
        ("nrf5340dk", False, True),
        ("nrf5340dk/nrf5340/cpunet", True, True),
        ("nrf5340dk_nrf5340_cpunet", True, True),
        ("nrf5340dk/nrf5340/cpunet", False, False),
        ("nrf5340dk/nrf5340/cpuapp", True, False),
        ("thingy53", False, False),
        ("thingy53/nrf5340/cpuapp", False, False),
        ("nrf5340_audio_dk_nrf5340_cpuapp", False, False),
        ("nrf5340dk2", False, False),
    ],
)
def test_names_of_boards_and_cores(name: str, is_for_network_core: bool, fits: bool) -> None:
    known = ("nrf5340dk_nrf5340_cpuapp", "nrf5340dk/nrf5340/cpuapp")
    assert is_same_board(name, known, is_for_network_core=is_for_network_core) is fits


def test_refusal_names_the_way_out(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    """The same hardware under a name of the user's own is no other board."""
    manifest = manifest_of(file_keys(APP, board="mykit/nrf5340/cpuapp"))
    error = refusal(zip_file(package_path, {MANIFEST: manifest, APP: app_image}), target)
    assert 'manifest_boards = ["mykit/nrf5340/cpuapp"]' in error.next_step
    assert f'base = "{target.board_name}"' in error.next_step


def test_further_entries_and_folders_do_no_harm(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    entries = {MANIFEST: app_manifest(), APP: app_image, "doc/": b"", "doc/notes.txt": b"hello"}
    assert [file.name for file in opened(package_path, target, entries).files] == [APP]


def test_image_in_a_folder_of_the_package(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    manifest = manifest_of(file_keys(f"bin/{APP}"))
    opened(package_path, target, {MANIFEST: manifest, f"bin/{APP}": app_image})


def test_written_package_is_read_back(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    entry = PackageEntry(APP, app_image, file_keys(APP, type="application", load_address=164352))
    write_package(package_path, [entry], name="test")
    package = read_package(package_path, target)
    assert (package.files[0].name, package.files[0].data) == (APP, app_image)
    assert package.manifest.files[0].size == len(app_image)
    assert package.manifest.name == "test"


# Files that are no package.


def test_missing_package(tmp_path: Path, target: PackageTarget) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere.zip", target).what


def test_folder_is_no_package(tmp_path: Path, target: PackageTarget) -> None:
    refusal(tmp_path, target)


def test_empty_file_is_no_package(package_path: Path, target: PackageTarget) -> None:
    package_path.write_bytes(b"")
    assert "is empty" in refusal(package_path, target).what


@pytest.mark.parametrize("content", [b"not a zip", b"PK\x03\x04", b"PK\x05\x06", bytes(999)])
def test_file_that_is_no_zip(package_path: Path, target: PackageTarget, content: bytes) -> None:
    package_path.write_bytes(content)
    assert "zip file" in refusal(package_path, target).what


def test_update_image_itself_is_no_package(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    package_path.write_bytes(app_image)
    refusal(package_path, target)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b":020000040000FA\n:00000001FF\n", "an Intel hex file"),
        (b"\x7fELF\x01\x01\x01", "an ELF file"),
        (bytes.fromhex("3db8f396") + bytes(60), "an MCUboot image"),
        (b": a text that begins as hex files do", "no zip file at all"),
        (b"version: 1.2.3\n", "no zip file at all"),
    ],
)
def test_other_files_are_called_what_they_are(
    package_path: Path, target: PackageTarget, content: bytes, kind: str
) -> None:
    """Copying them again would not help."""
    package_path.write_bytes(content)
    error = refusal(package_path, target)
    assert kind in error.what
    assert "dfu_application.zip" in error.next_step
    assert "Copy" not in error.next_step


def test_damaged_zip_is_to_be_copied_again(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    zip_file(package_path, {MANIFEST: app_manifest(), APP: app_image})
    package_path.write_bytes(package_path.read_bytes()[:-30])
    error = refusal(package_path, target)
    assert "not a complete zip file" in error.what
    assert "Copy it again" in error.next_step


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_package_cut_off_at_any_byte(
    package_path: Path, target: PackageTarget, app_image: bytes, method: int
) -> None:
    zip_file(package_path, {MANIFEST: app_manifest(), APP: app_image}, method)
    content = package_path.read_bytes()
    for size_bytes in range(len(content)):
        package_path.write_bytes(content[:size_bytes])
        refusal(package_path, target)
    package_path.write_bytes(content)
    read_package(package_path, target)


@pytest.fixture(scope="module")
def deflated_package(app_image: bytes) -> bytes:
    """A deflated package; what a damage of it decodes to is up to zlib."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, app_manifest(size=len(app_image)))
        archive.writestr(APP, app_image)
    return content.getvalue()


@settings(deadline=None, max_examples=300)
@given(
    changes=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 220), st.integers(-220, -1), st.integers(0, 2000)),
            st.integers(0, 255),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_damaged_package_is_read_or_refused(
    scratch: Path,
    target: PackageTarget,
    deflated_package: bytes,
    changes: list[tuple[int, int]],
) -> None:
    content = bytearray(deflated_package)
    for position, value in changes:
        content[position % len(content)] = value
    path = scratch / "damaged.zip"
    path.write_bytes(content)
    with contextlib.suppress(PackageError):
        read_package(path, target)


@pytest.mark.parametrize("position", range(60, 90, 5))
def test_damaged_compressed_data(
    package_path: Path, target: PackageTarget, deflated_package: bytes, position: int
) -> None:
    damaged = deflated_package[:position] + b"\xff" * 8 + deflated_package[position + 8 :]
    package_path.write_bytes(damaged)
    refusal(package_path, target)


def patched_headers(content: bytes, local: int, central: int, value: int) -> bytes:
    """The zip file with one 16-bit field changed in all headers."""
    patched = bytearray(content)
    for signature, field in ((LOCAL_HEADER, local), (CENTRAL_HEADER, central)):
        position = patched.find(signature)
        while position >= 0:
            struct.pack_into("<H", patched, position + field, value)
            position = patched.find(signature, position + 1)
    return bytes(patched)


def test_encrypted_entry(
    package_path: Path, target: PackageTarget, deflated_package: bytes
) -> None:
    package_path.write_bytes(patched_headers(deflated_package, LOCAL_FLAGS, CENTRAL_FLAGS, 1))
    assert f"The entry '{MANIFEST}' is encrypted" in refusal(package_path, target).what


@pytest.mark.parametrize("method", [1, 12, 14, 99])
def test_unknown_compression(
    package_path: Path, target: PackageTarget, deflated_package: bytes, method: int
) -> None:
    patched = patched_headers(deflated_package, LOCAL_METHOD, CENTRAL_METHOD, method)
    package_path.write_bytes(patched)
    assert f"method {method}" in refusal(package_path, target).what


def test_directory_that_lies_about_its_place(
    package_path: Path, target: PackageTarget, deflated_package: bytes
) -> None:
    content = bytearray(deflated_package)
    field = content.rindex(END_OF_DIRECTORY) + DIRECTORY_OFFSET
    (offset,) = struct.unpack_from("<I", content, field)
    struct.pack_into("<I", content, field, offset + 10)
    package_path.write_bytes(content)
    assert "zip file" in refusal(package_path, target).what


def test_entry_name_that_is_no_text(
    package_path: Path, target: PackageTarget, deflated_package: bytes
) -> None:
    named_in_utf_8 = patched_headers(deflated_package, LOCAL_FLAGS, CENTRAL_FLAGS, 0x800)
    package_path.write_bytes(named_in_utf_8.replace(b"app_update", b"\xffpp_update"))
    assert "zip file" in refusal(package_path, target).what


def test_entry_without_a_name(
    package_path: Path, target: PackageTarget, deflated_package: bytes
) -> None:
    name = deflated_package.rindex(APP.encode())
    package_path.write_bytes(deflated_package[:name] + b"\x00" + deflated_package[name + 1 :])
    refusal(package_path, target)


# Manifests.


def test_package_without_manifest(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    error = refusal(zip_file(package_path, {APP: app_image, "other.txt": b""}), target)
    assert MANIFEST in error.what
    assert APP in error.what
    assert "other.txt" in error.what


def test_empty_package(package_path: Path, target: PackageTarget) -> None:
    assert "nothing" in refusal(zip_file(package_path, {}), target).what


def test_manifest_in_a_folder_does_not_count(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    entries = {f"build/{MANIFEST}": app_manifest(), APP: app_image}
    assert f"no {MANIFEST}" in refusal(zip_file(package_path, entries), target).what


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"files": [{"file": "app_update.bin"}',
        b'{"files": [{"file": "app_update.bin", "load_address": 0xZZ}]}',
        b'{"files": [{"file": "app_update.bin", "size": ' + b"9" * 5000 + b"}]}",
        b"[" * 60_000,
        b'{"files": [{"file": "app_update.bin"}], "name": ' + b"[" * 20_000,
        b'{bare: 0x8000, "name": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
    ids=["empty", "brace", "utf-16", "cut off", "hex", "digits", "deep", "deep name", "deep json5"],
)
def test_manifest_that_is_no_json(
    package_path: Path, target: PackageTarget, app_image: bytes, manifest: bytes
) -> None:
    error = refusal(zip_file(package_path, {MANIFEST: manifest, APP: app_image}), target)
    assert "not valid JSON" in error.what
    assert MANIFEST in error.where


@pytest.mark.parametrize(
    ("manifest", "named"),
    [
        ("null", "manifest"),
        ("[]", "manifest"),
        ("{}", "files"),
        ('{"files": []}', "files"),
        ('{"files": {}}', "files"),
        ('{"files": ["app_update.bin"]}', "files.0"),
        ('{"files": [{"type": "application"}]}', "files.0.file"),
        ('{"files": [{"file": null}]}', "files.0.file"),
        ('{"files": [{"file": "app_update.bin", "size": "many"}]}', "files.0.size"),
        ('{"files": [{"file": "app_update.bin", "size": 1.5}]}', "files.0.size"),
        ('{"files": [{"file": "app_update.bin", "size": 1e400}]}', "files.0.size"),
        ('{"files": [{"file": "app_update.bin", "load_address": ""}]}', "files.0.load_address"),
        ('{"format-version": "two", "files": [{"file": "app_update.bin"}]}', "format-version"),
    ],
)
def test_manifest_of_something_else(
    package_path: Path, target: PackageTarget, app_image: bytes, manifest: str, named: str
) -> None:
    entries = {MANIFEST: manifest.encode(), APP: app_image}
    error = refusal(zip_file(package_path, entries), target)
    assert named in error.what
    assert MANIFEST in error.where


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["file", "files", "size", "board", "soc", "image_index", "slot", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(
    manifest=st.one_of(
        st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")),
        st.binary(max_size=40),
        _JSON.map(lambda value: json.dumps(value).encode()),
        st.lists(
            st.dictionaries(
                st.sampled_from(["size", "board", "image_index", "slot", "type"]), _JSON, max_size=3
            ),
            max_size=2,
        ).map(lambda files: manifest_of(*({"file": APP, **file} for file in files))),
    )
)
def test_any_manifest_is_read_or_refused(
    scratch: Path, target: PackageTarget, app_image: bytes, manifest: bytes
) -> None:
    path = zip_file(scratch / "any.zip", {MANIFEST: manifest, APP: app_image})
    with contextlib.suppress(PackageError):
        assert read_package(path, target).files


# What manifest and content must agree on.


@pytest.mark.parametrize(
    ("keys", "value", "right"),
    [
        ({"board": "nrf52840dk_nrf52840", "soc": SOC}, "nrf52840dk_nrf52840", BOARD),
        ({"board": "nrf5340dk/nrf5340/cpunet", "soc": SOC}, "nrf5340dk/nrf5340/cpunet", BOARD),
        ({"board": BOARD, "soc": "nRF9160_SICA"}, "nRF9160_SICA", SOC),
    ],
    ids=["board", "core", "soc"],
)
def test_package_for_another_target(
    package_path: Path,
    target: PackageTarget,
    app_image: bytes,
    keys: dict[str, JsonValue],
    value: str,
    right: str,
) -> None:
    manifest = manifest_of(file_keys(APP), {"file": APP, **keys})
    error = refusal(zip_file(package_path, {MANIFEST: manifest, APP: app_image}), target)
    assert repr(value) in error.what
    assert right in error.what
    assert APP in error.where


def test_package_for_another_soc_is_not_told_to_rename_its_board(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    """A name in manifest_boards would not make it run."""
    manifest = manifest_of(file_keys(APP), {"file": APP, "board": "thingy91x", "soc": "nrf9151"})
    error = refusal(zip_file(package_path, {MANIFEST: manifest, APP: app_image}), target)
    assert "for another SoC, 'nrf9151' (board 'thingy91x')" in error.what
    assert "manifest_" not in error.next_step


def test_named_file_is_not_in_the_package(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    manifest = manifest_of(file_keys(APP), file_keys("absent.bin"))
    error = refusal(zip_file(package_path, {MANIFEST: manifest, APP: app_image}), target)
    assert "'absent.bin'" in error.what
    assert APP in error.next_step


@pytest.mark.parametrize("difference", [-1, 1, 0x10000])
def test_size_differs(
    package_path: Path, target: PackageTarget, app_image: bytes, difference: int
) -> None:
    wrong = len(app_image) + difference
    entries = {MANIFEST: app_manifest(size=wrong), APP: app_image}
    error = refusal(zip_file(package_path, entries), target)
    assert str(len(app_image)) in error.what
    assert str(wrong) in error.what


@pytest.mark.parametrize("lost_bytes", [1, 40, 0x400])
def test_image_is_cut_off(
    package_path: Path, target: PackageTarget, app_image: bytes, lost_bytes: int
) -> None:
    entries = {MANIFEST: app_manifest(), APP: app_image[:-lost_bytes]}
    error = refusal(zip_file(package_path, entries), target)
    assert APP in error.what
    assert "truncated" in error.what


def test_unsigned_binary(package_path: Path, target: PackageTarget, app_image: bytes) -> None:
    entries = {MANIFEST: app_manifest(), APP: app_image[0x200:]}
    error = refusal(zip_file(package_path, entries), target)
    assert "not an MCUboot image" in error.what
    assert "imgtool" in error.next_step


def test_image_without_vector_table(package_path: Path, target: PackageTarget) -> None:
    header = struct.pack("<IIHHIIBBHII", 0x96F3B83D, 0, 32, 0, 4, 0, 1, 0, 0, 0, 0)
    entries = {MANIFEST: app_manifest(), APP: header + bytes(4) + struct.pack("<HH", 0x6907, 4)}
    refusal(zip_file(package_path, entries), target)


def test_mixed_package(
    package_path: Path, target: PackageTarget, app_image: bytes, s0_image: bytes
) -> None:
    manifest = manifest_of(file_keys(S0, type="mcuboot"), file_keys(APP, type="application"))
    entries = {MANIFEST: manifest, S0: s0_image, APP: app_image}
    assert "mixes" in refusal(zip_file(package_path, entries), target).what


def test_bootloader_of_another_partition_map(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    manifest = manifest_of(file_keys(S0, type="mcuboot", load_address=0x28000))
    error = refusal(zip_file(package_path, {MANIFEST: manifest, S0: app_image}), target)
    assert "S0" in error.what
    assert "partitions.yml" in error.next_step


def test_board_without_s_slots_takes_no_bootloader(package_path: Path, s0_image: bytes) -> None:
    manifest = manifest_of({"file": S0, "type": "mcuboot", "board": "qemu_cortex_m0"})
    path = zip_file(package_path, {MANIFEST: manifest, S0: s0_image})
    refusal(path, package_target(load_board("qemu_cortex_m0")))


# Paths.

HOSTILE_NAMES = ["/etc/app.bin", "../app.bin", "bin/../../app.bin", "..\\app.bin", "C:app.bin"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_entry_name(
    package_path: Path, target: PackageTarget, app_image: bytes, name: str
) -> None:
    entries = {MANIFEST: app_manifest(), APP: app_image, name: b"evil"}
    assert "absolute or parent path" in refusal(zip_file(package_path, entries), target).what


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "\\\\server\\app.bin", "bin\\app.bin"])
def test_hostile_name_in_the_manifest(
    package_path: Path, target: PackageTarget, app_image: bytes, name: str
) -> None:
    entries = {MANIFEST: manifest_of(file_keys(name)), APP: app_image}
    error = refusal(zip_file(package_path, entries), target)
    assert "absolute or parent path" in error.what
    assert repr(name) in error.what


def test_nothing_is_unpacked(tmp_path: Path, target: PackageTarget, app_image: bytes) -> None:
    path = zip_file(tmp_path / "p.zip", {MANIFEST: app_manifest(), APP: app_image, "../x": b"evil"})
    before = sorted(tmp_path.parent.rglob("*"))
    refusal(path, target)
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_entry_that_is_there_twice(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    pairs = [(MANIFEST, app_manifest()), (APP, app_image), (APP, app_image)]
    with pytest.warns(UserWarning, match="Duplicate name"):
        zip_file(package_path, pairs)
    error = refusal(package_path, target)
    assert repr(APP) in error.what
    assert "twice" in error.what


# Sizes.


def test_oversize_entry(package_path: Path, target: PackageTarget, app_image: bytes) -> None:
    entries = {MANIFEST: app_manifest(), APP: app_image, "bomb.bin": bytes(20 * 1024 * 1024)}
    zip_file(package_path, entries, zipfile.ZIP_DEFLATED)
    assert package_path.stat().st_size < 64 * 1024
    assert "'bomb.bin' is larger" in refusal(package_path, target).what


def test_oversize_entry_whose_header_says_it_is_small(
    package_path: Path, target: PackageTarget
) -> None:
    zip_file(package_path, {"bomb.bin": bytes(20 * 1024 * 1024)}, zipfile.ZIP_DEFLATED)
    content = bytearray(package_path.read_bytes())
    struct.pack_into("<I", content, content.find(CENTRAL_HEADER) + CENTRAL_SIZE, 100)
    package_path.write_bytes(content)
    refusal(package_path, target)


def test_oversize_package_of_small_entries(
    package_path: Path, target: PackageTarget, app_image: bytes
) -> None:
    chunk = bytes(12 * 1024 * 1024)
    entries = {MANIFEST: app_manifest(), APP: app_image} | {f"{n}.bin": chunk for n in range(3)}
    zip_file(package_path, entries, zipfile.ZIP_DEFLATED)
    assert "more than" in refusal(package_path, target).what


@pytest.mark.parametrize(("manifest_bytes", "allowed"), [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_largest_manifest(
    package_path: Path,
    target: PackageTarget,
    app_image: bytes,
    manifest_bytes: int,
    allowed: bool,
) -> None:
    entries = {MANIFEST: app_manifest().ljust(manifest_bytes), APP: app_image}
    zip_file(package_path, entries)
    if allowed:
        read_package(package_path, target)
    else:
        assert f"'{MANIFEST}' is larger" in refusal(package_path, target).what


@pytest.mark.parametrize(("more", "allowed"), [(62, True), (63, False)])
def test_most_entries(
    package_path: Path, target: PackageTarget, app_image: bytes, more: int, allowed: bool
) -> None:
    entries = {MANIFEST: app_manifest(), APP: app_image}
    zip_file(package_path, entries | {f"{number}.txt": b"" for number in range(more)})
    if allowed:
        read_package(package_path, target)
    else:
        assert "65 entries" in refusal(package_path, target).what


def test_application_at_the_addresses_of_an_s_slot(
    package_path: Path, target: PackageTarget
) -> None:
    """A layout with MCUboot alone: no fw_info, so no bootloader, whatever its reset vector says."""
    image = imgtool_sign(struct.pack("<II", 0x20010000, 0x10959).ljust(120_000, b"\x5a"), None)
    package = opened(package_path, target, {APP: image, MANIFEST: app_manifest()})
    assert package.kind is PackageKind.APPLICATION
    assert package.files[0].s_slot is None


def test_mcuboot_package_without_a_bootloader_says_why(
    package_path: Path, target: PackageTarget
) -> None:
    image = imgtool_sign(struct.pack("<II", 0x20010000, 0x8959).ljust(0x4000, b"\x5a"), None)
    manifest = manifest_of(file_keys(S0, type="mcuboot"))
    error = refusal(zip_file(package_path, {S0: image, MANIFEST: manifest}), target)
    assert f"{S0} starts in S0, and has no fw_info" in error.what
    assert "CONFIG_SECURE_BOOT=y" in error.next_step

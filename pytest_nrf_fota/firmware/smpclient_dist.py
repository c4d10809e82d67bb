"""Real Zephyr + MCUboot firmware to run here, from the source distribution of `smpclient` 7.3.0.

The package (Apache-2.0) ships prebuilt test firmware. It
is fetched when a test needs it, through pip, and only the files used are unpacked.

In numbers (its `manifest.json`, imgtool, and runs in QEMU): `qemu_cortex_m0` is MCUboot swap using
offset without signature check, slot 0 at 0x8000, slot 1 at 0x22000, 0x1a000 each, pages of 1 KiB.
`mps2_an385` is MCUboot RAM_LOAD without signature check, slot 0 at 0x20050000, slot 1 at
0x200d0000, 0x80000 each, images run at 0x20240000; of its builds the one with the largest SMP
buffer, because it uploads fastest.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import platformdirs
from portalocker import AlreadyLocked, Lock

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import RigError

REQUIREMENT = "smpclient==7.3.0"
ARCHIVE_NAME = "smpclient-7.3.0.tar.gz"
ARCHIVE_SHA256 = "86aa4bc1c621805d97f449793a4077f049aa88a98a1e916bf59423d072bd2a3b"

SLOT_0_ADDRESS = 0x8000
SLOT_SIZE_BYTES = 0x1A000
HEADER_SIZE_BYTES = 0x200
MPS2_SLOT_0_ADDRESS = 0x20050000
MPS2_SLOT_SIZE_BYTES = 0x80000
MPS2_LOAD_ADDRESS = 0x20240000

_FIXTURES = "smpclient-7.3.0/tests/fixtures/smp-server"
_M0 = "zephyr_4.4.0_smp_server_0eae053d_qemu_cortex_m0_serial"
_MERGED_HEX = f"{_M0}.merged.hex"
_SIGNED_BIN = f"{_M0}.signed.bin"
_MPS2 = "zephyr_4.4.0_smp_server_0eae053d_mps2_an385_serial_recovery_buf2048"
_MPS2_MCUBOOT_HEX = f"{_MPS2}.hex"
_MPS2_SIGNED_BIN = f"{_MPS2}.signed.bin"
_NATIVE_SIM = "zephyr_4.4.0_smp_server_0eae053d_native_sim"
# As in the archive's own SHA256SUMS.
_WANTED_SHA256 = {
    _MERGED_HEX: "2e0cda996515b444f324f26d794e55e5f08b3ddff210d6fcec6f994647eb289e",
    _SIGNED_BIN: "e96f3b40d10418018caa1c3f9776d3bbdd542f5612e3caad3a223bb0b2a24c54",
    _MPS2_MCUBOOT_HEX: "b17a5dbbd22e00e6e7b081e4e7e0996d8bfb4f87c1de245b96800a6e96b54d32",
    _MPS2_SIGNED_BIN: "c9e9782a7dedfcd83c4da82da82f703c26aa65522532709ddadfc7df176eed86",
    f"{_NATIVE_SIM}_serial.exe": (
        "3f0ed0fdc2dd9193b48df7069acc47dc6ce136856b3633c8d776844b11612b10"
    ),
    f"{_NATIVE_SIM}_shell.exe": (
        "ddb3414ef23dcfbb4ac6b48222d4c7dccc7388cd45b31e3328cd97d4b214fdff"
    ),
    f"{_NATIVE_SIM}_udp.exe": ("9affd08d35402b94b3f0b75dd3bfd31616151c5016bc00fcc58f8f2207a3600f"),
}
_BUILD_TIME = re.compile(rb"Jun  3 2026 \d\d:\d\d:\d\d")
_BUILD_TIME_CHARS = 20
_IMAGE_SIZE_FIELD = slice(12, 16)
_DOWNLOAD_TIMEOUT_S = 300.0
# What pip says of a server that it cannot reach; its last line is then about the package only.
_BROKEN_CONNECTION = re.compile(r"after connection broken by '(?P<reason>.+)': \S+$", re.MULTILINE)
_ERROR_PREFIX = "ERROR: "
_LONGEST_REASON_CHARS = 300


NativeSimVariant: TypeAlias = Literal["serial", "udp", "shell"]


@dataclass(frozen=True)
class QemuCortexM0Firmware:
    """The firmware files of Zephyr's board `qemu_cortex_m0`.

    `merged_hex` is MCUboot at 0 and the app, version 0.0.0, in slot 0; `signed_bin` is that app.
    """

    merged_hex: Path
    signed_bin: Path


@dataclass(frozen=True)
class Mps2An385Firmware:
    """The firmware files of Zephyr's board `mps2/an385`.

    `mcuboot_hex` is MCUboot at 0; `signed_bin` is the app, version 0.0.0, for slot 0.
    """

    mcuboot_hex: Path
    signed_bin: Path


def qemu_cortex_m0_firmware(cache_directory: Path | None = None) -> QemuCortexM0Firmware:
    """Get the firmware for QEMU's micro:bit; everything as in `firmware_folder`."""
    folder = firmware_folder(cache_directory)
    return QemuCortexM0Firmware(folder / _MERGED_HEX, folder / _SIGNED_BIN)


def mps2_an385_firmware(cache_directory: Path | None = None) -> Mps2An385Firmware:
    """Get the firmware for QEMU's MPS2 board; everything as in `firmware_folder`."""
    folder = firmware_folder(cache_directory)
    return Mps2An385Firmware(folder / _MPS2_MCUBOOT_HEX, folder / _MPS2_SIGNED_BIN)


def native_sim_program(variant: NativeSimVariant, cache_directory: Path | None = None) -> Path:
    """Get Zephyr as a 32-bit Linux program, executable; everything as in `firmware_folder`."""
    program = firmware_folder(cache_directory) / f"{_NATIVE_SIM}_{variant}.exe"
    program.chmod(0o755)
    return program


def firmware_folder(cache_directory: Path | None = None) -> Path:
    """A folder with all firmware files, checked; from the cache where it is there already.

    Several processes may call this at once: one of them downloads. An archive that was put into
    the cache folder by hand is used as if it had been downloaded.

    Args:
        cache_directory: where archive and files are kept; by default the user's cache folder.

    Raises:
        RigError: the archive cannot be downloaded, or is not the one expected.
    """
    if cache_directory is None:
        cache_directory = Path(platformdirs.user_cache_dir("pytest-nrf-fota"))
    folder = cache_directory / "smpclient-7.3.0"
    folder.mkdir(parents=True, exist_ok=True)
    deadline = Deadline.after(_DOWNLOAD_TIMEOUT_S)
    try:
        with Lock(folder / "lock", timeout=deadline.remaining_s):
            if not all(_has_hash(folder / name, sha) for name, sha in _WANTED_SHA256.items()):
                archive = folder / ARCHIVE_NAME
                if not _has_hash(archive, ARCHIVE_SHA256):
                    _download(archive, deadline)
                _unpack_wanted(archive, folder)
    except AlreadyLocked as error:
        raise RigError(
            f"Another process holds the firmware cache for over {_DOWNLOAD_TIMEOUT_S:g} s.",
            where=str(folder),
            next_step="Is another test run stuck in its download? End it and try again.",
        ) from error
    return folder


def unsigned_image(signed_bin: bytes, build_time: str) -> bytes:
    """The app as it was before signing, with another build time, to be signed with any version.

    The app logs `build time: ...` when it starts, so the log tells which image runs. With the
    original build time, `imgtool sign --header-size 0x200 --slot-size 0x1a000 --align 4
    --version 0.0.0` (no key) gives `signed_bin` byte for byte.

    Args:
        signed_bin: content of `signed_bin` of one of the firmwares above.
        build_time: up to 20 ASCII characters, padded with spaces: the text's length is fixed.

    Raises:
        ValueError: `build_time` is too long, or `signed_bin` is another image.
    """
    text = build_time.encode("ascii").ljust(_BUILD_TIME_CHARS)
    if len(text) > _BUILD_TIME_CHARS:
        raise ValueError(f"{build_time!r} has more than {_BUILD_TIME_CHARS} characters.")
    if len(_BUILD_TIME.findall(signed_bin)) != 1:
        raise ValueError("The image does not hold its build time exactly once.")
    payload_size_bytes = int.from_bytes(signed_bin[_IMAGE_SIZE_FIELD], "little")
    payload = signed_bin[HEADER_SIZE_BYTES : HEADER_SIZE_BYTES + payload_size_bytes]
    return bytes(HEADER_SIZE_BYTES) + _BUILD_TIME.sub(lambda _: text, payload)


def _download(archive: Path, deadline: Deadline) -> None:
    # A fixed name, used under the lock: what a killed run left behind goes with the next one.
    scratch = archive.parent / "download"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        requirements = scratch / "requirements.txt"
        # The hash is in the requirement so that pip checks it before it runs the build backend,
        # which `pip download` does for any source distribution.
        requirements.write_text(f"{REQUIREMENT} --hash=sha256:{ARCHIVE_SHA256}\n")
        # --no-binary for this package only: `:all:` would build the build backend from source too.
        command = [
            *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check"),
            *("--no-input", "--no-deps", "--no-binary", "smpclient", "--require-hashes"),
            *("--dest", str(scratch), "--requirement", str(requirements)),
        ]
        try:
            finished = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=deadline.remaining_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _not_downloaded(archive, f"no end within {deadline.allowed_s:g} s") from error
        downloaded = scratch / ARCHIVE_NAME
        if finished.returncode != 0 or not downloaded.is_file():
            raise _not_downloaded(archive, reason_in(finished.stdout))
        if not _has_hash(downloaded, ARCHIVE_SHA256):
            raise _not_downloaded(archive, "the archive has another SHA-256 than expected")
        downloaded.replace(archive)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def reason_in(pip_output: str) -> str:
    """Why pip failed, in one line: its last error, and the broken connection behind it."""
    lines = [line.strip() for line in pip_output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(_ERROR_PREFIX)]
    last = (errors or lines or ["pip said nothing"])[-1]
    broken = _BROKEN_CONNECTION.findall(pip_output)
    connection = f" ({broken[-1]})" if broken else ""
    return (last.removeprefix(_ERROR_PREFIX) + connection)[:_LONGEST_REASON_CHARS]


def _not_downloaded(archive: Path, reason: str) -> RigError:
    return RigError(
        f"The source distribution of {REQUIREMENT} cannot be downloaded: {reason}",
        where=f"pip download of {REQUIREMENT}",
        next_step=(
            f"Does pip work here, and does it reach a package index? Or put {ARCHIVE_NAME} "
            f"into {archive.parent} by hand."
        ),
    )


def _unpack_wanted(archive: Path, folder: Path) -> None:
    with tarfile.open(archive, "r:gz") as tar:
        for name, sha256 in _WANTED_SHA256.items():
            # Single named files are read, nothing is extracted: no path or link of the archive
            # decides where anything is written.
            source = tar.extractfile(f"{_FIXTURES}/{name}")
            content = source.read() if source is not None else b""
            if hashlib.sha256(content).hexdigest() != sha256:
                raise RigError(
                    f"{name} has another SHA-256 than expected.",
                    where=str(archive),
                    next_step="Delete the archive and try again.",
                )
            unfinished = folder / f"{name}.part"
            unfinished.write_bytes(content)
            unfinished.replace(folder / name)


def _has_hash(file: Path, sha256: str) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256

"""A Linux guest with a Bluetooth stack of its own: kernel, D-Bus and BlueZ, under QEMU.

It sees the host's files read-only, so BlueZ runs as it is installed here. pytest, bleak and the
virtual kit run on the host, at full speed; their system bus and the kit's HCI socket lead there.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import platformdirs
from portalocker import Lock

from pytest_nrf_fota import guard
from pytest_nrf_fota.deadline import Deadline
from tests.bluez.dbus_proxy import pass_bus_on
from tests.bluez.guest_ports import PORT, WANTS_ADAPTER, WANTS_BUS
from tests.bluez.initramfs import NoKernelError, download_kernel, make_initramfs, read_kernel

BOOT_TIMEOUT_S = 120.0
BOOT_FILES_TIMEOUT_S = 300.0
_HERE = Path(__file__).resolve().parent
_BLUETOOTHD = Path("/usr/libexec/bluetooth/bluetoothd")
_MODULES = (
    # drbg asks for these by name when ecdh_generic wants random numbers.
    *("sha512_generic", "sha256_generic", "sha3_generic", "hmac", "ctr", "jitterentropy_rng"),
    *("drbg", "virtio_pci", "virtio_rng", "virtio_net", "9p", "9pnet_virtio", "overlay"),
    *("ecdh_generic", "cmac", "ccm", "bluetooth", "hci_vhci"),
)
_READY = "guest: ready"
# KVM boots in 2 s where it is worth using. Some hosts have a /dev/kvm that is slower than TCG.
_KVM_BOOT_TIMEOUT_S = 8.0
_PORT_TRIES = 3
# A file cannot be waited for.
_POLL_S = 0.1
_CHUNK_BYTES = 65536


class NoGuestError(Exception):
    """The guest cannot run here; the message says what to install, or what it printed."""


@dataclass(frozen=True)
class Guest:
    """A running guest.

    `bus_address` is its system bus, for DBUS_SYSTEM_BUS_ADDRESS. `results` holds its logs.
    """

    bus_address: str
    results: Path
    port: int

    @contextlib.contextmanager
    def adapter(self, hci: str, number: int = 0) -> Iterator[None]:
        """An adapter for BlueZ whose controller is at a kit's HCI socket, as long as this lasts.

        Args:
            hci: bumble's name of the transport to the kit: `unix-client:PATH`.
            number: another one for each adapter that is there at a time.
        """
        with (
            socket.create_connection(("127.0.0.1", self.port)) as guest,
            socket.socket(socket.AF_UNIX) as kit,
        ):
            kit.connect(hci.removeprefix("unix-client:"))
            guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            guest.sendall(WANTS_ADAPTER + bytes([number]))
            copies = [
                threading.Thread(target=_copy, args=ends) for ends in ((guest, kit), (kit, guest))
            ]
            for copy in copies:
                copy.start()
            try:
                yield
            finally:
                for end in (guest, kit):
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                for copy in copies:
                    copy.join()


@contextlib.contextmanager
def running_guest(results: Path) -> Iterator[Guest]:
    """Boot a guest; it is gone afterwards, also where this process is killed.

    Args:
        results: folder for the guest's logs.

    Raises:
        NoGuestError: it cannot run here.
    """
    try:
        kernel, initramfs = _boot_files()
    except NoKernelError as error:
        raise NoGuestError(str(error)) from error
    results.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        # The guard removes it, also where this process is killed.
        scratch = Path(tempfile.gettempdir(), f"nrf-fota-{secrets.token_hex(6)}")
        port = _boot(kernel, initramfs, results, scratch, stack)
        bus = scratch / "bus"
        stack.enter_context(pass_bus_on(bus, ("127.0.0.1", port), WANTS_BUS))
        yield Guest(f"unix:path={bus}", results, port)


def _boot(
    kernel: Path, initramfs: Path, results: Path, scratch: Path, stack: contextlib.ExitStack
) -> int:
    printed = ""
    for accelerator in _accelerators():
        limit_s = _KVM_BOOT_TIMEOUT_S if accelerator == "kvm" else BOOT_TIMEOUT_S
        for _ in range(_PORT_TRIES):
            port = _free_port()
            command = _qemu_command(kernel, initramfs, results, accelerator, port)
            with contextlib.ExitStack() as attempt:
                console = results / "console.log"
                qemu = attempt.enter_context(_guarded(command, console, scratch))
                printed = _wait_until_ready(qemu, console, Deadline.after(limit_s))
                if _READY in printed:
                    stack.push(attempt.pop_all())
                    return port
            if "host forwarding rule" not in printed:
                break
    raise NoGuestError(f"the guest does not boot; it printed: {printed[-2000:]}")


def _boot_files() -> tuple[Path, Path]:
    """Kernel image and initramfs, made once per kernel."""
    busybox = _static_busybox()
    needed = {
        "qemu-system-x86": shutil.which("qemu-system-x86_64"),
        "busybox-static": busybox,
        "bluez": _BLUETOOTHD.exists(),
        "dbus": shutil.which("dbus-daemon"),
    }
    missing = [package for package, found in needed.items() if not found]
    if missing or busybox is None:
        raise NoGuestError(f"missing packages: apt-get install {' '.join(missing)}")
    cache = platformdirs.user_cache_path("pytest-nrf-fota") / "bluez"
    cache.mkdir(parents=True, exist_ok=True)
    # Other xdist workers want the same files.
    with Lock(cache / "lock", timeout=BOOT_FILES_TIMEOUT_S):
        return _made_boot_files(cache, busybox)


def _made_boot_files(cache: Path, busybox: Path) -> tuple[Path, Path]:
    package = download_kernel(cache)
    init = (_HERE / "init").read_bytes()
    key = sha256(b"".join([init, package.name.encode(), *map(str.encode, _MODULES)])).hexdigest()
    kernel, initramfs = cache / f"{key[:16]}.vmlinuz", cache / f"{key[:16]}.initramfs"
    if not initramfs.exists():
        read = read_kernel(package, _MODULES)
        files = {"init": init, "bin/busybox": busybox.read_bytes()}
        _write(kernel, read.image)
        _write(initramfs, make_initramfs(read, files))
    return kernel, initramfs


def _static_busybox() -> Path | None:
    found = shutil.which("busybox")
    # A program that needs the dynamic loader names it near its beginning.
    if found is None or b"/ld-linux" in Path(found).read_bytes()[:4096]:
        return None
    return Path(found)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a run may be ended meanwhile."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).rename(path)


def _accelerators() -> list[str]:
    return ["kvm", "tcg"] if os.access("/dev/kvm", os.R_OK | os.W_OK) else ["tcg"]


def _qemu_command(
    kernel: Path, initramfs: Path, results: Path, accelerator: str, port: int
) -> list[str]:
    share = "local,security_model=none,multidevs=remap"
    arguments = [
        *("console=ttyS0", "quiet", "cryptomgr.notests", "mitigations=off", "panic=-1"),
        *("net.ifnames=0", f"python={_python()}", f"ports={_HERE / 'guest_ports.py'}"),
    ]
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot"),
        *("-accel", "kvm" if accelerator == "kvm" else "tcg,thread=multi"),
        *("-cpu", "host" if accelerator == "kvm" else "max", "-machine", "q35"),
        *("-smp", "2", "-m", "512", "-display", "none", "-serial", "stdio"),
        *("-device", "virtio-rng-pci"),
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:{PORT}"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-virtfs", f"{share},path=/,mount_tag=host,readonly=on"),
        *("-virtfs", f"{share},path={results},mount_tag=results"),
        *("-kernel", str(kernel), "-initrd", str(initramfs), "-append", " ".join(arguments)),
    ]


def _python() -> Path:
    # A virtual environment's interpreter is a link; the standard library is enough.
    return Path(sys.executable).resolve()


@contextlib.contextmanager
def _guarded(
    command: Sequence[str], output: Path, scratch: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    guarding = [sys.executable, "-I", "-S", str(Path(guard.__file__))]
    with (
        output.open("wb") as file,
        subprocess.Popen(
            [*guarding, "--scratch-directory", str(scratch), "--", *command],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as guarded,
    ):
        assert guarded.stdin is not None
        try:
            yield guarded
        finally:
            # The guard ends QEMU once its standard input is closed.
            guarded.stdin.close()


def _wait_until_ready(qemu: "subprocess.Popen[bytes]", console: Path, deadline: Deadline) -> str:
    """What QEMU printed until the guest was ready, QEMU ended, or the time was over."""
    while True:
        has_ended = qemu.poll() is not None
        printed = console.read_text(errors="replace")
        if _READY in printed or has_ended or deadline.expired:
            return printed
        time.sleep(_POLL_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)

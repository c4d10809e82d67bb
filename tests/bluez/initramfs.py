"""A Linux that boots from memory: Debian's kernel image, the modules asked for, and an init."""

import gzip
import lzma
import re
import stat
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_KERNEL_META_PACKAGE = "linux-image-amd64"
_DOWNLOAD_TIMEOUT_S = 120.0


class NoKernelError(Exception):
    """Debian's kernel package cannot be had; the message says why."""


@dataclass(frozen=True)
class Kernel:
    """A kernel image and the modules of its package, by name, uncompressed."""

    image: bytes
    modules: Mapping[str, bytes]


def download_kernel(folder: Path) -> Path:
    """The package of Debian's newest kernel for amd64, in `folder`.

    Raises:
        NoKernelError: apt is missing, knows no such package, or cannot download it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dependencies = _run(["apt-cache", "depends", _KERNEL_META_PACKAGE], folder)
    package = re.search(r"Depends: (linux-image-\S+)", dependencies)
    if package is None:
        raise NoKernelError(f"apt does not know {_KERNEL_META_PACKAGE}: run `apt-get update`")
    version = re.search(r"Version: (\S+)", _run(["apt-cache", "show", package[1]], folder))
    assert version is not None, "apt shows the version of each package"
    # As apt names the file: an epoch's colon is escaped.
    file = folder / f"{package[1]}_{version[1].replace(':', '%3a')}_amd64.deb"
    if not file.exists():
        _run(["apt-get", "download", "-qq", package[1]], folder)
    if not file.exists():
        raise NoKernelError(f"apt did not download {file.name}")
    return file


def read_kernel(package: Path, wanted: Iterable[str]) -> Kernel:
    """Kernel image and all modules that `wanted` need, in the order in which they load.

    Names of modules that the kernel has built in are passed over.
    """
    image = b""
    found: dict[str, bytes] = {}
    with (
        subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
        ) as unpacking,
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive,
    ):
        for member in archive:
            path = PurePosixPath(member.name)
            is_image = path.name.startswith("vmlinuz")
            if not member.isfile() or not (is_image or ".ko" in path.suffixes):
                continue
            content = archive.extractfile(member)
            assert content is not None
            if is_image:
                image = content.read()
            else:
                found[path.name.split(".")[0].replace("-", "_")] = content.read()
    return Kernel(image, _in_loading_order(found, wanted))


def make_initramfs(kernel: Kernel, files: Mapping[str, bytes]) -> bytes:
    """The archive from which Linux starts: `files`, all executable, and modules in /modules.

    /modules/order names them line by line.
    """
    content = dict(files)
    for name, module in kernel.modules.items():
        content[f"modules/{name}.ko"] = module
    content["modules/order"] = "".join(f"{name}\n" for name in kernel.modules).encode()
    folders = {str(folder) for path in content for folder in PurePosixPath(path).parents}
    records = [_cpio_record(folder, stat.S_IFDIR | 0o755, b"") for folder in sorted(folders)]
    records += [_cpio_record(path, stat.S_IFREG | 0o755, data) for path, data in content.items()]
    records.append(_cpio_record("TRAILER!!!", 0, b""))
    return gzip.compress(b"".join(records), compresslevel=1)


def _in_loading_order(found: Mapping[str, bytes], wanted: Iterable[str]) -> dict[str, bytes]:
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in ordered or name not in found:
            return
        module = found[name]
        if module.startswith(b"\xfd7zXZ"):
            module = lzma.decompress(module)
        dependencies = re.search(rb"\0depends=([^\0]*)\0", module)
        for dependency in dependencies[1].decode().split(",") if dependencies else ():
            add(dependency.replace("-", "_"))
        ordered[name] = module

    for name in wanted:
        add(name)
    return ordered


def _cpio_record(path: str, mode: int, data: bytes) -> bytes:
    """One record of the "newc" format (Linux: Documentation/driver-api/early-userspace)."""
    name = path.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _run(command: list[str], folder: Path) -> str:
    try:
        return subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_TIMEOUT_S,
        ).stdout
    except FileNotFoundError as error:
        raise NoKernelError(f"{command[0]} is not installed: this needs Debian") from error
    except subprocess.TimeoutExpired as error:
        raise NoKernelError(f"{' '.join(command)}: no end in {error.timeout:g} s") from error
    except subprocess.CalledProcessError as error:
        raise NoKernelError(f"{' '.join(command)}: {error.stderr.strip()}") from error

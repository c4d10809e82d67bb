"""smpclient's example programs, as its source distribution on PyPI has them.

`ble/upgrade.py` flashes firmware A, uploads B, marks it for a trial, resets the board and checks
that B runs, finding both by the name that they advertise. It expects their files and nrfjprog.
"""

import hashlib
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.firmware.description import AppDescription
from pytest_nrf_fota.firmware.dfu_package import package_target, read_package
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.firmware.smpclient_dist import (
    ARCHIVE_NAME,
    ARCHIVE_SHA256,
    firmware_folder,
)

UPGRADE = "ble/upgrade"
BOARD_ARGUMENT = "nrf5340dk"
_NRFJPROG = """#!{python}
import sys
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.sim.client import KitControl

*options, hex_file = sys.argv[1:]
assert options == ["--recover", "--reset", "--verify", "--program"], options
kit, limit = KitControl({control!r}), Deadline.after(60)
kit.recover("network", limit)
kit.recover("application", limit)
kit.program(hex_file, limit)
kit.reset("system", limit)
"""


def extract_examples(names: Iterable[str], folder: Path) -> None:
    """Write programs such as `ble/upgrade` into a folder, as they are."""
    archive = firmware_folder() / ARCHIVE_NAME
    if not archive.is_file():
        archive = firmware_folder(folder / "cache") / ARCHIVE_NAME
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == ARCHIVE_SHA256
    with tarfile.open(archive, "r:gz") as tar:
        for name in names:
            source = tar.extractfile(f"smpclient-7.3.0/examples/{name}.py")
            assert source is not None
            file = folder / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source.read())


def write_what_upgrade_needs(folder: Path, board: BoardType, control: str, tools: Path) -> None:
    """Write firmware A and B beside the examples in `folder`, and nrfjprog for a kit into `tools`.

    Args:
        folder: where the examples lie.
        board: the kit's.
        control: address of the kit's control socket.
        tools: new folder, for the PATH.
    """
    duts = folder / "duts" / BOARD_ARGUMENT / "ble"
    for name in ("a", "b"):
        (duts / name).mkdir(parents=True)
    a = DemoSource(board, duts / "a", AppDescription(advertised_name="A SMP DUT"))
    b = DemoSource(board, duts / "b", AppDescription(advertised_name="B SMP DUT"))
    a.baseline.rename(duts / "a_smp_dut.merged.hex")
    for segment in read_hex(duts / "a_smp_dut.merged.hex"):
        if segment.address == board.slots.primary.address:
            (duts / "a_smp_dut.bin").write_bytes(segment.data)
    (update,) = read_package(b.app_update, package_target(board)).files
    (duts / "b_smp_dut.bin").write_bytes(update.data)
    tools.mkdir()
    nrfjprog = tools / "nrfjprog"
    nrfjprog.write_text(_NRFJPROG.format(python=sys.executable, control=control))
    nrfjprog.chmod(0o755)

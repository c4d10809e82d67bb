"""Whether an application gets the firmware that it needs on the network core."""

from collections.abc import Sequence
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.builds.build import Build
from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import Segment, read_hex
from pytest_nrf_fota.wires.probe import Core

# Name of the endpoint through which Zephyr's host talks to the controller on the other core
# (zephyr drivers/bluetooth/hci/ipc.c, until 3.7 rpmsg.c).
_HCI_ENDPOINT = b"nrf_bt_hci\x00"


def require_network_core(
    segments: Sequence[Segment], board: BoardType, build: Build | None, paths: Sequence[Path]
) -> None:
    """Raise `PackageError` where Bluetooth would have no controller.

    Recovering a kit erases both cores, so what no given file holds is gone.

    Args:
        segments: the data of all hex files that are given.
        board: a board without a network core needs nothing on it.
        build: the build to which the files belong, where that is known.
        paths: the hex files.
    """
    if Core.NETWORK not in board.probe.recover or has_network_core(segments, board):
        return
    _require_wire_of_stand_in(board, paths)
    sign = _sign_of_bluetooth(segments, build)
    if sign is None:
        return
    raise PackageError(
        f"The network core would stay empty, and the application's Bluetooth needs it: {sign}.",
        where=", ".join(str(path) for path in paths),
        next_step=file_for_network_core(build, paths, board, "--baseline"),
    )


def has_network_core(segments: Sequence[Segment], board: BoardType) -> bool:
    """Whether there is data for the network core."""
    return any(board.soc.core_of(segment.address) is Core.NETWORK for segment in segments)


def _require_wire_of_stand_in(board: BoardType, paths: Sequence[Path]) -> None:
    """What stands in for an application on a virtual kit has the wires of its board."""
    if board.sim is None or board.radio.kind != "ble" or board.radio.bluetooth is not False:
        return
    raise PackageError(
        f"The application has no Bluetooth (CONFIG_BT is off), by which {board.name} is "
        "reached, and nothing is given for the network core, which its stand-in would need.",
        where=", ".join(str(path) for path in paths),
        next_step="Take a board file whose radio.kind is another wire: `nrf-fota board-file "
        f"BUILD --base {board.name}` writes one.",
    )


def _sign_of_bluetooth(segments: Sequence[Segment], build: Build | None) -> str | None:
    if build is not None and build.hosts_bluetooth_over_ipc:
        assert build.application is not None
        return f"CONFIG_BT_HCI_IPC is on in {build.files.name_of(build.application.path)}"
    if any(_HCI_ENDPOINT in segment.data for segment in segments):
        return f"it opens the IPC endpoint {_HCI_ENDPOINT[:-1].decode()}"
    return None


def file_for_network_core(
    build: Build | None, paths: Sequence[Path], board: BoardType, option: str
) -> str:
    """Which file to give for the network core: the one beside those that are given, where it is.

    Args:
        build: the build to which the files belong, where that is known.
        paths: the hex files that are given.
        board: the board that they are for.
        option: the one that takes it.
    """
    beside = [] if build is None else list(build.files.hex_files)
    beside += [p for path in paths for p in sorted(path.parent.glob("merged_*.hex"))]
    for path in beside:
        match path.name:
            case "merged_domains.hex":
                return f"Give the file that holds both cores: {option}={path}"
            case "merged_CPUNET.hex":
                return f"Give the network core's file as well: {option}={path}"
    left_out = [] if build is None else [p for p in build.files.image_hex_files if p not in paths]
    if build is not None and any(_is_for_network_core(path, board) for path in left_out):
        return f"Give the whole build folder: {option}={build.files.folder}"
    return (
        f"Give the network core's hex file as well, with a second {option} (sysbuild: "
        "SB_CONFIG_NETCORE_IPC_RADIO=y and SB_CONFIG_NETCORE_IPC_RADIO_BT_HCI_IPC=y build it; "
        "merged_CPUNET.hex, before NCS 2.7 merged_domains.hex)."
    )


def _is_for_network_core(path: Path, board: BoardType) -> bool:
    try:
        return has_network_core(read_hex(path), board)
    except PackageError:
        return False

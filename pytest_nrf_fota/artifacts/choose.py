"""Choose where a session's firmware comes from."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from pytest_nrf_fota.artifacts.source import FirmwareSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.firmware.variant import Variant

if TYPE_CHECKING:
    from pytest_nrf_fota.builds.own_build import OwnBuild
    from pytest_nrf_fota.firmware.resign import SigningKeys


def firmware_source(
    board: BoardType,
    baseline: Path | None,
    updates: tuple[Path, ...],
    folder: Path,
    keys: "SigningKeys | None" = None,
    variants: Mapping[Variant, Path] | None = None,
    own_build: "OwnBuild | None" = None,
) -> FirmwareSource:
    """The user's files where they were given, else what the board file names.

    Args:
        board: the board type.
        baseline: --baseline.
        updates: all --update.
        folder: where made artifacts go.
        keys: what the given files are signed with, to make variants of them.
        variants: all --firmware-variant, for those that cannot be made.
        own_build: the baseline's, to make updates of.

    Raises:
        PackageError: a given file is wrong.
    """
    if baseline is not None or updates or variants or board.firmware.source == "files":
        from pytest_nrf_fota.artifacts.files_source import FilesSource
        from pytest_nrf_fota.firmware.board_memories import check_against_map
        from pytest_nrf_fota.firmware.hex_file import read_hex

        if baseline is not None:
            check_against_map(baseline, read_hex(baseline), board)
        return FilesSource(baseline, updates, board, folder, keys, variants, own_build)
    match board.firmware.source:
        case "demo":
            from pytest_nrf_fota.artifacts.demo import DemoSource

            return DemoSource(board, folder)
        case "smpclient_dist":
            return _dist_source(board, folder)
        case _:
            assert_never(board.firmware.source)


def _dist_source(board: BoardType, folder: Path) -> FirmwareSource:
    match board.firmware.build:
        case "qemu_cortex_m0" | "mps2_an385":
            from pytest_nrf_fota.artifacts.qemu_source import QemuSource

            return QemuSource(folder, board.firmware.build)
        case "native_sim_serial" | "native_sim_udp" | "native_sim_shell" | None:
            from pytest_nrf_fota.artifacts.no_firmware import NoFirmwareSource

            return NoFirmwareSource(board.name)
        case _:
            assert_never(board.firmware.build)

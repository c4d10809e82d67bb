"""Take one unit of a board type from the provider that its board file names."""

from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.traits import PROVIDERS_HOOK
from pytest_nrf_fota.extensions import registered_one
from pytest_nrf_fota.providers.provider import Provider, Unit, Wanted
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import HostRadio, host_radio


def take_unit(
    board: BoardType,
    worker: str,
    log_folder: Path,
    device_id: str | None,
    radio: HostRadio | None = None,
    recorder: FlightRecorder | None = None,
) -> Unit:
    """Lease one board.

    Args:
        board: the board type.
        worker: name of the xdist worker, so that units of parallel workers have different names.
        log_folder: gets the unit's logs.
        device_id: serial number of the kit to take; None takes the only one.
        radio: this host's radio for boards on BLE; None takes what the board file or the provider
            has.
        recorder: gets what happens while the unit is taken.

    Raises:
        RigError: there is none, or it cannot be used.
    """
    if radio is None and board.radio.host is not None:
        radio = host_radio(board.radio.host)
    provider = registered_one(PROVIDERS_HOOK, Provider, board.provider)
    return provider.take(
        Wanted(board, f"{board.name}-{worker}", log_folder, device_id, radio, recorder)
    )

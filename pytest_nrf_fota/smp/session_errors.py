"""What a session's failures mean, and what to do about them."""

import asyncio

from smp.error import MGMT_ERR
from smpclient.exceptions import SMPClientException
from smpclient.transport import SMPTransportDisconnected

from pytest_nrf_fota.errors import BoardError, FotaError, NotSeenError, RadioLostError
from pytest_nrf_fota.smp.session_uploads import LOOK_AROUND

NO_PARAMETERS = (
    "The server does not report the size of its buffers, so uploads go in small pieces and take "
    "several times as long: build it with CONFIG_MCUMGR_GRP_OS_MCUMGR_PARAMS=y (NCS 2.3: "
    "CONFIG_OS_MGMT_MCUMGR_PARAMS=y)."
)


def connection_failed(error: Exception, where: str, allowed_s: float) -> FotaError | None:
    """Why a connection did not come about; None for an error of none of the known kinds."""
    match error:
        case asyncio.TimeoutError() | TimeoutError():
            return NotSeenError(
                f"No SMP connection within {allowed_s:g} s.",
                where=where,
                next_step="Is the application advertising, and is no phone connected to it? "
                "Hanging in Connecting may mean that it asks for pairing "
                "(CONFIG_MCUMGR_SMP_BT_AUTHEN).",
            )
        case OSError():
            return RadioLostError(
                f"The radio cannot be opened: {error}",
                where=where,
                next_step="Is the adapter there, free, and this user's to use? Over the host's "
                "Bluetooth: does bluetoothd run?",
            )
        case SMPTransportDisconnected():
            return NotSeenError(
                f"The connection dropped while it was being set up: {error}.",
                where=where,
                next_step="Look at the UART log: did the board reset or refuse pairing?",
            )
        case SMPClientException():
            return _connect_refusal(error, where)
        case _:
            return None


def connection_lost(error: Exception, where: str) -> RadioLostError:
    """Whatever else it was."""
    return RadioLostError(
        f"The connection failed: {type(error).__name__}: {error}",
        where=where,
        next_step="Look at the UART log and at the adapter.",
    )


def erase_refused(return_code: int) -> str:
    """What to do where a board refused to erase a slot, by the protocol's or the group's code."""
    # IMG_MGMT_ERR_UNKNOWN has the same number; zephyr pull request 64070 mends it.
    if return_code != MGMT_ERR.EUNKNOWN:
        return LOOK_AROUND
    return "The slot may be empty already, which NCS 2.5 takes for an error. " + LOOK_AROUND


def _connect_refusal(error: SMPClientException, where: str) -> FotaError:
    # By name: the classes live in modules that import bleak or bumble.
    name = type(error).__name__
    if name in ("SMPBLETransportDeviceNotFound", "SMPBumbleTransportDeviceNotFound"):
        return NotSeenError(
            f"The board is not advertising: {error}",
            where=where,
            next_step="Look at the UART log: has the application booted, and under which name "
            "does it advertise?",
        )
    if name in ("SMPBLETransportNotSMPServer", "SMPBumbleTransportNotSMPServer"):
        return BoardError(
            f"The board has no SMP service: {error}",
            where=where,
            next_step="Build the application with CONFIG_MCUMGR_TRANSPORT_BT=y "
            "(NCS 2.3: CONFIG_MCUMGR_SMP_BT=y).",
        )
    return BoardError(
        f"The board refused the connection: {error}",
        where=where,
        next_step="Does it ask for pairing, or is another central connected?",
    )

"""How the host pairs with a board over BLE: settings, and what to say where the board refuses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from typing_extensions import assert_never

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardError

if TYPE_CHECKING:
    from bumble.keys import KeyStore

PairingMethod: TypeAlias = Literal["none", "just_works", "passkey"]

PasskeySource: TypeAlias = Callable[[], Callable[[Deadline], int]]
"""Called when a pairing begins; what it returns waits for the passkey that the board shows since.

The second call runs in a thread of its own, and raises `NotSeenError` where no passkey shows up.
"""

INSUFFICIENT_AUTHENTICATION = 0x05
INSUFFICIENT_ENCRYPTION = 0x0F
"""ATT error codes by which Zephyr asks for pairing (gatt.c, bt_gatt_check_perm()).

Of a connection without encryption neither tells whether a passkey is needed: since zephyr pull
request 56213 (March 2023, in NCS 2.4 and later) they tell whether the board has a key of the host.
"""

_NO_AUTHENTICATION = (
    "Or build the application with CONFIG_MCUMGR_SMP_BT_AUTHEN=n "
    "(from NCS 2.4 on CONFIG_MCUMGR_TRANSPORT_BT_AUTHEN=n)."
)

_PASSKEY_ADVICE = (
    "Does radio.passkey in the board file match the line that shows the passkey, or is it the "
    "application's own (CONFIG_BT_FIXED_PASSKEY)?"
)


@dataclass(frozen=True)
class HostPairing:
    """How this host pairs, when a board asks for it.

    Args:
        method: "none" never pairs.
        passkey_source: needed for "passkey".
        bonds: where keys are kept between connections; None forgets them with the connection.
    """

    method: PairingMethod = "none"
    passkey_source: PasskeySource | None = None
    bonds: "KeyStore | None" = None


def pairing_demanded(att_error: int | None, method: PairingMethod, where: str) -> BoardError:
    """The error for a board that asks for more protection than the connection has.

    Args:
        att_error: by which it refused the subscription; None where the host's Bluetooth hides it.
        method: what the host has done about it: with "none" the connection has no encryption.
        where: host's radio and peer.
    """
    code = f" (ATT error 0x{att_error:02x})" if att_error is not None else ""
    demand = "its SMP characteristic demands"
    match method:
        case "none":
            return BoardError(
                f"The board asks for pairing: {demand} an encrypted connection{code}.",
                where=where,
                next_step='Set radio.pairing = "just_works" in the board file, or '
                'radio.pairing = "passkey" where the board shows a passkey; its '
                "answer does not show which one. " + _NO_AUTHENTICATION,
            )
        case "just_works":
            return BoardError(
                "Pairing without a passkey is not enough for the board: "
                f"{demand} an authenticated connection{code}.",
                where=where,
                next_step='Set radio.pairing = "passkey" in the board file. ' + _NO_AUTHENTICATION,
            )
        case "passkey":
            return BoardError(
                "The board paired without showing a passkey, and that is not enough: "
                f"{demand} an authenticated connection{code}.",
                where=where,
                next_step="The application must register a passkey display "
                "(bt_conn_auth_cb_register) or set CONFIG_BT_FIXED_PASSKEY. " + _NO_AUTHENTICATION,
            )
        case _:
            assert_never(method)


def pairing_failed(reason: int, where: str) -> BoardError:
    """The error for a pairing that ended with this reason (Bluetooth Core, Vol 3 Part H, 3.5.5)."""
    match reason:
        case 0x04 | 0x0B:
            what, next_step = (
                "the passkey is wrong",
                _PASSKEY_ADVICE,
            )
        case 0x01:
            what, next_step = (
                "no passkey was entered",
                _PASSKEY_ADVICE,
            )
        case 0x03:
            what, next_step = (
                "the board keeps a bond with this host, which has lost its own half of it",
                "Recover the board, or let the application forget its bonds (bt_unpair); see "
                "CONFIG_BT_SMP_ALLOW_UNAUTH_OVERWRITE.",
            )
        case 0x05:
            what, next_step = (
                "the board does not pair",
                "Build the application with CONFIG_BT_SMP=y.",
            )
        case _:
            what, next_step = "see the UART log", "Look at the UART log around the pairing."
    return BoardError(
        f"Pairing failed: {what} (reason 0x{reason:02x}).", where=where, next_step=next_step
    )

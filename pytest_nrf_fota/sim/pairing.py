"""Who may use the SMP characteristic: permission, pairing and bonds, decided as Zephyr's host does.

Sources, all in Zephyr: bt_gatt_check_perm() in subsys/bluetooth/host/gatt.c, update_keys_check(),
smp_ident_addr_info() and security_err_get() in smp.c next to it. bumble does the arithmetic; what
it decides otherwise than Zephyr is overridden here (bumble 0.0.228).
"""

import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Protocol, TypeAlias

from bumble.att import ErrorCode as AttErrorCode
from bumble.device import Connection, Device
from bumble.hci import Address
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.smp import (
    ErrorCode,
    PairingMethod,
    Session,
    SMP_Identity_Address_Information_Command,
    SMP_Pairing_Failed_Command,
)
from typing_extensions import assert_never

Permission: TypeAlias = Literal["none", "encrypted", "authenticated"]

MOST_PASSKEY = 999_999
"""A passkey has six decimal digits (Bluetooth Core, Vol 3 Part H, 2.3.5.3)."""


class SecurityLevel(IntEnum):
    """How far a connection is protected, numbered as Zephyr's bt_security_t."""

    NO_SECURITY = 1
    ENCRYPTED = 2
    AUTHENTICATED = 3


class SecurityError(IntEnum):
    """What Zephyr calls a failed pairing: its enum bt_security_err (bluetooth/conn.h)."""

    AUTH_FAIL = 1
    OOB_NOT_AVAILABLE = 3
    AUTH_REQUIREMENT = 4
    PAIR_NOT_SUPPORTED = 5
    PAIR_NOT_ALLOWED = 6
    INVALID_PARAM = 7
    UNSPECIFIED = 9


@dataclass(frozen=True)
class Security:
    """Build options of one application.

    Args:
        permission: of the SMP characteristic and its CCC descriptor. "none" also means an
            application without CONFIG_BT_SMP, which refuses to pair (inferred).
        fixed_passkey: shown instead of a random one (CONFIG_BT_FIXED_PASSKEY).
        keeps_bonds: whether bonds outlive a reset (CONFIG_BT_SETTINGS).
        gives_identity: whether it tells a central that pairs how to know its private addresses
            (CONFIG_BT_PRIVACY).
        att_error_tells_missing_key: see `boards.ncs.Release`.
    """

    permission: Permission = "none"
    fixed_passkey: int | None = None
    keeps_bonds: bool = True
    gives_identity: bool = False
    att_error_tells_missing_key: bool = True


class PairingEvents(Protocol):
    """What the application hears of a pairing (Zephyr: bt_conn_auth_cb, bt_conn_auth_info_cb)."""

    def on_passkey(self, peer: str, passkey: int) -> None:
        """Show this passkey to the user."""

    def on_paired(self) -> None:
        """Pairing succeeded."""

    def on_pairing_failed(self, peer: str, reason: int, *, by_peer: bool) -> None:
        """Pairing failed, with the reason that went over the air (Core, Vol 3 Part H, 3.5.5)."""


def refusal(security: Security, level: SecurityLevel, *, has_key: bool) -> AttErrorCode | None:
    """The ATT error for an access on a connection of this level; None where it is allowed.

    `has_key` is whether the board has a key of this central, from a bond or a pairing.
    """
    match security.permission:
        case "none":
            needed, too_little = SecurityLevel.NO_SECURITY, AttErrorCode.INSUFFICIENT_ENCRYPTION
        case "encrypted":
            needed, too_little = SecurityLevel.ENCRYPTED, AttErrorCode.INSUFFICIENT_ENCRYPTION
        case "authenticated":
            needed, too_little = (
                SecurityLevel.AUTHENTICATED,
                AttErrorCode.INSUFFICIENT_AUTHENTICATION,
            )
        case _:
            assert_never(security.permission)
    if level >= needed:
        return None
    if not security.att_error_tells_missing_key or level > SecurityLevel.NO_SECURITY:
        return too_little
    if has_key:
        return AttErrorCode.INSUFFICIENT_ENCRYPTION
    return AttErrorCode.INSUFFICIENT_AUTHENTICATION


def has_key_of(bonds: MemoryKeyStore, connection: Connection) -> bool:
    """Whether the board has a key to encrypt this connection with."""
    bond = bonds.all_keys.get(str(connection.peer_address))
    return bond is not None and bond.ltk is not None


def security_error(reason: int) -> SecurityError:
    """What Zephyr tells the application for a reason that went over the air."""
    match reason:
        case (
            ErrorCode.PASSKEY_ENTRY_FAILED
            | ErrorCode.DHKEY_CHECK_FAILED
            | ErrorCode.NUMERIC_COMPARISON_FAILED
            | ErrorCode.CONFIRM_VALUE_FAILED
        ):
            return SecurityError.AUTH_FAIL
        case ErrorCode.OOB_NOT_AVAILABLE:
            return SecurityError.OOB_NOT_AVAILABLE
        case ErrorCode.AUTHENTICATION_REQUIREMENTS | ErrorCode.ENCRYPTION_KEY_SIZE:
            return SecurityError.AUTH_REQUIREMENT
        case ErrorCode.PAIRING_NOT_SUPPORTED | ErrorCode.COMMAND_NOT_SUPPORTED:
            return SecurityError.PAIR_NOT_SUPPORTED
        case (
            ErrorCode.REPEATED_ATTEMPTS
            | ErrorCode.BD_EDR_PAIRING_IN_PROGRESS
            | ErrorCode.CROSS_TRANSPORT_KEY_DERIVATION_NOT_ALLOWED
        ):
            return SecurityError.PAIR_NOT_ALLOWED
        case ErrorCode.INVALID_PARAMETERS:
            return SecurityError.INVALID_PARAM
        case _:
            return SecurityError.UNSPECIFIED


def set_up_pairing(
    device: Device, security: Security, bonds: MemoryKeyStore, events: PairingEvents
) -> None:
    """Let a peripheral pair as an application with these build options does."""
    device.keystore = bonds
    device.smp_session_proxy = _ZephyrSession

    def configure(connection: Connection) -> PairingConfig:
        return PairingConfig(
            mitm=security.permission == "authenticated",
            delegate=_Delegate(security, bonds, events, _as_zephyr_prints(connection.peer_address)),
        )

    device.pairing_config_factory = configure


def level_of(device: Device, bonds: MemoryKeyStore, connection: Connection) -> SecurityLevel:
    """How far a connection is protected, from the pairing on it or from an earlier bond."""
    if not connection.is_encrypted:
        return SecurityLevel.NO_SECURITY
    session = device.smp_manager.sessions.get(connection.handle)
    if session is not None:
        authenticated = session.pairing_method is not PairingMethod.JUST_WORKS
    else:
        bond = bonds.all_keys.get(str(connection.peer_address))
        authenticated = bool(bond and bond.ltk and bond.ltk.authenticated)
    return SecurityLevel.AUTHENTICATED if authenticated else SecurityLevel.ENCRYPTED


class _Delegate(PairingDelegate):
    """What the application contributes to one pairing; bumble's own extension point."""

    def __init__(
        self, security: Security, bonds: MemoryKeyStore, events: PairingEvents, peer: str
    ) -> None:
        super().__init__(
            io_capability=PairingDelegate.DISPLAY_OUTPUT_ONLY
            if security.permission == "authenticated"
            else PairingDelegate.NO_OUTPUT_NO_INPUT,
            local_responder_key_distribution=_keys_given(security),
        )
        self.bonds = bonds
        self._security = security
        self._events = events
        self._peer = peer

    async def accept(self) -> bool:
        return self._security.permission != "none"

    async def generate_passkey(self) -> int:
        if self._security.fixed_passkey is not None:
            return self._security.fixed_passkey
        # Not 0, which bumble takes for no passkey at all.
        return 1 + secrets.randbelow(MOST_PASSKEY)

    async def display_number(self, number: int, digits: int) -> None:
        del digits
        self._events.on_passkey(self._peer, number)

    def on_failed(self, reason: int, *, by_peer: bool) -> None:
        """The pairing failed."""
        self._events.on_pairing_failed(self._peer, reason, by_peer=by_peer)


class _ZephyrSession(Session):
    """One pairing; bumble's own extension point."""

    _failed_by_peer = False

    def send_pairing_response_command(self) -> None:
        # Without CONFIG_BT_SMP_ALLOW_UNAUTH_OVERWRITE no pairing without authentication replaces a
        # bond: whoever lost its half of it is refused until the board forgets the other half.
        delegate = self._delegate()
        has_bond = str(self.connection.peer_address) in delegate.bonds.all_keys
        if has_bond and self.pairing_method is PairingMethod.JUST_WORKS:
            self.send_pairing_failed(ErrorCode.AUTHENTICATION_REQUIREMENTS)
        else:
            super().send_pairing_response_command()

    def on_smp_identity_address_information_command(
        self, command: SMP_Identity_Address_Information_Command
    ) -> None:
        # A bond belongs to the address of the connection, unless that is a resolvable one.
        if self.connection.peer_address.is_resolvable:
            self.peer_bd_addr = command.bd_addr
        self.check_key_distribution(SMP_Identity_Address_Information_Command)

    def on_smp_pairing_failed_command(self, command: SMP_Pairing_Failed_Command) -> None:
        self._failed_by_peer = True
        super().on_smp_pairing_failed_command(command)

    def on_pairing_failure(self, reason: ErrorCode) -> None:
        # bumble would keep the failed session, and a second try on this connection would go wrong.
        if self.completed:
            return
        self.completed = True
        self.on_disconnection(0)
        self._delegate().on_failed(reason, by_peer=self._failed_by_peer)

    def _delegate(self) -> _Delegate:
        delegate = self.pairing_config.delegate
        assert isinstance(delegate, _Delegate)
        return delegate


def _keys_given(security: Security) -> PairingDelegate.KeyDistribution:
    keys = PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY
    if security.gives_identity:
        keys |= PairingDelegate.KeyDistribution.DISTRIBUTE_IDENTITY_KEY
    # Without CONFIG_BT_PRIVACY Zephyr gives no identity of its own away.
    return keys


def _as_zephyr_prints(address: Address) -> str:
    kind = "public" if address.is_public else "random"
    return f"{address.to_string(with_type_qualifier=False)} ({kind})"

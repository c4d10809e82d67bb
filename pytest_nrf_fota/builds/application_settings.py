"""What an application was built with that a run has to know: its SMP's pairing, its shell."""

from dataclasses import dataclass

from pytest_nrf_fota.boards.board import Pairing
from pytest_nrf_fota.builds.kconfig import Kconfig

# Zephyr, subsys/mgmt/mcumgr/transport/Kconfig.bluetooth: the names of v4.1, and those before 3.7.
BLUETOOTH_OPTIONS = ("MCUMGR_TRANSPORT_BT", "MCUMGR_SMP_BT")
_PASSKEY_OPTIONS = (
    "MCUMGR_TRANSPORT_BT_PERM_RW_AUTHEN",
    "MCUMGR_TRANSPORT_BT_AUTHEN",
    "MCUMGR_SMP_BT_AUTHEN",
)
_ENCRYPTION_OPTIONS = ("MCUMGR_TRANSPORT_BT_PERM_RW_ENCRYPT",)


@dataclass(frozen=True)
class AskedPairing:
    """What SMP over Bluetooth asks of a host; `option` says so, empty for none."""

    pairing: Pairing
    option: str = ""


def asked_pairing(application: Kconfig) -> AskedPairing | None:
    """The pairing that the application's SMP asks for; None without SMP over Bluetooth."""
    if not application.is_on(*BLUETOOTH_OPTIONS):
        return None
    for option in _PASSKEY_OPTIONS:
        if application.is_on(option):
            return AskedPairing("passkey", f"CONFIG_{option}")
    for option in _ENCRYPTION_OPTIONS:
        if application.is_on(option):
            return AskedPairing("just_works", f"CONFIG_{option}")
    return AskedPairing("none")


def has_bluetooth(application: Kconfig) -> bool:
    """Whether it has Bluetooth, for whatever (Zephyr, subsys/bluetooth/Kconfig)."""
    return application.is_on("BT", *BLUETOOTH_OPTIONS)


def has_shell(application: Kconfig) -> bool:
    """Whether commands can be typed on its UART."""
    return application.is_on("SHELL_BACKEND_SERIAL")


def has_flash_shell(application: Kconfig) -> bool:
    """Whether its shell has the `flash` commands (Zephyr v4.1, drivers/flash/Kconfig)."""
    return application.is_on("FLASH_SHELL")

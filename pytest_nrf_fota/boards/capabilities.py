"""What a board may have or not, by the names that tests ask for: `@pytest.mark.needs("nsib")`."""

from enum import Enum
from typing import TYPE_CHECKING

from typing_extensions import assert_never

if TYPE_CHECKING:
    from pytest_nrf_fota.boards.board import BoardType


class Capability(Enum):
    """One thing that a board may have; the value is its name in the marker."""

    NSIB = "nsib"
    BLE = "ble"
    NETCORE = "netcore"
    EXTERNAL_FLASH = "external_flash"
    SIGNATURE = "signature"
    IMAGE_GROUP = "image_group"
    SET_PENDING = "set_pending"
    HIGHEST_VERSION = "highest_version"
    REVERT = "revert"
    SERIAL_RECOVERY = "serial_recovery"
    SECOND_RESET = "second_reset"
    WRONG_FILE_CLEANUP = "wrong_file_cleanup"
    WRONG_FILE_STAYS = "wrong_file_stays"
    MCUBOOT_UPDATE = "mcuboot_update"
    ROLLBACK_PROTECTION = "rollback_protection"
    SHELL = "shell"
    FLASH_SHELL = "flash_shell"
    PROBE_ERASE = "probe_erase"
    FAULT_INJECTION = "fault_injection"
    SWAP_RESET = "swap_reset"
    NETCORE_SLOTS = "netcore_slots"
    POWER = "power"

    @property
    def meaning(self) -> str:
        """What a board with it has, in one sentence."""
        match self:
            case Capability.NSIB:
                return "NSIB chooses between two MCUboots, in S0 and S1."
            case Capability.BLE:
                return "SMP reaches the board over Bluetooth LE."
            case Capability.NETCORE:
                return "The board has a network core with flash of its own."
            case Capability.EXTERNAL_FLASH:
                return "MCUboot's update slot lies in external flash."
            case Capability.SIGNATURE:
                return "MCUboot refuses images that are signed with a wrong key, or not at all."
            case Capability.IMAGE_GROUP:
                return "The application has SMP's image group, so it can be updated."
            case Capability.SET_PENDING:
                return "MCUboot takes an image that was set pending over SMP, as test or permanent."
            case Capability.HIGHEST_VERSION:
                return "MCUboot takes the valid image of the highest version; none is set pending."
            case Capability.SERIAL_RECOVERY:
                return "MCUboot takes images itself, in serial recovery, where SMP asks for it."
            case Capability.REVERT:
                return "MCUboot brings the old image back unless the new one is confirmed."
            case Capability.SECOND_RESET:
                return "A new MCUboot runs only after a reset that the harness has to add."
            case Capability.MCUBOOT_UPDATE:
                return "NSIB chooses each MCUboot that was sent, before it runs."
            case Capability.ROLLBACK_PROTECTION:
                return "NSIB keeps the highest version in a counter, and refuses lower ones."
            case Capability.WRONG_FILE_CLEANUP:
                return (
                    "MCUboot erases an update for the slot (S0/S1) that runs (NCS 2.8 and later)."
                )
            case Capability.WRONG_FILE_STAYS:
                return "MCUboot keeps an update for the slot (S0/S1) that runs (up to NCS 2.7)."
            case Capability.SHELL:
                return "The application has a Zephyr shell on the console."
            case Capability.FLASH_SHELL:
                return "The application's shell can erase the external flash."
            case Capability.PROBE_ERASE:
                return "The probe can erase the external flash."
            case Capability.FAULT_INJECTION:
                return "Flash operations and messages can be made to fail at a chosen moment."
            case Capability.SWAP_RESET:
                return "The board can be reset in the middle of a swap, at a chosen flash erase."
            case Capability.NETCORE_SLOTS:
                return "The network core is updated over SMP, through image slots of its own."
            case Capability.POWER:
                return "The harness can cut the board's power."
            case _:
                assert_never(self)


def capabilities_of(board: "BoardType") -> frozenset[Capability]:
    """Everything that boards of this type have, read from the board file."""
    return frozenset(capability for capability in Capability if _has(board, capability))


def capability_named(name: str) -> Capability:
    """The capability of this name. Raises `ValueError` that names all known ones."""
    try:
        return Capability(name)
    except ValueError:
        known = ", ".join(capability.value for capability in Capability)
        raise ValueError(f"no board capability is named {name!r}; known: {known}") from None


def _has(board: "BoardType", capability: Capability) -> bool:
    mode = board.boot.bootloader_mode
    given = capability in board.provided_by.capabilities
    match capability:
        case Capability.NSIB:
            return board.slots.s0 is not None and board.slots.s1 is not None
        case Capability.BLE:
            return board.radio.kind == "ble"
        case Capability.NETCORE:
            return any(core.value == "network" for core in board.probe.recover)
        case Capability.EXTERNAL_FLASH:
            is_external = board.soc.is_external(board.slots.secondary.address)
            return board.external_flash is not None and is_external
        case Capability.SIGNATURE:
            return mode != "none" and board.boot.checks_signature
        case Capability.IMAGE_GROUP:
            return mode != "none"
        case Capability.SET_PENDING:
            return board.boot.takes_pending_images
        case Capability.HIGHEST_VERSION:
            return mode == "ram_load"
        case Capability.SERIAL_RECOVERY:
            return board.boot.recovery_ready is not None
        case Capability.REVERT:
            return mode in ("swap_scratch", "swap_move", "swap_offset")
        case Capability.SECOND_RESET:
            return board.slots.s0 is not None and board.boot.resets_until_new_mcuboot_runs > 1
        case Capability.MCUBOOT_UPDATE:
            # Beside slots of the network core, NCS to 2.7 takes it for an application (linkage.py):
            # a file for the running slot is copied over the application.
            return board.slots.s0 is not None and (
                board.slots.secondary_network is None or board.boot.release.knows_s_slots
            )
        case Capability.ROLLBACK_PROTECTION:
            return board.slots.s0 is not None and board.boot.release.nsib.counts_versions
        case Capability.WRONG_FILE_CLEANUP:
            return board.slots.s0 is not None and board.boot.release.knows_s_slots
        case Capability.WRONG_FILE_STAYS:
            return board.slots.s0 is not None and not board.boot.release.knows_s_slots
        case Capability.SHELL:
            return board.console.has_shell
        case Capability.FLASH_SHELL:
            return board.external_flash is not None and board.console.can_erase_flash
        case Capability.PROBE_ERASE:
            return board.external_flash is not None and given
        case Capability.SWAP_RESET:
            return given and (board.qemu is None or mode == "swap_offset")
        case Capability.NETCORE_SLOTS:
            return board.slots.secondary_network is not None
        case Capability.FAULT_INJECTION | Capability.POWER:
            return given
        case _:
            assert_never(capability)

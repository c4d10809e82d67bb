"""Firmware that differs from the right update in one thing, for tests that must see it matter."""

from enum import Enum

from typing_extensions import assert_never


class Variant(Enum):
    """One thing that is different; `FirmwareSource.variant` makes it where it can."""

    APP_UNSIGNED = "app_unsigned"
    APP_WRONG_KEY = "app_wrong_key"
    APP_TAMPERED = "app_tampered"
    APP_TRUNCATED = "app_truncated"
    APP_TOO_LARGE = "app_too_large"
    APP_SAME_VERSION = "app_same_version"
    APP_OLDER = "app_older"
    APP_NEXT_KEY = "app_next_key"
    APP_NEVER_ADVERTISES = "app_never_advertises"
    APP_HANGS_IN_BOOT = "app_hangs_in_boot"
    APP_FAULTS_IN_BOOT = "app_faults_in_boot"
    APP_NEEDS_PAIRING = "app_needs_pairing"
    APP_CHANGES_ADDRESS = "app_changes_address"
    APP_AND_NETWORK = "app_and_network"
    APP_AND_BAD_NETWORK = "app_and_bad_network"
    NETWORK_ONLY = "network_only"
    MCUBOOT_SAME_VERSION = "mcuboot_same_version"
    MCUBOOT_LOW_PACKAGE_VERSION = "mcuboot_low_package_version"
    MCUBOOT_UNPROVISIONED_KEY = "mcuboot_unprovisioned_key"
    MCUBOOT_TAMPERED = "mcuboot_tampered"
    MCUBOOT_TWO_APP_KEYS = "mcuboot_two_app_keys"
    MCUBOOT_NEXT_APP_KEY = "mcuboot_next_app_key"
    MCUBOOT_NEXT_NSIB_KEY = "mcuboot_next_nsib_key"
    BASELINE_NO_DOWNGRADE = "baseline_no_downgrade"
    BASELINE_TWO_NSIB_KEYS = "baseline_two_nsib_keys"
    BASELINE_OLDER_PROVISIONING = "baseline_older_provisioning"
    BASELINE_SILENT_MCUBOOT = "baseline_silent_mcuboot"
    BASELINE_SILENT_BOOTLOADERS = "baseline_silent_bootloaders"

    @property
    def is_baseline(self) -> bool:
        """Whether it is a hex file to start from, and no update."""
        return self in (
            Variant.BASELINE_NO_DOWNGRADE,
            Variant.BASELINE_TWO_NSIB_KEYS,
            Variant.BASELINE_OLDER_PROVISIONING,
            Variant.BASELINE_SILENT_MCUBOOT,
            Variant.BASELINE_SILENT_BOOTLOADERS,
        )

    @property
    def meaning(self) -> str:
        """What it is, in one sentence."""
        match self:
            case Variant.APP_UNSIGNED:
                return "The application's update without a signature; its hash is right."
            case Variant.APP_WRONG_KEY:
                return "The application's update, signed with a key that no MCUboot knows."
            case Variant.APP_TAMPERED:
                return "The application's update with one bit of its content changed."
            case Variant.APP_TRUNCATED:
                return "The application's update without the end of its content."
            case Variant.APP_TOO_LARGE:
                return "The application's update in a file that is larger than its slot."
            case Variant.APP_SAME_VERSION:
                return "Another application of the version that the baseline holds."
            case Variant.APP_OLDER:
                return "An application whose version is lower than the update's."
            case Variant.APP_NEXT_KEY:
                return "A further application, signed with the key that comes after today's."
            case Variant.APP_NEVER_ADVERTISES:
                return "The application's update, which runs and never advertises."
            case Variant.APP_HANGS_IN_BOOT:
                return "The application's update, which hangs while it starts Bluetooth."
            case Variant.APP_FAULTS_IN_BOOT:
                return "The application's update, which ends in an MPU fault in each boot."
            case Variant.APP_NEEDS_PAIRING:
                return "The application's update, which asks for pairing with a passkey."
            case Variant.APP_CHANGES_ADDRESS:
                return "The application's update, which has a new address in each boot."
            case Variant.APP_AND_NETWORK:
                return "One package with an update of the application and one of the network core."
            case Variant.APP_AND_BAD_NETWORK:
                return "The same, with a network core image that its bootloader b0n refuses."
            case Variant.NETWORK_ONLY:
                return "A package with an update of the network core alone."
            case Variant.MCUBOOT_SAME_VERSION:
                return "A MCUboot that differs from the baseline's in all but its FW_INFO version."
            case Variant.MCUBOOT_LOW_PACKAGE_VERSION:
                return (
                    "A MCUboot of FW_INFO version baseline + 2, whose package version (imgtool) is "
                    "lower than that of any other."
                )
            case Variant.MCUBOOT_UNPROVISIONED_KEY:
                return "MCUboot's update, signed for NSIB with a key that is not provisioned."
            case Variant.MCUBOOT_TAMPERED:
                return "MCUboot's update with a changed bit under NSIB's signature, not MCUboot's."
            case Variant.MCUBOOT_TWO_APP_KEYS:
                return (
                    "A MCUboot (baseline + 1) that takes applications of today's and the next key."
                )
            case Variant.MCUBOOT_NEXT_APP_KEY:
                return "A MCUboot (baseline + 2) that takes applications of the next key only."
            case Variant.MCUBOOT_NEXT_NSIB_KEY:
                return "MCUboot's update, signed for NSIB with the second of its two keys."
            case Variant.BASELINE_NO_DOWNGRADE:
                return "A baseline whose MCUboot refuses applications of a lower version."
            case Variant.BASELINE_TWO_NSIB_KEYS:
                return "A baseline with two provisioned keys, of which the first one signed it."
            case Variant.BASELINE_OLDER_PROVISIONING:
                return "A baseline with the provisioning data of a build for NCS 2.6 or before."
            case Variant.BASELINE_SILENT_MCUBOOT:
                return "A baseline whose MCUboot prints nothing, as builds without a log."
            case Variant.BASELINE_SILENT_BOOTLOADERS:
                return "A baseline of which the application alone prints: NSIB is silent, too."
            case _:
                assert_never(self)

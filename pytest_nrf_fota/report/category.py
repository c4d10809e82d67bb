"""Kinds of failures, as people sort them: whose turn is it?"""

import re
from enum import Enum

import pytest

from pytest_nrf_fota.errors import (
    ConnectionBrokeError,
    FaultNotStruckError,
    FotaError,
    IgnoredVerdictError,
    InputError,
    RigError,
)
from pytest_nrf_fota.verdict.ending import Ending
from pytest_nrf_fota.verdict.evidence import UpgradeNotProvenError


class Category(Enum):
    """The kind of a failure; the value is its name in labels and properties."""

    RIG = "rig"
    NOT_NEWER = "not newer"
    REFUSED = "refused by bootloader"
    CRASH = "crash"
    LINK = "link"
    UNPROVEN = "unproven"
    HARNESS = "harness"

    @property
    def title(self) -> str:
        """For people. No title begins as another one does."""
        return _TITLES[self]

    @property
    def is_no_result(self) -> bool:
        """Whether it says nothing about the firmware."""
        return self in (Category.RIG, Category.HARNESS)


_TITLES = {
    Category.RIG: "Test setup",
    Category.NOT_NEWER: "Update not newer",
    Category.REFUSED: "Refused by a bootloader",
    Category.CRASH: "Firmware crashed",
    Category.LINK: "Link broke or stalled",
    Category.UNPROVEN: "Not proven",
    Category.HARNESS: "Harness or test",
}

# Codes of docs/diagnosis.md. What is in no list leaves the upgrade unproven.
_NOT_NEWER = frozenset(
    (
        *("nsib_version_not_raised", "nsib_rollback", "downgrade_prevented", "update_not_newer"),
        *("same_image", "network_core_not_newer", "s_slot_counts_as_newer"),
        *("security_counter_failed", "nsib_burnt_earlier"),
    )
)
_CRASH = frozenset(
    (
        *("stack_overflow", "cpu_fault", "assertion_failed", "controller_assertion"),
        *("fatal_error", "watchdog_reset", "boot_loop", "bootloader_panicked"),
        *("fault_before_nsib_lines", "board_reset_during_upload", "network_core_update_loop"),
    )
)
_LINK = frozenset(
    (
        *("connection_lost_during_upload", "upload_stalled", "upload_refused_midway"),
        *("upload_resumed_wrongly", "request_unanswered", "download_failed"),
        *("smp_buffers_exhausted", "smp_fragment_dropped", "controller_silent"),
        "pairing_required",
    )
)
_REFUSED = frozenset(
    (
        *("image_damaged", "image_not_signed", "image_carries_whole_key", "image_of_another_key"),
        *("image_damaged_on_the_way", "secondary_image_invalid", "primary_image_invalid"),
        *("primary_slot_empty", "primary_not_an_image", "wrong_s_file", "wrong_load_address"),
        *("secondary_cleaned_up", "slots_do_not_fit", "no_room_to_swap", "too_few_sectors"),
        *("linked_for_no_image_pair", "mcuboot_taken_for_network_core"),
        *("ext_api_missing", "network_core_refused", "load_failed", "decompression_failed"),
        *("nsib_revoked_key", "nsib_wrong_key", "nsib_key_changed", "nsib_counter_full"),
        *("nsib_signature_damaged", "nsib_signature_unfit", "nsib_malformed", "nsib_burnt_slot"),
        *("nsib_keys_unusable", "nsib_nothing_to_start", "nothing_to_start"),
    )
)
_BY_CODE = (
    (_NOT_NEWER, Category.NOT_NEWER),
    (_CRASH, Category.CRASH),
    (_LINK, Category.LINK),
    (_REFUSED, Category.REFUSED),
)


def category_of(error: BaseException, code: str) -> Category:
    """The kind of a failure, from its exception and the code of its cause."""
    match error:
        case RigError():
            return Category.RIG
        case FaultNotStruckError() | IgnoredVerdictError() | InputError():
            return Category.HARNESS
        case _:
            pass
    for codes, category in _BY_CODE:
        if code in codes:
            return category
    match error:
        case ConnectionBrokeError():
            return Category.LINK
        case UpgradeNotProvenError(verdict=verdict) if verdict.ending is Ending.REFUSED:
            return Category.REFUSED
        case FotaError() | AssertionError() | pytest.fail.Exception():
            return Category.UNPROVEN
        case _:
            return Category.HARNESS


def code_of(error: BaseException) -> str:
    """A code for a failure of which no log says why: how the upgrade ended, or the exception."""
    if isinstance(error, UpgradeNotProvenError):
        return error.verdict.ending.name.lower()
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(error).__name__)
    return name.lower()

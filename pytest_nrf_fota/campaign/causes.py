"""What was done to a case that keeps the update from running, and the endings that name it."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from pytest_nrf_fota.campaign.case import Case, Fault, Package, Stage, State, Step
from pytest_nrf_fota.verdict.ending import Ending


class Injected(Enum):
    """One thing that keeps an update from running, or from being of use."""

    BAD_IMAGE = "an image that bootloaders refuse"
    TOO_LARGE = "an image that is too large"
    NOT_NEWER = "a MCUboot whose FW_INFO version is not higher"
    NOT_UPLOADED = "no upload"
    WRONG_SLOT = "the file for the other slot was sent last"
    SECOND_WRITER = "another client's upload"
    OTHER_PENDING = "another image pending"
    NOT_PENDING = "not set pending"
    NOT_RESET = "no reset"
    FURTHER_RESET_MISSING = "a reset too few"
    REVERTED = "a reset too many, so it was reverted"
    CRASHES = "an application that crashes"
    HANGS = "an application that is never ready"
    INTERRUPTED = "a power cut or a reset in the middle"


_BAD_IMAGES = (
    Package.APP_UNSIGNED,
    Package.APP_WRONG_KEY,
    Package.APP_TAMPERED,
    Package.APP_TRUNCATED,
    Package.APP_AND_BAD_NETWORK,
    Package.MCUBOOT_UNPROVISIONED_KEY,
    Package.MCUBOOT_TAMPERED,
)
_HANGING = (Package.APP_HANGS_IN_BOOT, Package.APP_NEVER_ADVERTISES)
_INTERRUPTIONS = (Fault.POWER_CUT, Fault.RESET_AT_ERASE, Fault.RESET_IN_UPLOAD)
_NO_IMAGE_THERE = frozenset({Ending.CLIENT_FAILED, Ending.NOT_MARKED, Ending.NOT_PENDING})

NAMED_BY: Mapping[Injected, frozenset[Ending]] = MappingProxyType(
    {
        Injected.BAD_IMAGE: frozenset({Ending.REFUSED, Ending.CLIENT_FAILED}),
        Injected.TOO_LARGE: frozenset({Ending.CLIENT_FAILED}),
        Injected.NOT_NEWER: frozenset({Ending.NOT_CHOSEN}),
        Injected.NOT_UPLOADED: _NO_IMAGE_THERE,
        Injected.WRONG_SLOT: _NO_IMAGE_THERE | {Ending.REFUSED},
        Injected.SECOND_WRITER: _NO_IMAGE_THERE | {Ending.REFUSED},
        Injected.OTHER_PENDING: _NO_IMAGE_THERE,
        Injected.NOT_PENDING: frozenset({Ending.NOT_MARKED, Ending.NOT_PENDING}),
        Injected.NOT_RESET: frozenset({Ending.NOT_RESET}),
        Injected.FURTHER_RESET_MISSING: frozenset({Ending.NEEDS_RESET}),
        Injected.REVERTED: frozenset({Ending.REVERTED}),
        Injected.CRASHES: frozenset({Ending.NOT_READY, Ending.REVERTED}),
        Injected.HANGS: frozenset({Ending.NOT_READY}),
        Injected.INTERRUPTED: frozenset({Ending.CUT, Ending.GIVEN_UP, Ending.SPOILT}),
    }
)
"""The endings of a verdict that name what was injected."""


def injected_into(case: Case) -> frozenset[Injected]:
    """Everything that was done to a case, also where one thing hides another."""
    found = _by_package(case) | _by_steps(case) | _by_state(case)
    if case.fault.kind in _INTERRUPTIONS:
        found.add(Injected.INTERRUPTED)
    return frozenset(found)


def can_be_named(case: Case, cause: Injected) -> bool:
    """Whether somebody says it: a silent bootloader keeps to itself what it refused or reverted.

    An interruption names itself only where it spoils something.
    """
    match cause:
        case Injected.INTERRUPTED:
            return False
        case Injected.BAD_IMAGE | Injected.REVERTED:
            return case.is_console_whole and Stage.MCUBOOT not in case.silent
        case Injected.CRASHES | Injected.HANGS | Injected.NOT_NEWER | Injected.NOT_RESET:
            return case.is_console_whole
        case _:
            return True


def _by_package(case: Case) -> set[Injected]:
    match case.package:
        case package if package in _BAD_IMAGES:
            return {Injected.BAD_IMAGE}
        case package if package in _HANGING:
            return {Injected.HANGS}
        case Package.APP_TOO_LARGE:
            return {Injected.TOO_LARGE}
        case Package.APP_FAULTS_IN_BOOT:
            return {Injected.CRASHES}
        case Package.MCUBOOT_SAME_VERSION:
            return {Injected.NOT_NEWER}
        case _:
            return set()


def _by_steps(case: Case) -> set[Injected]:
    found: set[Injected] = set()
    resets = case.steps.count(Step.RESET) + case.steps.count(Step.ONE_MORE_RESET)
    if Step.UPLOAD not in case.steps:
        found.add(Injected.NOT_UPLOADED)
    if Step.UPLOAD_OTHER_SLOT in case.steps:
        found.add(Injected.WRONG_SLOT)
    if Step.SECOND_WRITER in case.steps or Step.OTHER_UPGRADE in case.steps:
        found.add(Injected.SECOND_WRITER)
    if Step.SET_PENDING not in case.steps:
        found.add(Injected.NOT_PENDING)
    if not resets:
        found.add(Injected.NOT_RESET)
    if case.package.is_bootloader:
        if Step.FURTHER_RESETS not in case.steps or not case.steps.count(Step.RESET):
            found.add(Injected.FURTHER_RESET_MISSING)
    elif resets > 1:
        found.add(Injected.REVERTED)
    return found


def _by_state(case: Case) -> set[Injected]:
    match case.state:
        case State.OTHER_APP_PENDING | State.OTHER_APP_ON_TEST:
            return {Injected.OTHER_PENDING}
        case State.S1_RUNS if case.package.is_bootloader and case.package is not Package.MCUBOOT:
            return {Injected.NOT_NEWER}
        case _:
            return set()

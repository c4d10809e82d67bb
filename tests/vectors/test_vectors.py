"""What Nordic's own bootloader code did with given flash states, against the virtual kit.

The recordings (nsib/FORMAT.md, mcuboot/FORMAT.md) come from the bootloaders' sources compiled for a
PC. They are data: a difference is mended in the virtual kit, never here.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pytest_nrf_fota.boards.ncs import RELEASES, Release
from tests.vectors import recorded_b0n, recorded_mcuboot, recorded_nsib

_NSIB = sorted(
    path.name.removesuffix(".jsonl.gz")
    for path in recorded_nsib.FOLDER.glob("*.jsonl.gz")
    if "b0n" not in path.name
)
_B0N = sorted(
    path.name.removesuffix(".jsonl.gz") for path in recorded_nsib.FOLDER.glob("nsib-b0n-*.jsonl.gz")
)
_MCUBOOT = sorted(
    path.name.removesuffix(".jsonl.gz") for path in recorded_mcuboot.FOLDER.glob("*.jsonl.gz")
)


def test_all_recordings_are_there() -> None:
    assert (len(_NSIB), len(_B0N), len(_MCUBOOT)) == (8, 3, 13)


@pytest.mark.parametrize("name", _NSIB)
def test_nsib_does_what_the_real_one_did(name: str) -> None:
    """Decision, address of the jump, every line, every word that it changed."""
    differences = [
        f"{state.id} ({state.about or state.kind}), boot {number}\n  real {real}\n  kit  {kit}"
        for state in recorded_nsib.recorded_states(name)
        for number, (real, kit) in enumerate(_nsib_boots(state), start=1)
        if kit != real
    ]

    assert not differences, _report(differences)


@pytest.mark.parametrize("name", _B0N)
def test_b0n_does_what_the_real_one_did(name: str) -> None:
    """How it ended, and every line."""
    differences = [
        f"{state.id} ({state.about or state.kind})\n  real {state.boots[0]}\n  kit  {kit}"
        for state in recorded_b0n.recorded_runs(name)
        if (kit := recorded_b0n.run_on_kit(state, RELEASES[state.release])) != state.boots[0]
    ]

    assert not differences, _report(differences)


@pytest.mark.parametrize("name", _MCUBOOT)
def test_mcuboot_does_what_the_real_one_did(name: str) -> None:
    """Decision, address, every line, number of flash operations, every byte of each area."""
    differences = [
        f"{state.id} ({state.about or state.kind}), boot {number}\n  real {real}\n  kit  {kit}"
        for state in recorded_mcuboot.recorded_states(name)
        for number, (real, kit) in enumerate(_mcuboot_boots(state), start=1)
        if kit != real
    ]

    assert not differences, _report(differences)


def _nsib_boots(
    state: recorded_nsib.NsibState,
) -> Iterator[tuple[recorded_nsib.NsibBoot, recorded_nsib.NsibBoot]]:
    boots = recorded_nsib.boots_on_kit(state, _release_of(state))
    return zip(state.boots, boots, strict=True)


def _release_of(state: recorded_nsib.NsibState) -> Release:
    release = RELEASES[state.release]
    if state.options is None:
        return release
    counts = state.options.rollback_protection
    return replace(release, nsib=replace(release.nsib, counts_versions=counts))


def _mcuboot_boots(state: recorded_mcuboot.McubootState) -> Iterator[tuple[object, object]]:
    for real, kit in recorded_mcuboot.boots_on_kit(state, RELEASES[state.release]):
        yield (
            (real.decision, real.address, real.operations, real.lines, real.sha256),
            (kit.decision, kit.address, kit.operations, kit.lines, kit.sha256()),
        )


def _report(differences: list[str]) -> str:
    return f"{len(differences)} boots differ, the first of them:\n" + "\n".join(differences[:3])

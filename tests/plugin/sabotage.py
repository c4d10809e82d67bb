"""A pytest plugin that takes from the scenarios of `tests/hil` what they are about.

`-p sabotage --sabotages=FILE`: a JSON file says for each scenario by what it is sabotaged; it runs
once with each, and everything else is not run. Verbs are replaced from outside and say yes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from pytest_nrf_fota.artifacts.source import FirmwareSource
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.dut import Dut, PathLike
from pytest_nrf_fota.dut.upgrade import Upgrade
from pytest_nrf_fota.firmware.variant import Variant
from pytest_nrf_fota.smp.mcumgr import Mcumgr
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.verdict.evidence import Verdict
from pytest_nrf_fota.wires.faults import Faults

Sabotage: TypeAlias = Callable[[pytest.FixtureRequest, pytest.MonkeyPatch], None]


def nothing_is_sent(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Every upload succeeds, every image becomes pending, and the board has seen none of it."""

    def upload(
        self: Mcumgr,
        image: bytes,
        *,
        image_number: int = 0,
        within_s: float,
        on_progress: Callable[[int], None] | None = None,
        reconnects: int = 0,
    ) -> None:
        for done_bytes in (0, len(image)):
            if on_progress is not None:
                on_progress(done_bytes)

    def agree(self: Mcumgr, image_hash: bytes | None = None) -> tuple[ImageState, ...]:
        states = self.get_image_list()
        return (*states, replace(states[0], slot=1, hash=image_hash or b"", pending=True))

    patch.setattr(Mcumgr, "image_upload", upload)
    patch.setattr(Mcumgr, "image_test", agree)
    patch.setattr(Mcumgr, "image_confirm", agree)


def right_file(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """What is sent and set pending is always the package's own file, whole."""
    upload, set_pending = Upgrade.upload, Upgrade.set_pending

    def upload_right_file(
        self: Upgrade,
        file: object = None,
        *,
        on_progress: Callable[[int], None] | None = None,
        reconnects: int = 0,
    ) -> None:
        upload(self, on_progress=on_progress, reconnects=reconnects)

    def set_right_file_pending(
        self: Upgrade, file: object = None, *, permanent: bool = False
    ) -> None:
        set_pending(self, permanent=permanent)

    patch.setattr(Upgrade, "upload", upload_right_file)
    patch.setattr(Upgrade, "set_pending", set_right_file_pending)


def broken_off_at_once(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """An upload that is to end half-way sends nothing."""

    def upload_until(self: Upgrade, offset_bytes: int) -> None:
        return None

    patch.setattr(Upgrade, "upload_until", upload_until)


def never_broken_off(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """An upload that is to end half-way goes on to its end."""

    def upload_until(self: Upgrade, offset_bytes: int) -> None:
        self.upload()

    patch.setattr(Upgrade, "upload_until", upload_until)


def set_pending_permanently(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """There is no trial."""
    set_pending = Upgrade.set_pending

    def set_permanent(self: Upgrade, *, permanent: bool = False) -> None:
        set_pending(self, permanent=True)

    patch.setattr(Upgrade, "set_pending", set_permanent)


def set_pending_for_test(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """There is only a trial."""
    set_pending = Upgrade.set_pending

    def set_for_test(self: Upgrade, *, permanent: bool = False) -> None:
        set_pending(self)

    patch.setattr(Upgrade, "set_pending", set_for_test)


def never_set_pending(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The image is uploaded, and the board never hears which one it is to take."""

    def agree(self: Mcumgr, image_hash: bytes | None = None) -> tuple[ImageState, ...]:
        return tuple(
            replace(state, pending=state.hash == image_hash) for state in self.get_image_list()
        )

    patch.setattr(Mcumgr, "image_test", agree)
    patch.setattr(Mcumgr, "image_confirm", agree)


def reset_once_pending(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The board is reset, which is what must not happen."""
    set_pending = Upgrade.set_pending

    def set_pending_with_reset(self: Upgrade) -> None:
        set_pending(self)
        self.reset()

    patch.setattr(Upgrade, "set_pending", set_pending_with_reset)


def never_confirmed(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Nobody confirms the trial."""

    def confirm_if_proven(self: Upgrade, verdict: Verdict) -> None:
        return None

    patch.setattr(Upgrade, "confirm_if_proven", confirm_if_proven)


def no_reset_over_smp(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The reset that is to start the update is left out."""

    def reset(self: Upgrade, *, records_failure: bool = True) -> Boot:
        return self.boot_before

    patch.setattr(Upgrade, "reset", reset)


def no_reset_by_probe(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Once the board is prepared, the probe resets it no more."""

    def reset(self: Dut) -> Boot:
        return self.last_boot()

    _once_prepared(patch, lambda: patch.setattr(Dut, "reset", reset))


def no_erase_by_shell(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Once the board is prepared, the shell erases nothing."""

    def erase(self: Dut) -> None:
        return None

    _once_prepared(patch, lambda: patch.setattr(Dut, "erase_external_flash", erase))


def no_erase_by_probe(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The probe erases nothing."""

    def erase(self: Dut) -> None:
        return None

    patch.setattr(Dut, "erase_external_flash_by_probe", erase)


def no_flash_by_test(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Once the board is prepared, what the probe is to program does not reach it."""
    dut: Dut = request.getfixturevalue("dut")

    def program(hex_file: Path, deadline: Deadline) -> None:
        return None

    _once_prepared(patch, lambda: patch.setattr(dut.probe, "program", program))


def prepare_that_only_flashes(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The third `prepare` of a scenario leaves everything beside the baseline as it is."""
    prepare, done = Dut.prepare, iter((True, True))

    def flash_only(self: Dut, baseline: PathLike) -> Boot:
        if next(done, False):
            return prepare(self, baseline)
        self.flash(baseline)
        return self.reset()

    patch.setattr(Dut, "prepare", flash_only)


def good_app(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """What is wrong or special with an application is not: it is the plain update."""
    source: FirmwareSource = request.getfixturevalue("firmware")
    variant = source.variant

    def good(wanted: Variant) -> Path:
        match wanted:
            case Variant.APP_AND_BAD_NETWORK:
                return variant(Variant.APP_AND_NETWORK)
            case _ if wanted.value.startswith("app") or wanted is Variant.NETWORK_ONLY:
                return source.app_update
            case _:
                return variant(wanted)

    patch.setattr(source, "variant", good)


def good_mcuboot(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """What is wrong or special with a MCUboot is not."""
    source: FirmwareSource = request.getfixturevalue("firmware")
    variant = source.variant

    def good(wanted: Variant) -> Path:
        match wanted:
            case Variant.MCUBOOT_LOW_PACKAGE_VERSION | Variant.MCUBOOT_NEXT_APP_KEY:
                return source.mcuboot_raised(2)
            case _ if wanted.value.startswith("mcuboot"):
                return source.mcuboot_update
            case _:
                return variant(wanted)

    # First: reading what it replaces asks for the variant.
    patch.setattr(source, "mcuboot_same_version", source.mcuboot_update)
    patch.setattr(source, "variant", good)


def good_baseline(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """What is special with a baseline is not."""
    source: FirmwareSource = request.getfixturevalue("firmware")
    variant = source.variant

    def good(wanted: Variant) -> Path:
        return source.baseline if wanted.is_baseline else variant(wanted)

    patch.setattr(source, "variant", good)


def no_lost_link(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The BLE link stays where it was to be dropped."""

    def lose_connection() -> None:
        return None

    patch.setattr(_faults(request), "lose_connection", lose_connection)


def no_lost_link_in_upload(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The BLE link stays where an upload was to lose it."""

    def lose_connection(offset_bytes: int, image_number: int = 0) -> None:
        return None

    patch.setattr(_faults(request), "lose_connection_at_upload_byte", lose_connection)


def no_reset_in_upload(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """No reset strikes the upload."""

    def reset(offset_bytes: int) -> None:
        return None

    patch.setattr(_faults(request), "reset_at_upload_byte", reset)


def no_reset_in_swap(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The board is reset once, and the swap is left in peace."""
    dut: Dut = request.getfixturevalue("dut")

    def reset(number: int) -> None:
        dut.probe.reset(dut.board.probe.reset, Deadline.after(dut.board.timeouts.probe_s))

    patch.setattr(_faults(request), "reset_again_at_erase", reset)


def no_power_cut(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The power stays, and is said to have been lost."""
    faults = _faults(request)

    def cut_power(number: int) -> None:
        return None

    def wait_for_power_loss(timeout_s: float) -> None:
        return None

    patch.setattr(faults, "cut_power_at_operation", cut_power)
    patch.setattr(faults, "wait_for_power_loss", wait_for_power_loss)


def power_that_starts_the_board(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """When the power is back the board boots at once: the swap goes on before anything is done."""
    faults = _faults(request)
    dut: Dut = request.getfixturevalue("dut")
    restore_power = faults.restore_power

    def restore(*, starts: bool = True) -> None:
        since = dut.console.position()
        restore_power()
        dut.wait_for_boot(since)

    patch.setattr(faults, "restore_power", restore)


def no_noise(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The UART is quiet."""

    def noise_at_log_line(regex: str, noise: bytes) -> None:
        return None

    patch.setattr(_faults(request), "noise_at_log_line", noise_at_log_line)


def no_unplugging(request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """The console's plug stays in."""

    def unplug_console() -> None:
        return None

    patch.setattr(_faults(request), "unplug_console", unplug_console)


SABOTAGES: Mapping[str, Sabotage] = {
    sabotage.__name__: sabotage
    for sabotage in (
        *(nothing_is_sent, right_file, broken_off_at_once, never_broken_off),
        *(
            set_pending_permanently,
            set_pending_for_test,
            never_set_pending,
            reset_once_pending,
            never_confirmed,
        ),
        *(no_reset_over_smp, no_reset_by_probe, no_erase_by_shell, no_erase_by_probe),
        *(no_flash_by_test, prepare_that_only_flashes),
        *(good_app, good_mcuboot, good_baseline),
        *(no_lost_link, no_lost_link_in_upload, no_reset_in_upload, no_reset_in_swap),
        *(no_power_cut, power_that_starts_the_board, no_noise, no_unplugging),
    )
}
"""All by name."""

_TABLE_KEY: pytest.StashKey[Mapping[str, list[str]]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the table."""
    parser.addoption("--sabotages", type=Path, required=True, help="JSON: scenario -> sabotages")


def pytest_configure(config: pytest.Config) -> None:
    """Read the table."""
    config.stash[_TABLE_KEY] = json.loads(config.getoption("sabotages").read_text())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each scenario once with each of its sabotages."""
    names = metafunc.config.stash[_TABLE_KEY].get(metafunc.function.__name__, [])
    sabotages = [pytest.param(SABOTAGES[name], id=name) for name in names]
    metafunc.parametrize("sabotaged", sabotages, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What has no sabotage is not run."""
    table = config.stash[_TABLE_KEY]
    items[:] = [item for item in items if item.name.partition("[")[0] in table]


@pytest.fixture(autouse=True)
def sabotaged(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario runs without its subject."""
    request.getfixturevalue("dut")
    sabotage: Sabotage = request.param
    sabotage(request, monkeypatch)


def _faults(request: pytest.FixtureRequest) -> Faults:
    faults: Faults = request.getfixturevalue("faults")
    return faults


def _once_prepared(patch: pytest.MonkeyPatch, apply: Callable[[], None]) -> None:
    prepare = Dut.prepare

    def prepare_then_apply(self: Dut, baseline: PathLike) -> Boot:
        boot = prepare(self, baseline)
        apply()
        return boot

    patch.setattr(Dut, "prepare", prepare_then_apply)

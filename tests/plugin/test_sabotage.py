"""Every scenario of `tests/hil` fails when what it is about is taken from it.

A scenario that passes without an upload, or without the fault that it names, proves nothing. The
sabotages are those of `sabotage.py`; all of a kit's scenarios run in one session of their own.
"""

import ast
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from portalocker import Lock

pytestmark = pytest.mark.long_proof

SCENARIOS = Path(__file__).parents[1] / "hil"
SESSION_TIMEOUT_S = 600.0
# No scenario's own failure: of the sabotage, or of an xdist worker.
MISTAKE = re.compile(
    r"^E +(TypeError|AttributeError|NameError|KeyError)\b|crashed while running", re.MULTILINE
)

# Short: what a sabotaged scenario waits for never comes.
_SHORT = "[timeouts]\nboot_s = 6.0\nswap_s = 4.0\napp_start_s = 4.0\n[console]\nreopen_s = 3.0\n"
KITS: Mapping[str, str] = {
    "kit_2_3": 'base = "nrf5340dk_sim"\n' + _SHORT,
    "kit_2_9": 'base = "nrf5340dk_sim"\n' + _SHORT + '[boot]\nncs = "2.9"\n',
    "kit_netcore": 'base = "nrf5340dk_sim_netcore"\n' + _SHORT,
    "kit_alone": 'base = "nrf5340dk_mcuboot_sim"\n'
    + _SHORT
    + '[boot]\nncs = "3.0"\nbootloader_mode = "overwrite_only"\n',
}
"""Board files, the packaged virtual kits with less patience."""

TABLE: Mapping[str, Mapping[str, str]] = {
    "kit_2_3": {
        # test_app_upgrade.py
        "test_app_upgrade_confirm": (
            "nothing_is_sent never_confirmed set_pending_permanently no_reset_by_probe"
        ),
        "test_app_upgrade_revert": "nothing_is_sent set_pending_permanently no_reset_by_probe",
        "test_app_upgrade_permanent": "nothing_is_sent set_pending_for_test no_reset_by_probe",
        "test_app_upgrade_repeated_10_times": "nothing_is_sent good_app",
        "test_app_upgrade_same_version": "nothing_is_sent good_app",
        "test_app_upgrade_bad_signature": "nothing_is_sent good_app no_reset_over_smp",
        "test_app_upgrade_downgrade_rejected": "nothing_is_sent good_app good_baseline",
        "test_app_upgrade_too_large_rejected": "nothing_is_sent good_app",
        "test_app_upgrade_without_magic_rejected": "nothing_is_sent right_file",
        "test_app_upgrade_half_a_file_not_pending": "nothing_is_sent right_file no_reset_by_probe",
        "test_app_upgrade_without_reset_not_proven": (
            "nothing_is_sent never_set_pending reset_once_pending"
        ),
        "test_app_upgrade_build_time_changes": "nothing_is_sent no_reset_over_smp",
        # test_clean_up.py
        "test_clean_up_by_shell": "nothing_is_sent no_erase_by_shell",
        "test_clean_up_by_probe": "nothing_is_sent no_erase_by_probe no_reset_by_probe",
        "test_clean_up_refused_while_upload_runs": "nothing_is_sent no_erase_by_shell",
        # test_cut_upgrades.py
        "test_cut_upgrade_then_external_flash_erased": (
            "nothing_is_sent no_power_cut no_erase_by_probe power_that_starts_the_board"
        ),
        "test_cut_upgrade_then_application_reflashed": (
            "nothing_is_sent no_power_cut no_flash_by_test power_that_starts_the_board"
        ),
        "test_cut_upgrade_then_recovered": (
            "nothing_is_sent no_power_cut no_flash_by_test power_that_starts_the_board"
        ),
        "test_cut_upgrade_then_update_put_in_by_probe": (
            "nothing_is_sent no_power_cut no_flash_by_test power_that_starts_the_board"
        ),
        "test_cut_upgrade_then_sent_again": "nothing_is_sent no_power_cut no_reset_by_probe",
        "test_cut_upgrade_at_many_moments": "nothing_is_sent no_power_cut no_flash_by_test",
        "test_cut_upgrade_then_external_flash_erased_at_many_moments": (
            "nothing_is_sent no_power_cut no_erase_by_probe"
        ),
        # test_key_rotation.py
        "test_key_rotation_app_key": "nothing_is_sent good_app good_mcuboot",
        "test_key_rotation_app_key_between_two_resets": "nothing_is_sent good_app good_mcuboot",
        "test_key_rotation_app_key_in_one_step_stops_board": "nothing_is_sent good_mcuboot",
        "test_key_rotation_nsib_key_revoked": "nothing_is_sent good_mcuboot good_baseline",
        # test_mcuboot_upgrade.py
        "test_mcuboot_upgrade_s0_to_s1": "nothing_is_sent never_set_pending no_reset_by_probe",
        "test_mcuboot_upgrade_s1_to_s0": "nothing_is_sent",
        "test_mcuboot_upgrade_back_and_forth": "nothing_is_sent",
        "test_mcuboot_upgrade_needs_second_reset": "nothing_is_sent no_reset_by_probe",
        "test_mcuboot_upgrade_without_reset_not_proven": (
            "nothing_is_sent never_set_pending reset_once_pending"
        ),
        "test_mcuboot_upgrade_wrong_variant_stays": (
            "nothing_is_sent right_file no_erase_by_shell no_reset_over_smp"
        ),
        "test_mcuboot_upgrade_both_variants_sent": "nothing_is_sent right_file no_reset_by_probe",
        "test_mcuboot_upgrade_same_fw_version_keeps_old": "nothing_is_sent good_mcuboot",
        "test_mcuboot_upgrade_package_version_not_newer": "nothing_is_sent good_mcuboot",
        "test_mcuboot_upgrade_unprovisioned_key_rejected": "nothing_is_sent good_mcuboot",
        "test_mcuboot_upgrade_tampered_invalidated_by_nsib": "nothing_is_sent good_mcuboot",
        "test_mcuboot_upgrade_then_app_upgrade": "nothing_is_sent no_reset_over_smp",
        "test_mcuboot_upgrade_counter_advances": "nothing_is_sent",
        "test_mcuboot_upgrade_counter_blocks_downgrade": "nothing_is_sent no_flash_by_test",
        # test_robustness.py
        "test_upload_interrupted_then_resumed": (
            "nothing_is_sent broken_off_at_once never_broken_off"
        ),
        "test_upload_interrupted_by_lost_link_then_resumed": (
            "nothing_is_sent no_lost_link_in_upload"
        ),
        "test_disconnect_at_every_phase": "nothing_is_sent no_lost_link no_lost_link_in_upload",
        "test_reset_during_upload": (
            "nothing_is_sent broken_off_at_once never_broken_off no_reset_by_probe"
        ),
        "test_reset_during_upload_in_a_flash_write": "nothing_is_sent no_reset_in_upload",
        "test_reset_during_swap_recovers": "nothing_is_sent no_reset_in_swap",
        "test_reset_during_swap_by_power_cut_recovers": "nothing_is_sent no_power_cut",
        "test_reset_during_swap_recovers_at_every_operation": "nothing_is_sent no_power_cut",
        "test_dirty_external_flash_then_upgrade": (
            "nothing_is_sent no_flash_by_test no_reset_by_probe"
        ),
        "test_stale_pending_slot": "nothing_is_sent prepare_that_only_flashes",
        "test_erased_external_flash_boots": "nothing_is_sent no_erase_by_shell no_reset_by_probe",
        "test_app_never_advertises": "nothing_is_sent good_app set_pending_permanently",
        "test_app_hangs_in_boot": "nothing_is_sent good_app set_pending_permanently",
        "test_crash_of_a_test_image_reverts": (
            "nothing_is_sent good_app set_pending_permanently no_reset_over_smp"
        ),
        "test_crash_loop_reported": "nothing_is_sent good_app set_pending_for_test",
        "test_pairing_required": "nothing_is_sent good_app",
        "test_address_changes_after_upgrade": "nothing_is_sent good_app",
        "test_uart_noise": "nothing_is_sent no_noise",
        "test_usb_serial_vanishes_and_returns": "nothing_is_sent no_unplugging",
        # test_silent_bootloaders.py
        "test_silent_app_upgrade": "nothing_is_sent never_set_pending good_baseline",
        "test_silent_app_refused": "nothing_is_sent good_app good_baseline",
        "test_silent_app_not_marked": "nothing_is_sent good_baseline",
        "test_silent_app_revert": "nothing_is_sent set_pending_permanently good_baseline",
        "test_silent_mcuboot_upgrade": "nothing_is_sent never_set_pending good_baseline",
        "test_silent_mcuboot_refused": "nothing_is_sent good_mcuboot good_baseline",
    },
    "kit_2_9": {
        "test_older_provisioning_stops_board": "good_baseline",
        "test_mcuboot_upgrade_wrong_variant_cleaned": (
            "nothing_is_sent right_file no_reset_over_smp"
        ),
    },
    "kit_netcore": {
        "test_multi_image": "nothing_is_sent good_app",
        "test_netcore_only": "nothing_is_sent good_app",
        "test_netcore_failure_reported": "nothing_is_sent good_app no_reset_over_smp",
        "test_netcore_uploaded_and_not_pending_stays_old": (
            "nothing_is_sent right_file no_reset_over_smp"
        ),
    },
    # MCUboot alone that overwrites, as most public builds have it. Only what is seen otherwise
    # than above: no NSIB's lines, an update that is gone once it is taken, other refusals.
    "kit_alone": {
        "test_app_upgrade_same_version": "nothing_is_sent good_app",
        "test_app_upgrade_bad_signature": "good_app no_reset_over_smp",
        "test_app_upgrade_downgrade_rejected": "good_app good_baseline",
        "test_app_upgrade_half_a_file_not_pending": "right_file no_reset_by_probe",
        "test_app_upgrade_without_reset_not_proven": "never_set_pending reset_once_pending",
        "test_dirty_external_flash_then_upgrade": "no_flash_by_test no_reset_by_probe",
        "test_stale_pending_slot": "nothing_is_sent prepare_that_only_flashes",
        "test_erased_external_flash_boots": "no_erase_by_shell no_reset_by_probe",
    },
}
"""For each scenario the sabotages that it must notice, on a kit that runs it."""

NO_VIRTUAL_KIT: Mapping[str, str] = {
    "test_higher_version_in_the_idle_slot_runs": "highest_version",
    "test_lower_version_in_the_idle_slot_does_not_run": "highest_version",
    "test_damaged_higher_version_is_removed": "highest_version",
    "test_idle_slot_without_magic_is_not_considered": "highest_version",
    "test_set_pending_is_refused": "highest_version",
    "test_recovery_is_entered_and_left": "serial_recovery",
    "test_recovery_writes_what_it_is_sent": "serial_recovery",
}
"""Exceptions, and what every virtual kit lacks for them; QEMU runs them (tests/peers)."""

CASES = [
    (kit, scenario, sabotage)
    for kit, scenarios in TABLE.items()
    for scenario, sabotages in scenarios.items()
    for sabotage in sabotages.split()
]


@dataclass(frozen=True)
class Result:
    """One run of a scenario: `outcome` is passed, failed, error or skipped."""

    name: str
    outcome: str
    message: str


Results: TypeAlias = Callable[[str], tuple[Result, ...]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The results on a kit, whose scenarios run when they are first asked for."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # All workers share one run.
    folder = folder / "sabotaged"
    folder.mkdir(exist_ok=True)

    def results_on(kit: str) -> tuple[Result, ...]:
        with Lock(folder / "lock", timeout=len(KITS) * SESSION_TIMEOUT_S):
            report = folder / f"{kit}.xml"
            if not report.exists():
                _run_sabotaged(kit, folder)
        return tuple(_result(case) for case in ET.parse(report).iter("testcase"))

    return results_on


@pytest.mark.parametrize(
    ("kit", "scenario", "sabotage"),
    [pytest.param(*case, id="-".join((case[1], case[2], case[0]))) for case in CASES],
)
def test_sabotage_makes_the_scenario_fail(
    results: Results, kit: str, scenario: str, sabotage: str
) -> None:
    """Each of its variants, by a failure of its own."""
    runs = [
        run
        for run in results(kit)
        if run.name.partition("[")[0] == scenario
        and sabotage in run.name.partition("[")[2].rstrip("]").split("-")
    ]
    assert runs, f"{scenario} was not run with {sabotage} on {kit}"
    for run in runs:
        assert run.outcome == "failed", (
            f"{sabotage} did not matter to {run.name} on {kit}: it {run.outcome}\n{run.message}"
        )
        assert not MISTAKE.search(run.message), f"{sabotage} itself is broken:\n{run.message}"


@pytest.mark.parametrize("kit", KITS)
@pytest.mark.parametrize("scenario", NO_VIRTUAL_KIT)
def test_exception_is_run_by_no_virtual_kit(results: Results, scenario: str, kit: str) -> None:
    """Else it would belong into the table."""
    runs = [run for run in results(kit) if run.name.partition("[")[0] == scenario]
    assert runs
    for run in runs:
        assert run.outcome == "skipped", f"{run.name} on {kit}: {run.outcome}\n{run.message}"
        assert f"has no {NO_VIRTUAL_KIT[scenario]}" in run.message


def test_every_scenario_has_a_sabotage() -> None:
    """A new scenario comes with the sabotage that it must notice."""
    found = {
        node.name
        for file in SCENARIOS.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    known = {scenario for _, scenario, _ in CASES} | set(NO_VIRTUAL_KIT)
    new, gone = sorted(found - known), sorted(known - found)
    assert not new, f"scenarios without a sabotage, add them to TABLE: {new}"
    assert not gone, f"there are no such scenarios any more: {gone}"


def _run_sabotaged(kit: str, folder: Path) -> None:
    """Write the kit's `.xml` into the folder; fail where the session did not come to its end."""
    (folder / f"{kit}.toml").write_text(
        f'name = "{kit}"\ntitle = "Virtual kit of sabotaged scenarios"\nplatforms = []\n{KITS[kit]}'
    )
    table = folder / f"{kit}.json"
    sabotages = {scenario: names.split() for scenario, names in TABLE[kit].items()}
    sabotages |= {scenario: ["nothing_is_sent"] for scenario in NO_VIRTUAL_KIT}
    table.write_text(json.dumps(sabotages))
    report = folder / f"{kit}.unfinished.xml"
    environment = {
        name: value
        for name, value in os.environ.items()
        if "PYTEST_" not in name or name == "PYTEST_ADDOPTS"
    }
    # With it pytest shows differences in full, and each test here fails.
    environment.pop("CI", None)
    paths = [str(Path(__file__).parent), environment.get("PYTHONPATH", "")]
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "sabotage", f"--sabotages={table}"),
            *(f"--board={kit}", f"--board-dir={folder}", "--nightly", "--no-preflight"),
            *("-n", "4" if len(sabotages) > 20 else "2", "--timeline=none"),
            *("-p", "no:cacheprovider", f"--junit-xml={report}"),
            *(f"--run-dir={folder / kit}", str(SCENARIOS)),
        ],
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SESSION_TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    report.rename(folder / f"{kit}.xml")


def _result(case: ET.Element) -> Result:
    name = case.get("name", "")
    for tag, outcome in (("error", "error"), ("failure", "failed"), ("skipped", "skipped")):
        said = case.find(tag)
        if said is not None:
            return Result(name, outcome, f"{said.get('message', '')}\n{said.text or ''}")
    return Result(name, "passed", "")

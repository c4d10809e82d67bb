"""What the tests of this process have shown on each kit, noted for later runs."""

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from pytest_nrf_fota.run_settings import BOARD_KEY, FILES_KEY


@dataclass
class _Tally:
    """Names of tests by how they ended on one kit."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    firmware: str = ""
    when: datetime = field(default_factory=lambda: datetime.now().astimezone())


_tallies_key: "pytest.StashKey[dict[str, _Tally]]" = pytest.StashKey()


def note_result(
    item: pytest.Item, number: str, report: pytest.TestReport, *, is_rig_s: bool
) -> None:
    """One phase of a test on a kit has ended.

    Args:
        item: the test.
        number: the kit's serial number.
        report: of the phase.
        is_rig_s: it is an error of the infrastructure.
    """
    tally = item.config.stash.setdefault(_tallies_key, {}).setdefault(number, _Tally())
    if is_rig_s or (report.failed and report.when != "call"):
        tally.errors.append(item.nodeid)
    elif report.failed:
        tally.failed.append(item.nodeid)
    elif report.passed and report.when == "call":
        tally.passed.append(item.nodeid)
    # Not the run's end, which may be hours later: the kit may have been repaired in between.
    tally.when = datetime.now().astimezone()
    if report.when == "teardown":
        tally.firmware = _firmware(item) or tally.firmware


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Note how it went, for `nrf-fota boards` and for suspicions."""
    config = session.config
    tallies = config.stash.get(_tallies_key, {})
    if not tallies:
        return
    from pytest_nrf_fota.errors import RigError
    from pytest_nrf_fota.farm.kit_results import KitRun, add_run
    from pytest_nrf_fota.report.session import session_path
    from pytest_nrf_fota.session_results import firmware_id
    from pytest_nrf_fota.session_units import kit_watch

    for number, tally in tallies.items():
        bad = {*tally.failed, *tally.errors}
        run = KitRun(
            run=str(session_path(config)),
            when=tally.when,
            board=config.stash[BOARD_KEY].name,
            passed=tuple(name for name in tally.passed if name not in bad),
            failed=tuple(tally.failed),
            errors=tuple(tally.errors),
            firmware=tally.firmware,
            firmware_id=firmware_id(config),
        )
        try:
            add_run(number, run)
        except RigError as error:
            kit_watch(config).news.append(f"{error.what} {error.where}")


def _firmware(item: pytest.Item) -> str:
    """What ran on the kit, by the last image list that the test read; empty without one."""
    files = item.stash.get(FILES_KEY, None)
    path = (files.images_after or files.images_before) if files is not None else None
    if path is None:
        return ""
    from pytest_nrf_fota.record.events import SmpMessage

    listed = SmpMessage.model_validate_json(path.read_text(encoding="utf-8")).payload.get("images")
    told: list[str] = []
    for image in listed if isinstance(listed, list) else ():
        if isinstance(image, dict) and image.get("active"):
            state = "confirmed" if image.get("confirmed") else "not confirmed"
            told.append(f"image {image.get('image', 0)}: {image.get('version')} ({state})")
    return ", ".join(told)

"""Allure's copies of time lines learn of the other tries, and tell no more than reports do."""

from datetime import datetime, timezone
from pathlib import Path

from pytest_nrf_fota.record.result import RESULT_NAME, TestResult
from pytest_nrf_fota.report.pseudonyms import Pseudonyms
from pytest_nrf_fota.report.tries import Attachments, FinishedTry, link_tries
from pytest_nrf_fota.timeline.other_tries import PLACE

KIT = "1050047412"
PAGE = f"<title>test_x</title><body>{PLACE}</body>"


def _tries(run: Path, allure: Path) -> list[FinishedTry]:
    """Two tries, the second on another kit; only the first has an attachment."""
    allure.mkdir()
    (allure / "one-attachment.html").write_text(PAGE)
    found = []
    for name, kit in (("x", KIT), ("x--2", "1050099999")):
        (run / name).mkdir(parents=True)
        (run / name / RESULT_NAME).write_text(_result_of(kit))
        found.append(FinishedTry("rerun" if name == "x" else "passed", run / name))
    found[0] = FinishedTry("rerun", found[0].folder, "one-attachment.html")
    return found


def _result_of(kit: str) -> str:
    started = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return TestResult(node_id="x", outcome="passed", kit=kit, started=started).model_dump_json()


def test_attached_page_names_the_tries(tmp_path: Path) -> None:
    tries = _tries(tmp_path / "run", tmp_path / "allure")
    nothing = Attachments(tmp_path / "allure", str, lambda kit: None)
    link_tries(tries, tmp_path / "run", nothing)
    page = (tmp_path / "allure" / "one-attachment.html").read_text()
    assert "<title>test_x (try 1 of 2)</title>" in page
    assert f'<b aria-current="page">1 failed on {KIT}</b> · 2 passed on 1050099999</nav>' in page
    assert "href" not in page


def test_attached_page_of_an_anonymous_report(tmp_path: Path) -> None:
    """Kits of workers are new to their controller."""
    tries = _tries(tmp_path / "run", tmp_path / "allure")
    names = Pseudonyms(b"0123456789abcdef", {})
    link_tries(
        tries, tmp_path / "run", Attachments(tmp_path / "allure", names.masked, names.add_kit)
    )
    page = (tmp_path / "allure" / "one-attachment.html").read_text()
    assert "1 failed on kit-" in page and KIT not in page and "1050099999" not in page


def test_attachment_that_is_gone(tmp_path: Path) -> None:
    """A worker on another host has written it there."""
    tries = _tries(tmp_path / "run", tmp_path / "allure")
    (tmp_path / "allure" / "one-attachment.html").unlink()
    link_tries(tries, tmp_path / "run", Attachments(tmp_path / "allure", str, lambda kit: None))
    assert not list((tmp_path / "allure").iterdir())

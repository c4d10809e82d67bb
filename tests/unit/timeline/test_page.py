"""The page itself, as a browser's parser would see it: what is in it, and that it is harmless."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.findings.evidence import Evidence, Says, Source
from pytest_nrf_fota.findings.finding import Finding, Origin, Shown
from pytest_nrf_fota.record.events import (
    ConsoleState,
    Event,
    FailureExplained,
    Moment,
    NetworkUartLine,
    PhaseEnded,
    PreflightDone,
    ProbeOperation,
    RadioState,
    UnitTaken,
    VerdictReached,
)
from pytest_nrf_fota.timeline.collect import time_line
from pytest_nrf_fota.timeline.log_rows import MOST_ROWS, log_rows
from pytest_nrf_fota.timeline.page import headline
from pytest_nrf_fota.timeline.values import Result, Tone
from pytest_nrf_fota.timeline.write import write_page
from tests.unit.timeline.recorded import PORT, refused_update, smp, step, uart, write_recorder

EVIL = "</script></style><img src=x onerror=alert(1)>\"'`&<svg onload=alert(2)>"


class _Seen(HTMLParser):
    """Elements, their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.text += data

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def _page(recorder: Path) -> str:
    output = recorder.with_name("page.html")
    write_page(recorder, output)
    return output.read_text()


def _evil_everywhere(evil: str) -> list[Event]:
    finding = Finding(evil, evil, evil, (Shown(Origin.LOG, 1, evil),))
    return [
        UnitTaken(unit=evil, board=evil),
        ConsoleState(port=evil, state="lost", detail=evil),
        *uart([evil]),
        NetworkUartLine(port=PORT, text=evil),
        ProbeOperation(operation=evil, detail=evil, duration_s=0.1, error=evil),
        RadioState(state="failed", detail=evil),
        smp("request", 1, evil, off=0, text=evil),
        Moment(name=evil),
        *step(evil, error=evil),
        PreflightDone(answer="no", package=evil, reason=evil),
        VerdictReached(
            outcome=evil,
            subject=evil,
            reason=evil,
            evidence=(Evidence(Source.UART, Says.OLD, evil),),
            preflight=evil,
            notes=(evil,),
        ),
        FailureExplained(ending=evil, causes=(finding,), text=evil),
        PhaseEnded(phase="call", outcome="failed", why=evil),
    ]


def test_no_text_of_a_recorder_becomes_an_element(tmp_path: Path) -> None:
    """The same elements as with harmless texts, and no attribute that runs something."""
    evil = _Seen(_page(write_recorder(tmp_path / "r", _evil_everywhere(EVIL))))
    tame = _Seen(_page(write_recorder(tmp_path / "r", _evil_everywhere("x" * len(EVIL)))))
    assert "img" not in evil.tags
    # Backticks of causes are code.
    count = {tag: sum(one == tag for one, _ in evil.elements) for tag in tame.tags - {"code"}}
    assert count == {tag: sum(one == tag for one, _ in tame.elements) for tag in count}
    assert evil.tags == tame.tags
    attributes = {name for _, found in evil.elements for name in found}
    assert not [name for name in attributes if name.startswith("on")]
    assert EVIL.replace("`", "") in evil.text.replace("`", "")


def test_the_policy_lets_our_script_run_and_nothing_else(tmp_path: Path) -> None:
    page = _Seen(_page(write_recorder(tmp_path / "r", refused_update())))
    (policy,) = [
        str(found["content"])
        for tag, found in page.elements
        if found.get("http-equiv") == "Content-Security-Policy"
    ]
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; ")


def test_nothing_is_loaded_and_every_link_has_its_line(tmp_path: Path) -> None:
    page = _Seen(_page(write_recorder(tmp_path / "r", refused_update())))
    ids = {found["id"] for _, found in page.elements if "id" in found}
    links = {str(found["href"]) for _, found in page.elements if "href" in found}
    assert links
    assert {link[1:] for link in links} <= ids
    assert not [found for _, found in page.elements if "src" in found]
    assert page.tags.isdisjoint({"link", "iframe", "object", "embed", "form", "base"})


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=40))
def test_any_text_is_written(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Half of a surrogate pair, NUL, marks that turn the writing direction."""
    folder = tmp_path_factory.mktemp("any")
    text = text.encode("utf-8", "replace").decode()
    page = _page(write_recorder(folder / "r", [*uart([text]), Moment(name=text)]))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


def test_of_a_long_log_what_decided_is_kept_and_the_rest_is_bounded(tmp_path: Path) -> None:
    chatter = [f"[00:00:00.000,000] <inf> sensor: {number}" for number in range(20_000)]
    events = [*uart(chatter), *refused_update(), *uart(chatter)]
    recorder = write_recorder(tmp_path / "r", events)
    line = time_line(recorder)
    rows = log_rows(recorder, line)
    assert len(rows) < MOST_ROWS
    numbers = {row.number for row in rows}
    assert {one.number for one in line.decisive} <= numbers
    assert [row.text for row in rows if row.decisive] == [one.text for one in line.decisive]
    pointed_at = {m.number for lane in line.lanes for row in lane.rows for m in row}
    assert pointed_at <= numbers
    shown = f"{line.event_count - len(rows)} of {line.event_count} events are left out"
    assert shown in _page(recorder)


def test_headlines(tmp_path: Path) -> None:
    """What is read first is what went wrong, whoever says so."""
    path = write_recorder(tmp_path / "r", refused_update())
    refused = headline(time_line(path))
    assert (refused.badge, refused.tone) == ("NOT UPGRADED", Tone.BAD)
    assert refused.text == "MCUboot 14 in S0 -> 15 in S1: NOT UPGRADED"
    assert "'Failed to validate signature.'" in refused.why
    wanted = headline(time_line(path, Result("passed")))
    assert (wanted.badge, wanted.text, wanted.tone) == ("PASSED", refused.text, Tone.GOOD)
    path.write_bytes(path.read_bytes()[:-100])
    assert headline(time_line(path)).badge == "BROKEN OFF"
    write_recorder(path, [*step("flash", error="ProbeError: gone")])
    failed = headline(time_line(path, Result("error", "ProbeError: gone")))
    assert (failed.badge, failed.text) == ("ERROR", "ProbeError: gone")


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    recorder = write_recorder(tmp_path / "recorder.jsonl", refused_update())
    page = tmp_path / "page.html"
    page.mkdir()
    with pytest.raises(OSError, match=re.escape(page.name)):
        write_page(recorder, page)
    assert sorted(tmp_path.iterdir()) == [page, recorder]

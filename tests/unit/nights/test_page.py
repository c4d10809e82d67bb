"""The page: escaped, without network or scripts, readable at both widths, by keyboard alone."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection

from pytest_nrf_fota.nights.collect import make_report
from pytest_nrf_fota.nights.page import write_page
from pytest_nrf_fota.record.result import (
    RESULT_NAME,
    CauseOfFailure,
    Measured,
    TestResult,
    write_result,
)
from tests.unit.nights.chromium import browser, chromium, opened, shown_texts
from tests.unit.nights.month import FIRST_EVENING, Farm, Injected, write_month

ALL_WRONG = Injected("test_cut_swap_case_08", 5, "1050012335", 3, "1050012349", 4)
NASTY = "<script>alert(1)</script>\"'&{{ 7*7 }}</style>"

needs_chromium = pytest.mark.skipif(
    chromium() is None, reason="no chromium or google-chrome on the PATH to open the page in"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a farm in which all three troubles are."""
    folder = tmp_path_factory.mktemp("farm")
    write_month(Farm(nights=8, kits=8, scenarios=24, injected=ALL_WRONG), folder)
    made = make_report([folder])
    return write_page(made.report, folder / "report", made.store_folder)


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientConnection]:
    """One browser for all tests here."""
    with browser(tmp_path_factory.mktemp("chromium")) as connection:
        yield connection


def write_test(folder: Path, result: TestResult) -> Path:
    """A test's folder with its result."""
    folder.mkdir(parents=True)
    write_result(folder / RESULT_NAME, result)
    return folder


def failed(name: str, **more: object) -> TestResult:
    """A failure, made by hand."""
    return TestResult(
        node_id=f"t.py::{name}",
        board="nrf5340dk",
        kit="1",
        outcome="failed",
        side="firmware",
        causes=(CauseOfFailure(code="code", text="why"),),
        started=FIRST_EVENING,
    ).model_copy(update=more)


def test_all_texts_are_escaped(tmp_path: Path) -> None:
    """Whatever a board, a tool or a test's name says."""
    result = failed(
        NASTY,
        board=NASTY,
        kit=NASTY,
        host=NASTY,
        failure=NASTY,
        causes=(CauseOfFailure(code=NASTY, text=NASTY, remedy=NASTY),),
        measurements=(Measured(name=NASTY, value=1.0, unit=NASTY),),
        firmware_id=NASTY,
    )
    write_test(tmp_path / "run" / "a", result)
    (tmp_path / "run" / "<b>").mkdir()
    (tmp_path / "run" / "<b>" / RESULT_NAME).write_text("{")
    made = make_report([tmp_path / "run"])
    text = write_page(made.report, tmp_path, made.store_folder).read_text(encoding="utf-8")
    assert "<script" not in text
    assert text.count("</style>") == 1
    assert "&lt;b&gt;" in text
    assert "{{ 7*7 }}" in html.unescape(text) and "49" not in re.sub(r"\d{3,}", "", text)
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call `a <b>` now", "call <code>a &lt;b&gt;</code> now"),
        ("`a` and `b`", "<code>a</code> and <code>b</code>"),
        ("one ` alone", "one ` alone"),
        ("`a` then ` alone", "<code>a</code> then ` alone"),
    ],
)
def test_what_stands_in_backticks_is_code(tmp_path: Path, text: str, shown: str) -> None:
    causes = (CauseOfFailure(code="code", text="why", remedy=text),)
    write_test(tmp_path / "run" / "a", failed("test_a", causes=causes))
    made = make_report([tmp_path / "run"])
    page = write_page(made.report, tmp_path, made.store_folder).read_text(encoding="utf-8")
    assert f"</b> {shown}</p>" in page


def test_trends_say_what_was_measured_not_what_the_chart_spans(tmp_path: Path) -> None:
    """A chart has room above and below: no kit had -1 retries."""
    measured = (
        Measured(name="upload retries", value=0.0, unit="times"),
        Measured(name="boot time", value=7.5, unit="s"),
    )
    write_test(tmp_path / "run" / "a", failed("test_a", measurements=measured))
    more = (Measured(name="boot time", value=8.5, unit="s"),)
    write_test(tmp_path / "run" / "b", failed("test_a", kit="2", measurements=more))
    made = make_report([tmp_path / "run"])
    page = write_page(made.report, tmp_path, made.store_folder).read_text(encoding="utf-8")
    captions = re.findall(r'<figcaption><span class="soft">(.*?)</span>', page)
    assert sorted(captions) == ["0 times", "7.5 to 8.5 s"]


def links(page: Path) -> list[str]:
    """Where the page's links lead, but for those within it."""
    found = re.findall(r'href="([^"#]+)"', page.read_text(encoding="utf-8"))
    return [html.unescape(one) for one in found]


def test_links_lead_to_the_time_line_else_to_the_folder(tmp_path: Path) -> None:
    with_time_line = write_test(tmp_path / "run" / "gw0" / "t--[a b]#1", failed("test_a"))
    (with_time_line / "timeline.html").write_text("<p>time line")
    write_test(tmp_path / "run" / "gw0" / "t--b", failed("test_b"))
    made = make_report([tmp_path / "run"])
    page = write_page(made.report, tmp_path / "out" / "deep", made.store_folder)
    assert set(links(page)) == {
        "../../run/gw0/t--%5Ba%20b%5D%231/timeline.html",
        "../../run/gw0/t--b/",
    }


def test_a_cell_shows_the_tries_of_its_test(tmp_path: Path) -> None:
    """Each leads to its own evidence, and one that failed and passed is a flake."""
    run = tmp_path / "run"
    first = write_test(run / "test", failed("test"))
    (first / "timeline.html").write_text("")
    passed = {"outcome": "passed", "side": "", "causes": ()}
    write_test(run / "test--2", failed("test", try_number=2, **passed))
    many = {"repeats": "t.py::test_many", **passed}
    for number in range(1, 9):
        more = many if number < 8 else {"repeats": "t.py::test_many"}
        write_test(run / f"many-{number}", failed(f"test_many[{number}-8]", **more))
    made = make_report([tmp_path])
    text = write_page(made.report, tmp_path / "report", made.store_folder).read_text()
    assert '<span class="state">passed on try 2</span>' in text
    assert (
        'flake</span> tries: <a href="../run/test/timeline.html">1 failed</a> · '
        '<a href="../run/test--2/">2 passed</a></p>'
    ) in text
    # Of many, what failed is among those that are shown.
    assert '<span class="state">1 of 8 failed</span>' in text
    assert 'tries: <a href="../run/many-8/">8 of 8 failed</a> · ' in text and "and 2 more" in text
    assert "Flaky in this night: test_many on nrf5340dk, test on nrf5340dk." in text


def test_no_link_to_a_folder_that_is_gone(tmp_path: Path) -> None:
    folder = write_test(tmp_path / "run" / "t--a", failed("test_a"))
    made = make_report([tmp_path / "run"])
    (folder / RESULT_NAME).unlink()
    folder.rmdir()
    assert links(write_page(made.report, tmp_path, made.store_folder)) == []


def test_a_night_without_failures(tmp_path: Path) -> None:
    write_test(tmp_path / "run" / "t--a", failed("test_a", outcome="passed", side="", causes=()))
    made = make_report([tmp_path / "run"])
    text = write_page(made.report, tmp_path, made.store_folder).read_text(encoding="utf-8")
    assert "Nothing broke." in text
    assert "Failures by cause" not in text


@needs_chromium
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_in_a_browser(page: Path, chrome: ClientConnection, width: int, is_dark: bool) -> None:
    with opened(chrome, page, width=width, is_dark=is_dark) as tab:
        assert tab.said == []
        assert tab.requests == [page.resolve().as_uri()]
        # The page itself does not scroll sideways; wide tables do, in themselves.
        assert tab.value("document.documentElement.scrollWidth") <= width
        what = shown_texts(tab, ".headlines .what")
        assert [one.partition(" ")[0] for one in what[:3]] == [
            "test_cut_swap_case_08",
            "Kit",
            "Upload",
        ]
        # What a person sees first, without scrolling.
        top = "document.querySelector('.headlines li').getBoundingClientRect().top"
        assert tab.value(top) < 300
        red, green, blue = map(int, re.findall(r"\d+", tab.value(BACKGROUND))[:3])
        assert (red + green + blue < 3 * 128) is is_dark


BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@needs_chromium
def test_by_keyboard(page: Path, chrome: ClientConnection) -> None:
    """Each link, each fold and each wide table is reached, and Enter opens a fold."""
    with opened(chrome, page, width=1400) as tab:
        assert tab.value("document.querySelectorAll('details[open]').length") == 0
        tab.press("Tab")
        assert tab.value("document.activeElement.className") == "skip"
        tab.press("Tab")
        assert tab.value("document.activeElement.tagName") == "SUMMARY"
        tab.press("Enter")
        assert tab.value("document.querySelectorAll('details[open]').length") == 1
        tab.press("Tab")
        assert tab.value("document.activeElement.tagName") == "A"
        href = tab.value("document.activeElement.getAttribute('href')")
        assert (page.parent / href).is_dir()
        unreachable = (
            "[...document.querySelectorAll('a, summary, .wide')].filter(e => e.tabIndex < 0)"
        )
        assert tab.value(f"{unreachable}.length") == 0


@needs_chromium
def test_on_paper(page: Path, chrome: ClientConnection) -> None:
    with opened(chrome, page, width=1400, is_dark=True) as tab:
        tab.ask("Emulation.setEmulatedMedia", media="print")
        assert tab.value(BACKGROUND) == "rgb(255, 255, 255)"
        assert tab.value("getComputedStyle(document.querySelector('nav')).display") == "none"
        assert len(tab.ask("Page.printToPDF")["data"]) > 1000

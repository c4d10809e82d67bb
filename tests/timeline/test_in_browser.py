"""Pages of real runs, opened in Chromium: what they show, and that they work for everybody."""

import re
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pytest_nrf_fota.record.events import Moment
from pytest_nrf_fota.timeline.write import write_page
from tests.timeline.browser import Browser
from tests.unit.timeline.recorded import refused_update, smp, uart, write_recorder

# What a person has to see first, and the lines that decided.
SHOWN = {
    "upgraded": ("PASSED", r"MCUboot 14 in S0 -> 15 in S1: UPGRADED", "Starting bootloader 15"),
    "refused": (
        "FAILED",
        r"MCUboot 14 in S0 -> 15 in S1: NOT UPGRADED",
        "Failed to validate, permanently invalidating!",
    ),
    "reverted": ("FAILED", r"application 1\.0\.0 .* NOT UPGRADED", "Swap type: revert"),
    "cut": ("FAILED", r"The connection broke while trying to upload", "connection lost"),
    "crash": ("FAILED", r"application|FAULT|crash", "FAULT"),
}
TOO_WIDE = "const e = document.documentElement; return e.scrollWidth > e.clientWidth"
# The ratio of WCAG 2.1 (relative luminance) between a text and what is behind it.
CONTRASTS = """
const channels = (color) => (color.match(/[0-9.]+/g) || []).map(Number);
const luminance = (color) => {
  const [r, g, b] = channels(color).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const color = getComputedStyle(one).backgroundColor, parts = channels(color);
    if (parts.length === 3 || parts[3] === 1) return color;
  }
  return "rgb(255, 255, 255)";
};
const found = {};
for (const element of document.querySelectorAll("body *:not(script):not(svg *)")) {
  const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!own || !element.checkVisibility()) continue;
  const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) found[element.className || element.tagName] = ratio;
}
return found;
"""


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (390, "dark"),
        (1400, "light"),
        pytest.param(390, "light", marks=pytest.mark.long_proof),
        pytest.param(1400, "dark", marks=pytest.mark.long_proof),
    ],
)
@pytest.mark.parametrize("name", SHOWN)
def test_page_is_readable_and_silent(
    name: str, width: int, scheme: str, browser: Browser, pages: dict[str, Path]
) -> None:
    """It fits into the window, its texts stand out, it asks nothing of a network."""
    browser.open(pages[name], width, scheme)
    badge, headline, decisive = SHOWN[name]
    assert browser.driver.find_element(By.CSS_SELECTOR, ".badge").text == badge
    assert re.search(headline, browser.driver.find_element(By.TAG_NAME, "h1").text)
    decided = browser.driver.find_element(By.CSS_SELECTOR, ".decided")
    assert decisive in decided.text
    assert browser.run(TOO_WIDE) is False
    assert browser.run(CONTRASTS) == {}
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert browser.complaints() == []


@pytest.mark.parametrize(
    "name",
    [
        *("upgraded", "refused"),
        *(
            pytest.param(name, marks=pytest.mark.long_proof)
            for name in SHOWN
            if name not in ("upgraded", "refused")
        ),
    ],
)
def test_each_decisive_line_is_a_click_away(
    name: str, browser: Browser, pages: dict[str, Path]
) -> None:
    """From the list, and from the pins over the lanes, to the line in the log, in sight."""
    browser.open(pages[name])
    links = browser.driver.find_elements(By.CSS_SELECTOR, ".decided a, .pins a")
    assert links
    for link in links:
        place = str(link.get_attribute("href")).rpartition("#")[2]
        ActionChains(browser.driver).scroll_to_element(link).perform()
        link.click()
        row = browser.driver.find_element(By.ID, place)
        assert "decisive" in str(row.get_attribute("class"))
        assert browser.run("return arguments[0].matches(':target')", row)
        top = browser.run("return arguments[0].getBoundingClientRect().top", row)
        assert isinstance(top, (int, float))
        assert 0 <= top < 900
    assert browser.complaints() == []


def test_a_mark_tells_what_it_is_to_mouse_and_keyboard(
    browser: Browser, pages: dict[str, Path]
) -> None:
    """Tab reaches each row once, arrows go from mark to mark, Enter goes to the log."""
    browser.open(pages["refused"])
    tip = browser.driver.find_element(By.ID, "tip")
    mark = browser.driver.find_element(By.CSS_SELECTOR, "[aria-label='Radio, depth 1'] .m")
    ActionChains(browser.driver).move_to_element(mark).perform()
    assert "connecting" in tip.text
    keys = ActionChains(browser.driver)
    browser.driver.find_element(By.ID, "scroller").click()
    browser.run("document.getElementById('scroller').focus()")
    rows = []
    for _ in range(40):
        keys.send_keys(Keys.TAB).perform()
        if browser.focused.get_attribute("id") == "filter":
            break
        rows.append(str(browser.focused.get_attribute("aria-label")))
        assert tip.text == rows[-1]
    groups = browser.driver.find_elements(By.CSS_SELECTOR, "svg[role=group]")
    assert len(rows) == len(groups) + 1  # and the pins
    first = next(place for place, text in enumerate(rows) if "boot 1, NSIB" in text)
    for _ in range(len(rows) - first):
        keys.key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    keys.send_keys(Keys.ARROW_RIGHT).perform()
    assert "boot 1, MCUboot" in str(browser.focused.get_attribute("aria-label"))
    keys.send_keys(Keys.END).perform()
    assert "application" in str(browser.focused.get_attribute("aria-label"))
    keys.send_keys(Keys.ARROW_DOWN).perform()
    href = str(browser.focused.get_dom_attribute("href"))
    keys.send_keys(Keys.ENTER).perform()
    assert browser.driver.current_url.endswith(f"timeline.html{href}")
    keys.send_keys(Keys.ESCAPE).perform()
    assert browser.complaints() == []


@pytest.mark.long_proof
def test_zoom_shows_what_is_too_close_to_be_told_apart(
    browser: Browser, pages: dict[str, Path]
) -> None:
    """The lanes get wider, the page does not; the decision is in the middle."""
    browser.open(pages["refused"])
    # Which mark has room for its label at which zoom depends on how long the run took.
    labels = (
        "return [...document.querySelectorAll('.m text')]"
        ".filter((t) => /^from(2|4|8|16|32|64)$/.test(t.getAttribute('class')))"
        ".map((t) => t.checkVisibility())"
    )
    shown = browser.run(labels)
    assert isinstance(shown, list)
    assert set(shown) == {False}
    browser.driver.find_element(By.ID, "decision").click()
    assert browser.driver.find_element(By.ID, "zoom").text == "16\N{MULTIPLICATION SIGN}"
    pin = browser.driver.find_element(By.CSS_SELECTOR, ".pins .pin.bad")
    left = browser.run("return arguments[0].getBoundingClientRect().left", pin)
    assert isinstance(left, (int, float))
    assert 500 < left < 900
    for _ in range(2):
        browser.driver.find_element(By.ID, "in").click()
    assert browser.run(labels) == [True] * len(shown)
    assert browser.run(TOO_WIDE) is False
    browser.driver.find_element(By.ID, "fit").click()
    assert browser.driver.find_element(By.ID, "zoom").text == "1\N{MULTIPLICATION SIGN}"


@pytest.mark.long_proof
def test_log_is_filtered_and_a_hidden_line_comes_back_when_it_is_wanted(
    browser: Browser, pages: dict[str, Path]
) -> None:
    """By text, and by what decided."""
    browser.open(pages["refused"])
    rows = "return [...document.querySelectorAll('#rows tr')].filter((r) => !r.hidden).length"
    every = browser.run(rows)
    browser.driver.find_element(By.ID, "filter").send_keys("image upload")
    some = browser.run(rows)
    assert isinstance(every, int)
    assert isinstance(some, int)
    assert 0 < some < every
    browser.driver.find_element(By.CSS_SELECTOR, ".decided a").click()
    assert browser.run(rows) == every
    browser.driver.find_element(By.ID, "only").click()
    texts = [
        row.text for row in browser.driver.find_elements(By.CSS_SELECTOR, "#rows tr") if row.text
    ]
    assert any("permanently invalidating" in text for text in texts)
    assert not any("image upload" in text for text in texts)


def test_without_scripts_the_page_still_tells_and_leads(
    browser: Browser, pages: dict[str, Path]
) -> None:
    """As in Allure's report, which shows attachments in a frame without any."""
    driver = browser.driver
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(pages["refused"])
        link = driver.find_element(By.CSS_SELECTOR, ".decided a")
        place = str(link.get_attribute("href"))
        link.click()
        assert driver.current_url == place
        assert driver.find_element(By.CSS_SELECTOR, ".m.app").is_displayed()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.long_proof
def test_paper_has_the_lanes_and_the_lines_around_the_decision(
    browser: Browser, pages: dict[str, Path]
) -> None:
    """No buttons, and not ten pages of log."""
    browser.open(pages["refused"], width=794, media="print")
    shown = "return [...document.querySelectorAll('#rows tr')].filter((r) => r.checkVisibility())"
    rows = browser.run(f"{shown}.map((r) => r.textContent)")
    assert isinstance(rows, list)
    assert any("permanently invalidating" in text for text in rows)
    every = browser.driver.find_elements(By.CSS_SELECTOR, "#rows tr")
    assert len(rows) < len(every) / 2
    assert not browser.driver.find_element(By.ID, "in").is_displayed()
    lanes = browser.run("return document.getElementById('inner').getBoundingClientRect().right")
    assert isinstance(lanes, (int, float))
    assert lanes <= 794


def test_a_line_of_the_board_cannot_run_anything(browser: Browser, tmp_path: Path) -> None:
    """In no place where it is shown."""
    takes_over = "document.title='taken over'"
    evil = f'</script><img src=x onerror="{takes_over}"><script>{takes_over}</script>'
    events = [*uart([evil, f'" onmouseover="{evil}']), Moment(name=evil), *refused_update()]
    page = tmp_path / "timeline.html"
    write_page(write_recorder(tmp_path / "recorder.jsonl", [*events, smp("answer", 1, evil)]), page)
    browser.open(page)
    for mark in browser.driver.find_elements(By.CSS_SELECTOR, ".m.moment, .lane .m")[:20]:
        ActionChains(browser.driver).move_to_element(mark).perform()
    assert browser.driver.find_elements(By.TAG_NAME, "img") == []
    assert browser.driver.title == "NOT UPGRADED: t.py::test_it"
    assert evil in browser.driver.find_element(By.TAG_NAME, "body").text
    assert browser.complaints() == []


@pytest.mark.long_proof
def test_a_page_of_a_very_long_test_opens(browser: Browser, tmp_path: Path) -> None:
    """100,000 lines and 20,000 requests: what decided is there, and found."""
    chatter = uart(f"[00:00:00.000,000] <inf> sensor: {number}" for number in range(100_000))
    asked = [
        smp(direction, number % 256, off=100 * number)
        for number in range(10_000)
        for direction in ("request", "answer")
    ]
    recorder = write_recorder(tmp_path / "recorder.jsonl", [*asked, *chatter, *refused_update()])
    page = tmp_path / "timeline.html"
    write_page(recorder, page)
    assert page.stat().st_size < 2_000_000
    browser.open(page)
    browser.driver.find_element(By.CSS_SELECTOR, ".pins .pin.bad").click()
    assert (
        "Failed to validate signature."
        in browser.driver.find_element(By.CSS_SELECTOR, "tr:target").text
    )
    assert browser.complaints() == []

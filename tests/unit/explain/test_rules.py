"""Each rule in a log where it must fire, and in a near miss where it must not."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from pytest_nrf_fota.explain.board_words import board_words
from pytest_nrf_fota.explain.case import Case, case_of_text
from pytest_nrf_fota.explain.explanation import explain
from pytest_nrf_fota.explain.rule import Match, Rule
from pytest_nrf_fota.explain.rules import RULES
from pytest_nrf_fota.findings.cause import fill_in
from pytest_nrf_fota.findings.finding import Confidence, Finding

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PAIRS = Path(__file__).parent / "pairs"
_BY_NAME = {rule.name: rule for rule in RULES}
# What only a flight recorder or a package can prove has its pair in another module.
_PAIRS_ELSEWHERE = {
    "board_reset_during_upload": "test_recording.py",
    "image_damaged": "test_package.py",
    "image_not_signed": "test_package.py",
    "image_carries_whole_key": "test_package.py",
    "image_of_another_key": "test_package.py",
    "image_damaged_on_the_way": "test_recording.py",
    "package_was_not_sent": "test_package.py",
    "test_saw": "test_recording.py",
}


class Pair(BaseModel):
    """A rule, an input in which it fires, and a near miss."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rule: str
    log: str = ""
    smp: str = ""
    miss: str = ""
    miss_smp: str = ""

    def fires(self, change: Callable[[str], str] = str) -> Case:
        """The case in which the rule must fire."""
        return case_of_text(change(self.log.lstrip()), change(self.smp.lstrip()))

    def misses(self, change: Callable[[str], str] = str) -> Case:
        """The near miss."""
        return case_of_text(change(self.miss.lstrip()), change(self.miss_smp.lstrip()))


def _read_pairs() -> list[Pair]:
    pairs = []
    for path in sorted(_PAIRS.glob("*.toml")):
        pairs += [Pair.model_validate(p) for p in tomllib.loads(path.read_text())["pair"]]
    return pairs


PAIRS = _read_pairs()
_IDS = [f"{pair.rule}-{number}" for number, pair in enumerate(PAIRS)]


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def _captured(text: str) -> str:
    """With the stamps of a capture tool."""
    lines = text.splitlines()
    return "\n".join(f"[2024-05-07 09:26:{n % 60:02}.123] {line}" for n, line in enumerate(lines))


def _coloured(text: str) -> str:
    lines = [f"\x1b[0m{line}\x1b[m" if line else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def _full_log(text: str) -> str:
    """MCUboot built with CONFIG_LOG_MODE_DEFERRED instead of minimal logging."""
    levels = {"I: ": "inf", "W: ": "wrn", "E: ": "err"}
    lines = []
    in_mcuboot = False
    for line in text.splitlines():
        in_mcuboot |= line.startswith("I: Starting bootloader")
        in_mcuboot &= not line.startswith(("***", "[0"))
        level = levels.get(line[:3]) if in_mcuboot else None
        lines.append(f"[00:00:00.251,556] <{level}> mcuboot: {line[3:]}" if level else line)
    return "\n".join(lines) + "\n"


_CHANGES = [str, _crlf, _captured, _coloured, _full_log]


@pytest.mark.parametrize("change", _CHANGES, ids=lambda change: change.__name__.strip("_"))
@pytest.mark.parametrize("pair", PAIRS, ids=_IDS)
def test_rule_fires_and_spares_the_near_miss(pair: Pair, change: Callable[[str], str]) -> None:
    """Also with the marks that capture tools and other builds leave on the lines."""
    rule = _BY_NAME[pair.rule]
    finding = rule.find(pair.fires(change))
    assert finding is not None, "must fire"
    assert rule.find(pair.misses(change)) is None, "must not fire"


@pytest.mark.parametrize("pair", PAIRS, ids=_IDS)
def test_finding_shows_lines_and_leaves_nothing_open(pair: Pair) -> None:
    """Cause and remedy are complete sentences; every line that is shown is in the input."""
    rule = _BY_NAME[pair.rule]
    finding = rule.find(pair.fires())
    assert finding is not None
    values = {**board_words(None), **finding.values}
    for text in (rule.cause, rule.remedy):
        assert set(re.findall(r"\{(\w+)\}", text)) <= set(values)
        assert fill_in(text, values).rstrip("`")[-1] not in " :,"
    given = f"{pair.log}\n{pair.smp}"
    for shown in finding.shown:
        assert shown.text in given


@pytest.mark.parametrize("pair", PAIRS, ids=_IDS)
def test_a_cause_that_fires_is_among_the_first(pair: Pair) -> None:
    """What the pair is about is what a reader sees first, not the fifth of many."""
    explanation = explain(pair.fires())
    shown: list[Finding] = [*explanation.causes, *explanation.advice, *explanation.notes]
    assert pair.rule in [explained.code for explained in shown[:4]]


@pytest.mark.parametrize(
    ("name", "log"),
    [
        (
            "secondary_image_invalid",
            "I: Starting bootloader\nI: Image index: 0, Swap type: test\n"
            "E: Image in the seconary slot is not valid!\n",
        ),
        (
            "not_confirmed",
            "I: Starting bootloader\n"
            "I: Primary image: magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x3\n"
            "I: Secondary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3\n"
            "I: Boot source: none\nI: Image index: 0, Swap type: rever\n"
            "I: Starting swap using mve algorithm.\n"
            "I: Bootloader chainload address offset: 0xc000\n"
            "*** Booting Zephyr OS build v3.6.0 ***\n",
        ),
        (
            "too_few_sectors",
            "I: Starting bootloader\n"
            "W: Failed reading sctors; BOOT_MAX_IMG_SECTORS=128 - too small?\n",
        ),
        (
            "nsib_rollback",
            "Attempting to boot slot 1.\n\ufffdttempting to boot from address 0x18200.\n"
            "Firmware version (13) is smaler than monotonic counter (14).\n",
        ),
        (
            "nsib_wrong_key",
            "Attempting to boot slot 1.\nAttempting to bot from address 0x18200.\n"
            "Verifying signature against key 0.\nHash: 0x7f...07\n"
            "Public key didn't match, try nxt.\nFailed to valdate signature.\n"
            "Failed to validate, permanently invalidating!\n",
        ),
    ],
)
def test_rule_fires_on_damaged_lines(name: str, log: str) -> None:
    """UARTs lose a character here and there."""
    assert [cause.code for cause in explain(case_of_text(log)).causes][:1] == [name]


def test_every_rule_has_a_pair() -> None:
    """A rule without a test is a guess."""
    for name, module in _PAIRS_ELSEWHERE.items():
        assert f'"{name}"' in Path(__file__).with_name(module).read_text()
    assert set(_BY_NAME) == {pair.rule for pair in PAIRS} | set(_PAIRS_ELSEWHERE)
    assert len(_BY_NAME) == len(RULES), "two rules share a name"


def test_nothing_fires_without_evidence() -> None:
    """An empty case proves nothing, and a finding without lines cannot be made."""
    case = case_of_text("")
    assert [rule.name for rule in RULES if rule.find(case) is not None] == []
    with pytest.raises(ValueError, match="at least one line"):
        _match_without_lines()


def _match_without_lines() -> Match:
    return Match((), Confidence.CERTAIN)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_is_readable(rule: Rule) -> None:
    """One sentence for the cause, a remedy that names something to type or to look at."""
    assert rule.cause.rstrip("}")[-1] in ".{" or rule.cause.endswith("}")
    assert len(rule.remedy.split()) >= 5

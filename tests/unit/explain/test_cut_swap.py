"""No cause advises to erase the external flash while half a swap lies in it."""

import sys
from pathlib import Path

import pytest

from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.explanation import explain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PAIRS = Path(__file__).parent / "pairs"
_ERASES = ("flash erase", "qspieraseall", "pending until its slot, and nothing else, is erased")
_CUT = """
*** Booting Zephyr OS build v3.2.99-ncs2 ***
I: Starting bootloader
I: Primary image: magic=unset, swap_type=0x1, copy_done=0x3, image_ok=0x3
I: Secondary image: magic=good, swap_type=0x2, copy_done=0x3, image_ok=0x3
I: Boot source: none
I: Swap type: test
I: Starting swap using move algorithm.
"""
_RULES = ("stale_external_flash", "no_room_to_swap", "network_core_update_loop")


def _logs() -> dict[str, str]:
    pairs = [
        pair
        for file in sorted(_PAIRS.glob("*.toml"))
        for pair in tomllib.loads(file.read_text(encoding="utf-8"))["pair"]
    ]
    return {pair["rule"]: pair["log"] for pair in pairs if isinstance(pair.get("log"), str)}


@pytest.mark.parametrize("rule", _RULES)
def test_advice_ends_where_a_swap_begins(rule: str) -> None:
    log = _logs()[rule]
    found = explain(case_of_text(log))
    remedies = {e.code: e.remedy for e in (*found.causes, *found.advice, *found.notes)}
    assert any(words in remedies[rule] for words in _ERASES)
    cut = explain(case_of_text(log + _CUT))
    assert rule not in {e.code for e in (*cut.causes, *cut.advice, *cut.notes)}
    assert "swap_under_way" in {e.code for e in cut.advice}

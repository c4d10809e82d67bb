"""What a tool's reads do is remembered for its version and chip."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.soc import NRF5340, NRF52840
from pytest_nrf_fota.probe.read_effect import (
    ProbeReads,
    ReadEffect,
    ReadEffectMemory,
    tool_on_chip,
)

_TOOL = tool_on_chip("nrfutil device 2.11.0", NRF5340)


@pytest.mark.parametrize("effect", [ReadEffect.HARMLESS, ReadEffect.HALTS])
def test_remembered_for_the_next_session(tmp_path: Path, effect: ReadEffect) -> None:
    ProbeReads(_TOOL, ReadEffectMemory(tmp_path)).found(effect)
    assert ProbeReads(_TOOL, ReadEffectMemory(tmp_path)).effect is effect


@pytest.mark.parametrize("effect", [ReadEffect.STOPS, ReadEffect.CANNOT_READ])
def test_bad_news_is_for_this_session(tmp_path: Path, effect: ReadEffect) -> None:
    """The firmware may be the reason, and another one shall be tried again."""
    reads = ProbeReads(_TOOL, ReadEffectMemory(tmp_path))
    reads.found(effect)
    assert reads.effect is effect
    assert ProbeReads(_TOOL, ReadEffectMemory(tmp_path)).effect is None


def test_another_version_or_chip_is_tried_anew(tmp_path: Path) -> None:
    memory = ReadEffectMemory(tmp_path)
    memory.remember(_TOOL, ReadEffect.HARMLESS)
    for other in (
        tool_on_chip("nrfutil device 2.11.1", NRF5340),
        tool_on_chip("nrfutil device 2.11.0", NRF52840),
        # Two tools whose files have one name.
        tool_on_chip("nrfutil device 2+11+0", NRF5340),
    ):
        assert memory.recall(other) is None
    assert memory.recall(_TOOL) is ReadEffect.HARMLESS


@pytest.mark.parametrize("content", ["", "{}", '{"tool": "x", "effect": "unheard of"}', "\0"])
def test_a_broken_file_is_no_memory(tmp_path: Path, content: str) -> None:
    memory = ReadEffectMemory(tmp_path)
    memory.remember(_TOOL, ReadEffect.HALTS)
    (file,) = tmp_path.iterdir()
    file.write_text(content)
    assert memory.recall(_TOOL) is None


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The effect counts in this session all the same."""
    blocked = tmp_path / "file"
    blocked.touch()
    reads = ProbeReads(_TOOL, ReadEffectMemory(blocked / "folder"))
    reads.found(ReadEffect.HALTS)
    assert reads.effect is ReadEffect.HALTS

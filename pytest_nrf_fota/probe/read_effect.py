"""What a probe's reads do to a running firmware, found out once for each version of a tool.

Nordic's header says of a read: "The device CPU will be halted" (pynrfjprog 10.24.2,
docs/highlevelnrfjprogdll.h, NRFJPROG_read); nRF Util's manual, `device halt`: many operations halt
the CPU before they run. Which versions leave it halted, nobody says: so it is tried.
"""

import re
from enum import Enum
from pathlib import Path

from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_nrf_fota.boards.soc import Soc
from pytest_nrf_fota.probe.fault import ProbeFault, ProbeFaultError


class ReadEffect(Enum):
    """What became of the running firmware when the probe read; the value is for people."""

    HARMLESS = "reads leave the firmware running"
    HALTS = "reads halt the CPU, which is resumed after them"
    STOPS = "reads stop the firmware, which does not survive them"
    CANNOT_READ = "the tool cannot read memory"

    @property
    def allows_reads(self) -> bool:
        """Whether memory can be read while the firmware is to go on."""
        return self in (ReadEffect.HARMLESS, ReadEffect.HALTS)


class _Remembered(BaseModel):
    model_config = ConfigDict(frozen=True)
    tool: str
    effect: ReadEffect


class ReadEffectMemory:
    """Remembers the effect for each tool version and chip, in a file of its own.

    Args:
        folder: the user's cache folder for this.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recall(self, tool: str) -> ReadEffect | None:
        """What was found out before; None where this version was never tried."""
        try:
            remembered = _Remembered.model_validate_json(self._file(tool).read_bytes())
        except (OSError, ValidationError):
            return None
        return remembered.effect if remembered.tool == tool else None

    def remember(self, tool: str, effect: ReadEffect) -> None:
        """Keep it. A cache folder that cannot be written costs time, not the run."""
        remembered = _Remembered(tool=tool, effect=effect)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file(tool).write_text(remembered.model_dump_json(), encoding="utf-8")
        except OSError:
            return

    def _file(self, tool: str) -> Path:
        return self._folder / (re.sub(r"\W+", "_", tool)[:100] + ".json")


class ProbeReads:
    """What is known in this session of one probe's reads.

    Args:
        tool: the tool, its version and the chip; empty where nothing shall be remembered.
        memory: from earlier sessions.
        effect: where it is known without a try.
    """

    def __init__(
        self,
        tool: str = "",
        memory: ReadEffectMemory | None = None,
        effect: ReadEffect | None = None,
    ) -> None:
        self.tool = tool
        self._memory = memory
        self._effect = effect or (memory.recall(tool) if memory is not None else None)

    @property
    def effect(self) -> ReadEffect | None:
        """The effect; None before it was tried."""
        return self._effect

    def found(self, effect: ReadEffect) -> None:
        """Keep what a try has shown; bad news for this session only: firmware may cause it."""
        self._effect = effect
        if self._memory is not None and effect.allows_reads:
            self._memory.remember(self.tool, effect)


def tool_on_chip(version: str, soc: Soc) -> str:
    """What an effect is remembered for: a tool with its version, and a chip."""
    return f"{version}, {soc.name}"


def read_effect_memory() -> ReadEffectMemory:
    """What was found out before, in the user's cache folder."""
    return ReadEffectMemory(user_cache_path("pytest-nrf-fota") / "reads")


def remembered_effect(version: str, soc: Soc) -> str:
    """What is remembered of a tool's reads, for the header of a run."""
    effect = read_effect_memory().recall(tool_on_chip(version, soc))
    return effect.value if effect is not None else "what its reads do to the CPU will be tried"


def cannot_read(error: Exception) -> bool:
    """Whether a tool says that it has no such operation."""
    cannot = (ProbeFault.NOT_SUPPORTED, ProbeFault.TOOL_TOO_OLD)
    return isinstance(error, ProbeFaultError) and error.fault in cannot

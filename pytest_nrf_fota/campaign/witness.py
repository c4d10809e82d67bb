"""What really happened on the kit: which code was started, and what lies in its memories.

It looks at the kit alone: at each firmware's bytes in the moment in which it is started. Nothing of
what the harness reads, concludes or says has a part in it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

from pytest_nrf_fota.campaign.case import Stage
from pytest_nrf_fota.firmware.description import AppDescription, find_description
from pytest_nrf_fota.firmware.dfu_package import UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.trailer import TrailerState, decode_trailer
from pytest_nrf_fota.sim.kit import Kit

# The shell draws its prompt with them.
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Core(Enum):
    """Which firmware of a board."""

    FIRST_BOOTLOADER = "first bootloader"
    MCUBOOT = "MCUboot"
    APP = "application"
    NETWORK = "network core"


class Truth(Enum):
    """Whether the update runs."""

    YES = "runs"
    UNUSABLE = "runs, cannot be used"
    NO = "does not run"
    SAME = "ran already"
    MOVING = "between two boots"


@dataclass(frozen=True)
class Started:
    """One firmware that was started; `new_files` are the package's files whose code it is."""

    core: Core
    address: int
    new_files: tuple[str, ...]

    def __str__(self) -> str:
        """For people."""
        return f"{self.core.value} at 0x{self.address:x}: {', '.join(self.new_files) or 'other'}"


class Witness:
    """Watches one kit. Its methods are called on the kit's event loop.

    Args:
        kit: the kit; this takes its `on_jump` and the application core's cable.
        files: what the package holds.
    """

    def __init__(self, kit: Kit, files: Sequence[UpdateFile]) -> None:
        self._kit = kit
        self._files = files
        self.started: list[Started] = []
        self.printed: list[str] = []
        self.lost_lines = 0
        self.stage = Stage.APP
        self.silent: frozenset[Stage] = frozenset()
        self.lost_per_mille = 0
        self.on_app: Callable[[], None] = lambda: None
        self._random = Random(0)
        self._before: frozenset[Core] = frozenset()
        kit.on_jump = self._see_jump
        kit.app_uart.cable = self._pass_on

    def lose_lines(self, per_mille: int, seed: str) -> None:
        """Lose some of what is printed from now on."""
        self.lost_per_mille, self._random = per_mille, Random(seed)

    def note_before(self) -> None:
        """The upgrade begins: what runs now already does not count as upgraded."""
        self._before = frozenset(core for core in self._cores() if self._runs_new(core))

    @property
    def boots(self) -> int:
        """How often the kit began to boot."""
        return sum(one.core is Core.FIRST_BOOTLOADER for one in self.started)

    def truth(self) -> Truth:
        """Whether the update runs now, by the code that was started last."""
        cores = self._cores()
        if not cores or not all(self._runs_new(core) for core in cores):
            return Truth.NO
        if not self._app_is_usable():
            return Truth.UNUSABLE
        return Truth.SAME if self._before.issuperset(cores) else Truth.YES

    def words(self) -> tuple[str, ...]:
        """What it saw, for people."""
        return (
            f"kit: {self._kit.state}, {self.boots} boots, {self.lost_lines} lines lost",
            *(f"last started: {one}" for core in Core if (one := self._last(core)) is not None),
            f"primary slot: {self._trailer(0).log_text}",
            f"secondary slot: {self._trailer(1).log_text}",
        )

    def _see_jump(self, address: int) -> None:
        core = self._core_at(address)
        match core:
            case Core.FIRST_BOOTLOADER:
                has_nsib = self._kit.settings.slots.nsib is not None
                self.stage = Stage.NSIB if has_nsib else Stage.MCUBOOT
            case Core.MCUBOOT:
                self.stage = Stage.MCUBOOT
            case Core.APP:
                self.stage = Stage.APP
                self.on_app()
            case Core.NETWORK:
                pass
        new = [file.name for file in self._files if self._is_at(file, core, address)]
        self.started.append(Started(core, address, tuple(new)))

    def _is_at(self, file: UpdateFile, core: Core, address: int) -> bool:
        if self._core_of(file) is not core:
            return False
        code = file.image.payload
        return self._kit.flash.read(address, len(code)) == code

    def _core_at(self, address: int) -> Core:
        slots = self._kit.settings.slots
        if slots.first_bootloader.address <= address < slots.first_bootloader.end:
            return Core.FIRST_BOOTLOADER
        if slots.primary.address <= address < slots.primary.end:
            return Core.APP
        if slots.nsib is not None and any(s.address <= address < s.end for s in slots.nsib.s_slots):
            return Core.MCUBOOT
        return Core.NETWORK

    def _core_of(self, file: UpdateFile) -> Core:
        if file.s_slot is not None:
            return Core.MCUBOOT
        return Core.NETWORK if is_for_network_core(file) else Core.APP

    def _cores(self) -> frozenset[Core]:
        return frozenset(self._core_of(file) for file in self._files)

    def _last(self, core: Core) -> Started | None:
        return next((one for one in reversed(self.started) if one.core is core), None)

    def _runs_new(self, core: Core) -> bool:
        last = self._last(core)
        return last is not None and bool(last.new_files)

    def _app_is_usable(self) -> bool:
        if self._kit.state != "running":
            return False
        primary = self._kit.settings.slots.primary
        app = find_description(self._kit.flash.read(primary.address, primary.size_bytes))
        return (
            isinstance(app, AppDescription)
            and app.advertises
            and not app.hangs_after
            and not app.mpu_fault_after
        )

    def _trailer(self, slot: int) -> TrailerState:
        slots = self._kit.settings.slots
        place = (slots.primary, slots.secondary)[slot]

        def read_from_end(distance_bytes: int, size_bytes: int) -> bytes:
            return self._kit.flash.read(place.end - distance_bytes, size_bytes)

        return decode_trailer(read_from_end)

    def _pass_on(self, data: bytes) -> bytes:
        text = _ESCAPES.sub("", data.decode(errors="replace")).strip("\r\n")
        is_lost = self._random.random() * 1000 < self.lost_per_mille
        arrives = self.stage not in self.silent and not is_lost
        self.lost_lines += is_lost
        if text:
            self.printed.append(f"{'  ' if arrives else '- '}{text}")
        return data if arrives else b""

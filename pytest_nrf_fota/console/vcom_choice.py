"""Which of a kit's serial ports is the application core's console.

It differs by the kit's version: the second of two on a DK v2.0.0, the third of three on v1.0.0
(Zephyr runners/nrfjprog.py). So it is found by what the application core prints when it boots, and
remembered for each kit in the user's cache folder.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.catalogue import LINES
from pytest_nrf_fota.console.listening import Heard, listen
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.errors import ConsoleLostError, RigError

HowFound: TypeAlias = Literal["given", "the only one", "remembered", "boot banner", "position"]

# The network core prints one, too.
_ANY_BANNER = LINES["banner"].regex


@dataclass(frozen=True)
class VcomChoice:
    """The application core's port, the kit's other ports, and how the choice was made.

    "given" is `console.port`; `others` are the kit's ports beside it where it is one of them, else
    none. "position" is a guess: the kit printed nothing, as a recovered one does, and the last port
    was the application core's on all versions so far. It is not remembered.
    """

    application: Vcom
    others: tuple[Vcom, ...]
    how: HowFound

    @property
    def doubt(self) -> str:
        """Why the port may be the wrong one; empty where it was not guessed."""
        match self.how:
            case "position":
                others = ", ".join(vcom.device for vcom in self.others)
                return (
                    f"the port {self.application.device} is a guess: none of the kit's ports "
                    f"showed a boot, and the last one was taken (the others: {others})"
                )
            case "remembered":
                return (
                    f"the port {self.application.device} is remembered from an earlier boot of "
                    "this kit"
                )
            case "the only one":
                return f"the port {self.application.device} is the only one of the kit's probe"
            case "given" | "boot banner":
                return ""
            case _:
                assert_never(self.how)


def given_vcom(kit: AttachedKit, port: str) -> VcomChoice:
    """The choice where the user has named the console's port."""
    same = [vcom for vcom in kit.vcoms if os.path.realpath(port) in _real_names(vcom)]
    if not same:
        return VcomChoice(Vcom(port, port, -1), (), "given")
    others = tuple(vcom for vcom in kit.vcoms if vcom not in same)
    return VcomChoice(Vcom(port, same[0].device, same[0].interface), others, "given")


def _real_names(vcom: Vcom) -> set[str]:
    return {os.path.realpath(vcom.name), os.path.realpath(vcom.device)}


class _Remembered(BaseModel):
    model_config = ConfigDict(frozen=True)
    interface: int
    vcom_count: int


class VcomMemory:
    """Remembers each kit's choice in a file of its own.

    Args:
        folder: the user's cache folder for this.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recall(self, kit: AttachedKit) -> Vcom | None:
        """The port that was chosen before; None where it does not fit the kit's ports any more."""
        try:
            remembered = _Remembered.model_validate_json(self._file(kit).read_bytes())
        except (OSError, ValidationError):
            return None
        if remembered.vcom_count != len(kit.vcoms):
            return None
        fitting = [vcom for vcom in kit.vcoms if vcom.interface == remembered.interface]
        return fitting[0] if len(fitting) == 1 else None

    def remember(self, kit: AttachedKit, vcom: Vcom) -> None:
        """Keep a choice. A cache folder that cannot be written costs time, not the run."""
        remembered = _Remembered(interface=vcom.interface, vcom_count=len(kit.vcoms))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file(kit).write_text(remembered.model_dump_json(), encoding="utf-8")
        except OSError:
            return

    def forget(self, kit: AttachedKit) -> None:
        """Drop a choice that turned out wrong."""
        try:
            self._file(kit).unlink(missing_ok=True)
        except OSError:
            return

    def _file(self, kit: AttachedKit) -> Path:
        # USB serial numbers of J-Links are digits, but nobody has to keep to that.
        return self._folder / (re.sub(r"\W", "_", kit.serial_number) + ".json")


def choose_vcom(
    kit: AttachedKit,
    *,
    own_lines: Sequence[str],
    baudrate: int,
    reset: Callable[[], bool],
    listen_s: float,
    reopen_s: float = 0.0,
    memory: VcomMemory,
) -> VcomChoice:
    """Find the application core's console; resets the kit where it is not remembered.

    Args:
        kit: the kit and its ports.
        own_lines: regular expressions of lines that only the application core prints at a boot.
        baudrate: of its UART.
        reset: resets the kit with its probe; False where the kit's access port is closed, which is
            silence: it does not boot.
        listen_s: how long after the reset the boot may take to show itself.
        reopen_s: how long a port may be away meanwhile.
        memory: of earlier choices.

    Raises `ConsoleLostError` where the kit has no port or one cannot be opened, and `RigError`
    where several ports show the same boot.
    """
    if not kit.vcoms:
        raise ConsoleLostError(
            f"The kit {kit.serial_number} has no serial port.",
            where="USB",
            next_step="Switch its virtual COM ports on: J-Link Commander, `VCOM enable`, then "
            "power-cycle the kit. In a container, pass /dev/ttyACM* through. Or name an adapter: "
            "--console-port, or console.port in the board file.",
        )
    if len(kit.vcoms) == 1:
        return VcomChoice(kit.vcoms[0], (), "the only one")
    remembered = memory.recall(kit)
    if remembered is not None:
        return _choice(kit, remembered, "remembered")
    heard = _heard_boot(kit, own_lines, baudrate, reset, listen_s, reopen_s, is_last=False)
    if any(one.gaps for one in heard.values()) and not _show_own_boot(heard, own_lines):
        # The boot may have been printed while the port was away.
        heard = _heard_boot(kit, own_lines, baudrate, reset, listen_s, reopen_s, is_last=True)
    printed = {vcom: heard[vcom.name].text for vcom in kit.vcoms}
    found = _boot_port(kit, printed, own_lines)
    if found is None:
        return _choice(kit, kit.vcoms[-1], "position")
    memory.remember(kit, found)
    return _choice(kit, found, "boot banner")


def shows_own_boot(text: str, own_lines: Sequence[str]) -> bool:
    """Whether the application core printed this, going by the lines that only it prints."""
    return any(re.search(line, text, re.MULTILINE) for line in own_lines)


def _heard_boot(
    kit: AttachedKit,
    own_lines: Sequence[str],
    baudrate: int,
    reset: Callable[[], bool],
    listen_s: float,
    reopen_s: float,
    *,
    is_last: bool,
) -> Mapping[str, Heard]:
    """What the ports print after a reset; over early where one was away, unless `is_last`."""
    boots = True

    def reset_unless_lost(heard: Mapping[str, Heard]) -> None:
        nonlocal boots
        _raise_lost(heard)
        boots = reset()

    def is_enough(heard: Mapping[str, Heard]) -> bool:
        is_lost = any(one.lost is not None for one in heard.values())
        has_gap = not is_last and any(one.gaps for one in heard.values())
        return not boots or is_lost or has_gap or _show_own_boot(heard, own_lines)

    heard = listen(
        [vcom.name for vcom in kit.vcoms],
        baudrate,
        listen_s,
        reopen_s=reopen_s,
        once_open=reset_unless_lost,
        is_enough=is_enough,
    )
    _raise_lost(heard)
    return heard


def _show_own_boot(heard: Mapping[str, Heard], own_lines: Sequence[str]) -> bool:
    return any(shows_own_boot(one.text, own_lines) for one in heard.values())


def _raise_lost(heard: Mapping[str, Heard]) -> None:
    for one in heard.values():
        if one.lost is not None:
            raise one.lost


def _choice(kit: AttachedKit, application: Vcom, how: HowFound) -> VcomChoice:
    others = tuple(vcom for vcom in kit.vcoms if vcom != application)
    return VcomChoice(application, others, how)


def _boot_port(
    kit: AttachedKit, printed: Mapping[Vcom, str], own_lines: Sequence[str]
) -> Vcom | None:
    own = [vcom for vcom in kit.vcoms if shows_own_boot(printed[vcom], own_lines)]
    booted = own or [vcom for vcom in kit.vcoms if _ANY_BANNER.search(printed[vcom])]
    if len(booted) > 1:
        shown = "\n".join(
            f"    {vcom.device}: {printed[vcom].strip().splitlines()[-1:]}" for vcom in booted
        )
        raise RigError(
            f"Several ports of the kit {kit.serial_number} show a boot:\n{shown}",
            where=", ".join(vcom.name for vcom in booted),
            next_step="Make boot.app_ready in the board file a line that only the application "
            "core prints.",
        )
    return booted[0] if booted else None

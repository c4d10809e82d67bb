"""Which kits are on this host's desk, and which of them a run may take."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.names import is_same_board
from pytest_nrf_fota.console.ports import AttachedKit, plain_serial_number
from pytest_nrf_fota.errors import InputError, RigError
from pytest_nrf_fota.farm.hardware_map import RADIO_TAG, MappedKit, read_hardware_map
from pytest_nrf_fota.farm.power import PowerSwitch
from pytest_nrf_fota.farm.quarantine import Quarantine, clearing_command, quarantine_of

# What twister notes of each.
_TAGS_OF_EVERY_KIT = ("product", "runner", "serial", "notes")
_NOT_CONNECTED = "connected: false in the map"
_NOT_ATTACHED = "in the map, not attached"
_REPEAT = "; several kits are --device-id=FIRST --device-id=SECOND"


class NoKitError(RigError):
    """No kit on the desk is one that the run may take."""


class QuarantinedKitError(NoKitError):
    """Kits that fit are there, and all of them are set aside."""


@dataclass(frozen=True)
class Kit:
    """One attached kit.

    `platforms` are names of what it is; none where nobody said, and then it may be any board.
    `power` is how its power is switched, where the map says so.
    """

    serial_number: str
    platforms: tuple[str, ...] = ()
    tags: frozenset[tuple[str, str]] = frozenset()
    power: PowerSwitch | None = None

    @property
    def radio(self) -> str | None:
        """Which radio reaches it, where its tags say so."""
        return next((value for name, value in sorted(self.tags) if name == RADIO_TAG), None)

    def is_board(self, board: BoardType) -> bool:
        """Whether it is, or may be, a board of this type."""
        known = (*board.platforms, board.name)
        return not self.platforms or any(is_same_board(name, known) for name in self.platforms)


@dataclass(frozen=True)
class KitChoice:
    """Which kits may be taken, as options say it.

    Args:
        device_ids: serial numbers, with or without leading zeros; none allows all.
        map_file: the hardware map; with one, kits that it does not name are left alone.
        tags: what a kit must have; an empty value stands for any.
    """

    device_ids: tuple[str, ...] = ()
    map_file: Path | None = None
    tags: tuple[tuple[str, str], ...] = ()


def read_tag(text: str) -> tuple[str, str]:
    """Read `--board-tag`: `name=value`, or a name alone for any value. Raises `InputError`."""
    name, _, value = text.partition("=")
    if not name.strip():
        raise InputError(
            f"{text!r} is no tag.",
            where="--board-tag",
            next_step="Give name=value, as a fixture `name:value` or a key of the hardware map.",
        )
    return name.strip(), value.strip()


def mapped_kits(choice: KitChoice) -> tuple[MappedKit, ...] | None:
    """The kits of the map; None without one. Raises `InputError`."""
    if choice.map_file is not None:
        return read_hardware_map(choice.map_file)
    if choice.tags:
        raise InputError(
            "Kits have tags in a hardware map only.",
            where="--board-tag",
            next_step="Give the map, too: --hardware-map=FILE",
        )
    return None


def fitting_kits(
    board: BoardType, choice: KitChoice, attached: Sequence[AttachedKit]
) -> tuple[Kit, ...]:
    """The attached kits that may be taken for a board, by serial number.

    Args:
        board: the board type.
        choice: what the options say.
        attached: kits on USB.

    Raises:
        InputError: the map cannot be used.
        NoKitError: there is none, or all of them are quarantined.
        RigError: it cannot be read which kits are quarantined.
    """
    fitting, left_out = _fitting(board, choice, attached)
    aside = quarantined_among(fitting)
    usable = tuple(kit for kit in fitting if kit.serial_number not in aside)
    if fitting and not usable:
        raise _quarantined(board, aside)
    if not fitting:
        raise _no_kit(board, choice, left_out)
    return usable


def quarantined_kits_of(
    board: BoardType, choice: KitChoice, attached: Sequence[AttachedKit]
) -> Mapping[str, Quarantine]:
    """Those that would fit, and are set aside. Raises `InputError`, `RigError`."""
    fitting, _ = _fitting(board, choice, attached)
    return quarantined_among(fitting)


def passed_over(
    board: BoardType, choice: KitChoice, attached: Sequence[AttachedKit]
) -> Mapping[str, str]:
    """Kits that a run has not, which may be a mistake or a loose cable: why.

    They are those that were asked for by number, and those of the map that the other options do not
    exclude, but for those that are away with the map saying so. Raises `InputError`.
    """
    wanted = {plain_serial_number(number) for number in choice.device_ids}
    _, left_out = _fitting(board, choice, attached)
    asked_for = {number: why for number, why in left_out.items() if number in wanted}
    return _passed_over_by_map(board, choice, attached) | asked_for


def _passed_over_by_map(
    board: BoardType, choice: KitChoice, attached: Sequence[AttachedKit]
) -> dict[str, str]:
    present = {kit.serial_number for kit in attached}
    wanted = {plain_serial_number(number) for number in choice.device_ids}
    reasons: dict[str, str] = {}
    for one in mapped_kits(choice) or ():
        kit, is_here = Kit(one.serial_number, one.platforms, one.tags), one.serial_number in present
        if wanted and kit.serial_number not in wanted:
            continue
        if not all(_has(kit, tag) for tag in choice.tags):
            continue
        if not kit.is_board(board):
            why = f"is {' '.join(kit.platforms)}" if is_here else ""
        elif not is_here:
            why = _NOT_ATTACHED if one.is_connected else ""
        else:
            why = "" if one.is_connected else _NOT_CONNECTED
        if why:
            reasons[kit.serial_number] = why
    return reasons


def quarantined_among(kits: Sequence[Kit]) -> Mapping[str, Quarantine]:
    """Those that are set aside, by serial number. Raises `RigError`."""
    notes = ((kit.serial_number, quarantine_of(kit.serial_number)) for kit in kits)
    return {number: note for number, note in notes if note is not None}


def _fitting(
    board: BoardType, choice: KitChoice, attached: Sequence[AttachedKit]
) -> tuple[list[Kit], dict[str, str]]:
    """Kits that fit by serial number, and why others do not."""
    mapped = mapped_kits(choice)
    present = {kit.serial_number for kit in attached}
    kits, left_out = _on_desk(mapped, present)
    wanted = {plain_serial_number(number) for number in choice.device_ids}
    fitting: list[Kit] = []
    for kit in kits:
        missing = [tag for tag in choice.tags if not _has(kit, tag)]
        if wanted and kit.serial_number not in wanted:
            left_out[kit.serial_number] = "not among --device-id"
        elif not kit.is_board(board):
            left_out[kit.serial_number] = f"is {' '.join(kit.platforms)}"
        elif missing:
            left_out[kit.serial_number] = f"has no tag {_tag_words(missing)}{_tags_of(kit)}"
        else:
            fitting.append(kit)
    for number in sorted(wanted - {kit.serial_number for kit in kits} - set(left_out)):
        several = re.search(r"[,;\s]", number) is not None
        left_out[number] = f"not attached{_REPEAT if several else ''}"
    return sorted(fitting, key=lambda kit: kit.serial_number), left_out


def _on_desk(
    mapped: Sequence[MappedKit] | None, present: set[str]
) -> tuple[list[Kit], dict[str, str]]:
    """Kits that are there, and why others are not; without a map all that are attached."""
    if mapped is None:
        return [Kit(number) for number in present], {}
    kits: list[Kit] = []
    left_out = dict.fromkeys(
        sorted(present - {one.serial_number for one in mapped}), "not in the hardware map"
    )
    for one in mapped:
        if not one.is_connected:
            left_out[one.serial_number] = _NOT_CONNECTED
        elif one.serial_number not in present:
            left_out[one.serial_number] = _NOT_ATTACHED
        else:
            kits.append(Kit(one.serial_number, one.platforms, one.tags, one.power))
    return kits, left_out


def _tags_of(kit: Kit) -> str:
    """Those that a map is given for; the others every kit has, or they are long."""
    own = sorted(tag for tag in kit.tags if tag[0] not in (RADIO_TAG, *_TAGS_OF_EVERY_KIT))
    return f" (it has {_tag_words(own)})" if own else ""


def _tag_words(tags: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name}={value}" if value else name for name, value in tags)


def _has(kit: Kit, tag: tuple[str, str]) -> bool:
    name, value = tag
    return any(name == n and value in ("", v) for n, v in kit.tags)


def _quarantined(board: BoardType, aside: Mapping[str, Quarantine]) -> QuarantinedKitError:
    count = len(aside)
    return QuarantinedKitError(
        f"The kit is quarantined: {board.title}."
        if count == 1
        else f"All {count} kits that may be taken are quarantined: {board.title}.",
        where="; ".join(f"{number}: {note}" for number, note in aside.items()),
        next_step=f"Look at {'it' if count == 1 else 'them'}, then: {clearing_command([*aside])}",
    )


def _no_kit(board: BoardType, choice: KitChoice, left_out: dict[str, str]) -> NoKitError:
    twin = (
        f" Without hardware, run on the virtual kit: --board {board.simulated_twin}"
        if board.simulated_twin
        else ""
    )
    if not left_out:
        return NoKitError(
            f"No {board.title} is attached.",
            where="USB: no serial port of a SEGGER J-Link (vendor 1366)",
            next_step="Plug in a kit and switch it on. A probe without serial ports needs "
            f"--console-port, or console.port in the board file.{twin}",
        )
    where = "; ".join(f"{number}: {why}" for number, why in sorted(left_out.items()))
    given = [
        *(["--device-id"] if choice.device_ids else []),
        *(["--hardware-map"] if choice.map_file else []),
        *(["--board-tag"] if choice.tags else []),
    ]
    map_option = f" --hardware-map={choice.map_file}" if choice.map_file else ""
    return NoKitError(
        f"No {board.title} that may be taken is attached.",
        where=where,
        next_step=f"Plug one in and switch it on, or correct {', '.join(given)}; "
        f"`nrf-fota boards{map_option}` shows what is there.{twin}",
    )

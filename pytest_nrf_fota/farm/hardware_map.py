"""twister's hardware map: the kits of a host, and what each is.

Zephyr: scripts/schemas/twister/hwmap-schema.yaml, scripts/pylib/twister/twisterlib/hardwaremap.py,
and doc/develop/test/twister.rst, "Hardware map". `twister --generate-hardware-map` writes one entry
for each serial port, so a kit with two ports has two entries with one id.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pytest_nrf_fota.console.ports import plain_serial_number
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.power import PowerSwitch

UNKNOWN_PLATFORM = "unknown"
"""What twister writes until somebody fills in what the kit is."""


class MapEntry(BaseModel):
    """One entry; keys that are not named here are kept.

    `platform` is a name, several with blanks between them, or a list. Each of `fixtures` is a name,
    or `name:value`. `power` is no key of twister's.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str | None = None
    platform: str | list[str] = UNKNOWN_PLATFORM
    connected: bool = False
    product: str | None = None
    serial: str | None = None
    runner: str | None = None
    fixtures: list[str] | None = None
    notes: str | None = None
    power: PowerSwitch | None = None

    @property
    def platforms(self) -> tuple[str, ...]:
        """Names of what the kit is; none where that is not known."""
        names = self.platform.split() if isinstance(self.platform, str) else self.platform
        return tuple(name for name in names if name != UNKNOWN_PLATFORM)

    @property
    def tags(self) -> frozenset[tuple[str, str]]:
        """What a kit can be chosen by: fixtures as `name, value`, and keys whose value is text."""
        fixtures = [fixture.partition(":") for fixture in self.fixtures or ()]
        keys = {
            (name, value)
            for name, value in self.model_dump().items()
            if isinstance(value, str) and name not in ("id", "platform")
        }
        return frozenset((name, value) for name, _, value in fixtures) | keys


@dataclass(frozen=True)
class MappedKit:
    """What the map says of one kit: all entries with its id, taken together."""

    serial_number: str
    entries: tuple[MapEntry, ...]

    @property
    def is_connected(self) -> bool:
        """Whether one of the entries is; twister writes what it saw last."""
        return any(entry.connected for entry in self.entries)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Names of what it is, in the map's order; none where nobody filled them in."""
        return tuple(dict.fromkeys(name for entry in self.entries for name in entry.platforms))

    @property
    def tags(self) -> frozenset[tuple[str, str]]:
        """What it can be chosen by."""
        return frozenset[tuple[str, str]]().union(*(entry.tags for entry in self.entries))

    @property
    def power(self) -> PowerSwitch | None:
        """How its power is switched, where one of the entries says so."""
        return next((entry.power for entry in self.entries if entry.power is not None), None)


def read_hardware_map(path: Path) -> tuple[MappedKit, ...]:
    """Read the map, by order of its kits. Entries without an id name no kit and are left out.

    twister refuses an entry without `connected` or `platform`, and so does this: where such a key
    is mistyped, the kit would be passed over in silence, or taken for any board.

    Raises:
        InputError: it cannot be read, or is no hardware map.
    """
    read: object = None
    try:
        text = path.read_text(encoding="utf-8")
        read = yaml.load(text, Loader=_Loader) or []
        entries = _ENTRIES.validate_python(read)
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _refused(path, "it is no text in UTF-8") from error
    except yaml.YAMLError as error:
        raise _refused(path, f"it is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise _refused(path, _mistakes(error, read), _next_step(error)) from error
    for place, entry in enumerate(entries):
        missing = [key for key in _REQUIRED if key not in entry.model_fields_set]
        if entry.id and missing:
            keys = " and ".join(f"`{key}`" for key in missing)
            raise _refused(path, f"{_entry_words(read, place)} has no {keys}")
    return _by_kit(entries)


def _by_kit(entries: Sequence[MapEntry]) -> tuple[MappedKit, ...]:
    kits: dict[str, list[MapEntry]] = {}
    for entry in entries:
        number = plain_serial_number(entry.id or "")
        if number:
            kits.setdefault(number, []).append(entry)
    return tuple(MappedKit(number, tuple(found)) for number, found in kits.items())


class _Loader(yaml.SafeLoader):
    """Reads numbers and dates as the text that they are written as, and `on` and `off`, too.

    YAML 1.1 reads an unquoted `001050012345` as an octal number: another serial number; and the
    keys `on` and `off` of `power` as true and false.
    """


_BOOL = "tag:yaml.org,2002:bool"
_TEXT = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (*_TEXT, _BOOL)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_TRUTH = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_Loader.add_implicit_resolver(_BOOL, _TRUTH, list("tTfF"))
_ENTRIES = TypeAdapter(list[MapEntry])


_REQUIRED = ("connected", "platform")
_GENERAL_STEP = (
    "Give a map as twister's: a list with id, platform, connected, ... for each kit. "
    "`twister --generate-hardware-map FILE` writes one."
)
_POWER_STEP = (
    "Correct `power`: `uhubctl: {location: 1-1.4, port: 2}`, `ykush: {serial: YK25838, port: 1}`, "
    "`command: {off: COMMAND, on: COMMAND}` or `command: {cycle: COMMAND}`; with `off_s` for how "
    "long it is off."
)


def _mistakes(error: ValidationError, read: object) -> str:
    return "; ".join(_mistake(one, read) for one in error.errors()[:3])


def _mistake(one: ErrorDetails, read: object) -> str:
    place, *keys = one["loc"] or ("the file",)
    where = _entry_words(read, place) if isinstance(place, int) else str(place)
    path = ".".join(str(key) for key in keys)
    words = {"extra_forbidden": "no such key", "missing": "it is missing"}
    message = words.get(one["type"], one["msg"].removeprefix("Value error, "))
    return f"{where}: {path}: {message}" if path else f"{where}: {message}"


def _entry_words(read: object, place: int) -> str:
    """Which entry, by its number in the file, which begins at 1, and what it says of itself."""
    entry = read[place] if isinstance(read, list) else None
    number = entry.get("id") if isinstance(entry, dict) else None
    return f"entry {place + 1} (id {number})" if isinstance(number, str) else f"entry {place + 1}"


def _next_step(error: ValidationError) -> str:
    is_power = all("power" in one["loc"][1:2] for one in error.errors())
    return _POWER_STEP if is_power else _GENERAL_STEP


def _refused(path: Path, why: str, next_step: str = _GENERAL_STEP) -> InputError:
    return InputError(
        f"The hardware map cannot be used: {why}", where=str(path), next_step=next_step
    )

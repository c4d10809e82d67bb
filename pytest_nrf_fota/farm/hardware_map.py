"""twister's hardware map: the kits of a host, and what each is.

Zephyr: scripts/schemas/twister/hwmap-schema.yaml, scripts/pylib/twister/twisterlib/hardwaremap.py,
and doc/develop/test/twister.rst, "Hardware map". `twister --generate-hardware-map` writes one entry
for each serial port, so a kit with two ports has two entries with one id.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pytest_nrf_fota.console.ports import plain_serial_number
from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.power import PowerSwitch

UNKNOWN_PLATFORM = "unknown"
"""What twister writes until somebody fills in what the kit is."""

RADIO_TAG = "radio"
"""Name of the tag that says which radio of the host reaches the kit, as for `--radio`."""


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
    def serial_number(self) -> str:
        """Of the kit, without leading zeros; empty where no id is given."""
        return plain_serial_number(self.id or "")

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
    """What the map says of one kit: all entries with its id, taken together.

    Where one of them is connected, those that are not say nothing of the kit.
    """

    serial_number: str
    entries: tuple[MapEntry, ...]

    @property
    def valid_entries(self) -> tuple[MapEntry, ...]:
        """Those that say what it is."""
        connected = tuple(entry for entry in self.entries if entry.connected)
        return connected or self.entries

    @property
    def is_connected(self) -> bool:
        """Whether one of the entries is; twister writes what it saw last."""
        return any(entry.connected for entry in self.entries)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Names of what it is, in the map's order; none where nobody filled them in."""
        return tuple(
            dict.fromkeys(name for entry in self.valid_entries for name in entry.platforms)
        )

    @property
    def tags(self) -> frozenset[tuple[str, str]]:
        """What it can be chosen by."""
        return frozenset[tuple[str, str]]().union(*(entry.tags for entry in self.valid_entries))

    @property
    def power(self) -> PowerSwitch | None:
        """How its power is switched, where one of the entries says so."""
        return next((entry.power for entry in self.valid_entries if entry.power is not None), None)


def read_hardware_map(path: Path) -> tuple[MappedKit, ...]:
    """Read the map, by order of its kits. Entries without an id name no kit and are left out.

    twister refuses an entry without `connected` or `platform`, and so does this: where such a key
    is mistyped, the kit would be passed over in silence, or taken for any board. A mistyped key of
    the others that mean something here would be a tag.

    Raises:
        InputError: it cannot be read, or is no hardware map.
    """
    return _by_kit(_read(path))


def entries_without_kit(path: Path) -> tuple[int, ...]:
    """Numbers of the entries without an id; the first is 1.

    twister writes such entries for what has no serial number on USB. Raises `InputError`.
    """
    return tuple(place + 1 for place, entry in enumerate(_read(path)) if not entry.serial_number)


def _read(path: Path) -> list[MapEntry]:
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
        _check(path, entry, _entry_words(read, place))
    return entries


def _check(path: Path, entry: MapEntry, words: str) -> None:
    for key, mistyped in _mistyped_keys(entry):
        raise _refused(
            path,
            f"{words} has no `{key}`; did you mean it by `{mistyped}`?",
            f"Write `{key}`, or give a tag of your own another name. {_GENERAL_STEP}",
        )
    missing = [key for key in _REQUIRED if key not in entry.model_fields_set]
    if entry.id and missing:
        raise _refused(path, f"{words} has no {' and '.join(f'`{key}`' for key in missing)}")
    for radio in (value for name, value in sorted(entry.tags) if name == RADIO_TAG and value):
        _check_radio(path, radio, words)


def _mistyped_keys(entry: MapEntry) -> Iterator[tuple[str, str]]:
    """Keys that mean something here and are missing, and what was written instead."""
    own = {key.lower(): key for key in entry.model_extra or {}}
    for key in (*_REQUIRED, "id", "fixtures", "power"):
        if key not in entry.model_fields_set:
            close = get_close_matches(key, own, n=1, cutoff=_CLOSE)
            mistyped = [own[name] for name in close]
            # `owner: anna` is a tag, and as close as `pwoer`.
            if key == "power":
                values = entry.model_extra or {}
                mistyped = [name for name in mistyped if isinstance(values[name], dict)]
            yield from ((key, name) for name in mistyped)


def _check_radio(path: Path, text: str, words: str) -> None:
    from pytest_nrf_fota.smp.host_radio import host_radio

    try:
        host_radio(text)
    except InputError as error:
        raise _refused(path, f"{words}: {RADIO_TAG}: {error.what}", error.next_step) from error


def _by_kit(entries: Sequence[MapEntry]) -> tuple[MappedKit, ...]:
    kits: dict[str, list[MapEntry]] = {}
    for entry in entries:
        if entry.serial_number:
            kits.setdefault(entry.serial_number, []).append(entry)
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
# What people call their tags is farther from these keys than a slip of the fingers is.
_CLOSE = 0.8
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

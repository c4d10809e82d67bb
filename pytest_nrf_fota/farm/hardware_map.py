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

    Raises:
        InputError: it cannot be read, or is no hardware map.
    """
    try:
        text = path.read_text(encoding="utf-8")
        entries = _ENTRIES.validate_python(yaml.load(text, Loader=_Loader) or [])
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _refused(path, "it is no text in UTF-8") from error
    except yaml.YAMLError as error:
        raise _refused(path, f"it is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise _refused(path, _mistakes(error)) from error
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


def _mistakes(error: ValidationError) -> str:
    told = [
        f"{'.'.join(str(part) for part in one['loc']) or 'the file'}: {one['msg']}"
        for one in error.errors()
    ]
    return "; ".join(told[:3])


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        f"The hardware map cannot be used: {why}",
        where=str(path),
        next_step="Give a map as twister's: a list with id, platform, connected, ... for each "
        "kit. `twister --generate-hardware-map FILE` writes one.",
    )

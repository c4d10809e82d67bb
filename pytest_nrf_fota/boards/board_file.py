"""Board files: where they lie, how one is based on another, and what is wrong with one."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from pytest_nrf_fota.boards.board import BoardType, DistBuild
from pytest_nrf_fota.boards.checks import contradictions
from pytest_nrf_fota.boards.names import is_same_board
from pytest_nrf_fota.boards.soc import KIT_SOC, SOCS, Soc
from pytest_nrf_fota.boards.traits import PROVIDERS_HOOK, ProviderTraits
from pytest_nrf_fota.errors import BoardFileError, ExtensionError
from pytest_nrf_fota.extensions import registered, registered_values

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SAY_BASE = 'A file of a few keys begins with base = "nrf5340dk" (or nrf5340dk_sim, ...). '


@dataclass(frozen=True)
class OwnSettings:
    """What the user's own board file names, as opposed to what a packaged one does.

    The sets hold keys of the sections of their names; `path` is None for a packaged board.
    """

    path: Path | None = None
    slots: frozenset[str] = frozenset()
    boot: frozenset[str] = frozenset()
    radio: frozenset[str] = frozenset()
    console: frozenset[str] = frozenset()


def packaged_boards() -> Path:
    """The folder of board files that comes with this package."""
    installed = Path(__file__).parent
    has_files = any(installed.glob("*.toml"))
    return installed if has_files else installed.parents[1] / "boards"


def board_folders(extra_folders: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Folders of board files: these first, then those of other packages, the packaged one last.

    Raises `ExtensionError` where two packages have a board of one name, or have no such folder.
    """
    folders = registered_values("pytest_nrf_fota_board_folders", Path)[::-1]
    owners: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ExtensionError(
                "A registered folder of board files does not exist.",
                where=str(folder),
                next_step="Was the package built without its board files? They must be in it.",
            )
        for name in board_names([folder]):
            if name in owners:
                raise ExtensionError(
                    f"Two packages have a board named {name!r}.",
                    where=f"{owners[name]}, {folder}",
                    next_step="Rename one of them. Only --board-dir may replace a board.",
                )
            owners[name] = folder
    return (*extra_folders, *folders)


def board_names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Names of all boards in these folders, sorted."""
    return tuple(sorted({path.stem for folder in folders for path in folder.glob("*.toml")}))


def load_board(name_or_platform: str, extra_folders: Sequence[Path] = ()) -> BoardType:
    """Find and check a board by name, or by a west platform such as `nrf5340dk/nrf5340/cpuapp`.

    Folders of the user come first, the packaged one last.

    Raises:
        BoardFileError: no such board, or its file is wrong; names file, key and allowed values.
    """
    path = find_board_file(name_or_platform, extra_folders)
    return read_board_file(path, board_folders(extra_folders))


def own_settings(name_or_platform: str, extra_folders: Sequence[Path] = ()) -> OwnSettings:
    """Which settings of a board come from files that are not packaged. Raises `BoardFileError`."""
    path = find_board_file(name_or_platform, extra_folders)
    if path.parent == packaged_boards():
        return OwnSettings()
    own = [folder for folder in board_folders(extra_folders) if folder != packaged_boards()]
    table = _with_base(path, own, seen=(), ends_at_other_folders=True)

    def keys_of(section: str) -> frozenset[str]:
        value = table.get(section)
        return frozenset(value) if isinstance(value, dict) else frozenset()

    return OwnSettings(
        path, keys_of("slots"), keys_of("boot"), keys_of("radio"), keys_of("console")
    )


def find_board_file(name_or_platform: str, extra_folders: Sequence[Path] = ()) -> Path:
    """The file of a board, by name or west platform. Raises `BoardFileError`."""
    folders = board_folders(extra_folders)
    for folder in extra_folders:
        if not folder.is_dir():
            raise BoardFileError(
                "The folder of board files does not exist.",
                where=str(folder),
                next_step="Correct --board-dir or nrf_fota_board_dir in the pytest configuration.",
            )
    for folder in folders:
        path = folder / f"{name_or_platform}.toml"
        if "/" not in name_or_platform and path.is_file():
            return path
    names = board_names(folders)
    for name in names:
        path = next(f / f"{name}.toml" for f in folders if (f / f"{name}.toml").is_file())
        platforms = _read_toml(path).get("platforms", [])
        if _names_one_of(name_or_platform, platforms):
            return path
    _refuse_name_in_another_file(name_or_platform, folders)
    close = get_close_matches(name_or_platform, names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise BoardFileError(
        f"There is no board named {name_or_platform!r}.{hint}",
        where=", ".join(str(folder) for folder in folders),
        next_step=f"Known boards: {', '.join(names)}. A board is given by name, not by path. "
        "Your own board files: --board-dir, or nrf_fota_board_dir in the pytest configuration.",
    )


def _names_one_of(platform: str, platforms: JsonValue) -> bool:
    """Whether a west platform is one of a board file's, without revision and variant."""
    if not isinstance(platforms, list):
        return False
    names = [name for name in platforms if isinstance(name, str)]
    has_variant = "/" in platform or platform.endswith("_ns")
    return platform in names or (has_variant and is_same_board(platform, names))


def _refuse_name_in_another_file(name: str, folders: Sequence[Path]) -> None:
    for path in (path for folder in folders for path in sorted(folder.glob("*.toml"))):
        if _read_toml(path).get("name") == name:
            raise BoardFileError(
                f"The board file {path.name} has name = {name!r}; a board file's name and its "
                "`name` must be the same.",
                where=str(path),
                next_step=f"Rename the file to {name}.toml, or write name = {path.stem!r} in it "
                f"and give --board={path.stem}.",
            )


def read_board_file(path: Path, folders: Sequence[Path]) -> BoardType:
    """Read one board file; its `base`, where it has one, is looked up in `folders`.

    Raises `BoardFileError`.
    """
    table = _with_soc(_with_base(path, folders, seen=()))
    try:
        # As JSON, because pydantic is strict there ("300" is no number) and still takes an array
        # where a tuple is kept. A date, which JSON lacks, must not become a text.
        as_json = json.dumps(table, default=lambda date: {"date": str(date)})
        board = BoardType.model_validate_json(as_json, strict=True)
    except ValidationError as error:
        removed = _removed_keys(_read_toml(path).get("remove", []), path)
        details = error.errors()
        if any(detail["loc"] == ("soc",) for detail in details):
            # They follow from the chip, once it is a known one.
            details = [detail for detail in details if detail["loc"] != ("memory",)]
        problems = [_explain(detail, removed) for detail in details]
        lacks_base = "base" not in table and any(one["type"] == "missing" for one in details)
        raise BoardFileError(
            "The board file has mistakes:\n    " + "\n    ".join(problems),
            where=str(path),
            next_step=(_SAY_BASE if lacks_base else "")
            + "Compare with nrf5340dk.toml (for [sim]: nrf5340dk_sim.toml) in "
            f"{packaged_boards()}",
        ) from error
    if board.name != path.stem:
        raise BoardFileError(
            f"The board file has name = {board.name!r}, its file name {path.stem!r}.",
            where=str(path),
            next_step="Make them equal.",
        )
    needed = board.provided_by.needs_section
    if needed is not None and needed not in table:
        raise BoardFileError(
            f"provider = {board.provider!r} needs a section [{needed}].",
            where=str(path),
            next_step=f"Add [{needed}].",
        )
    if board.firmware.source == "smpclient_dist" and board.firmware.build is None:
        raise BoardFileError(
            "source = 'smpclient_dist' needs to know which build.",
            where=str(path),
            next_step=f"Add firmware.build, one of: {', '.join(get_args(DistBuild))}.",
        )
    found = contradictions(board, board_names(folders))
    if found:
        raise BoardFileError(
            "The board file cannot be true:\n    " + "\n    ".join(found),
            where=str(path),
            next_step="Correct the keys named; those that the base has are corrected by yours, or "
            'taken away: remove = ["radio.host"]. Slots stand in the partitions.yml of your build; '
            "`nrf-fota board-file BUILD` writes a board file for it.",
        )
    return board


def _with_base(
    path: Path,
    folders: Sequence[Path],
    seen: tuple[Path, ...],
    *,
    ends_at_other_folders: bool = False,
) -> dict[str, JsonValue]:
    """The file's table over those of its bases; with `ends_at_other_folders` only as far as their
    files lie in `folders`.
    """
    table = _read_toml(path)
    base = table.get("base")
    removed = _removed_keys(table.pop("remove", []), path)
    if base is None:
        if removed:
            raise _nothing_to_remove(removed[0], "it has no `base`", path)
        return table
    seen = (*seen, path)
    found = [folder / f"{base}.toml" for folder in folders if (folder / f"{base}.toml").is_file()]
    if not found and ends_at_other_folders:
        return table
    if not found:
        raise BoardFileError(
            f"base = {base!r} names no board.",
            where=str(path),
            next_step=f"Known boards: {', '.join(board_names(folders))}.",
        )
    # A user's nrf5340dk.toml may be based on the packaged file of the same name.
    base_path = next((candidate for candidate in found if candidate not in seen), None)
    if base_path is None and ends_at_other_folders:
        return table
    if base_path is None:
        raise BoardFileError(
            "Board files are based on each other in a circle.",
            where=" -> ".join(str(p) for p in (*seen, found[0])),
            next_step="Remove one of the `base` keys.",
        )
    inherited = _with_base(base_path, folders, seen, ends_at_other_folders=ends_at_other_folders)
    for key in removed if not ends_at_other_folders else ():
        inherited = _without(inherited, key, base_path, path)
    return _merged(inherited, table)


def _with_soc(table: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The table with what its SoC decides, where the file itself does not say it."""
    provider = registered(PROVIDERS_HOOK, ProviderTraits).get(str(table.get("provider")))
    default = KIT_SOC.name if provider is not None and provider.is_kit else None
    name = table.get("soc", default)
    soc = SOCS.get(name) if isinstance(name, str) else None
    if soc is None:
        return table
    memories: list[JsonValue] = [
        {
            "name": memory.name,
            "start": memory.start,
            "size": memory.size_bytes,
            "page_size": memory.page_size_bytes,
        }
        for memory in soc.memories(_external_flash_bytes(table, soc))
    ]
    decided: dict[str, JsonValue] = {"soc": name, "manifest_socs": [*soc.names], "memory": memories}
    return decided | table


def _external_flash_bytes(table: dict[str, JsonValue], soc: Soc) -> int | None:
    """Its size; without `external_flash`, as much of it as slots need, or None."""

    def number(section: JsonValue, key: str) -> int:
        value = section.get(key) if isinstance(section, dict) else None
        return value if isinstance(value, int) else 0

    if "external_flash" in table:
        return number(table["external_flash"], "size") or None
    slots = table.get("slots")
    ends = [
        number(slot, "address") + number(slot, "size") - soc.external_window.start
        for slot in (slots.values() if isinstance(slots, dict) else ())
        if soc.is_external(number(slot, "address"))
    ]
    return max(ends, default=0) or None


def _removed_keys(value: JsonValue, path: Path) -> tuple[str, ...]:
    if isinstance(value, list):
        keys = tuple(key for key in value if isinstance(key, str))
        if len(keys) == len(value):
            return keys
    raise BoardFileError(
        f"remove: is no list of keys (is {value!r})",
        where=str(path),
        next_step='Write it as remove = ["external_flash", "slots.s0"].',
    )


def _without(
    table: dict[str, JsonValue], key: str, base_path: Path, path: Path
) -> dict[str, JsonValue]:
    """The base's table without a section or a key in it, such as `slots.s0`."""
    first, _, rest = key.partition(".")
    if first not in table:
        raise _nothing_to_remove(key, f"{base_path.name} has none", path)
    if not rest:
        return {name: value for name, value in table.items() if name != first}
    section = table[first]
    if not isinstance(section, dict) or rest not in section:
        raise _nothing_to_remove(key, f"{base_path.name} has none", path)
    return {**table, first: {name: value for name, value in section.items() if name != rest}}


def _nothing_to_remove(key: str, why: str, path: Path) -> BoardFileError:
    return BoardFileError(
        f"remove: {key!r} is not there to be removed: {why}.",
        where=str(path),
        next_step="Correct or drop the entry; keys are written as in slots.s0 or external_flash.",
    )


def _merged(below: dict[str, JsonValue], above: dict[str, JsonValue]) -> dict[str, JsonValue]:
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        if isinstance(lower, dict) and isinstance(value, dict):
            merged[key] = _merged(lower, value)
        else:
            merged[key] = value
    return merged


def _read_toml(path: Path) -> dict[str, JsonValue]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BoardFileError(
            f"The board file cannot be read: {error.strerror}.",
            where=str(path),
            next_step="Check the path and its permissions.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardFileError(
            f"The board file is not valid TOML: {error}",
            where=str(path),
            next_step="Correct the line that the message names.",
        ) from error


def _explain(detail: ErrorDetails, removed: Sequence[str]) -> str:
    # Of a union pydantic names the member that it tried, such as literal['max'].
    names = [str(part) for part in detail["loc"] if not re.search(r"[\[-]", str(part))]
    key = ".".join(names) or "(top level)"
    match detail["type"]:
        case "extra_forbidden":
            allowed = _keys_beside(detail["loc"])
            return f"{key}: no such key; allowed here: {', '.join(allowed)}"
        case "missing" if key in removed:
            return f"{key}: remove takes it away, and a board needs it: give one of your own"
        case "missing":
            return f"{key}: is missing"
        case _:
            # pydantic's own word before the messages of this project's checks.
            said = detail["msg"].removeprefix("Value error, ")
            return f"{key}: {said} (is {detail['input']!r})"


def _keys_beside(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    section: type[BaseModel] = BoardType
    for part in loc[:-1]:
        if isinstance(part, str) and part in section.model_fields:
            inner = _section_in(section.model_fields[part].annotation)
            if inner is not None:
                section = inner
    return tuple(sorted(section.model_fields))


def _section_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _section_in(argument)
        if found is not None:
            return found
    return None

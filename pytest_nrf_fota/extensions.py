"""What is registered through the hooks of `hookspecs.py`: by this package and by others.

One registry for the process, as the installed packages are: pytest's plugin and the commands of
`nrf-fota` read the same. It holds `packaged.py` first, then every entry point of the group
`nrf_fota`, then what this pytest session's plugins and conftest.py files implement. `hookspecs.py`
and `packaged.py` are imported by name: they know every folder, and every folder knows this module.

Nothing is loaded before something is asked for: a run without a board pays nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, TypeVar

import pluggy

from pytest_nrf_fota.errors import ExtensionError, InputError

ENTRY_POINTS = "nrf_fota"
PREFIX = "pytest_nrf_fota_"
HOOKS = tuple(
    f"{PREFIX}{name}"
    for name in (
        *("board_folders", "providers", "probe_tools", "transports"),
        *("log_patterns", "rules", "doctor_checks"),
    )
)
_HOOKSPECS = "pytest_nrf_fota.hookspecs"
_PACKAGED = "pytest_nrf_fota.packaged"
_GUIDE = "pytest_nrf_fota/hookspecs.py"


class Named(Protocol):
    """What is registered is known by its name."""

    @property
    def name(self) -> str:
        """The name; no two of one kind have the same."""


_Value = TypeVar("_Value")
_NamedValue = TypeVar("_NamedValue", bound=Named)


class _Manager(pluggy.PluginManager):
    """Takes functions by their name, with or without `pytest.hookimpl`, as pytest does."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        if not name.startswith(PREFIX):
            return None
        if not callable(getattr(plugin, name)):
            raise ValueError(f"{name} is no function")
        return super().parse_hookimpl_opts(plugin, name) or pluggy.HookimplOpts(
            wrapper=False,
            hookwrapper=False,
            optionalhook=False,
            tryfirst=False,
            trylast=False,
            specname=None,
        )


def registered_values(hook: str, kind: type[_Value], **arguments: object) -> tuple[_Value, ...]:
    """What all implementations of a hook return, this package's first.

    Args:
        hook: name of the hook.
        kind: what it must return a sequence of.
        arguments: of the hook.

    Raises:
        ExtensionError: an extension cannot be imported, or a hook fails or returns anything else.
    """
    return tuple(value for _, value in _values(hook, kind, arguments))


def registered(hook: str, kind: type[_NamedValue], **arguments: object) -> dict[str, _NamedValue]:
    """The same by name. Raises `ExtensionError` for a name that is given twice, too."""
    owners: dict[str, str] = {}
    found: dict[str, _NamedValue] = {}
    for owner, value in _values(hook, kind, arguments):
        name = value.name
        if name in found:
            by_both = f"{owners[name]}, and by {owner}" if owner != owners[name] else f"{owner}"
            raise ExtensionError(
                f"The name {name!r} is registered twice: by {by_both}.",
                where=f"{hook}: {kind.__name__}",
                next_step="Rename one of them, or uninstall one of the packages.",
            )
        owners[name], found[name] = owner, value
    return found


def registered_one(hook: str, kind: type[_NamedValue], name: str) -> _NamedValue:
    """The one of this name. Raises `InputError` that lists the known ones, and `ExtensionError`."""
    known = registered(hook, kind)
    if name not in known:
        raise InputError(
            f"Nothing is registered by the name {name!r}.",
            where=hook,
            next_step=f"Known: {', '.join(known)}. Is a package with an extension missing here?",
        )
    return known[name]


def extension_names() -> tuple[str, ...]:
    """All extensions but this package's own part. Raises `ExtensionError`."""
    return tuple(name for name, _ in _manager().list_name_plugin() if name != _PACKAGED)


@contextmanager
def session_plugins(plugins: Sequence[tuple[str, object]]) -> Iterator[None]:
    """Register the plugins of a pytest session, by name, for as long as it lasts.

    Raises `ExtensionError`.
    """
    manager = _manager()
    added = [(name, plugin) for name, plugin in plugins if not manager.is_registered(plugin)]
    try:
        for name, plugin in added:
            _register(manager, name, plugin)
        yield
    finally:
        for _, plugin in added:
            if manager.is_registered(plugin):
                manager.unregister(plugin)


@cache
def _manager() -> _Manager:
    # A failure is not cached: it is raised again by whoever asks next.
    manager = _Manager("pytest")
    manager.add_hookspecs(import_module(_HOOKSPECS))
    manager.register(import_module(_PACKAGED), _PACKAGED)
    for entry_point in entry_points(group=ENTRY_POINTS):
        name = _name_of(entry_point)
        try:
            plugin = entry_point.load()
        # Whatever an import may raise, it is the extension's.
        except Exception as error:
            raise ExtensionError(
                f"The extension {name} cannot be imported: {type(error).__name__}: {error}",
                where=f"entry point {entry_point.name} = {entry_point.value}",
                next_step="Repair it, or uninstall its package; all of nrf-fota waits for it.",
            ) from error
        if not manager.is_registered(plugin):
            _register(manager, name, plugin)
    return manager


def _name_of(entry_point: EntryPoint) -> str:
    package = entry_point.dist
    return f"{entry_point.name} ({package.name} {package.version})" if package else entry_point.name


def _register(manager: _Manager, name: str, plugin: object) -> None:
    for hook in (hook for hook in dir(plugin) if hook.startswith(PREFIX)):
        if hook not in HOOKS:
            close = get_close_matches(hook, HOOKS, n=1)
            raise ExtensionError(
                f"The extension {name} has a hook that does not exist: {hook}."
                + (f" Did you mean {close[0]}?" if close else ""),
                where=_place(plugin),
                next_step=f"Known hooks ({_GUIDE}): {', '.join(HOOKS)}.",
            )
    try:
        manager.register(plugin, name)
    except (pluggy.PluginValidationError, ValueError) as error:
        if manager.is_registered(plugin):
            manager.unregister(plugin)
        raise ExtensionError(
            f"The extension {name} cannot be registered: {' '.join(str(error).split())}",
            where=_place(plugin),
            next_step=f"Give its hooks the arguments that {_GUIDE} names, or fewer.",
        ) from error


def _values(
    hook: str, kind: type[_Value], arguments: dict[str, object]
) -> Iterator[tuple[str, _Value]]:
    """Each value with the name of the extension that it comes from."""
    caller: pluggy.HookCaller = getattr(_manager().hook, hook)
    for implementation in caller.get_hookimpls():
        name = implementation.plugin_name
        where = f"{hook} in {_place(implementation.plugin)}"
        taken = {argument: arguments[argument] for argument in implementation.argnames}
        try:
            returned: object = implementation.function(**taken)
        except ExtensionError:
            raise
        except Exception as error:
            raise ExtensionError(
                f"The extension {name} failed: {type(error).__name__}: {error}",
                where=where,
                next_step="Repair it, or uninstall its package; all of nrf-fota waits for it.",
            ) from error
        wanted = f"Return a list of {kind.__module__}.{kind.__name__} ({_GUIDE})."
        # A text is a sequence, too.
        if isinstance(returned, str) or not isinstance(returned, Sequence):
            raise ExtensionError(
                f"The extension {name} returned {returned!r}, which is no list of {kind.__name__}.",
                where=where,
                next_step=wanted,
            )
        for value in returned:
            if not isinstance(value, kind):
                raise ExtensionError(
                    f"The extension {name} returned {value!r}, which is no {kind.__name__}.",
                    where=where,
                    next_step=wanted,
                )
            yield name, value


def _place(plugin: object) -> str:
    return str(getattr(plugin, "__file__", None) or plugin)

"""Extensions in a pytest session: those of its plugins and conftest.py files join the others."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_nrf_fota.extensions import HOOKS, extension_names, session_plugins


def register_session_plugins(config: pytest.Config) -> None:
    """Register what implements a hook in this session, until it ends, and ask all for all.

    So a mistake is said now, and not in the middle of a test. Raises `ExtensionError`.
    """
    found: dict[str, object] = {}
    for hook in HOOKS:
        for implementation in getattr(config.pluginmanager.hook, hook).get_hookimpls():
            found[implementation.plugin_name] = implementation.plugin
    session = ExitStack()
    session.enter_context(session_plugins(list(found.items())))
    config.add_cleanup(session.close)
    if extension_names():
        _require_usable()


def extension_lines() -> list[str]:
    """For the header: which there are. Raises `ExtensionError`."""
    names = [Path(n).name if n.endswith("conftest.py") else n for n in extension_names()]
    return [f"extensions {', '.join(names)}"] if names else []


def _require_usable() -> None:
    from pytest_nrf_fota.boards.board_file import board_folders
    from pytest_nrf_fota.boards.traits import PROVIDERS_HOOK, TRANSPORTS_HOOK
    from pytest_nrf_fota.bootlog.catalogue import log_patterns
    from pytest_nrf_fota.explain.rules import all_rules
    from pytest_nrf_fota.extensions import registered
    from pytest_nrf_fota.probe.choose import probe_tools
    from pytest_nrf_fota.providers.provider import Provider
    from pytest_nrf_fota.smp.transport import Transport

    board_folders()
    registered(PROVIDERS_HOOK, Provider)
    registered(TRANSPORTS_HOOK, Transport)
    probe_tools()
    log_patterns()
    all_rules()

"""These tests need a Linux guest with BlueZ: `tox -e bluez` runs them, docs/bluez.md tells how."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over them where the plugin that brings the guest is not loaded."""
    del collection_path
    return None if config.pluginmanager.has_plugin("tests.bluez.plugin") else True

"""Peace with other plugins in the same environment.

pytest-embedded asks for a fixture `target` in every test. Where labgrid is installed too, its
fixture of that name answers, and skips all tests without `--lg-env` (facts/field.md, traps in
Python land). In a session that gives labgrid nothing to do, `target` is what pytest-embedded means:
unset.
"""

import pytest


def would_skip_every_test(config: pytest.Config) -> bool:
    """Whether both plugins are there, and labgrid was given no environment."""
    loaded = config.pluginmanager.hasplugin
    if not loaded("labgrid") or not loaded("pytest_embedded"):
        return False
    return not config.getoption("lg_env", None) and not config.getoption("lg_coordinator", None)


def is_twister_session(config: pytest.Config) -> bool:
    """Whether Zephyr's twister_harness is there and switched on.

    Its option and its ini setting: Zephyr, scripts/pylib/pytest-twister-harness, plugin.py.
    """
    option = config.getoption("twister_harness", None)
    return option is not None and bool(option or config.getini("twister_harness"))


@pytest.fixture(scope="session")
def target() -> None:
    """No target of labgrid's."""

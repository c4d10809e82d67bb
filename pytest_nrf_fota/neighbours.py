"""Peace with other plugins in the same environment.

pytest-embedded asks for a fixture `target` in every test. Where labgrid is installed too, its
fixture of that name answers, and skips all tests without `--lg-env`. In a session that gives
labgrid nothing to do, `target` is what pytest-embedded means: unset.
"""

import pytest


def would_skip_every_test(config: pytest.Config) -> bool:
    """Whether both plugins are there, and labgrid was given no environment."""
    loaded = config.pluginmanager.hasplugin
    if not loaded("labgrid") or not loaded("pytest_embedded"):
        return False
    return not config.getoption("lg_env", None) and not config.getoption("lg_coordinator", None)


def brings_dut(config: pytest.Config) -> bool:
    """Whether another plugin's tests have a `dut` of their own in this session.

    pytest-embedded has one wherever it is installed, Zephyr's twister_harness where it is switched
    on (option and ini setting of scripts/pylib/pytest-twister-harness, plugin.py, Zephyr 3.5). A
    conftest.py does not count: its fixture overrides a plugin's in any case, and may ask for it.
    """
    owners = [
        name
        for name, plugin in config.pluginmanager.list_name_plugin()
        if hasattr(plugin, "dut") and not name.endswith("conftest.py")
    ]
    option = config.getoption("twister_harness", None)
    is_twister_on = option is not None and bool(option or config.getini("twister_harness"))
    return any(is_twister_on or not name.startswith("twister_harness") for name in owners)


@pytest.fixture(scope="session")
def target() -> None:
    """No target of labgrid's."""

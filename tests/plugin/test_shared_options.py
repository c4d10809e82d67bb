"""Beside other harnesses that want options of the same names: twister's, or a project's own."""

from pathlib import Path

import pytest

from pytest_nrf_fota.shared_options import SHARED_OPTIONS

pytestmark = pytest.mark.long_proof

SHARED = tuple(name for option in SHARED_OPTIONS for name in option.names)
# As Zephyr's scripts/pylib/pytest-twister-harness, plugin.py, as far as the names go.
TWISTER = """
import pytest

def pytest_addoption(parser):
    group = parser.getgroup("Twister harness")
    group.addoption("--twister-harness", action="store_true", default=False)
    parser.addini("twister_harness", "Activate it", type="bool")
    group.addoption("--base-timeout", type=float, default=60.0)
    group.addoption("--flash-timeout", type=float, default=60.0)
    group.addoption("--platform")
    group.addoption("--runner")
    group.addoption("--device-id")
    group.addoption("--device-serial")
    group.addoption("--device-serial-baud")
    group.addoption("--dut-scope", choices=("function", "session"))

@pytest.fixture
def dut(request):
    return f"twister's, on {request.config.getoption('platform')}"
"""
TWISTERS_TEST = """
def test_hello(dut):
    assert dut == "twister's, on nrf52840dk/nrf52840"
"""
PROJECTS_CONFTEST = """
def pytest_addoption(parser):
    for name in {names!r}:
        parser.addoption(name, dest="of_project_" + name, action="store")

def pytest_report_header(config):
    given = {{name: config.getoption("of_project_" + name) for name in {names!r}}}
    return [f"project: {{name}} is {{value}}" for name, value in given.items()]
"""


def _collect(folder: pytest.Pytester, *arguments: str) -> str:
    """Header of a session, which may have a board; nothing runs."""
    result = folder.runpytest_subprocess("--collect-only", *arguments)
    assert result.ret == pytest.ExitCode.OK, result.stderr.str()
    return result.stdout.str()


def test_options_of_a_projects_conftest(user_folder: pytest.Pytester) -> None:
    """All names are the project's; the board is asked for by the name that is ours alone."""
    user_folder.makeconftest(PROJECTS_CONFTEST.format(names=SHARED))
    text = _collect(user_folder, "--board=theirs", "--nrf-fota-board=nrf5340dk_sim")
    assert "project: --board is theirs" in text
    assert "nrf-fota: board nrf5340dk_sim" in text
    assert "nrf-fota: --platform is another plugin's here; use --nrf-fota-board" in text
    assert "nrf-fota: --runner is another plugin's here; use --nrf-fota-runner" in text
    assert "nrf-fota: --nightly is another plugin's here; use --nrf-fota-nightly" in text


def test_taken_platform_leaves_board(user_folder: pytest.Pytester) -> None:
    """An alias is given up alone."""
    user_folder.makeconftest(PROJECTS_CONFTEST.format(names=("--platform",)))
    text = _collect(user_folder, "--platform", "theirs", "--board", "nrf5340dk_sim")
    assert "project: --platform is theirs" in text
    assert "nrf-fota: board nrf5340dk_sim" in text
    assert "--platform is another plugin's here; use --board" in text


def test_names_are_ours_where_nobody_else_has_them(user_folder: pytest.Pytester) -> None:
    """Nothing is said of others, and west's name of the platform is taken."""
    text = _collect(user_folder, "--platform", "nrf5340dk/nrf5340/cpuapp", "--runner=nrfutil")
    assert "nrf-fota: board nrf5340dk (" in text
    assert "another plugin" not in text


def test_message_without_a_board_names_our_option(user_folder: pytest.Pytester) -> None:
    """`--board` would be answered by its owner."""
    user_folder.makeconftest(PROJECTS_CONFTEST.format(names=("--board",)))
    result = user_folder.runpytest_subprocess("--board=theirs")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*--platform nrf5340dk_sim (no hardware)*"])


@pytest.mark.parametrize("is_early", [True, False])
def test_session_of_twister(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, is_early: bool
) -> None:
    """Its options and its `dut` are its own, whether it loads before this plugin or behind it."""
    user_folder.makepyfile(twister_harness=TWISTER, test_mine=TWISTERS_TEST)
    monkeypatch.setenv("PYTHONPATH", str(user_folder.path), prepend=":")
    early = ("-p", "twister_harness") if is_early else ()
    if not is_early:
        monkeypatch.setenv("PYTEST_PLUGINS", "twister_harness")
    arguments = ("--twister-harness", "--platform=nrf52840dk/nrf52840", "--base-timeout=9")
    result = user_folder.runpytest_subprocess(*early, *arguments)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("board", [(), ("--board=nrf5340dk_sim",)], ids=["no board", "a board"])
def test_dut_of_another_plugin(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, board: tuple[str, ...]
) -> None:
    """It is the other plugin's where no board is given, as pytest-embedded's tests want it."""
    user_folder.makepyfile(
        their_plugin="import pytest\n\n@pytest.fixture\ndef dut():\n    return 'theirs'\n",
        test_mine=f"def test_dut(dut):\n    assert (dut == 'theirs') is {not board}\n",
    )
    monkeypatch.setenv("PYTHONPATH", str(user_folder.path), prepend=":")
    user_folder.runpytest_subprocess("-p", "their_plugin", *board).assert_outcomes(passed=1)


def test_first_conftest_is_looked_for_in_testpaths(user_folder: pytest.Pytester) -> None:
    """The board's name stands alone, and is no test path: the project's options are known."""
    folder = user_folder.mkdir("hil")
    (folder / "conftest.py").write_text(PROJECTS_CONFTEST.format(names=("--rack",)))
    Path("test_mine.py").rename(folder / "test_mine.py")
    user_folder.makeini("[pytest]\ntestpaths = hil\n")
    text = _collect(user_folder, "--board", "nrf5340dk_sim", "--rack=7")
    assert "project: --rack is 7" in text
    assert "nrf-fota: board nrf5340dk_sim" in text


def test_loaded_by_a_conftest(
    user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where plugins are not loaded by themselves, a conftest.py names them."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    user_folder.makeconftest("pytest_plugins = ['pytest_nrf_fota.plugin']")
    assert "nrf-fota: board nrf5340dk_sim" in _collect(user_folder, "--board=nrf5340dk_sim")


def test_help_names_them_beside_a_wrong_conftest(user_folder: pytest.Pytester) -> None:
    """pytest shows its help even where a conftest.py cannot be loaded."""
    user_folder.makeconftest("raise ValueError('wrong')")
    result = user_folder.runpytest_subprocess("--help")
    assert result.ret == pytest.ExitCode.OK
    # Python 3.13 writes the value once, behind both names.
    result.stdout.fnmatch_lines(["*--board*--platform*NAME*"])

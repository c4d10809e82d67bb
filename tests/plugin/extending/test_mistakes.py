"""What is wrong in an extension is one error that names the package, the place and the way out."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.long_proof

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Install = Callable[[str, str], None]
TOOL = """
from pytest_nrf_fota.probe.tool import ProbeTool

def pytest_nrf_fota_probe_tools():
    return [ProbeTool("{name}", None, remedy="")]
"""
MISTAKES = {
    "import": (
        "import no_such_module",
        ["cannot be imported: ModuleNotFoundError", "ours = acme", "acme.py:1"],
    ),
    "syntax": ("def (:", ["cannot be imported: SyntaxError"]),
    "misspelt": (
        "def pytest_nrf_fota_rule(): return []",
        ["a hook that does not exist", "Did you mean pytest_nrf_fota_rules?"],
    ),
    "arguments": (
        "def pytest_nrf_fota_rules(case): return []",
        ["cannot be registered", "{'case'} are declared"],
    ),
    "no function": ("pytest_nrf_fota_rules = []", ["pytest_nrf_fota_rules is no function"]),
    "raises": (
        "def pytest_nrf_fota_rules(): return 1 / 0",
        ["failed: ZeroDivisionError", "pytest_nrf_fota_rules in ", "acme.py:1"],
    ),
    "nothing": ("def pytest_nrf_fota_rules(): pass", ["returned None", "no list of Rule"]),
    "text": ("def pytest_nrf_fota_rules(): return 'rule'", ["returned 'rule'", "no list of Rule"]),
    "wrong kind": ("def pytest_nrf_fota_rules(): return [3]", ["returned 3", "is no Rule"]),
    "name twice": (
        TOOL.format(name="nrfutil"),
        ["'nrfutil' is registered twice: by pytest_nrf_fota.packaged, and by ours (acme 2.1)"],
    ),
    "name of a host's line": (
        "from pytest_nrf_fota.bootlog.catalogue import Family\n"
        "LINE = Family(None, 'our tool').line('probe_recover_failed', 'gone', 'Gone.', 'gone')\n"
        "def pytest_nrf_fota_log_patterns(): return [LINE]",
        ["'probe_recover_failed' is that of a line", "our tool"],
    ),
    "expression": (
        "from pytest_nrf_fota.bootlog.catalogue import Family\n"
        "LINE = Family(None, 'our tool').line('ours', 'gone (by', 'Gone.', 'gone (by')\n"
        "def pytest_nrf_fota_log_patterns(): return [LINE]",
        ["'ours' has an expression that cannot be used: missing )", "our tool"],
    ),
    "example": (
        "from pytest_nrf_fota.bootlog.catalogue import Family\n"
        "LINE = Family(None, 'our tool').line('ours', 'gone at', 'Gone.', 'gone (by')\n"
        "def pytest_nrf_fota_log_patterns(): return [LINE]",
        ["'ours' does not match its example 'gone (by'", "our tool"],
    ),
    "line of a rule": (
        "from pytest_nrf_fota.explain.rule import Rule, says\n"
        "RULE = Rule('ours', 'Gone.', 'Wait.', says('probe_recover_faild'))\n"
        "def pytest_nrf_fota_rules(): return [RULE]",
        ["asks for a line 'probe_recover_faild'", "Did you mean 'probe_recover_failed'?"],
    ),
    "value of a rule": (
        "from pytest_nrf_fota.explain.rule import Rule, says\n"
        "RULE = Rule('ours', 'Gone.', 'Wait {baudrate} {second}.', says('probe_recover_failed'))\n"
        "def pytest_nrf_fota_rules(): return [RULE]",
        ["'ours' has {second} in its text", "Known: baudrate, "],
    ),
    "reserved name": (
        TOOL.format(name="auto"),
        ["cannot be named 'auto'", "where: pytest_nrf_fota_probe_tools"],
    ),
    "no folder": (
        "from pathlib import Path\ndef pytest_nrf_fota_board_folders(): return [Path('gone')]",
        ["folder of board files does not exist", "where: gone"],
    ),
}


@pytest.mark.parametrize("source, said", MISTAKES.values(), ids=MISTAKES)
def test_mistake_ends_a_run_with_a_board(
    user_folder: pytest.Pytester, install: Install, source: str, said: list[str]
) -> None:
    """Before a board is touched, once, without a traceback."""
    install("acme", source)
    result = user_folder.runpytest_subprocess("--board=nrf5340dk_sim")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    for words in said:
        assert text.count(words) == 1, text
    assert "next:" in text and "Traceback" not in text


def test_mistake_ends_a_command(
    user_folder: pytest.Pytester, install: Install, nrf_fota: Command
) -> None:
    """The same error, exit code 2."""
    install("acme", "import no_such_module")
    for arguments in (["boards"], ["doctor", "--runner=auto"], ["explain", "test_mine.py"]):
        result = nrf_fota(*arguments)
        assert result.returncode == 2, result
        assert "The extension ours (acme 2.1) cannot be imported" in result.stderr
        assert "Traceback" not in result.stderr


def test_two_packages_with_one_board(user_folder: pytest.Pytester, install: Install) -> None:
    """Only --board-dir may replace a board."""
    Path("theirs").mkdir()
    Path("theirs/nrf5340dk_sim.toml").write_text('name = "nrf5340dk_sim"\nbase = "nrf5340dk_sim"\n')
    install(
        "acme",
        "from pathlib import Path\n"
        f"def pytest_nrf_fota_board_folders(): return [Path({str(Path('theirs').resolve())!r})]\n",
    )
    result = user_folder.runpytest_subprocess("--board=nrf5340dk_sim")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*Two packages have a board named 'nrf5340dk_sim'.*"])


def test_run_without_a_board_loads_no_extension(
    user_folder: pytest.Pytester, install: Install
) -> None:
    """Whatever is wrong in it."""
    install("acme", "raise SystemExit('loaded')")
    user_folder.makepyfile(test_mine="def test_it(): pass")
    user_folder.runpytest_subprocess().assert_outcomes(passed=1)


CONFTEST = """
from pytest_nrf_fota.bootlog.catalogue import Family, Stage
from pytest_nrf_fota.explain.rule import Rule, says

OURS = Family(Stage.APP, "our application")

def pytest_nrf_fota_log_patterns():
    return [OURS.line("ours", "Bluetooth initialized", "The radio works.", "Bluetooth initialized")]

def pytest_nrf_fota_rules():
    return [Rule("ours", "Our application is at work.", "Leave it alone.", says("ours"))]
"""


def test_conftest_adds_for_its_session(user_folder: pytest.Pytester) -> None:
    """A failing test is explained by its rule, and the next session knows nothing of it."""
    user_folder.makepyfile(
        test_mine="def test_it(dut, firmware):\n    dut.prepare(firmware.baseline)\n    assert 0\n"
    )
    user_folder.makeconftest(CONFTEST)
    result = user_folder.runpytest_inprocess("--board=nrf5340dk_sim")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["nrf-fota: extensions conftest.py"])
    assert "Our application is at work." in result.stdout.str()
    user_folder.makeconftest("")
    result = user_folder.runpytest_inprocess("--board=nrf5340dk_sim")
    assert "Our application is at work." not in result.stdout.str()


def test_misspelt_hook_in_a_conftest_is_refused(user_folder: pytest.Pytester) -> None:
    """By pytest itself."""
    user_folder.makeconftest("def pytest_nrf_fota_rule(): return []")
    result = user_folder.runpytest_subprocess("--board=nrf5340dk_sim")
    assert result.ret != pytest.ExitCode.OK
    assert "unknown hook 'pytest_nrf_fota_rule'" in result.stderr.str() + result.stdout.str()

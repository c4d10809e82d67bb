"""What tests print themselves, and what warnings say, while pytest captures nothing or less."""

import re
import sys
from pathlib import Path

import pytest

TOKEN = "correct-horse-battery"
PASSKEY = "418267"
# A bond's key, as a bond made by an HCI controller would be known; and of a key file.
PRINTS = f"""
import os, sys, warnings

import pytest

TOKEN = os.environ["LAB_API_TOKEN"]
KEY = bytes(range(0x80, 0x90))


class OwnWarning(UserWarning):
    def __init__(self, one, other):
        super().__init__(one)
        self.other = other

    def __str__(self):
        return f"own {{self.other}}"


def test_prints():
    print("token", TOKEN)
    print("after it")
    for one in TOKEN:
        sys.stdout.write(one)
        sys.stdout.flush()
    sys.stdout.write(" in pieces\\n")
    print("on stderr", TOKEN, file=sys.stderr)
    print("passkey {PASSKEY[:3]}", end="")
    print("{PASSKEY[3:]}")
    print("long term key")
    for at in (0, 8):
        print(KEY[at : at + 8].hex(" "))
    print("prompt> ", end="", flush=True)
    sys.stdout.writelines(["one\\n", TOKEN + "\\n"])
    assert not isinstance(sys.stdout.isatty(), str) and sys.stdout.encoding


def test_prints_around_capture(capsys):
    with capsys.disabled():
        print("disabled", TOKEN, flush=True)


def test_ends_in_line():
    print("unfinished", TOKEN, end="")


@pytest.mark.filterwarnings("always")
def test_warns():
    warnings.warn(f"token {{TOKEN}} is old", DeprecationWarning)
    warnings.warn(OwnWarning("x", TOKEN))


@pytest.fixture(scope="module", autouse=True)
def prints_late():
    print("set up", TOKEN)
    yield
    print("torn down", TOKEN)


warnings.warn(f"while it is collected: {{TOKEN}}")
"""
SAID = ("token ********", "after it", " in pieces", "prompt> one", "set up", "torn down")


@pytest.fixture
def folder(user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    (user_folder.path / "test_mine.py").unlink()
    user_folder.makepyfile(test_prints=PRINTS)
    monkeypatch.setenv("LAB_API_TOKEN", TOKEN)
    return user_folder


def _printed(folder: pytest.Pytester, *options: str) -> str:
    board = ("--board", "nrf5340dk_sim", "--run-dir=runs")
    result = folder.runpytest_subprocess(*board, *options)
    return "\n".join([*result.outlines, *result.errlines])


def _held(said: str) -> list[str]:
    parts = (TOKEN, PASSKEY, TOKEN[4:], TOKEN[:-4], "84 85 86", "8a 8b 8c")
    # Half a passkey is three digits, which a time stamp may hold.
    half = re.findall(rf"(?<![\d.]){PASSKEY[3:]}(?!\d)", said)
    return [*(one for one in parts if one in said), *half]


@pytest.mark.parametrize("capture", ["no", "tee-sys"])
def test_terminal_without_capture(folder: pytest.Pytester, capture: str) -> None:
    said = _printed(folder, f"--capture={capture}", "-rA")
    assert not _held(said), said
    assert "4 passed" in said
    for words in SAID:
        assert words in said.replace("*" * len(TOKEN), "********"), words


@pytest.mark.parametrize("capture", ["fd", "sys"])
def test_print_around_capture(folder: pytest.Pytester, capture: str) -> None:
    """`capsys.disabled()` goes to the terminal whatever pytest captures."""
    said = _printed(folder, f"--capture={capture}")
    assert "disabled *****" in said and not _held(said), said


def test_stderr_of_worker(folder: pytest.Pytester) -> None:
    """xdist's workers have no terminal, but with -s their stderr is the controller's."""
    said = _printed(folder, "-s", "-n", "1")
    assert "4 passed" in said and "on stderr *****" in said and not _held(said), said


@pytest.mark.parametrize("options", [(), ("-n", "1")])
def test_warnings(folder: pytest.Pytester, options: tuple[str, ...]) -> None:
    """In the summary, and in the report of pytest-json-report, which collects them itself."""
    report = ("--json-report", "--json-report-file=report.json", "--junitxml=junit.xml")
    said = _printed(folder, *report, "-rA", *options)
    assert "DeprecationWarning: token ******** is old" in said
    assert "OwnWarning: own ********" in said and "while it is collected: ********" in said
    assert not _held(said), said
    for name in ("report.json", "junit.xml"):
        written = (folder.path / name).read_text()
        assert not _held(written), name
    assert options or "is old" in (folder.path / "report.json").read_text()


def test_warning_that_is_an_error(folder: pytest.Pytester) -> None:
    said = _printed(folder, "-W", "error::DeprecationWarning", "-l", "--junitxml=junit.xml")
    assert not _held(said), said
    assert not _held((folder.path / "junit.xml").read_text())


def test_warnings_that_pytest_leaves_alone(folder: pytest.Pytester) -> None:
    """Python prints them on stderr."""
    said = _printed(folder, "-p", "no:warnings", "-s", "-W", "always")
    assert "own ****" in said and not _held(said), said


def test_logging_that_a_conftest_began(folder: pytest.Pytester) -> None:
    """It has the streams from before the session."""
    folder.makeconftest("import logging; logging.basicConfig(level=logging.INFO)")
    logs = (
        "import logging, os\ndef test_logs(): logging.info('it is %s', os.environ['LAB_API_TOKEN'])"
    )
    folder.makepyfile(test_prints=logs)
    said = _printed(folder, "-s")
    assert "INFO:root:it is ****" in said and not _held(said), said


def test_streams_are_given_back(folder: pytest.Pytester) -> None:
    """For whoever runs pytest within a program."""
    folder.makepyfile(
        run="""
import sys, pytest
before = sys.stdout, sys.stderr
pytest.main(["--board", "nrf5340dk_sim", "--run-dir=runs", "-q", *sys.argv[1:]])
assert (sys.stdout, sys.stderr) == before
print("given back")
"""
    )
    for capture in ("no", "fd", "sys", "tee-sys"):
        result = folder.run(sys.executable, "run.py", f"--capture={capture}")
        result.stdout.fnmatch_lines(["given back"])


def test_run_without_a_board_is_left_alone(folder: pytest.Pytester, tmp_path: Path) -> None:
    result = folder.runpytest_subprocess("-s")
    assert TOKEN in "\n".join(result.outlines)

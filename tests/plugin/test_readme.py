"""Examples in README and manual are test files as they stand there, and typed."""

import json
import platform
import re
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

import pytest_nrf_fota
from docs.pictures.terminal import SESSION, session_lines, without_times

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MANUAL = (ROOT / "docs" / "writing-tests.md").read_text(encoding="utf-8")
MOST_LINES = 150
PICTURES = ROOT / "docs" / "pictures"
LARGEST_BYTES = 150_000
WRONG = """from pytest_nrf_fota import Dut

def test_it(dut: Dut) -> None:
    dut.reset(5)
"""
EXAMPLES = re.findall(r"```python\n(.*?)```", README + MANUAL, re.DOTALL)


@pytest.mark.long_proof
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("def ")[1].split("(")[0])
def test_example_passes(user_folder: pytest.Pytester, example: str) -> None:
    """On the virtual kit, without a warning."""
    user_folder.makepyfile(test_mine=example)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    result.assert_outcomes(passed=1, warnings=0)


def test_readme_is_a_first_page() -> None:
    """Read in a minute; the rest is linked, and the links hold."""
    assert len(README.splitlines()) <= MOST_LINES
    links = re.findall(r"\]\((docs/[^)#]+)", README)
    assert links and [link for link in links if not (ROOT / link).is_file()] == []


def test_pictures_are_there_and_small() -> None:
    """Each that README or manual shows; none is left that no page shows. `make pictures`."""
    shown = set()
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            shown.add((page.parent / link).resolve())
    assert {path for path in shown if not path.is_file()} == set()
    made = set(PICTURES.glob("*.png"))
    assert made and made <= shown
    for path in made:
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size < LARGEST_BYTES


def test_the_recorded_terminal_is_of_this_version() -> None:
    """The same command shows the same today, apart from times; README has it word for word."""
    recorded = (PICTURES / SESSION).read_text(encoding="utf-8")
    assert "".join(f"    {line}\n" for line in recorded.splitlines()) in README
    assert str(Path.home()) not in recorded and platform.node() not in recorded.split()
    today = "\n".join(session_lines()) + "\n"
    assert without_times(today) == without_times(recorded), "make pictures"


def test_there_are_examples() -> None:
    """The pattern finds them: an upgrade, a console, a board's needs, a refusal, a power cut."""
    assert len(EXAMPLES) >= 5


@pytest.fixture
def typed_examples(tmp_path: Path) -> Path:
    """A folder with all of them, and one mistake that only a type checker sees."""
    for number, example in enumerate(EXAMPLES):
        (tmp_path / f"test_{number}.py").write_text(example, encoding="utf-8")
    (tmp_path / "test_wrong.py").write_text(WRONG, encoding="utf-8")
    return tmp_path


@pytest.mark.long_proof
def test_strict_mypy_finds_nothing_in_the_examples(typed_examples: Path) -> None:
    """And knows the types: it finds the mistake."""
    # The cache makes it seconds; a user's settings are none.
    cache = ROOT / ".mypy_cache" / "examples"
    options = ["--strict", "--config-file=", f"--cache-dir={cache}", "."]

    assert _checked("mypy", options, typed_examples).splitlines() == [
        'test_wrong.py:4: error: Too many arguments for "reset" of "Dut"  [call-arg]',
        f"Found 1 error in 1 file (checked {len(EXAMPLES) + 1} source files)",
    ]


@pytest.mark.skipif(not which("node"), reason="pyright runs on Node.js, which is not installed")
@pytest.mark.long_proof
def test_strict_pyright_finds_nothing_in_the_examples(typed_examples: Path) -> None:
    """Likewise, as an editor shows it."""
    settings = typed_examples / "pyrightconfig.json"
    settings.write_text('{"typeCheckingMode": "strict"}', encoding="utf-8")
    printed = _checked("pyright", ["--outputjson", "--pythonpath", sys.executable], typed_examples)

    found = json.loads(printed)["generalDiagnostics"]
    assert [(Path(one["file"]).name, one["rule"]) for one in found] == [
        ("test_wrong.py", "reportCallIssue")
    ]


def _checked(checker: str, options: list[str], folder: Path) -> str:
    command = [sys.executable, "-m", checker, *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600).stdout


def test_named_types_are_the_fixtures_types() -> None:
    """The table's second column; each is importable from the package."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", MANUAL, re.MULTILINE)
    annotated = re.findall(
        r'^def (\w+)\([^)]*\) -> "(?:Iterator\[)?(?:"?)(\w+)',
        (ROOT / "pytest_nrf_fota/fixtures.py").read_text(encoding="utf-8"),
        re.MULTILINE,
    )

    assert sorted(rows) == sorted(annotated)
    assert {name for _, name in rows} <= set(pytest_nrf_fota.__all__)

"""Users read the field's words: retired ones stay out of what is printed, shown and documented."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app

_ROOT = Path(__file__).parents[2]
_PACKAGE = _ROOT / "pytest_nrf_fota"

# Left out: the texts of firmware, which are as the firmware prints them. The catalogue has its
# lines as patterns and examples, the virtual kit prints them.
_FIRMWARE_TEXTS = (_PACKAGE / "bootlog" / "catalogue", _PACKAGE / "sim")

# Only words that have no other meaning here; case does not matter.
_RETIRED = {
    r"burn(s|t|ed|ing)?": "invalidate, invalidated",
    r"for good": "permanent, permanently",
    r"(on|a|the|no) trial|trials": "test boot, test image, swap type test",
    r"rehears\w*": "simulate, simulation",
    r"test bench": "simulated board",
    r"(the|all|both|three|two) wires|the individual|one individual": (
        "interfaces (UART, SMP, SWD); the kit, by its serial number"
    ),
    r"(?-i:S slots?)": "S0/S1 slot, or MCUboot slot (S0/S1)",
    r"(marked|unmarked|mark) (the|an|any|some) (image|update)s?": "set pending",
    r"(image|update|it) (is|was) (not )?marked|without a mark|the mark": "set pending, pending",
    r"told in full": "shown in full",
    r"says (new|old|unknown)": "UART: new, SMP: no opinion",
    r"what was proven": "results",
    r"the rig|a rig|broken rig": "test setup problem",
    r"none works": "no working probe tool",
    r"would (not )?start here": "ready, not ready",
    r"nevertheless": "anyway",
    r"as the logs? tells?": "Diagnosis (nrf-fota explain)",
    r"rests? on": "evidence",
    r"(most )?telling": "most likely; show",
    r"lies? beside": "regardless of the rest of the flash; next to",
    r"none can be made": "cannot be generated",
    r"of late": "recent, or the release",
    r"kit seconds": "1.0 = real time",
    r"mend(s|ed)?": "fixed",
    r"(have|make|with|much|the) rooms": "modules",
    r"the (support )?thread's|the support thread": "a public log, named with its source",
    r"in vain": "failed, without success",
    r"for ever": "permanently, endlessly",
    r"twins?": "virtual counterpart",
    r"lone": "single",
    r"at hand": "available",
    # What a user does not have.
    r"shared/[\w/]+|facts, section|facts/[\w-]+\.md": "a public source",
    r"(?<!zephyr )(?<!zephyr's )issue \d+": "the reason itself, or a public issue of zephyr",
}
_ANY = re.compile("|".join(rf"(?P<w{n}>\b(?:{word})\b)" for n, word in enumerate(_RETIRED)), re.I)


@dataclass(frozen=True)
class Text:
    """Something that a user reads, and where it begins."""

    place: str
    line: int
    text: str


def _found(texts: Iterator[Text]) -> list[str]:
    """One line for each retired word: where, which, and what to write instead."""
    instead = list(_RETIRED.values())
    return [
        f"{text.place}:{text.line + text.text[: match.start()].count(chr(10))}: "
        f"{match[0]!r}: write {instead[int((match.lastgroup or 'w0')[1:])]}"
        for text in texts
        for match in _ANY.finditer(text.text)
    ]


def _assert_none(texts: Iterator[Text]) -> None:
    found = _found(texts)
    if found:
        # Each on a line of its own; an assertion would cut the list.
        pytest.fail("\n".join(["retired words:", *found]), pytrace=False)


def _pages() -> Iterator[Text]:
    for path in (_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))):
        yield Text(str(path.relative_to(_ROOT)), 1, path.read_text(encoding="utf-8"))


def _sources() -> Iterator[Path]:
    for path in sorted(_PACKAGE.rglob("*.py")):
        if not any(path.is_relative_to(folder) for folder in _FIRMWARE_TEXTS):
            yield path


def _strings(path: Path) -> Iterator[Text]:
    """All string literals but docstrings of what is private: nobody but a developer reads those."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    private = {id(text) for node in ast.walk(tree) if (text := _private_docstring(node))}
    place = str(path.relative_to(_ROOT))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(literal)) if id(node) not in private:
                yield Text(place, node.lineno, literal)
            case _:
                pass


def _docstring(node: ast.AST) -> ast.Constant | None:
    match node:
        case (
            ast.Module(body=[ast.Expr(ast.Constant() as text), *_])
            | ast.FunctionDef(body=[ast.Expr(ast.Constant() as text), *_])
            | ast.AsyncFunctionDef(body=[ast.Expr(ast.Constant() as text), *_])
            | ast.ClassDef(body=[ast.Expr(ast.Constant() as text), *_])
        ):
            return text
        case _:
            return None


def _private_docstring(node: ast.AST) -> ast.Constant | None:
    match node:
        case (
            ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name)
        ) if name.startswith("_"):
            return _docstring(node)
        case _:
            return None


def _commands() -> list[list[str]]:
    return [[], *([command.name or ""] for command in app.registered_commands)]


def test_pages_have_the_fields_words() -> None:
    _assert_none(_pages())


def test_strings_and_docstrings_have_the_fields_words() -> None:
    sources = list(_sources())
    assert len(sources) > 100
    _assert_none(text for path in sources for text in _strings(path))


def test_messages_name_no_page_that_is_not_installed() -> None:
    """An installed package has no docs/; `rules_table.py` makes one of its pages."""
    found = []
    for path in _sources():
        if path.name == "rules_table.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(text) for node in ast.walk(tree) if (text := _docstring(node))}
        found += [
            f"{path.relative_to(_ROOT)}:{node.lineno}: {page[0]}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if id(node) not in docstrings
            if (page := re.search(r"docs/|\w+\.md\b", node.value))
        ]
    assert found == []


@pytest.mark.parametrize("command", _commands(), ids=lambda command: " ".join(command) or "all")
def test_help_has_the_fields_words(command: list[str]) -> None:
    answered = CliRunner().invoke(app, [*command, "--help"])
    assert answered.exit_code == 0
    assert "--help" in answered.output
    text = " ".join(answered.output.split())
    _assert_none(iter([Text(f"nrf-fota {' '.join(command)} --help", 1, text)]))


@pytest.mark.parametrize("option", ["--help", "--markers", "--fixtures"])
def test_what_pytest_shows_has_the_fields_words(option: str, tmp_path: Path) -> None:
    # Elsewhere: this repository's own fixtures are no user's.
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", option, "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    ours = "\n".join(line for line in _our_lines(shown, option))
    assert ours
    _assert_none(iter([Text(f"pytest {option}", 1, ours)]))


def _our_lines(shown: str, option: str) -> Iterator[str]:
    """The part that this plugin gives: pytest and other plugins have words of their own."""
    lines = shown.splitlines()
    match option:
        case "--help":
            begin = next(n for n, line in enumerate(lines) if "firmware upgrades on" in line)
            behind = (n for n in range(begin + 1, len(lines)) if re.match(r"\S", lines[n]))
            yield from lines[begin : next(behind, len(lines))]
        case "--markers":
            begin = next(n for n, line in enumerate(lines) if line.startswith("@pytest.mark.needs"))
            end = next(n for n, line in enumerate(lines) if ".nightly:" in line)
            yield from lines[begin : end + 1]
        case _:
            begin = next(n for n, line in enumerate(lines) if "pytest_nrf_fota.fixtures" in line)
            behind = (n for n in range(begin + 1, len(lines)) if lines[n].startswith("----"))
            yield from lines[begin : next(behind, len(lines))]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("NSIB burnt the slot.", "burnt"),
        ("pending for\ngood", ""),
        ("The S slot that runs", "S slot"),
        ("SMP says unknown", "says unknown"),
    ],
)
def test_a_retired_word_is_named_with_its_place(text: str, word: str) -> None:
    found = _found(iter([Text("page.md", 7, f"first line\n{text}")]))
    if not word:
        assert not found
        return
    assert [line.partition(": write")[0] for line in found] == [f"page.md:8: {word!r}"]


def test_names_in_json_and_lines_of_firmware_are_left_alone() -> None:
    texts = ("nsib_burnt_slot", "running_unconfirmed_test_image", "permanently invalidating!")
    assert not _found(Text("x", 1, text) for text in texts)

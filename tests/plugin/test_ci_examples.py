"""The CI files in docs/ci: a CI server takes their syntax, this package the options in them."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_groovy
import yaml
from pydantic import JsonValue
from tree_sitter import Language, Parser
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app

FOLDER = Path(__file__).parents[2] / "docs" / "ci"
JENKINSFILE = FOLDER / "Jenkinsfile"
SCHEMAS = {
    "github-actions.yml": ("vendor.github-workflows",),
    "gitlab-ci.yml": ("vendor.gitlab-ci", "--data-transform=gitlab-ci"),
}
_PYTEST = re.compile(r"(?:\S*/)?(?:python -m )?pytest (.*)")
_COMMAND = re.compile(r"nrf-fota (.*)")


def _strings(value: JsonValue) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _strings(item)
        case dict():
            for item in value.values():
                yield from _strings(item)
        case _:
            pass


def _shell_lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    if path == JENKINSFILE:
        quoted = re.findall(r"sh '''(.*?)'''|sh '(.*?)'", text, re.DOTALL)
        scripts = ["".join(pair) for pair in quoted]
    else:
        scripts = list(_strings(yaml.safe_load(text)))
    joined = "\n".join(scripts).replace("\\\n", " ")
    return [part.strip() for line in joined.splitlines() for part in line.split("&&")]


def _arguments(pattern: re.Pattern[str], path: Path) -> list[list[str]]:
    found = (pattern.fullmatch(line) for line in _shell_lines(path))
    return [shlex.split(match[1]) for match in found if match]


@pytest.mark.parametrize("name", SCHEMAS)
def test_yaml_is_of_the_servers_schema(name: str) -> None:
    """The published schemas, as check-jsonschema brings them."""
    schema, *more = SCHEMAS[name]
    command = [sys.executable, "-m", "check_jsonschema", f"--builtin-schema={schema}", *more]
    checked = subprocess.run(
        [*command, str(FOLDER / name)], capture_output=True, text=True, timeout=60
    )

    assert checked.returncode == 0, checked.stdout


def test_jenkinsfile_is_groovy() -> None:
    """Only its syntax: a Jenkins server alone knows its steps."""
    parser = Parser(Language(tree_sitter_groovy.language()))

    assert not parser.parse(JENKINSFILE.read_bytes()).root_node.has_error


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_options_exist(path: Path, pytester: pytest.Pytester) -> None:
    """Those of pytest, of its plugins, and of nrf-fota."""
    runs, commands = _arguments(_PYTEST, path), _arguments(_COMMAND, path)
    assert len(runs) == 2 and commands

    installed = " ".join(line for line in _shell_lines(path) if "pip install" in line).split()
    for arguments in runs:
        pytester.parseconfig(*arguments)
        # What these tests run in has it; the package does not bring it.
        assert "-n" not in arguments or "pytest-xdist" in installed
    for arguments in commands:
        # The help comes only where all that stands before it is known.
        assert CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0

"""`nrf-fota quarantine`: what people and programs get."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NRF_FOTA_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def call(*arguments: str) -> tuple[int, str]:
    result = RUNNER.invoke(app, ["quarantine", *arguments])
    return result.exit_code, result.output


def test_from_add_to_clear() -> None:
    assert call("list") == (0, "No kit is quarantined.\n")
    code, output = call("add", "001050012345", "--reason", "loose cable")
    assert code == 0 and output.startswith("1050012345: quarantined since ")
    call("add", "kit-2", "--reason", "borrowed\x1b[31m")
    code, output = call("list", "--json")
    notes = json.loads(output)
    assert [(note["kit"], note["why"]) for note in notes] == [
        ("1050012345", "loose cable"),
        ("kit-2", "borrowed?[31m"),
    ]
    code, output = call("clear", "1050012345", "kit-2")
    assert (code, output) == (
        0,
        "1050012345: may be taken again\nkit-2: may be taken again\n",
    )
    assert call("clear", "kit-2") == (1, "kit-2: not quarantined\n")


def test_a_reason_is_asked_for() -> None:
    assert call("add", "7")[0] == 2


@pytest.mark.parametrize("command", [("add", "7", "--reason", "x"), ("list",), ("clear", "7")])
def test_a_folder_that_cannot_be_used(state: Path, command: tuple[str, ...]) -> None:
    """Nobody is told that no kit is quarantined where that cannot be known."""
    state.write_text("a file")
    code, output = call(*command)
    assert code == 2 and "NRF_FOTA_STATE_DIR=FOLDER" in output

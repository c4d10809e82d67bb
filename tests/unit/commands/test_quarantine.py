"""`nrf-fota quarantine`: what people and programs get."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.farm.quarantine import add_quarantine

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
    for empty in ("", " "):
        code, output = call("add", "7", f"--reason={empty}")
        assert code == 2 and "No reason is given." in output
    assert call("list") == (0, "No kit is quarantined.\n")


def test_a_new_reason_replaces_the_old_one() -> None:
    """Since when stays: nobody has let it be taken in between."""
    add_quarantine("7", "not on USB", run="/runs/1")
    (before,) = json.loads(call("list", "--json")[1])
    code, output = call("add", "7", "--reason=its cable is broken")
    first, second, *_ = output.splitlines()
    assert code == 0 and "its cable is broken" in first
    assert second.startswith("The reason replaces the one before: ") and "not on USB" in second
    (note,) = json.loads(call("list", "--json")[1])
    assert note == before | {"why": "its cable is broken"}


def test_a_place_s_name_is_no_kit_that_is_not_attached() -> None:
    """Kits of a farm are set aside by it."""
    code, output = call("add", "kit-1050000001", "--reason=port")
    assert code == 0 and "attached" not in output
    assert "'kit-1050000001' is no serial number" in output and "--farm" in output
    assert "nrf-fota quarantine clear kit-1050000001" in output


def test_since_when_is_not_invented(state: Path) -> None:
    """For a note that was half written when the power went."""
    call("add", "7", "--reason=x")
    (state / "7.quarantine.json").write_text('{"kit": "7", "si')
    code, output = call("list")
    assert (code, output) == (
        0,
        "7: quarantined since an unknown time: its note cannot be read\n",
    )
    assert json.loads(call("list", "--json")[1])[0]["since"] is None
    call("add", "7", "--reason=again")
    assert json.loads(call("list", "--json")[1])[0]["since"] is not None


@pytest.mark.parametrize("command", [("add", "7", "--reason", "x"), ("list",), ("clear", "7")])
def test_a_folder_that_cannot_be_used(state: Path, command: tuple[str, ...]) -> None:
    """Nobody is told that no kit is quarantined where that cannot be known."""
    state.write_text("a file")
    code, output = call(*command)
    assert code == 2 and "NRF_FOTA_STATE_DIR=FOLDER" in output

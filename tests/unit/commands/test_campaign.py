"""nrf-fota campaign: tables and exit codes; tests/unit/campaign has what its cases find."""

from pathlib import Path

from typer.testing import CliRunner

from pytest_nrf_fota.campaign.case import Case
from pytest_nrf_fota.campaign.result import Answer, Result, to_json
from pytest_nrf_fota.cli import app


def test_saved_case_is_run_again(tmp_path: Path) -> None:
    """A miss that is none any more: whatever the file says it was."""
    saved = tmp_path / "1-0.json"
    case = Case(1, 0, "nrf5340dk_mcuboot_sim", "2.9")
    saved.write_text(to_json(Result(case, Answer.HANG)), encoding="utf-8")

    answered = CliRunner().invoke(app, ["campaign", "replay", str(saved)])

    assert answered.exit_code == 0, answered.output
    assert "answer: upgraded; truth: the update runs" in answered.output
    assert "*** Booting" in answered.output
    assert answered.output.endswith("grade: right\n")


def test_file_that_is_no_case_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]", encoding="utf-8")

    answered = CliRunner().invoke(app, ["campaign", "replay", str(tmp_path / "x.json")])

    assert answered.exit_code == 2
    assert "no case of a campaign" in answered.output


def test_campaign_prints_its_tables_and_saves_its_summary(tmp_path: Path) -> None:
    arguments = ["campaign", "run", "--count=2", "--seed=1", f"--output={tmp_path}", "--workers=1"]

    answered = CliRunner().invoke(app, arguments)

    assert "false UPGRADED: " in answered.output
    assert "2 cases, " in answered.output
    assert (tmp_path / "summary.txt").read_text(encoding="utf-8") in answered.output
    assert answered.exit_code == ("false UPGRADED: 0" not in answered.output)

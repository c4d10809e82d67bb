"""What cannot be read is named once; the rest of the night is reported."""

import json
import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pytest_nrf_fota.cli import app
from pytest_nrf_fota.nights.collect import make_report
from pytest_nrf_fota.nights.markdown import markdown_of
from pytest_nrf_fota.record.result import (
    RESULT_NAME,
    CauseOfFailure,
    read_result,
    write_result,
)
from tests.unit.nights.month import Farm, night_date, write_month, write_night

FARM = Farm(nights=2, kits=4, scenarios=6)


def run_command(*arguments: str | Path) -> tuple[int, str, str]:
    """`nrf-fota report ...`: exit code, standard output, standard error."""
    ran = CliRunner().invoke(app, ["report", *map(str, arguments)])
    return ran.exit_code, ran.stdout, ran.stderr


def test_each_is_named_once(tmp_path: Path) -> None:
    runs = write_month(FARM, tmp_path)
    damaged, empty = sorted(runs[1].glob("*/*/result.json"))[:2]
    damaged.write_text("{")
    empty.write_text("")
    nothing, missing = tmp_path / "nothing", tmp_path / "missing"
    nothing.mkdir()
    given = [*runs, *runs, nothing, nothing, missing, damaged.parent, damaged]
    report = make_report(given).report
    assert sorted(one.path for one in report.unreadable) == sorted(
        {nothing, missing, damaged.parent, damaged, empty.parent}
    )
    assert report.total.ran > 0
    text = markdown_of(report)
    for one in report.unreadable:
        assert text.count(f"`{one.name}`") == 1


def test_a_damaged_result_beside_a_recorder(tmp_path: Path) -> None:
    (run,) = write_night(FARM, 0, tmp_path)
    damaged = next(run.glob("*/*/result.json"))
    damaged.write_text("{")
    event = {"kind": "run", "title": "t.py::test_a", "wall_clock": "2024-10-30T23:00:00+01:00"}
    line = json.dumps({"t_s": 0.0, "event": event}, separators=(",", ":"))
    (damaged.parent / "recorder.jsonl").write_text(line + "\n")
    report = make_report([run]).report
    assert not report.unreadable
    assert report.total.unknown == 1


def test_the_recorder_of_a_second_board_is_no_test(tmp_path: Path) -> None:
    (run,) = write_night(FARM, 0, tmp_path)
    before = make_report([run]).report.total
    folder = run / "gw0-2"
    folder.mkdir()
    event = {"kind": "run", "title": "gw0-2", "wall_clock": "2024-10-30T23:00:00+01:00"}
    line = json.dumps({"t_s": 0.0, "event": event}, separators=(",", ":"))
    (folder / "recorder.jsonl").write_text(line + "\n")
    report = make_report([run]).report
    assert (report.total, report.unreadable) == (before, ())


def test_what_steers_a_terminal_is_not_printed(tmp_path: Path) -> None:
    """Boards and tools print anything."""
    (run,) = write_night(FARM, 0, tmp_path)
    path = next(run.glob("*/*/result.json"))
    result = read_result(path)
    steers = "red \x1b[31m\x07\u202e end"
    cause = CauseOfFailure(code=steers, text=steers, remedy=steers)
    update = {"outcome": "failed", "side": "firmware", "causes": (cause,), "kit": steers}
    write_result(path, result.model_copy(update=update))
    for option in ("--json", "--markdown", f"--html={tmp_path}"):
        code, out, _ = run_command(tmp_path, option)
        assert code == 0
        assert "red" in out
        assert not {"\x1b", "\x07", "\u202e"} & set(out)
    assert "\x1b" not in (tmp_path / "night.html").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no UTF-8")
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    write_night(FARM, 0, tmp_path)
    (other,) = write_night(FARM, 1, tmp_path)
    renamed = Path(os.fsdecode(os.fsencode(other) + b"\xff"))
    other.rename(renamed)
    report = make_report([tmp_path]).report
    assert [one.path for one in report.unreadable] == [renamed]
    assert report.night == night_date(0)
    assert run_command(tmp_path)[0] == 0
    assert run_command(tmp_path, f"--html={tmp_path}")[0] == 0
    assert run_command(tmp_path, "--json")[0] == 0


def test_nothing_readable(tmp_path: Path) -> None:
    code, out, err = run_command(tmp_path, tmp_path / "missing")
    assert (code, out) == (2, "")
    assert "No run can be read" in err
    assert "missing: No such file or directory" in err
    assert not list(tmp_path.iterdir())


def test_runs_of_several_folders_need_a_store(tmp_path: Path) -> None:
    one = write_night(FARM, 0, tmp_path / "lab1")
    two = write_night(FARM, 1, tmp_path / "lab2")
    code, _, err = run_command(*one, *two)
    assert code == 2
    assert "--store FILE" in err
    store = tmp_path / "all.sqlite"
    code, out, _ = run_command(*one, *two, "--store", store, "--html", tmp_path / "page")
    assert code == 0
    assert out.splitlines()[-1] == str(tmp_path / "page" / "night.html")
    page = (tmp_path / "page" / "night.html").read_text()
    assert 'href="../lab2/' in page


@pytest.mark.parametrize("keep", ["0", "-1", "x", "30w", "1.5", "99999"])
def test_keep_is_a_number(tmp_path: Path, keep: str) -> None:
    write_night(FARM, 0, tmp_path)
    code, _, err = run_command(tmp_path, f"--keep={keep}")
    assert code == 2
    assert "--keep 30 (nights) or --keep 90d (days)" in err


def test_keep(tmp_path: Path) -> None:
    write_month(FARM, tmp_path)
    code, out, _ = run_command(tmp_path, "--keep=1", "--json")
    assert code == 0
    assert json.loads(out)["nights"] == ["2024-10-31"]


def test_all_that_was_given_is_too_old(tmp_path: Path) -> None:
    write_month(FARM, tmp_path)
    code, _, err = run_command(tmp_path, "--keep=30d")
    assert code == 2
    assert "were pruned" in err
    assert "Keep more of them" in err


def test_json_has_what_the_page_has(tmp_path: Path) -> None:
    write_month(FARM, tmp_path)
    code, out, _ = run_command(tmp_path, "--json")
    assert code == 0
    value = json.loads(out)
    assert value["format"] == 1
    assert len(value["matrix"]) == 6
    assert {one["kit"] for one in value["kits"]} == {
        "1050012300",
        "1050012307",
        "1050012314",
        "1050012321",
    }
    assert {one["name"] for one in value["trends"]} >= {"upload throughput", "boot time"}
    assert all((tmp_path / one["folder"] / RESULT_NAME).is_file() for one in value["matrix"])


def test_only_one_thing_is_printed(tmp_path: Path) -> None:
    write_night(FARM, 0, tmp_path)
    code, out, _ = run_command(tmp_path, "--json", "--markdown")
    assert (code, out) == (2, "")

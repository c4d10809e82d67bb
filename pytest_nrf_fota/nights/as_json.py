"""A night as JSON, for other programs. `format` changes when a field changes its meaning."""

from dataclasses import asdict

from pydantic import JsonValue, TypeAdapter

from pytest_nrf_fota.nights.flakes import Flake
from pytest_nrf_fota.nights.headline import Headline
from pytest_nrf_fota.nights.night_report import (
    CauseGroup,
    CellView,
    Count,
    KitView,
    NightReport,
    Trend,
)
from pytest_nrf_fota.nights.store import Row

FORMAT = 1

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


def json_of(report: NightReport) -> str:
    """The whole report; nights are ISO dates, lists by night go from the oldest to the newest."""
    value: JsonValue = {
        "format": FORMAT,
        "night": report.night.isoformat(),
        "nights": [night.isoformat() for night in report.nights],
        "total": _count(report.total),
        "second_tries": report.second_tries,
        "hosts": list(report.hosts),
        "headlines": [_headline(one) for one in report.headlines],
        "fixed": [{"board": c.board, "scenario": c.scenario} for c in report.found.fixed],
        "firmware_failures": [_group(report, one) for one in report.firmware],
        "rig_errors": [_group(report, one) for one in report.rig],
        "matrix": [
            {"scenario": scenario, "board": board, **_cell(cell)}
            for scenario, cells in report.matrix
            for board, cell in zip(report.boards, cells, strict=True)
        ],
        "kits": [_kit(one) for one in report.kits],
        "trends": [_trend(report, one) for one in report.trends],
        "flakes": [_flake(one) for one in report.flakes],
        "unreadable": [{"path": one.name, "why": one.why} for one in report.unreadable],
    }
    return _JSON.dump_json(value, indent=2).decode()


def _count(count: Count) -> dict[str, JsonValue]:
    return {**asdict(count)}


def _cell(cell: CellView) -> dict[str, JsonValue]:
    return {
        **_count(cell.now),
        "skipped": cell.is_skipped,
        "states": [count.state.value for count in cell.nights],
        "folder": None if cell.row is None else cell.row.folder,
        "tries": [_row(row) for row in cell.tries],
        "flake": cell.is_flake,
    }


def _kit(one: KitView) -> JsonValue:
    return {
        "kit": one.kit,
        "board": one.board,
        "host": one.host,
        "trouble": one.trouble,
        **_count(one.now),
        "lost_by_night": [count.lost if count.ran else None for count in one.nights],
    }


def _flake(one: Flake) -> JsonValue:
    return {
        "board": one.cell.board,
        "scenario": one.cell.scenario,
        "second_tries": one.second_tries,
        "changes": one.changes,
        "runs": one.of_runs,
        "kits": list(one.kits),
    }


def _headline(one: Headline) -> JsonValue:
    return {
        "kind": one.kind.value,
        "weight": one.weight,
        "what": one.what,
        "since": one.since,
        "why": one.why,
        "cause": one.cause,
        "remedy": one.remedy,
        "kits": list(one.kits),
        "scenarios": list(one.scenarios),
        "failures": [_row(row) for row in one.rows],
    }


def _group(report: NightReport, one: CauseGroup) -> JsonValue:
    return {
        "cause": one.cause,
        "text": one.text,
        "remedy": one.remedy,
        "first_night": report.nights[one.first_night].isoformat(),
        "failures": [_row(row) for row in one.rows],
    }


def _row(row: Row) -> JsonValue:
    return {
        "board": row.board,
        "scenario": row.scenario,
        "kit": row.kit,
        "host": row.host,
        "outcome": row.outcome,
        "try": row.try_number,
        "firmware": row.firmware,
        "folder": row.folder,
    }


def _trend(report: NightReport, one: Trend) -> JsonValue:
    nights = range(len(report.nights))
    return {
        "name": one.metric.name,
        "unit": one.metric.unit,
        "board": one.metric.board,
        "median": [one.median.get(night) for night in nights],
        "outliers": [
            {"kit": kit, "night": report.nights[night].isoformat(), "value": value}
            for kit, night, value in one.outliers
        ],
    }

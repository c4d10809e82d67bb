"""Files beside Allure's results: categories, environment, who ran it."""

import json
from collections.abc import Mapping
from pathlib import Path

from pytest_nrf_fota.report.category import Category
from pytest_nrf_fota.report.ci_job import CiJob

_STATUSES = ["failed", "broken"]


def write_categories(folder: Path) -> None:
    """Write `categories.json`, which Allure 2 reads, and `allurerc.json` for Allure 3.

    Allure 2 matches messages alone, with Java's regular expressions over the whole message; Allure
    3 reads its own settings instead, and matches labels.
    """
    for_2 = [
        {
            "name": category.title,
            "matchedStatuses": _STATUSES,
            "messageRegex": rf"{category.title}:[\s\S]*",
        }
        for category in Category
    ]
    rules = [
        {
            "name": category.title,
            "matchers": [
                {"statuses": _STATUSES, "labels": {"category": f"^{category.value}$"}},
            ],
            "groupBy": [{"label": "cause"}],
        }
        for category in Category
    ]
    # With the results, so that they can be sent on as they are.
    for_3 = {"name": "nRF FOTA", "categories": {"rules": rules}}
    _write(folder / "categories.json", json.dumps(for_2, indent=2))
    _write(folder / "allurerc.json", json.dumps(for_3, indent=2))


def write_environment(folder: Path, values: Mapping[str, str]) -> None:
    """Write `environment.properties`, in the format of Java's properties."""
    lines = [f"{_key(name)}={_value(value)}" for name, value in values.items() if value]
    _write(folder / "environment.properties", "\n".join(lines) + "\n")


def write_executor(folder: Path, job: CiJob) -> None:
    """Write `executor.json`: the CI job."""
    executor = {
        "name": job.system,
        "type": job.system,
        "buildName": job.name,
        "buildUrl": job.url,
        "reportName": "nRF FOTA",
    }
    if job.number.isdigit():
        executor["buildOrder"] = job.number
    _write(folder / "executor.json", json.dumps(executor, indent=2))


def _key(name: str) -> str:
    return name.replace(" ", "_").replace(":", "_").replace("=", "_")


def _value(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", " ")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)

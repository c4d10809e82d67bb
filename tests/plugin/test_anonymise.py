"""`--anonymise`: reports that leave the house name nobody."""

import json
from pathlib import Path

import pytest

NAMES_SOMEBODY = """
import allure


def test_names(dut):
    allure.attach("J-Link S/N: 1050012345 of erika.musterfrau", "tool")
    print("J-Link S/N: 1050012345 of erika.musterfrau")
    home = dut.recorder.path
    assert str(home) == "/home/erika.musterfrau/x"
"""
REPORTS = (
    *("--junitxml=junit.xml", "-o", "junit_logging=all", "--alluredir=allure", "-l"),
    *("--html=report.html", "--self-contained-html"),
    *("--json-report", "--json-report-file=report.json"),
)


def _reports(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and "runs" not in path.parts]
    written = ("allure", "junit.xml", "report.html", "report.json")
    return {
        str(path.relative_to(folder)): path.read_text(errors="replace")
        for path in paths
        if path.relative_to(folder).parts[0] in written
    }


@pytest.mark.long_proof
def test_reports_name_nobody(user_folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither kit, user, host nor folder; and the same pseudonyms in the next run."""
    monkeypatch.setenv("LOGNAME", "erika.musterfrau")
    monkeypatch.setenv("NRF_FOTA_PSEUDONYM_KEY", "0123456789abcdef")
    user_folder.makepyfile(test_mine=NAMES_SOMEBODY)
    kits = []
    for _ in range(2):
        result = user_folder.runpytest_subprocess(
            *("--board", "nrf5340dk_sim", "--run-dir=runs", "--clean-alluredir", "--anonymise"),
            *REPORTS,
        )
        result.assert_outcomes(failed=1)
        found = _reports(user_folder.path)
        assert len(found) > 8
        told = json.loads(next(text for name, text in found.items() if "-result" in name))
        hosts = [one["value"] for one in told["labels"] if one["name"] == "host"]
        assert [host[:5] for host in hosts] == ["host-"]
        assert 'hostname="host-' in found["junit.xml"]
        for name, text in found.items():
            for secret in ("1050012345", "erika", str(user_folder.path), "0123456789abcdef"):
                assert secret not in text, f"{secret} in {name}"
        kits.append(found["junit.xml"].partition("S/N: kit-")[2][:10])
    assert kits[0] == kits[1] != ""
    # What stays in the house is as it was.
    recorder = next(user_folder.path.glob("runs/test*/recorder.jsonl")).read_text()
    assert "erika.musterfrau" in recorder

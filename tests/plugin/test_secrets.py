"""Secrets of each kind are planted in a run, and must be in none of its outputs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.secret_search import leaks, outputs_of, plant, planted

# Switches masking off, to see that the search finds what is there.
UNMASKED = """
from pytest_nrf_fota.record.key_blocks import KeyBlocks
from pytest_nrf_fota.record.secrets import Secrets

KeyBlocks.masked = lambda self, line: line
KeyBlocks.unfinished = lambda self, begun: len(begun)
for name in ("masked", "masked_report", "masked_bytes"):
    setattr(Secrets, name, lambda self, content: content)
Secrets.may_be_in = lambda self, text: False
Secrets.unfinished = lambda self, begun: len(begun)
"""
_COMMAND = str(Path(sys.executable).with_name("nrf-fota"))
OPTIONS = (
    *("--board", "paired_sim", "--board-dir=.", "--run-dir=runs", "-l", "-rA", "--full-trace"),
    *("--junitxml=junit.xml", "-o", "junit_logging=all", "--alluredir=allure"),
    *("--html=report.html", "--self-contained-html", "--json-report"),
    *("--json-report-file=report.json", "--log-file=log.txt", "--log-file-level=DEBUG"),
    *(
        "--log-level=DEBUG",
        "--log-cli-level=DEBUG",
    ),
)


@pytest.fixture
def told(tmp_path: Path, user_folder: pytest.Pytester) -> Path:
    """Where the planted test writes what it learns; outside of the run's folder."""
    (user_folder.path / "test_mine.py").unlink()
    path = tmp_path / "beside" / "told.json"
    path.parent.mkdir()
    return path


def _run(
    user_folder: pytest.Pytester, told: Path, monkeypatch: pytest.MonkeyPatch, *options: str
) -> str:
    """Run the planted test; what it printed, and in its folder all else."""
    for name, value in plant(user_folder.path, told).items():
        monkeypatch.setenv(name, value)
    result = user_folder.runpytest_subprocess(*OPTIONS, *options)
    run = user_folder.path / "runs"
    packed = subprocess.run(
        [_COMMAND, "recording", str(run), "--output=recording.zip"],
        cwd=user_folder.path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (user_folder.path / "recording.zip").is_file(), packed.stderr
    return "\n".join([*result.outlines, *result.errlines, packed.stdout, packed.stderr])


def _leaks(user_folder: pytest.Pytester, told: Path, printed: str) -> list[str]:
    return leaks({**outputs_of(user_folder.path), "terminal": printed.encode()}, told)


@pytest.mark.parametrize("options", [(), pytest.param(("-n", "1"), marks=pytest.mark.long_proof)])
def test_no_output_holds_a_secret(
    user_folder: pytest.Pytester,
    told: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    """Recorder, logs, JUnit, Allure, HTML, JSON, terminal with values of variables, recording."""
    printed = _run(user_folder, told, monkeypatch, *options)
    assert "is not what was expected" in printed
    assert "Passkey for" in (next(user_folder.path.glob("runs/**/uart.log"))).read_text()
    assert not (found := _leaks(user_folder, told, printed)), "\n".join(found)


def test_no_output_of_a_killed_run_holds_a_secret(
    user_folder: pytest.Pytester, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written until then is complete but for secrets."""
    monkeypatch.setenv("KILLED", "yes")
    printed = _run(user_folder, told, monkeypatch)
    assert not (user_folder.path / "junit.xml").exists()
    recorder = next(user_folder.path.glob("runs/test*/recorder.jsonl")).read_text()
    assert "Passkey for" in recorder and "******** -----BEGIN PRIVATE KEY-----" in recorder
    assert not (found := _leaks(user_folder, told, printed)), "\n".join(found)


@pytest.mark.long_proof
def test_search_finds_what_is_planted(
    user_folder: pytest.Pytester, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With masking switched off each kind is found, and in each kind of output something."""
    user_folder.makeconftest(UNMASKED)
    found = _leaks(user_folder, told, _run(user_folder, told, monkeypatch))
    print("\n".join(found))
    for kind in planted(told):
        assert any(line.startswith(f"{kind}: ") for line in found), kind
    for output in (
        *("recorder.jsonl", "uart.log", "junit.xml", "report.html", "report.json", "log.txt"),
        *("-result.json", "attachment", "terminal"),
    ):
        assert any(output in line for line in found), output

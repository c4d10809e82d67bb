"""docs/scenarios.md is what the scenarios say of themselves."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_table_of_scenarios_is_up_to_date() -> None:
    made = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "scenario_table.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    document = (ROOT / "docs/scenarios.md").read_text(encoding="utf-8")
    assert made.stdout == document, "run: python tests/plugin/scenario_table.py > docs/scenarios.md"

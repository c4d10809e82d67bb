"""Writes durations.json, by which `conftest.py` lets long tests begin first.

Run: python tests/write_durations.py JUNIT_FILE... (of `make test` and `make proofs`).
"""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

AT_LEAST_S = 5.0


def main(paths: list[str]) -> None:
    """Write what took longest."""
    longest = {
        _name(case): round(float(case.get("time", "0")))
        for path in paths
        for case in ElementTree.parse(path).iter("testcase")
        if float(case.get("time", "0")) >= AT_LEAST_S
    }
    lines = json.dumps(dict(sorted(longest.items())), indent=0)
    Path(__file__).with_name("durations.json").write_text(lines + "\n")


def _name(case: ElementTree.Element) -> str:
    """Module and test, as pytest names them in JUnit, without the board's name in front."""
    module = case.get("classname", "")
    return f"{module[module.index('tests.') :]}.{case.get('name')}"


if __name__ == "__main__":
    main(sys.argv[1:])

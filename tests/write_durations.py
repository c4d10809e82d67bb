"""Writes durations.json, by which `conftest.py` lets slow modules begin first.

Run: python tests/write_durations.py JUNIT_OF_MAKE_TEST JUNIT_OF_MAKE_PROOFS
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

AT_LEAST_S = 5.0


def main(test: Path, proofs: Path) -> None:
    """Write what the slow modules took: their tests of `make test`, and their long proofs."""
    seconds = {kind: _of_modules(path) for kind, path in (("tests", test), ("proofs", proofs))}
    Path(__file__).with_name("durations.json").write_text(json.dumps(seconds, indent=2) + "\n")


def _of_modules(path: Path) -> dict[str, int]:
    took_s: defaultdict[str, float] = defaultdict(float)
    for case in ElementTree.parse(path).iter("testcase"):
        # With the board's name in front, and a class behind.
        name = case.get("classname", "")
        parts = [part for part in name[name.index("tests.") :].split(".") if part[0].islower()]
        took_s["/".join(parts) + ".py"] += float(case.get("time", "0"))
    slow = ((module, round(s)) for module, s in took_s.items() if s >= AT_LEAST_S)
    return dict(sorted(slow))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

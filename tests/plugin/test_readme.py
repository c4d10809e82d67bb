"""The README's examples are test files as they stand there."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = [
    text
    for text in re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    if "def test_" in text
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("def ")[1].split("(")[0])
def test_example_passes(user_folder: pytest.Pytester, example: str) -> None:
    """On the virtual kit."""
    imports = "" if "import pytest" in example else "import pytest\n"
    user_folder.makepyfile(test_mine=imports + example)
    user_folder.runpytest_subprocess("--board", "nrf5340dk_sim").assert_outcomes(passed=1)


def test_there_are_examples() -> None:
    """The pattern finds them: an upgrade, a board's needs, a refusal, a power cut."""
    assert len(EXAMPLES) >= 4

"""The marker `nightly`: long tests wait until they are asked for, and say so."""

import pytest

pytestmark = pytest.mark.long_proof

NIGHTLY_TEST = """
import pytest

@pytest.mark.nightly
def test_long(unit):
    pass

def test_short(board):
    pass
"""


@pytest.mark.parametrize(
    ("arguments", "passed", "skipped", "deselected"),
    [
        ((), 1, 1, 0),
        (("--nightly",), 2, 0, 0),
        (("-m", "nightly"), 1, 0, 1),
        (("-m", "not nightly"), 1, 0, 1),
    ],
    ids=["by day", "by option", "by marker", "by marker, without"],
)
def test_nightly_test(
    user_folder: pytest.Pytester,
    arguments: tuple[str, ...],
    passed: int,
    skipped: int,
    deselected: int,
) -> None:
    """Skipped with how to run it, so that nobody takes it for done."""
    user_folder.makepyfile(test_mine=NIGHTLY_TEST)
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "-rs", *arguments)
    result.assert_outcomes(passed=passed, skipped=skipped, deselected=deselected)
    if skipped:
        result.stdout.fnmatch_lines(["SKIPPED*nightly: runs with --nightly or -m nightly"])


def test_without_board_a_users_own_marker_is_left_alone(user_folder: pytest.Pytester) -> None:
    """Other projects have long tests, too."""
    user_folder.makepyfile(
        test_mine="import pytest\n@pytest.mark.nightly\ndef test_long():\n    pass\n"
    )
    user_folder.runpytest_subprocess().assert_outcomes(passed=1)

"""The marker `needs`: what a board has not is a reason to skip, a misspelt name is a mistake."""

import pytest


def test_what_the_board_has_not_is_the_reason(user_folder: pytest.Pytester) -> None:
    """The test is skipped before a board is taken; others run."""
    user_folder.makepyfile(
        test_mine="""
        import pytest

        pytestmark = pytest.mark.needs("ble")

        @pytest.mark.needs("nsib", "highest_version")
        def test_other_board(dut):
            raise AssertionError("must not run")

        @pytest.mark.needs("nsib")
        def test_this_board(board):
            assert board.name == "nrf5340dk_sim"
        """
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED*test_mine.py*nrf5340dk_sim has no highest_version: MCUboot takes*"]
    )
    assert not list(user_folder.path.glob("nrf_fota_runs/*/unit"))


def test_unknown_name_is_a_usage_error(user_folder: pytest.Pytester) -> None:
    """Else such a test would never run, and nobody would notice."""
    user_folder.makepyfile(
        test_mine="""
        import pytest

        @pytest.mark.needs("nsip")
        def test_it(board):
            pass
        """
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it*no board capability is named 'nsip'; known: nsib, *"])


@pytest.mark.parametrize("arguments", ["", '"nsib", reason="because"'])
def test_anything_but_names_is_a_usage_error(user_folder: pytest.Pytester, arguments: str) -> None:
    """Else the test would run everywhere, or for another reason than it says."""
    user_folder.makepyfile(
        test_mine=f"import pytest\n@pytest.mark.needs({arguments})\ndef test_it(board): pass\n"
    )
    result = user_folder.runpytest_subprocess("--board", "nrf5340dk_sim")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it*needs() takes names of capabilities and nothing else*"])


def test_names_and_meanings_are_listed(user_folder: pytest.Pytester) -> None:
    """Where pytest lists its markers."""
    result = user_folder.runpytest_subprocess("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.needs(capability, ...): *", "*nsib: NSIB chooses*"])

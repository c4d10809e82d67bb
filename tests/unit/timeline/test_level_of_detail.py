"""However many things there are: the marks are bounded, none of them is lost, errors stay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_nrf_fota.timeline.level_of_detail import MarkBins
from pytest_nrf_fota.timeline.values import Mark, Tone


def _mark(start_s: float, lasted_s: float = 0.0, number: int = 1, tone: Tone = Tone.PLAIN) -> Mark:
    return Mark(start_s, start_s + lasted_s, number, f"line {number}", tone=tone)


@pytest.mark.parametrize("lasted_s", [0.0, 0.02, 0.5], ids=["moments", "touching", "overlapping"])
def test_many_become_few_that_are_spread_over_the_whole_time(lasted_s: float) -> None:
    bins = MarkBins(most=100)
    for number in range(50_000):
        bins.add(_mark(number * 0.02, lasted_s, number))
    marks = bins.marks()
    assert 25 <= len(marks) <= 100
    assert sum(mark.count for mark in marks) == 50_000
    assert max(mark.end_s - mark.start_s for mark in marks) < 100
    assert marks[0].start_s == 0.0
    assert marks[-1].end_s == 49_999 * 0.02 + lasted_s


def test_few_stay_as_they_are() -> None:
    bins = MarkBins(most=100)
    given_marks = [_mark(0.00001 * number, number=number) for number in range(100)]
    for mark in given_marks:
        bins.add(mark)
    assert list(bins.marks()) == given_marks


def test_one_error_among_many_is_what_its_mark_leads_to() -> None:
    bins = MarkBins(most=10)
    for number in range(10_000):
        bins.add(_mark(number, number=number, tone=Tone.BAD if number == 7777 else Tone.PLAIN))
    bad = [mark for mark in bins.marks() if mark.tone is Tone.BAD]
    assert [(mark.number, mark.bad) for mark in bad] == [(7777, 1)]
    assert bad[0].count > 1


def test_a_long_one_is_not_merged_into_short_ones() -> None:
    bins = MarkBins(most=10)
    bins.add(_mark(0.0, 900.0, number=999_999))
    for number in range(1000):
        bins.add(_mark(number, 0.1, number))
    longest = max(bins.marks(), key=lambda mark: mark.end_s - mark.start_s)
    assert (longest.number, longest.count) == (999_999, 1)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.sampled_from(["a", "b"])), max_size=300
    )
)
def test_bounded_and_complete_for_any_times(times: list[tuple[float, float, str]]) -> None:
    bins = MarkBins(most=20)
    for start_s, lasted_s, look in times:
        bins.add(Mark(start_s, start_s + lasted_s, 1, "", look=look))
    marks = bins.marks()
    assert len(marks) <= 20
    assert sum(mark.count for mark in marks) == len(times)

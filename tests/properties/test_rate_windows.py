"""The spacing of calls never lets more into a window than its limit, whatever the order of arrival."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ops_core.db.rate_limits import window


def admitted(limit: int, seconds: int, arrivals: list[float]) -> list[float]:
    """GCRA by hand: the moments at which calls may be made."""
    spacing = window(limit, seconds)
    tat = 0.0
    moments = []
    for arrival in sorted(arrivals):
        start = max(arrival, tat - spacing.tolerance)
        moments.append(start)
        tat = max(tat, start) + spacing.gap
    return moments


@given(
    limit=st.integers(1, 400),
    seconds=st.sampled_from([1, 60, 3600]),
    data=st.data(),
)
def test_no_window_is_overfull(limit: int, seconds: int, data: st.DataObject) -> None:
    arrivals = data.draw(st.lists(st.floats(0, seconds * 2.0), min_size=1, max_size=limit + 50))
    moments = admitted(limit, seconds, arrivals)
    for start in moments:
        assert sum(1 for moment in moments if start <= moment < start + seconds) <= limit


@given(limit=st.integers(1, 1_000_000), seconds=st.sampled_from([1, 60, 3600]))
def test_a_busy_window_is_used_to_more_than_96_percent(limit: int, seconds: int) -> None:
    assert seconds / window(limit, seconds).gap >= limit * 0.96

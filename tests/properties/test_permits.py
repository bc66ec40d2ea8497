"""Permits never let more into a window than its limit, whatever the order of asking, and use it nearly up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.permits import MARGINS, Clock, Limits, Standing, good_for, take, window

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
LENGTHS = {"per_second": 1, "per_minute": 60, "per_hour": 3600}

maybe = st.none() | st.integers(1, 400)
limits_drawn = st.builds(Limits, per_second=maybe, per_minute=maybe, per_hour=maybe)
#: How long after the one before, seconds; how many; and how long they would wait, seconds.
askings = st.lists(
    st.tuples(st.floats(0, 90), st.integers(1, 40), st.sampled_from([0.0, 1.0, 10.0, 100.0])),
    min_size=1,
    max_size=40,
)


def most_within(starts: list[datetime], seconds: float) -> int:
    """The most starts in any window of that length, open at its end."""
    most, first = 0, 0
    for last, start in enumerate(starts):
        while start - starts[first] >= timedelta(seconds=seconds):
            first += 1
        most = max(most, last - first + 1)
    return most


@given(limits=limits_drawn, questions=askings)
def test_no_window_of_any_length_holds_more_than_its_limit(
    limits: Limits, questions: list[tuple[float, int, float]]
) -> None:
    now, standing, starts = BEGIN, Standing.fresh(BEGIN), []
    for pause, n, longest in questions:
        now += timedelta(seconds=pause)
        taken = take(standing, limits, now=now, n=n, longest_wait=longest)
        starts += taken.starts
        standing = taken.standing
        assert all(now <= start <= now + timedelta(seconds=longest) for start in taken.starts)
        assert (taken.wait is None) == (len(taken.starts) == n)
        if taken.wait is not None:
            assert taken.wait > longest, "refused although the wait is short enough"
            # and what it was told is true: then there is a permit
            later = now + timedelta(seconds=taken.wait)
            assert len(take(standing, limits, now=later, n=1, longest_wait=0).starts) == 1
    assert starts == sorted(starts)
    for name, seconds in LENGTHS.items():
        limit = getattr(limits, name)
        if limit is not None:
            assert most_within(starts, seconds) <= limit
            # as late as a permit may be used, and as long again on its way
            assert most_within(starts, seconds + 2 * good_for(limits)) <= limit


@given(limits=limits_drawn, n=st.integers(1, 60), longest=st.floats(0, 100), lead=st.floats(0, 1))
def test_taking_several_at_once_gives_the_same_as_one_by_one(
    limits: Limits, n: int, longest: float, lead: float
) -> None:
    at_once = take(Standing.fresh(BEGIN), limits, now=BEGIN, n=n, longest_wait=longest, lead=lead)
    standing, starts = Standing.fresh(BEGIN), []
    for _ in range(n):
        one = take(standing, limits, now=BEGIN, longest_wait=longest, lead=lead)
        standing = one.standing
        starts += one.starts
    assert (at_once.starts, at_once.standing) == (tuple(starts), standing)
    assert one.wait == at_once.wait


@given(limits=limits_drawn, seconds=st.floats(0.001, 100), n=st.integers(1, 20), longest=st.floats(0, 100))
def test_nothing_starts_in_a_silence(limits: Limits, seconds: float, n: int, longest: float) -> None:
    until = BEGIN + timedelta(seconds=seconds)
    standing = Standing(second=BEGIN, minute=BEGIN, hour=BEGIN, blocked_until=until)
    taken = take(standing, limits, now=BEGIN, n=n, longest_wait=longest)
    assert all(start >= until for start in taken.starts)
    assert taken.standing.blocked_until == until


@given(limit=st.integers(1, 1_000_000), seconds=st.sampled_from([1, 60, 3600]))
def test_a_busy_window_is_used_but_for_its_margin_and_the_share_of_bursts(limit: int, seconds: int) -> None:
    used = timedelta(seconds=seconds) / window(limit, seconds).gap / limit
    assert used <= 1
    rounding = limit / (seconds * 1_000_000)
    assert used >= (1 - 0.005) * seconds / (seconds + MARGINS[seconds]) - rounding


def test_120_a_minute_are_used_to_more_than_99_percent() -> None:
    limits = Limits(per_second=5, per_minute=120)
    taken = take(Standing.fresh(BEGIN), limits, now=BEGIN, n=1000, longest_wait=1000)
    per_minute = 60 / (taken.starts[-1] - taken.starts[0]).total_seconds() * (len(taken.starts) - 1)
    assert 119.1 < per_minute < 120


def test_a_window_that_another_keeps_empty_forgives_long_delays() -> None:
    assert good_for(Limits(per_second=5)) == 0.05
    assert 0.19 < good_for(Limits(per_second=5, per_minute=120)) < 0.21
    assert good_for(Limits()) == float("inf")


def test_what_two_remember_of_the_same_windows_adds_up() -> None:
    later = BEGIN + timedelta(seconds=5)
    ours = Standing(second=later, minute=BEGIN, hour=later, blocked_until=later)
    theirs = Standing(second=BEGIN, minute=later, hour=BEGIN)
    assert theirs.with_uses_of(ours) == Standing(second=later, minute=later, hour=later)


@given(
    ahead=st.floats(-1e6, 1e6),
    answers=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_the_clock_is_never_early_and_as_late_as_the_quickest_answer(
    ahead: float, answers: list[tuple[float, float, float]]
) -> None:
    clock, own, quickest = None, 1_000_000.0, 1.0
    for pause, there, back in answers:
        own += pause
        server = BEGIN + timedelta(seconds=own + there + ahead)
        clock = Clock.read(clock, sent=own, server=server, received=own + there + back)
        own += there + back
        quickest = min(quickest, back)
        instant = BEGIN + timedelta(seconds=own + 3 + ahead)
        assert -1e-5 <= clock.when(instant) - (own + 3) <= quickest + 0.02


def test_a_clock_that_was_set_back_is_believed_at_once() -> None:
    clock = Clock.read(None, sent=10, server=BEGIN, received=10.5)
    back = BEGIN - timedelta(hours=1)
    clock = Clock.read(clock, sent=20, server=back, received=20.25)
    assert clock.when(back) == 20.25

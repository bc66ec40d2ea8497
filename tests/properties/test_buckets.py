"""A stretch of time is cut into buckets of the viewer's calendar: none of it is lost, none counted twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops_core.domain.buckets import MOST_BUCKETS, Step, buckets, joined_hours, torn_hours, whole_hour

HOUR = timedelta(hours=1)
WARSAW = ZoneInfo("Europe/Warsaw")

#: Half and quarter hours, clocks that change at midnight or by half an hour, a day that was left out.
zones = st.sampled_from(
    [
        "UTC",
        "Europe/Warsaw",
        "America/New_York",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "America/Havana",
        "America/Santiago",
        "Africa/Cairo",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Pacific/Kiritimati",
    ]
).map(ZoneInfo)
moments = st.integers(631_152_000_000_000, 1_893_456_000_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
lengths = st.one_of(
    st.timedeltas(timedelta(microseconds=1), timedelta(days=3)),
    st.timedeltas(timedelta(days=3), timedelta(days=70)),
    st.timedeltas(timedelta(days=70), timedelta(days=1300)),
    st.timedeltas(timedelta(days=1300), timedelta(days=12_000)),
)


def wall(year: int, month: int, day: int, hour: int = 0, zone: ZoneInfo = WARSAW) -> datetime:
    return datetime(year, month, day, hour, tzinfo=zone).astimezone(UTC)


@given(moments, lengths, zones)
def test_buckets_tile_the_time_asked_for(since, length, zone):
    until = since + length
    cut = buckets(since, until, zone, now=until)
    assert (cut.edges[0], cut.edges[-1]) == (since, until)
    assert list(cut.edges) == sorted(set(cut.edges))
    assert 1 <= len(cut) <= MOST_BUCKETS
    assert cut.spans == list(pairwise(cut.edges))


@given(moments, lengths, zones)
def test_buckets_begin_with_the_viewers_hours_days_mondays_and_months(since, length, zone):
    cut = buckets(since, since + length, zone, now=since + length)
    for edge in cut.edges[1:-1]:
        local, before = edge.astimezone(zone), (edge - timedelta(microseconds=1)).astimezone(zone)
        if cut.step is Step.HOUR:
            # or where the clock was moved: then the hour began before
            moved = local.utcoffset() != before.utcoffset()
            assert moved or (local.minute, local.second, local.microsecond) == (0, 0, 0)
            continue
        assert local.date() > before.date()
        if cut.step is Step.WEEK:
            assert local.isocalendar()[:2] != before.isocalendar()[:2]
        if cut.step is Step.MONTH:
            assert (local.year, local.month) != (before.year, before.month)


@given(moments, st.timedeltas(timedelta(microseconds=1), timedelta(days=60)), zones)
def test_no_two_days_of_the_viewer_share_a_bucket(since, length, zone):
    cut = buckets(since, since + length, zone, now=since + length)
    for begin, end in cut.spans:
        last = (end - timedelta(microseconds=1)).astimezone(zone)
        assert begin.astimezone(zone).date() == last.date()


@pytest.mark.parametrize(
    ("days", "step"),
    [
        (1, Step.HOUR),
        (2, Step.HOUR),
        (3, Step.DAY),
        (60, Step.DAY),
        (61, Step.WEEK),
        (1100, Step.WEEK),
        (1300, Step.MONTH),
        (4000, Step.MONTH),
    ],
)
def test_the_longer_the_time_the_larger_the_buckets(days, step):
    now = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
    assert buckets(now - timedelta(days=days), now, WARSAW, now=now).step is step


def test_a_day_has_23_or_25_hours_when_the_clocks_change():
    spring = buckets(wall(2026, 3, 29), wall(2026, 3, 30), WARSAW, now=wall(2026, 4, 1))
    autumn = buckets(wall(2026, 10, 25), wall(2026, 10, 26), WARSAW, now=wall(2026, 11, 1))
    assert (spring.step, len(spring)) == (Step.HOUR, 23)
    assert (autumn.step, len(autumn)) == (Step.HOUR, 25)
    week = buckets(wall(2026, 10, 20), wall(2026, 10, 27), WARSAW, now=wall(2026, 11, 1))
    assert [end - begin for begin, end in week.spans].count(25 * HOUR) == 1


def test_two_whole_days_are_hours_even_when_the_clocks_change():
    two_days = buckets(wall(2026, 10, 24), wall(2026, 10, 26), WARSAW, now=wall(2026, 11, 1))
    assert (two_days.step, len(two_days)) == (Step.HOUR, 49)


def test_weeks_begin_on_monday_and_the_first_is_cut_short():
    cut = buckets(wall(2026, 8, 1), wall(2026, 11, 1), WARSAW, now=wall(2026, 12, 1))
    starts = [edge.astimezone(WARSAW) for edge in cut.edges[:-1]]
    assert (starts[0].day, starts[0].month) == (1, 8)  # a Saturday
    assert all(start.weekday() == 0 and start.hour == 0 for start in starts[1:])


@pytest.mark.parametrize(
    ("until", "now", "running"),
    [
        (wall(2026, 11, 22, 14), wall(2026, 11, 22, 14), True),  # the day goes on
        (wall(2026, 11, 22), wall(2026, 11, 22), False),  # it ended this moment
        (wall(2026, 11, 22), wall(2026, 11, 25), False),
        (wall(2026, 11, 22, 14), wall(2026, 11, 25), False),  # cut short, but over
        (wall(2026, 11, 22, 14), wall(2026, 11, 22, 20), True),
    ],
)
def test_the_last_bucket_runs_while_its_day_is_not_over(until, now, running):
    assert buckets(until - timedelta(days=7), until, WARSAW, now=now).running is running


@given(moments, zones)
def test_no_time_has_no_bucket(moment, zone):
    for until in (moment, moment - HOUR):
        cut = buckets(moment, until, zone, now=moment)
        assert (len(cut), cut.edges, cut.spans, cut.running) == (0, (), [], False)


@given(zones, st.sampled_from([timedelta(days=1), timedelta(days=30), timedelta(days=400)]))
@example(ZoneInfo("America/New_York"), timedelta(days=739_000))
def test_the_beginning_of_the_calendar_is_no_trouble(zone, length):
    first = datetime.min.replace(tzinfo=UTC)
    cut = buckets(first, first + length, zone, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert (cut.edges[0], cut.edges[-1]) == (first, first + length)
    assert 1 <= len(cut) <= MOST_BUCKETS


@given(st.lists(st.one_of(moments, moments.map(whole_hour)), min_size=1, max_size=6).map(sorted))
def test_an_hour_is_torn_where_an_edge_lies_within_it(edges):
    torn = torn_hours(edges)
    for edge in edges:
        assert (whole_hour(edge) in torn) or edge == whole_hour(edge)
    assert all(any(hour < edge < hour + HOUR for edge in edges) for hour in torn)
    assert torn == sorted(set(torn))


def test_an_open_end_tears_no_hour():
    edge = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
    assert torn_hours([None, edge]) == [edge.replace(minute=0)]
    assert torn_hours([None, None]) == []


@given(st.sets(st.integers(0, 40)).map(sorted))
def test_hours_that_follow_each_other_are_one_span(numbers):
    first = datetime(2026, 11, 22, tzinfo=UTC)
    hours = [first + number * HOUR for number in numbers]
    spans = joined_hours(hours)
    assert [begin + n * HOUR for begin, end in spans for n in range((end - begin) // HOUR)] == hours
    assert all(end < begin for (_, end), (begin, _) in pairwise(spans))

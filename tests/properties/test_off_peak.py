"""The quiet hour: always one of 24, soon, never beaten by another, and explained."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.off_peak import QUIET_HOUR, HourSum, OffPeak, choose
from ops_core.domain.permits import Limits

CODES = ("google_places", "wikimedia_commons", "here")
NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
SHARES = {"google_places": 100}

counts = st.none() | st.integers(1, 10_000)
limits = st.dictionaries(
    st.sampled_from(CODES), st.builds(Limits, per_second=counts, per_minute=counts, per_hour=counts)
)
shares = st.dictionaries(st.sampled_from(CODES), st.integers(0, 500_000))
nows = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)


@st.composite
def sums(draw: st.DrawFn) -> HourSum:
    tries = draw(st.integers(0, 5000))
    return HourSum(
        provider=draw(st.sampled_from(CODES)),
        hour=draw(st.integers(0, 23)),
        tries=tries,
        failed=draw(st.integers(0, tries)),
        permits=draw(st.integers(0, 10_000)),
    )


many = st.lists(sums(), max_size=60)


def hour_sum(
    hour: int, tries: int, failed: int, provider: str = "google_places", permits: int = 0
) -> HourSum:
    return HourSum(provider=provider, hour=hour, tries=tries, failed=failed, permits=permits)


def chosen(choice: OffPeak) -> int:
    return choice.start.hour


@given(many, limits, shares, nows)
def test_there_are_24_hours_and_the_choice_begins_within_one_day(sums, limits, shares, now) -> None:
    choice = choose(sums, limits, shares, now)
    assert [hour.hour for hour in choice.hours] == list(range(24))
    assert now < choice.start <= now + timedelta(hours=24)
    assert choice.start.utcoffset() == timedelta(0)
    assert (choice.start.minute, choice.start.second, choice.start.microsecond) == (0, 0, 0)
    assert choice.why.startswith(f"{choice.start.hour:02d}:00 UTC: ")
    assert choice.why.endswith(".")


@given(many, limits, shares, nows)
def test_no_hour_is_better_by_its_own_score(sums, limits, shares, now) -> None:
    choice = choose(sums, limits, shares, now)
    best = choice.hours[chosen(choice)]
    assert all(0 <= best.score <= hour.score <= 1 for hour in choice.hours)
    # of equal ones that were tried, it is the next to begin
    for hour in choice.hours:
        begins = choice.start.replace(hour=hour.hour)
        begins += timedelta(days=1) if begins <= now else timedelta(0)
        while begins - timedelta(days=1) > now:
            begins -= timedelta(days=1)
        if hour.tries and hour.score == best.score:
            assert choice.start <= begins


@given(many, limits, shares, nows, st.randoms())
def test_the_order_of_the_sums_does_not_matter(sums, limits, shares, now, random) -> None:
    shuffled, turned = list(sums), list(shares.items())
    random.shuffle(shuffled)
    random.shuffle(turned)
    assert choose(shuffled, limits, dict(turned), now) == choose(sums, limits, shares, now)


@given(many, limits, shares, nows)
def test_an_hour_without_tries_is_neither_best_nor_worst(sums, limits, shares, now) -> None:
    choice = choose(sums, limits, shares, now)
    tried = [hour.score for hour in choice.hours if hour.tries]
    for hour in choice.hours:
        assert (hour.failed_share is None) == (hour.tries == 0)
        if not hour.tries and tried:
            assert min(tried) <= hour.score <= max(tried)
    if tried:
        assert choice.hours[chosen(choice)].tries


@given(many, limits, nows)
def test_providers_that_the_retry_does_not_need_do_not_matter(sums, limits, now) -> None:
    needed = [each for each in sums if each.provider == "here"]
    assert choose(sums, limits, {"here": 5}, now) == choose(
        needed, limits, {"here": 5, "google_places": 0}, now
    )


@given(limits, shares, nows)
def test_without_history_it_is_the_quiet_hour_and_says_so(limits, shares, now) -> None:
    choice = choose([], limits, shares, now)
    assert chosen(choice) == QUIET_HOUR
    assert "no full hour of tries" in choice.why
    assert len({hour.score for hour in choice.hours}) == 1


def test_the_hour_with_the_fewest_failures_is_chosen_and_explained() -> None:
    past = [hour_sum(hour, 1000, 300, permits=1000) for hour in range(24) if hour != 4]
    past.append(hour_sum(4, 1200, 48, permits=7 * 1200))
    choice = choose(past, {"google_places": Limits(per_minute=60, per_second=50)}, SHARES, NOW)
    assert choice.start == datetime(2026, 11, 23, 4, tzinfo=UTC)
    assert choice.why == (
        "04:00 UTC: 4 % failed of 1,200 tries, 17 % of the limit used; "
        "in the worst hour of the last 14 days 30 % failed."
    )
    assert choice.hours[4].used_share == pytest.approx(7 * 1200 / (3600 * 14))


def test_a_few_lucky_tries_do_not_beat_many_good_ones() -> None:
    past = [hour_sum(hour, 1000, 500) for hour in range(24)]
    past[3] = hour_sum(3, 3, 0)
    past[5] = hour_sum(5, 1000, 50)
    assert chosen(choose(past, {}, SHARES, NOW)) == 5


def test_of_hours_that_fail_alike_the_one_with_more_room_is_chosen() -> None:
    past = [hour_sum(hour, 1000, 100, permits=40_000 if hour != 20 else 1000) for hour in range(24)]
    assert chosen(choose(past, {"google_places": Limits(per_hour=3600)}, SHARES, NOW)) == 20
    # without limits there is nothing to tell them apart: the next one
    assert choose(past, {}, SHARES, NOW).start == datetime(2026, 11, 22, 11, tzinfo=UTC)


def test_providers_count_by_their_images() -> None:
    past = [hour_sum(hour, 1000, 500, provider) for hour in range(24) for provider in CODES[:2]]
    past += [hour_sum(2, 9000, 0, "google_places"), hour_sum(7, 9000, 0, "wikimedia_commons")]
    assert chosen(choose(past, {}, {"google_places": 90, "wikimedia_commons": 10}, NOW)) == 2
    assert chosen(choose(past, {}, {"google_places": 10, "wikimedia_commons": 90}, NOW)) == 7


def test_an_hour_that_has_just_begun_comes_tomorrow() -> None:
    past = [hour_sum(10, 100, 0)]
    assert choose(past, {}, SHARES, NOW).start == datetime(2026, 11, 23, 10, tzinfo=UTC)
    begun = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert choose(past, {}, SHARES, begun).start == begun + timedelta(days=1)
    assert choose(past, {}, SHARES, begun - timedelta(microseconds=1)).start == begun


def test_one_hour_alone_is_said_to_be_alone() -> None:
    choice = choose([hour_sum(6, 1, 0)], {}, SHARES, NOW)
    assert choice.why == ("06:00 UTC: 0 % failed of 1 try; no other hour had tries in the last 14 days.")

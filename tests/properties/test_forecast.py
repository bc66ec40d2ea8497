"""Forecasts: no faster than any limit, of all images once, and as sure as their history."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.errors import ErrorType
from ops_core.domain.forecast import USUAL_SPEED, Forecast, History, make_forecast, permits_taken, windows
from ops_core.domain.intervals import wilson
from ops_core.domain.permits import Limits
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import KindShare, ProviderShare, RetryPlan

CODES = ("google_places", "wikimedia_commons", "here")
NO_LIMITS = Limits()

counts = st.none() | st.integers(1, 100_000)
limits = st.dictionaries(
    st.sampled_from(CODES), st.builds(Limits, per_second=counts, per_minute=counts, per_hour=counts)
)
histories = st.lists(
    st.integers(0, 10_000).flatmap(
        lambda tries: st.builds(
            History,
            provider=st.sampled_from(CODES),
            error_type=st.sampled_from(ErrorType),
            tries=st.just(tries),
            uploaded=st.integers(0, tries),
        )
    )
)
kinds = st.builds(
    KindShare,
    provider=st.sampled_from(CODES),
    error_type=st.none() | st.sampled_from(ErrorType),
    images=st.integers(1, 500_000),
)
options = st.builds(
    Options,
    per_hour=st.none() | st.integers(1, 10**6),
    usd_per_day=st.none() | st.decimals(Decimal("0.01"), 1000, places=2),
    sample=st.integers(0, 100),
)
speeds = st.floats(0.01, 10_000)
used = st.dictionaries(st.sampled_from(CODES), st.integers(0, 10**7))


def plan_of(*kinds: KindShare, price: str = "0.007") -> RetryPlan:
    shares = []
    for code in sorted({kind.provider for kind in kinds}):
        images = sum(kind.images for kind in kinds if kind.provider == code)
        shares.append(
            ProviderShare(provider=code, images=images, calls=images, cost_usd=images * Decimal(price))
        )
    return RetryPlan(
        images=sum(kind.images for kind in kinds),
        venues=1,
        by_provider=tuple(shares),
        kinds=tuple(kinds),
        skipped={},
    )


plans = st.lists(kinds, max_size=6, unique_by=lambda kind: (kind.provider, kind.error_type)).map(
    lambda found: plan_of(*found)
)


def timeouts(images: int, provider: str = "google_places") -> KindShare:
    return KindShare(provider, ErrorType.NETWORK_TIMEOUT, images)


def forecast(plan: RetryPlan, given_limits: Limits = NO_LIMITS, **more: object) -> Forecast:
    arguments = {"history": (), "used_today": {}, "options": Options(), "speed": USUAL_SPEED} | more
    return make_forecast(plan, dict.fromkeys(CODES, given_limits), **arguments)


@given(plans, limits, histories, used, options, speeds)
def test_a_forecast_survives_being_stored(plan, limits, history, used, options, speed) -> None:
    made = make_forecast(plan, limits, history, used, options, speed)
    assert Forecast.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_nothing_stored_is_no_forecast() -> None:
    assert Forecast.from_json({}) is None


@given(plans, limits, histories, used, options, speeds)
def test_it_covers_every_image_once(plan, limits, history, used, options, speed) -> None:
    made = make_forecast(plan, limits, history, used, options, speed)
    assert [(each.provider, each.images) for each in made.by_provider] == [
        (share.provider, share.images) for share in plan.by_provider
    ]
    assert [(each.provider, each.error_type, each.images) for each in made.kinds] == [
        (kind.provider, kind.error_type, kind.images) for kind in plan.kinds
    ]
    known = plan.images - made.unknown
    assert known == sum(kind.images for kind in made.kinds if kind.tries)
    if made.uploaded is None:
        assert (known, made.uploaded_low, made.uploaded_high) == (0, None, None)
    else:
        margin = 1e-9 * plan.images
        assert -margin <= made.uploaded_low <= made.uploaded + margin
        assert made.uploaded <= made.uploaded_high + margin <= known + 2 * margin


@given(plans, limits, options, speeds)
def test_no_limit_would_be_broken_at_the_speed_it_promises(plan, limits, options, speed) -> None:
    made = make_forecast(plan, limits, (), {}, options, speed)
    assert made.seconds >= 0
    assert made.seconds * speed >= plan.images * (1 - 1e-9)
    for part in made.by_provider:
        assert made.seconds >= part.seconds
        of_provider = limits.get(part.provider, NO_LIMITS)
        for allowed, seconds in (
            (of_provider.per_second, 1),
            (of_provider.per_minute, 60),
            (of_provider.per_hour, 3600),
        ):
            if allowed is not None:
                assert part.seconds * allowed / seconds >= part.permits * (1 - 1e-9)
    if options.per_hour:
        assert made.seconds * options.per_hour >= (plan.images - 1) * 3600 * (1 - 1e-9)
    if options.usd_per_day:
        days = 1 + made.seconds / 86_400
        assert days * float(options.usd_per_day) >= float(plan.cost_usd) * (1 - 1e-9)


@given(plans, limits, histories, used, speeds, st.integers(1, 1000))
def test_a_sample_that_goes_first_changes_nothing(plan, limits, history, used, speed, sample) -> None:
    assert make_forecast(plan, limits, history, used, Options(), speed) == make_forecast(
        plan, limits, history, used, Options(sample=sample), speed
    )


@given(plans, limits, histories, used, options, speeds)
def test_a_tighter_limit_never_makes_it_faster(plan, limits, history, used, options, speed) -> None:
    halved = {
        code: replace(each, per_minute=max(1, (each.per_minute or 100_000) // 2))
        for code, each in limits.items()
    }
    free = make_forecast(plan, limits, history, used, options, speed)
    tight = make_forecast(plan, halved, history, used, options, speed)
    assert tight.seconds >= free.seconds


@given(st.lists(st.sampled_from([(5, 1), (10, 7), (0, 0), (100, 100)]), min_size=1, max_size=4))
def test_history_in_parts_is_the_history_of_their_sum(parts: list[tuple[int, int]]) -> None:
    plan = plan_of(timeouts(50))

    def said(*pieces: tuple[int, int]) -> Forecast:
        past = [
            History(
                provider="google_places", error_type=ErrorType.NETWORK_TIMEOUT, tries=tries, uploaded=uploaded
            )
            for tries, uploaded in pieces
        ]
        return forecast(plan, history=past)

    whole = said((sum(tries for tries, _ in parts), sum(uploaded for _, uploaded in parts)))
    assert all(said(*order) == whole for order in permutations(parts))


def test_the_slowest_window_decides() -> None:
    made = forecast(plan_of(timeouts(1000)), Limits(per_second=10, per_minute=200), speed=100)
    assert made.by_provider[0].limit == "200 a minute"
    assert made.seconds == pytest.approx(300)
    made = forecast(plan_of(timeouts(1000)), Limits(per_second=1, per_minute=200), speed=100)
    assert (made.by_provider[0].limit, made.seconds) == ("1 a second", 1000)
    assert [words for _, words in windows(Limits(per_second=50, per_minute=3000, per_hour=5000))] == [
        "5,000 an hour",
        "50 a second",
        "3,000 a minute",
    ]


def test_downloads_decide_where_no_limit_does() -> None:
    made = forecast(plan_of(timeouts(1000)), Limits(per_second=50), speed=10)
    assert (made.by_provider[0].limit, made.by_provider[0].seconds) == ("", 100)
    assert made.by_provider[0].share_of_day == pytest.approx(1000 / (50 * 86_400))
    free = forecast(plan_of(timeouts(1000)), speed=10).by_provider[0]
    assert (free.limit, free.share_of_day, free.used_today) == ("", None, None)


def test_providers_are_tried_side_by_side_and_share_the_downloads() -> None:
    both = plan_of(timeouts(600, "google_places"), timeouts(600, "wikimedia_commons"))
    assert forecast(both, Limits(per_minute=60), speed=100).seconds == pytest.approx(600)
    assert forecast(both, speed=10).seconds == pytest.approx(120)


def test_a_drip_sets_the_pace() -> None:
    plan = plan_of(timeouts(1000))
    assert forecast(plan, options=Options(per_hour=100)).seconds == pytest.approx(999 * 36)
    # seven dollars at two a day: at once, and after one, two and three days
    assert forecast(plan, options=Options(usd_per_day=Decimal(2))).seconds == 3 * 86_400
    assert forecast(plan, options=Options(usd_per_day=Decimal(7))).seconds == 100
    assert forecast(plan_of(timeouts(1)), options=Options(per_hour=1)).seconds < 1
    free = plan_of(timeouts(1000), price="0")
    assert forecast(free, options=Options(usd_per_day=Decimal(2))).seconds == 100


def test_shares_are_of_what_a_day_allows() -> None:
    part = forecast(
        plan_of(timeouts(1440)), Limits(per_second=10, per_minute=10), used_today={"google_places": 3600}
    ).by_provider[0]
    assert part.share_of_day == pytest.approx(0.1)
    assert part.used_today == pytest.approx(0.25)
    untouched = forecast(plan_of(timeouts(1440)), Limits(per_hour=600)).by_provider[0]
    assert untouched.used_today == 0


def test_the_expectation_is_the_share_of_what_was_retried_before() -> None:
    rate_limited = KindShare("google_places", ErrorType.RATE_LIMITED, 10)
    new = KindShare("google_places", None, 7)
    past = [
        History(provider="google_places", error_type=ErrorType.NETWORK_TIMEOUT, tries=80, uploaded=60),
        # of another provider: says nothing
        History(provider="here", error_type=ErrorType.RATE_LIMITED, tries=80, uploaded=0),
    ]
    made = forecast(plan_of(new, timeouts(200), rate_limited), history=past)
    timed_out = made.kinds[1]
    assert (timed_out.tries, timed_out.share, timed_out.low, timed_out.high) == (
        80,
        0.75,
        *wilson(60, 80),
    )
    for without in (made.kinds[0], made.kinds[2]):
        assert (without.tries, without.share, without.low, without.high) == (0, None, None, None)
    low, high = wilson(60, 80)
    assert (made.uploaded, made.uploaded_low, made.uploaded_high) == (150, 200 * low, 200 * high)
    assert made.unknown == 17
    assert forecast(plan_of(new)).uploaded is None


def test_a_speed_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no speed"):
        forecast(plan_of(timeouts(1)), speed=0)


def test_an_empty_plan_takes_no_time() -> None:
    assert forecast(plan_of()) == Forecast(seconds=0.0)


def test_permits_are_what_counts_against_the_limits() -> None:
    # a photo of Google takes its paid call, one of Wikimedia Commons its download, which is no call
    assert permits_taken("google_places", 10, 10) == 10
    assert permits_taken("wikimedia_commons", 10, 0) == 10
    assert permits_taken("wikimedia_commons", 10, 3) == 13
    assert math.isclose(forecast(plan_of(timeouts(10, "wikimedia_commons"))).by_provider[0].permits, 10)

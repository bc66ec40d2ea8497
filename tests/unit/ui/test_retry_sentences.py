"""What a retry is expected to come to, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ops_core.domain.errors import ErrorType as E
from ops_core.domain.forecast import Forecast, KindForecast, ProviderForecast
from ops_core.domain.retry_options import Options, When
from ops_core.domain.retry_plan import RetryPlan, SkipReason
from ops_core.ui import retry_sentences as say

NAMES = {"wikimedia_commons": "Wikimedia Commons", "google_places": "Google Places", "here": "HERE"}


def part(provider="wikimedia_commons", seconds=240.0, limit="200 a minute", **values):
    usual = {"images": 100, "permits": 100, "share_of_day": 0.03, "used_today": 0.12}
    return ProviderForecast(provider=provider, seconds=seconds, limit=limit, **(usual | values))


def kind(**values):
    usual = {"provider": "here", "error_type": E.RATE_LIMITED, "images": 100, "tries": 340}
    return KindForecast(**({"share": 0.82, "low": 0.71, "high": 0.9} | usual | values))


@pytest.mark.parametrize(
    ("forecast", "options", "said"),
    [
        (
            Forecast(seconds=240, by_provider=(part(), part("here", 10))),
            Options(),
            "Takes **about 4 min**: Wikimedia Commons' 200 a minute decides.",
        ),
        (
            Forecast(seconds=240, by_provider=(part("here", 240, "5 a second"),)),
            Options(),
            "Takes **about 4 min**: HERE's 5 a second decides.",
        ),
        (
            Forecast(seconds=3, by_provider=(part(seconds=3, limit=""),)),
            Options(),
            "Takes **a few seconds**: the downloads themselves decide.",
        ),
        (
            Forecast(seconds=7200, by_provider=(part(),)),
            Options(per_hour=50),
            "Takes **about 2 h**: your limit of 50 images an hour decides.",
        ),
        (
            Forecast(seconds=240, by_provider=(part(),)),
            Options(per_hour=100_000),
            "Takes **about 4 min**: Wikimedia Commons' 200 a minute decides.",
        ),
        (
            Forecast(seconds=7200, by_provider=(part(),)),
            Options(usd_per_day=Decimal("2.5")),
            r"Takes **about 2 h**: your limit of \$2.50 a day decides.",
        ),
    ],
    ids=["the slowest", "possessive", "no limit", "drip", "a drip that holds nothing up", "dollars"],
)
def test_the_time_names_what_decides_it(forecast, options, said):
    assert say.takes(forecast, options, NAMES) == said


def test_the_expected_success_has_its_interval_and_sample():
    forecast = Forecast(
        seconds=1, kinds=(kind(),), uploaded=82.1, uploaded_low=70.6, uploaded_high=90.2, unknown=12
    )
    assert say.comes_in(forecast, 112) == (
        "**About 82 of 100 images** should come in (71 to 90), from 340 retries in the last 30 days. "
        "12 images more: no history yet."
    )


def test_of_a_few_retries_only_the_interval_is_said():
    forecast = Forecast(
        seconds=1, kinds=(kind(tries=2),), uploaded=0.0, uploaded_low=0.0, uploaded_high=65.8, unknown=0
    )
    assert say.comes_in(forecast, 100) == (
        "**0 to 66 of 100 images** should come in: 2 retries in the last 30 days say no more."
    )


def test_without_history_nothing_is_promised():
    forecast = Forecast(seconds=1, kinds=(kind(tries=0, share=None, low=None, high=None),), unknown=100)
    assert say.comes_in(forecast, 100).startswith("No history yet")
    assert say.share(forecast.kinds[0]) == "no history yet"
    assert say.interval(forecast.kinds[0]) == ""


def test_the_share_of_the_day_stands_beside_what_is_used():
    assert say.of_today(part()) == "3 % (used: 12 %)"
    assert say.of_today(part(share_of_day=0.0001, used_today=0.0)) == "under 0.1 % (used: 0 %)"
    assert say.of_today(part(share_of_day=0.004)) == "0.4 % (used: 12 %)"
    assert say.of_today(part(share_of_day=None)) == "no limit"


def test_more_than_is_left_of_the_day_is_said():
    forecast = Forecast(seconds=1, by_provider=(part(share_of_day=0.9), part("here", share_of_day=0.5)))
    assert say.beyond_today(forecast, NAMES) == (
        "More than is left of today's limit of Wikimedia Commons: the rest waits."
    )
    assert say.beyond_today(Forecast(seconds=1, by_provider=(part(),)), NAMES) == ""


def test_every_reason_has_words():
    assert set(say.LEFT_OUT) == set(SkipReason)
    plan = RetryPlan(skipped={SkipReason.PAUSED: 1_200, SkipReason.REHOSTING: 3})
    assert say.left_out(plan) == (
        "Left out, 1,203 images:  \n"
        ":material/block: **1,200** wait: their provider is paused or switched off  \n"
        ":material/block: **3** may not be copied by their provider's terms"
    )


def test_the_usual_choice_needs_no_words_and_others_are_said_in_the_viewers_time():
    assert say.how(Options(), 100, "Europe/Warsaw") == ""
    options = Options(
        when=When.AT,
        at=datetime(2026, 11, 23, 1, 0, tzinfo=UTC),
        sample=200,
        per_hour=1000,
        override=True,
    )
    assert say.how(options, 1000, "Europe/Warsaw") == (
        "Begins **Mon 23 Nov 2026, 02:00 (Europe/Warsaw)**. **200 images first**; it goes on by itself if "
        "80 % of them or more come in. **At most 1,000 images an hour.** **Final failures are tried too.**"
    )


def test_a_sample_that_all_images_fit_into_is_none():
    assert say.how(Options(sample=200), 200, "UTC") == ""

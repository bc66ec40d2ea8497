"""A retry in words: its scope, its mode and its rate."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ops_core.db.retry_lists import Names
from ops_core.domain.errors import ErrorType
from ops_core.domain.filters import Filters, View
from ops_core.domain.retries import Failures, Scope
from ops_core.domain.retry_options import Options, When
from ops_core.ui import retries_words

NAMES = Names(venues={12: "Klub Żaczek", 13: "Wawel"}, cities={3: "Kraków"})
PROVIDERS = {"foursquare": "Foursquare"}
AT = datetime(2026, 11, 23, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(venues=(12,)), "Klub Żaczek (venue #12)"),
        (Scope(venues=(12, 13)), "Klub Żaczek and Wawel"),
        (Scope(venues=(12, 99)), "2 venues"),
        (Scope(images=(7,)), "Image #7"),
        (Scope(jobs=(1, 2, 3)), "3 operations"),
        (Scope(request=4), "What failed in retry #4"),
        (Scope(everything=True), "Everything retryable"),
        (Scope(filters=Filters()), "All operations"),
        (
            Scope(filters=Filters(view=View.PARTIAL, cities=(3,), venue="Klub")),
            'Operations: Partial, Kraków, "Klub"',
        ),
        (
            Scope(
                failures=Failures(
                    providers=("foursquare",), error_types=(ErrorType.RATE_LIMITED,), cities=(3,), since=AT
                )
            ),
            "Failures of Foursquare, Rate limited, Kraków, since 23 Nov 2026, 02:00",
        ),
        (Scope(failures=Failures(cities=(8, 9))), "Failures of 2 cities"),
    ],
)
def test_a_scope_is_told_by_names_where_these_are_few(scope, expected):
    assert retries_words.scope_words(scope, NAMES, PROVIDERS, "Europe/Warsaw") == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(), "now"),
        (Options(when=When.AT, at=AT), "at 23 Nov 2026, 02:00"),
        (
            Options(when=When.OFF_PEAK, at=AT, per_hour=100, usd_per_day=Decimal(2)),
            "off-peak, 23 Nov 2026, 02:00, at most 100 an hour, at most $2.00 a day",
        ),
    ],
)
def test_a_mode_is_told_on_the_viewers_clock(options, expected):
    assert retries_words.mode_words(options, "Europe/Warsaw") == expected


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (1200.4, "1,200 images a minute"),
        (12.3, "12 images a minute"),
        (3.54, "3.5 images a minute"),
        (1.0, "1 image a minute"),
        (0.2, "0.2 images a minute"),
    ],
)
def test_a_rate_has_the_digits_that_say_something(rate, expected):
    assert retries_words.rate_words(rate) == expected

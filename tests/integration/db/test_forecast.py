"""What a forecast rests on, read from a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, text

from ops_core.db import forecast, retry_scope
from ops_core.db.schema import RetryRollup, Rollup
from ops_core.domain.errors import ErrorType
from ops_core.domain.forecast import USUAL_SPEED, Forecast, History
from ops_core.domain.intervals import wilson
from ops_core.domain.off_peak import QUIET_HOUR
from ops_core.domain.retries import Scope
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import RetryPlan
from tests.support.factories import make_image, make_job, make_job_provider, make_provider, make_venue

pytestmark = pytest.mark.postgres

TRANSIENT = ErrorType.NETWORK_TIMEOUT
BOTH = ["google_places", "wikimedia_commons"]


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.connect() as open_connection:
        yield open_connection


def now(connection: Connection) -> datetime:
    """The transaction's own time: what the questions call now."""
    found: datetime = connection.execute(text("SELECT now()")).scalar_one()
    return found.astimezone(UTC)


def midnight(connection: Connection) -> datetime:
    return now(connection).replace(hour=0, minute=0, second=0, microsecond=0)


def add_tries(connection: Connection, hour: datetime, **columns: Any) -> None:
    values = {
        "hour": hour.replace(minute=0, second=0, microsecond=0),
        "provider": "google_places",
        "error_type": "",
        "city_id": 1,
        "tries": 10,
        "first_tries": 0,
        "bytes": 0,
        "duration_ms": 0,
        "cost_usd": Decimal(0),
    }
    connection.execute(insert(Rollup).values(**values | columns))


def add_history(connection: Connection, day: date, tries: int, uploaded: int, **columns: Any) -> None:
    values = {"day": day, "provider": "google_places", "error_type": TRANSIENT}
    connection.execute(
        insert(RetryRollup).values(**values | {"tries": tries, "uploaded": uploaded} | columns)
    )


def fail(connection: Connection, count: int, **columns: Any) -> RetryPlan:
    venue = make_venue(connection)
    for _ in range(count):
        make_image(connection, venue, **{"state": "failed", "error_type": TRANSIENT, **columns})
    return retry_scope.plan(connection, Scope(everything=True))


def test_history_is_that_of_the_last_30_days_of_the_same_provider_and_error(connection: Connection) -> None:
    today = now(connection).date()
    add_history(connection, today, 10, 5)
    add_history(connection, today - timedelta(days=29), 30, 25)
    add_history(connection, today - timedelta(days=30), 1000, 0)
    add_history(connection, today, 7, 7, error_type=ErrorType.RATE_LIMITED)
    add_history(connection, today, 9, 0, provider="here")

    def said(error_type: ErrorType, tries: int, uploaded: int) -> History:
        return History(provider="google_places", error_type=error_type, tries=tries, uploaded=uploaded)

    assert sorted(forecast.history(connection, BOTH), key=lambda each: each.tries) == [
        said(ErrorType.RATE_LIMITED, 7, 7),
        said(TRANSIENT, 40, 30),
    ]


def test_what_was_used_today_is_the_tries_and_the_listings_since_midnight(connection: Connection) -> None:
    start = midnight(connection)
    add_tries(connection, start, tries=10, calls=8)
    add_tries(connection, start, tries=4, calls=4, error_type="not_found")
    add_tries(connection, start - timedelta(hours=1), tries=100, calls=100)
    add_tries(connection, start, provider="wikimedia_commons", tries=20, calls=0)
    for finished_at in (now(connection), start - timedelta(seconds=1)):
        job = make_job(connection, finished_at=finished_at, settled=False)
        # five of these calls were for photos, which the tries count
        make_job_provider(connection, job, calls=6, images_uploaded=3, images_failed=2)
        make_job_provider(connection, job, "wikimedia_commons", calls=4, images_uploaded=9)
        settle(connection, job.id)

    assert forecast.used_today(connection, BOTH) == {"google_places": 13, "wikimedia_commons": 24}
    assert forecast.used_today(connection, ["here"]) == {"here": 0}


def settle(connection: Connection, job_id: int) -> None:
    connection.execute(
        text("UPDATE jobs SET providers = :codes WHERE id = :id"), {"codes": BOTH, "id": job_id}
    )
    connection.execute(
        text("""
            INSERT INTO job_rollups
            SELECT 'provider', code, date_trunc('hour', finished_at, 'UTC'), kind, outcome, 1,
                0, 0, 0, 0, 0, 0, 0, 0, 0
            FROM jobs, unnest(providers) AS code WHERE id = :id
        """),
        {"id": job_id},
    )


def test_of_very_many_enrichments_the_newest_stand_for_all(connection: Connection) -> None:
    job = make_job(connection, finished_at=now(connection), settled=False)
    make_job_provider(connection, job, calls=2)
    settle(connection, job.id)
    connection.execute(text("UPDATE job_rollups SET jobs = 5000 WHERE value = 'google_places'"))
    assert forecast.used_today(connection, BOTH)["google_places"] == 10_000


def test_the_speed_is_that_of_the_best_hour_while_something_ran(connection: Connection) -> None:
    end = now(connection).replace(minute=30, second=0, microsecond=0) - timedelta(hours=3)

    def ran(finished_at: datetime, seconds: float, images: int) -> None:
        make_job(
            connection,
            finished_at=finished_at,
            attempted_at=finished_at - timedelta(seconds=seconds),
            images_uploaded=images,
            settled=False,
        )

    assert forecast.speed(connection) == USUAL_SPEED
    # two side by side for ten seconds, then, after a pause, five seconds more: 900 images in 15 seconds
    ran(end, 10, 300)
    ran(end - timedelta(seconds=2), 8, 300)
    ran(end + timedelta(seconds=60), 5, 300)
    assert forecast.speed(connection) == pytest.approx(60)
    # a slower hour, one with too few images to tell, and one of the day before
    ran(end - timedelta(hours=2), 100, 200)
    ran(end - timedelta(hours=4), 0.1, 50)
    ran(end - timedelta(hours=30), 1, 5000)
    assert forecast.speed(connection) == pytest.approx(60)


def test_a_slow_day_says_little_about_how_fast_it_could_go(connection: Connection) -> None:
    finished_at = now(connection) - timedelta(minutes=1)
    make_job(
        connection,
        finished_at=finished_at,
        attempted_at=finished_at - timedelta(hours=2),
        images_uploaded=200,
        settled=False,
    )
    assert forecast.speed(connection) == USUAL_SPEED


def test_a_forecast_brings_limits_use_history_and_speed_together(connection: Connection) -> None:
    plan = fail(connection, 20)
    fail(connection, 10, provider="wikimedia_commons")
    plan = retry_scope.plan(connection, Scope(everything=True))
    connection.execute(text("UPDATE providers SET per_second = NULL, per_minute = 1, per_hour = NULL"))
    add_tries(connection, midnight(connection), tries=144, calls=144)
    add_history(connection, now(connection).date(), 40, 30)

    made = forecast.of(connection, plan, Options(sample=5))

    google, wikimedia = made.by_provider
    assert (google.provider, google.permits, google.limit, google.seconds) == (
        "google_places",
        20,
        "1 a minute",
        1200,
    )
    assert (google.share_of_day, google.used_today) == pytest.approx((20 / 1440, 0.1))
    assert (wikimedia.permits, wikimedia.used_today) == (10, 0)
    low, high = wilson(30, 40)
    assert (made.uploaded, made.uploaded_low, made.uploaded_high, made.unknown) == pytest.approx(
        (15, 20 * low, 20 * high, 10)
    )
    assert made.seconds == 1200
    assert Forecast.from_json(made.to_json()) == made
    assert forecast.of(connection, plan, Options(per_hour=10)).seconds == 29 * 360


def test_a_plan_of_nothing_takes_no_time(connection: Connection) -> None:
    plan = retry_scope.plan(connection, Scope(everything=True))
    assert forecast.of(connection, plan, Options()) == Forecast(seconds=0.0)
    assert forecast.off_peak(connection, plan).start.hour == QUIET_HOUR


def test_a_provider_that_was_switched_off_still_has_its_limits(connection: Connection) -> None:
    make_provider(connection, code="here", name="HERE", active=False, per_minute=7)
    limits = forecast.limits(connection)
    assert (limits["here"].per_minute, limits["here"].per_second) == (7, None)
    assert limits.keys() >= {"here", *BOTH}


def test_the_quiet_hour_comes_from_full_hours_of_the_last_14_days(connection: Connection) -> None:
    plan = fail(connection, 3)
    this_hour = now(connection).replace(minute=0, second=0, microsecond=0)
    best = this_hour + timedelta(hours=5) - timedelta(days=1)
    for back in range(1, 25):
        hour = this_hour - timedelta(hours=back)
        failed = 20 if hour == best else 500
        add_tries(connection, hour, tries=1000 - failed, calls=1000 - failed)
        add_tries(connection, hour, tries=failed, calls=failed, error_type="network_timeout")
    # none of these counts: too old, not over yet, of a provider that is not asked
    spoilt = {"tries": 10**6, "error_type": "not_found"}
    add_tries(connection, best - timedelta(days=14), **spoilt)
    add_tries(connection, this_hour, **spoilt)
    add_tries(connection, best, provider="wikimedia_commons", **spoilt)
    connection.execute(text("UPDATE providers SET per_second = 1, per_minute = NULL"))

    choice = forecast.off_peak(connection, plan)

    assert choice.start == this_hour + timedelta(hours=5)
    hour = choice.hours[best.hour]
    assert (hour.tries, hour.failed_share) == (1000, 0.02)
    assert hour.used_share == pytest.approx(1000 / (3600 * 14))
    assert all(each.tries == 1000 for each in choice.hours)
    assert "2 % failed of 1,000 tries" in choice.why

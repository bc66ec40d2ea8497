"""What the forecast of a retry rests on: limits, what is used of them, how retries went, how fast we are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, text

from ops_core.db.schema import Provider
from ops_core.domain import off_peak as quiet
from ops_core.domain.errors import ErrorType
from ops_core.domain.forecast import USUAL_SPEED, Forecast, History, make_forecast, permits_taken
from ops_core.domain.off_peak import HourSum, OffPeak
from ops_core.domain.permits import Limits
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import CALLS_PER_PHOTO, USUAL_CALLS, RetryPlan

#: Days of retries that the expected success rests on.
HISTORY_DAYS = 30

_HISTORY = text("""
    SELECT provider, error_type, sum(tries)::bigint AS tries, sum(uploaded)::bigint AS uploaded
    FROM retry_rollups
    WHERE day > (now() AT TIME ZONE 'UTC')::date - :days AND provider = ANY(:codes)
    GROUP BY provider, error_type ORDER BY provider, error_type
""")

_TODAY = "date_trunc('day', now(), 'UTC')"

_TRIES_TODAY = text(f"""
    SELECT provider, sum(tries)::bigint AS tries, sum(calls)::bigint AS calls FROM rollups
    WHERE hour >= {_TODAY} AND provider = ANY(:codes) GROUP BY provider
""")

# how many enrichments asked each provider, and the calls of the newest of them: a day may have very many
_LISTED_TODAY = text(f"""
    WITH newest AS MATERIALIZED (
        SELECT id FROM jobs WHERE kind = 'enrichment' AND finished_at >= {_TODAY}
        ORDER BY finished_at DESC, id DESC LIMIT 1000
    ), asked AS (
        SELECT provider, count(*) AS jobs, sum(calls)::float8 AS calls,
            sum(images_uploaded + images_failed)::float8 AS tries
        FROM job_providers JOIN newest ON newest.id = job_providers.job_id
        WHERE provider = ANY(:codes) GROUP BY provider
    ), counted AS (
        SELECT value AS provider, sum(jobs)::float8 AS jobs FROM job_rollups
        WHERE hour >= {_TODAY} AND facet = 'provider' AND kind = 'enrichment' AND value = ANY(:codes)
        GROUP BY value
    )
    SELECT provider, greatest(1, counted.jobs / asked.jobs) AS times, asked.calls, asked.tries
    FROM asked JOIN counted USING (provider)
""")

# seconds in which at least one of them ran, by the hour in which they ended: their spans laid over each
# other, each counted from where those that began before it end
_SPEED = text("""
    WITH newest AS MATERIALIZED (
        SELECT attempted_at AS began, finished_at AS ended, images_uploaded + images_failed AS images
        FROM jobs WHERE finished_at > now() - interval '1 day' AND attempted_at IS NOT NULL
        ORDER BY finished_at DESC, id DESC LIMIT 5000
    ), laid AS (
        SELECT ended, images, greatest(began, max(ended) OVER (
            ORDER BY began, ended ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS began
        FROM newest WHERE images > 0
    ), hours AS (
        SELECT sum(images) AS images, sum(greatest(0, extract(epoch FROM ended - began))) AS seconds
        FROM laid GROUP BY date_trunc('hour', ended, 'UTC')
    )
    SELECT max(images / greatest(seconds, 1))::float8 FROM hours WHERE images >= 100
""")

_HOURS = text("""
    SELECT provider, extract(hour FROM hour AT TIME ZONE 'UTC')::int AS hour, sum(tries)::bigint AS tries,
        sum(tries) FILTER (WHERE error_type <> '')::bigint AS failed, sum(calls)::bigint AS calls
    FROM (
        -- the hours first: there are few of them, and many rows in each
        SELECT hour, provider, error_type, sum(tries) AS tries, sum(calls) AS calls FROM rollups
        WHERE hour >= date_trunc('hour', now(), 'UTC') - make_interval(days => :days)
          AND hour < date_trunc('hour', now(), 'UTC') AND provider = ANY(:codes)
        GROUP BY hour, provider, error_type
    ) AS sums
    GROUP BY 1, 2
""")


def of(connection: Connection, plan: RetryPlan, options: Options) -> Forecast:
    """What to expect of `plan` when it goes as `options` say."""
    codes = [share.provider for share in plan.by_provider]
    if not codes:
        return Forecast(seconds=0.0)
    return make_forecast(
        plan,
        limits(connection),
        history(connection, codes),
        used_today(connection, codes),
        options,
        speed(connection),
    )


def off_peak(connection: Connection, plan: RetryPlan) -> OffPeak:
    """The hour in which a retry of `plan` should begin, from the full hours of the last 14 days.

    Listings of venues do not count in what was used of the limits: only tries of images do.
    """
    shares = {share.provider: share.images for share in plan.by_provider}
    rows = connection.execute(_HOURS, {"codes": list(shares), "days": quiet.DAYS}) if shares else ()
    now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return quiet.choose(map(_hour_sum, rows), limits(connection), shares, now)


def limits(connection: Connection) -> dict[str, Limits]:
    """What each provider allows, by code, whether it is switched on or not."""
    rows = connection.execute(
        select(Provider.code, Provider.per_second, Provider.per_minute, Provider.per_hour)
    )
    return {
        row.code: Limits(per_second=row.per_second, per_minute=row.per_minute, per_hour=row.per_hour)
        for row in rows
    }


def history(connection: Connection, codes: list[str]) -> list[History]:
    """How retries of these providers went in the last 30 days, by what the images had failed with."""
    rows = connection.execute(_HISTORY, {"codes": codes, "days": HISTORY_DAYS})
    return [
        History(
            provider=row.provider,
            error_type=ErrorType(row.error_type),
            tries=row.tries,
            uploaded=row.uploaded,
        )
        for row in rows
    ]


def used_today(connection: Connection, codes: list[str]) -> dict[str, int]:
    """Permits that each of these providers gave since midnight UTC: for tries of images, and for listings.

    Listings are those of enrichments that have ended. Of more than 1,000 today, the newest 1,000 stand
    for all.
    """
    used = dict.fromkeys(codes, 0)
    for row in connection.execute(_TRIES_TODAY, {"codes": codes}):
        used[row.provider] += permits_taken(row.provider, row.tries, row.calls)
    for row in connection.execute(_LISTED_TODAY, {"codes": codes}):
        of_photos = row.tries * CALLS_PER_PHOTO.get(row.provider, USUAL_CALLS)
        used[row.provider] += round(max(0.0, row.calls - of_photos) * row.times)
    return used


def speed(connection: Connection) -> float:
    """Images a second that all workers together bring in: their best hour of the last day.

    Only time in which something ran counts, and only hours with 100 images or more, of the newest 5,000
    jobs. What was measured may have been held back by limits or by a lack of work: it is never below
    `USUAL_SPEED`, which also stands where nothing was measured.
    """
    measured: float | None = connection.scalar(_SPEED)
    return max(measured or 0.0, USUAL_SPEED)


def _hour_sum(row: Row[Any]) -> HourSum:
    return HourSum(
        provider=row.provider,
        hour=row.hour,
        tries=row.tries,
        failed=row.failed or 0,
        permits=permits_taken(row.provider, row.tries, row.calls),
    )

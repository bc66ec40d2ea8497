"""What charts ask that sums of jobs cannot tell: failures by type, and providers side by side.

All count whole operations: one that matches counts with everything it did, at every provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Float, Select, cast, func, select, text, true

from ops_core.db.figures import bucket_of
from ops_core.db.job_filter import conditions
from ops_core.db.schema import Job, JobProvider
from ops_core.domain.filters import Filters
from ops_core.domain.jobs import JobKind


def failures(connection: Connection, filters: Filters, edges: Sequence[datetime]) -> list[dict[str, Any]]:
    """Images that operations left failed: `bucket` (from 1), `provider`, `error_type`, `images`.

    The dates are those of `edges`.
    """
    if len(edges) < 2:
        return []
    by_type = func.jsonb_each_text(JobProvider.failures).table_valued("key", "value").lateral()
    bucket = bucket_of(Job.finished_at, edges)
    question = (
        _providers_of(replace(filters, since=edges[0], until=edges[-1]))
        .join(by_type, true())
        .with_only_columns(
            bucket,
            JobProvider.provider,
            by_type.c.key.label("error_type"),
            cast(func.sum(cast(by_type.c.value, BigInteger)), BigInteger).label("images"),
        )
        # few jobs have any, and those are known by their own row
        .where(text("jobs.error_types <> '{}'"), text("job_providers.failures <> '{}'"))
        .group_by(bucket, JobProvider.provider, by_type.c.key)
    )
    return [dict(row) for row in connection.execute(question).mappings()]


def providers(connection: Connection, filters: Filters) -> list[dict[str, Any]]:
    """How each provider did: `provider`, `jobs`, `fetched`, `uploaded`, `failed`, `cost_usd`, `median_ms`.

    `median_ms` is of the time its answers took (the middle one, or half way between the middle
    two); None if no time is known. Searches for venues list no photos, and their time and cost are
    others: they count only where `filters` ask for their kind.
    """
    # one pass over the rows: equal times first become one, then the few of them find their middle
    times = (
        _providers_of(filters)
        .where(*_without_searches(filters))
        .with_only_columns(
            JobProvider.provider,
            JobProvider.duration_ms,
            func.count().label("jobs"),
            func.sum(JobProvider.images_fetched).label("fetched"),
            func.sum(JobProvider.images_uploaded).label("uploaded"),
            func.sum(JobProvider.images_failed).label("failed"),
            func.sum(JobProvider.cost_usd).label("cost_usd"),
        )
        .group_by(JobProvider.provider, JobProvider.duration_ms)
        .cte("times")
    )
    timed = (
        select(
            times.c.provider,
            times.c.duration_ms,
            func.sum(times.c.jobs)
            .over(partition_by=times.c.provider, order_by=times.c.duration_ms)
            .label("upto"),
            func.sum(times.c.jobs).over(partition_by=times.c.provider).label("of"),
        )
        .where(times.c.duration_ms.is_not(None))
        .cte("timed")
    )
    # the first time at which half of the answers are in, and the first at which more than half are
    at_half = func.min(timed.c.duration_ms).filter(timed.c.upto * 2 >= timed.c.of)
    past_half = func.min(timed.c.duration_ms).filter(timed.c.upto * 2 > timed.c.of)
    medians = (
        select(timed.c.provider, (cast(at_half + past_half, Float) / 2).label("median_ms"))
        .group_by(timed.c.provider)
        .subquery("medians")
    )
    counts = ("jobs", "fetched", "uploaded", "failed")
    question = (
        select(
            times.c.provider,
            *(cast(func.sum(times.c[name]), BigInteger).label(name) for name in counts),
            func.sum(times.c.cost_usd).label("cost_usd"),
            func.max(medians.c.median_ms).label("median_ms"),
        )
        .outerjoin(medians, medians.c.provider == times.c.provider)
        .group_by(times.c.provider)
        .order_by(times.c.provider)
    )
    return [dict(row) for row in connection.execute(question).mappings()]


def _without_searches(filters: Filters) -> list[ColumnElement[bool]]:
    return [] if JobKind.GEOCODING in filters.kinds else [Job.kind != JobKind.GEOCODING]


def _providers_of(filters: Filters) -> Select[Any]:
    return (
        select().select_from(Job).join(JobProvider, JobProvider.job_id == Job.id).where(*conditions(filters))
    )

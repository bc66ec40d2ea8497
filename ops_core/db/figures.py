"""Figures of operations: sums of finished jobs that match filters, by bucket of time.

Hourly sums answer what they can, jobs the rest; both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Executable,
    Integer,
    Select,
    and_,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from ops_core.db.health import COUNT_LIMIT, bounded
from ops_core.db.job_filter import conditions, of_sums
from ops_core.db.schema import Job, JobRollup
from ops_core.domain.buckets import Buckets, buckets, joined_hours, torn_hours
from ops_core.domain.filters import Filters, previous


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums of operations, which are finished jobs. Counts but `jobs` are of images; cost in US dollars."""

    jobs: int = 0  #: The operations themselves.
    discovered: int = 0  #: Photos they chose from what the providers listed.
    uploaded: int = 0  #: Photos they brought into the store.
    failed: int = 0  #: Photos they left failed, whatever became of them since.
    failed_now: int = 0  #: Photos that are failed now and whose latest try was by one of them.
    retryable_now: int = 0  #: Of `failed_now`, those that automatic retries may still touch.
    first_tried: int = 0  #: Photos whose first try of all was by one of them.
    first_uploaded: int = 0  #: Of `first_tried`, those that came into the store at once.
    first_stored: int = 0  #: Of `first_tried`, those that are in the store now, whoever brought them in.
    cost_usd: Decimal = Decimal(0)

    def __add__(self, other: Sums) -> Sums:
        return Sums(**{name: getattr(self, name) + getattr(other, name) for name in SUMS})


SUMS = tuple(field.name for field in fields(Sums))

_OF_JOB: dict[str, ColumnElement[Any] | InstrumentedAttribute[Any]] = {
    "jobs": literal(1, Integer),
    "discovered": Job.images_discovered,
    "uploaded": Job.images_uploaded,
    "failed": Job.images_failed,
    "failed_now": Job.images_failed_now,
    "retryable_now": Job.images_retryable_now,
    "first_tried": Job.images_first_tried,
    "first_uploaded": Job.images_first_uploaded,
    "first_stored": Job.images_first_stored,
    "cost_usd": Job.cost_usd,
}


@dataclass(frozen=True, slots=True)
class Bounded:
    """A count that may have been ended early."""

    count: int
    more: bool = False  #: There are more than `count`.


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFigures:
    """What the cards show.

    - Operations: `jobs`, the finished jobs that match.
    - Images uploaded: `uploaded`, photos those operations brought into the store.
    - Images failed: `failed_now`, photos that are failed now and whose latest try was by one of
      those operations. It falls when they are brought in later; a later operation that fails on
      them takes them over.
    - Retryable failures: `retryable_now`, of these the ones automatic retries may still touch: the
      error is transient and fewer than three retries were made.
    """

    this: Sums
    before: Sums | None  #: The period of the same length just before; None for all time.
    buckets: Buckets
    series: tuple[Sums, ...]  #: This period's sums, bucket by bucket.


def figures(connection: Connection, filters: Filters, edges: Sequence[datetime]) -> list[Sums]:
    """The sums of each bucket between two `edges`; the dates of `filters` play no part."""
    if len(edges) < 2:
        return []
    within = replace(filters, since=edges[0], until=edges[-1])
    question: Executable = _of_jobs(within, edges)
    sums = of_sums(filters)
    if sums is not None:
        rest = _of_jobs(within, edges).where(in_torn_hours(edges))
        question = union_all(_of_hours(sums, edges), rest)
    found = [Sums()] * (len(edges) - 1)
    for row in connection.execute(question).mappings():
        counts = {name: int(row[name]) for name in SUMS if name != "cost_usd"}
        found[row["bucket"] - 1] += Sums(**counts, cost_usd=row["cost_usd"])
    return found


def figures_for(connection: Connection, filters: Filters, zone: ZoneInfo, now: datetime) -> PeriodFigures:
    """Everything the cards show of one choice; without an end it reaches until `now`."""
    cut = buckets_for(connection, filters, zone, now)
    earlier = previous(filters) if cut.edges else None
    if earlier is None or earlier.since is None:
        series = figures(connection, filters, cut.edges)
        return PeriodFigures(this=total_of(series), before=None, buckets=cut, series=tuple(series))
    before, *series = figures(connection, filters, (earlier.since, *cut.edges))
    return PeriodFigures(this=total_of(series), before=before, buckets=cut, series=tuple(series))


def buckets_for(connection: Connection, filters: Filters, zone: ZoneInfo, now: datetime) -> Buckets:
    """The dates of `filters` in buckets; all time begins with the first operation there is."""
    until = now if filters.until is None else filters.until
    since = filters.since
    if since is None:
        since = connection.scalar(select(func.min(Job.finished_at)).where(Job.finished_at.is_not(None)))
    return buckets(until if since is None else since, until, zone, now=now)


def total(connection: Connection, filters: Filters) -> Bounded:
    """How many operations match: exact where hourly sums tell, else no further than `COUNT_LIMIT`."""
    sums = of_sums(filters)
    if sums is not None:
        ends = (filters.since, filters.until)
        rolled = select(func.sum(JobRollup.jobs)).where(*sums, *in_whole_hours(JobRollup.hour, ends))
        rest = select(func.count(Job.id)).where(*conditions(filters), in_torn_hours(ends))
        return Bounded(sum(int(jobs or 0) for jobs in connection.scalars(union_all(rolled, rest))))
    count = connection.scalar(select(bounded(Job.id, *conditions(filters)))) or 0
    return Bounded(min(count, COUNT_LIMIT), more=count > COUNT_LIMIT)


def total_of(sums: Iterable[Sums]) -> Sums:
    """All of them together."""
    return sum(sums, Sums())


def bucket_of(
    moment: ColumnElement[datetime] | InstrumentedAttribute[Any], edges: Sequence[datetime]
) -> ColumnElement[int]:
    """The number of the bucket between `edges` that a time within them falls into, from 1."""
    return func.width_bucket(moment, literal(list(edges), ARRAY(DateTime(timezone=True)))).label("bucket")


def in_whole_hours(
    hour: InstrumentedAttribute[datetime], edges: Sequence[datetime | None]
) -> list[ColumnElement[bool]]:
    """The hours that lie whole between `edges`; an end may be open (None)."""
    found: list[ColumnElement[bool]] = []
    if edges[0] is not None:
        found.append(hour >= edges[0])
    if edges[-1] is not None:
        found.append(hour < edges[-1])
    if torn := torn_hours(edges):
        found.append(hour.not_in(torn))
    return found


def in_torn_hours(edges: Sequence[datetime | None]) -> ColumnElement[bool]:
    """Jobs that ended within the hours that `edges` tear."""
    spans = joined_hours(torn_hours(edges))
    within = (and_(Job.finished_at >= begin, Job.finished_at < end) for begin, end in spans)
    return or_(false(), *within)


def _of_hours(of_these: Sequence[ColumnElement[bool]], edges: Sequence[datetime]) -> Select[*tuple[Any, ...]]:
    bucket = bucket_of(JobRollup.hour, edges)
    sums = (func.sum(getattr(JobRollup, name)).label(name) for name in SUMS)
    within = in_whole_hours(JobRollup.hour, edges)
    return select(bucket, *sums).where(*of_these, *within).group_by(bucket)


def _of_jobs(filters: Filters, edges: Sequence[datetime]) -> Select[*tuple[Any, ...]]:
    bucket = bucket_of(Job.finished_at, edges)
    sums = (func.sum(column).label(name) for name, column in _OF_JOB.items())
    return select(bucket, *sums).where(*conditions(filters)).group_by(bucket)

"""The list of operations: finished jobs that match filters, a page at a time.

Pages go by key `(finished_at, id)`, so the last one costs what the first one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.engine import RowMapping

from ops_core.db.job_filter import conditions
from ops_core.db.references import CHOSEN_BY_JOB
from ops_core.db.schema import Attempt, City, Image, Job, RetryItem, Venue
from ops_core.domain.errors import TRANSIENT_TYPES
from ops_core.domain.filters import Filters
from ops_core.domain.images import MAX_RETRIES, AttemptOutcome, ImageState
from ops_core.domain.retries import OPEN_ITEM_STATES

#: Operations on one page.
PAGE_SIZE = 50

#: New operations are counted no further: "99+".
NEW_LIMIT = 99


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A place in the list: that of one operation."""

    finished_at: datetime
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Operations, newest first, and whether there are others on either side."""

    rows: Sequence[RowMapping]
    has_newer: bool
    has_older: bool


def page(
    connection: Connection,
    filters: Filters,
    *,
    older_than: Key | None = None,
    newer_than: Key | None = None,
    limit: int = PAGE_SIZE,
) -> Page:
    """The newest operations, or those next to a key on one side of it; at most one side is given.

    Columns beside those of the job's row, all of the images it left failed: `recovered` are in the
    store now, `failed_later` failed again in a later job, `retryable` are still this job's and may
    be retried now; `queued` is the open retry request that holds some of them.
    """
    place = tuple_(Job.finished_at, Job.id)
    question = select(Job.id).where(*conditions(filters)).limit(limit + 1)
    if newer_than is not None:
        after = tuple_(literal(newer_than.finished_at), literal(newer_than.id))
        question = question.where(place > after).order_by(Job.finished_at, Job.id)
    else:
        if older_than is not None:
            question = question.where(place < tuple_(literal(older_than.finished_at), literal(older_than.id)))
        question = question.order_by(Job.finished_at.desc(), Job.id.desc())
    ids = list(connection.scalars(question))
    more, ids = len(ids) > limit, ids[:limit]
    if newer_than is not None:
        return Page(rows=rows(connection, ids), has_newer=more, has_older=True)
    return Page(rows=rows(connection, ids), has_newer=older_than is not None, has_older=more)


def newer(connection: Connection, filters: Filters, since: datetime) -> int:
    """How many operations that match ended at `since` or later; no further than `NEW_LIMIT` + 1."""
    question = select(Job.id).where(*conditions(replace(filters, since=since, until=None)))
    some = question.limit(NEW_LIMIT + 1).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def first_job_of_request(connection: Connection, request_id: int) -> int | None:
    """The first of the jobs that carry a retry request out."""
    return connection.scalar(select(func.min(Job.id)).where(Job.request_id == request_id))


def server_time(connection: Connection) -> datetime:
    """What the database's clock says: the one by which jobs end."""
    return connection.execute(select(func.now())).scalar_one()


def rows(connection: Connection, ids: Sequence[int]) -> Sequence[RowMapping]:
    """The operations of these ids as `page` gives them, newest first."""
    # the last try of each image within each job: a job that was run again tries an image again
    ends = (
        select(Attempt.job_id, Attempt.image_id, Attempt.outcome)
        .join(Job, Job.id == Attempt.job_id)
        .where(Attempt.job_id.in_(ids), Job.images_failed > 0)
        .ext(distinct_on(Attempt.job_id, Attempt.image_id))
        .order_by(Attempt.job_id, Attempt.image_id, Attempt.number.desc(), Attempt.finished_at.desc())
        .subquery("ends")
    )
    may_retry = and_(
        Image.failed_job == ends.c.job_id,
        Image.state == ImageState.FAILED,
        Image.error_type.in_(TRANSIENT_TYPES),
        Image.retry_count < MAX_RETRIES,
        RetryItem.image_id.is_(None),
    )
    failures = (
        select(
            ends.c.job_id,
            func.count().filter(may_retry).label("retryable"),
            func.count().filter(Image.state == ImageState.UPLOADED).label("recovered"),
            func.count()
            .filter(Image.state != ImageState.UPLOADED, Image.failed_job != ends.c.job_id)
            .label("failed_later"),
            func.max(RetryItem.request_id).label("queued"),
        )
        .join(Image, Image.id == ends.c.image_id)
        .outerjoin(
            RetryItem,
            and_(RetryItem.image_id == Image.id, RetryItem.state.in_(OPEN_ITEM_STATES)),
        )
        .where(ends.c.outcome != AttemptOutcome.UPLOADED)
        .group_by(ends.c.job_id)
        .subquery("failures")
    )
    question: Select[*tuple[Any, ...]] = (
        select(
            Job.id,
            Job.kind,
            Job.outcome,
            Job.venue_id,
            Venue.name.label("venue"),
            City.name.label("city"),
            Job.attempted_at,
            Job.finished_at,
            Job.summary,
            Job.images_existing.label("existing"),
            Job.images_left.label("left"),
            CHOSEN_BY_JOB.label("referenced"),
            Job.images_discovered,
            Job.images_uploaded,
            Job.images_failed,
            Job.cost_usd,
            Job.providers,
            Job.providers_failed,
            Job.first_error,
            func.coalesce(failures.c.retryable, 0).label("retryable"),
            func.coalesce(failures.c.recovered, 0).label("recovered"),
            func.coalesce(failures.c.failed_later, 0).label("failed_later"),
            failures.c.queued,
        )
        .outerjoin(Venue, Venue.id == Job.venue_id)
        .outerjoin(City, City.id == Job.city_id)
        .outerjoin(failures, failures.c.job_id == Job.id)
        .where(Job.id.in_(ids))
        .order_by(Job.finished_at.desc(), Job.id.desc())
    )
    return connection.execute(question).mappings().all()

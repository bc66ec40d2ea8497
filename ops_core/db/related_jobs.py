"""What stands around a job: the jobs it started, and the retry request it works for."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import RowMapping

from ops_core.db.schema import Job, RetryItem, RetryRequest, Venue

#: Jobs and retry items that are counted one by one; more are "10,000+".
COUNTED = 10_000


def started_jobs(connection: Connection, job_id: int) -> dict[str, int]:
    """How many jobs this one started, by outcome, or by state where they have not ended."""
    some = (
        select(func.coalesce(Job.outcome, Job.state.cast(Job.outcome.type)).label("word"))
        .where(Job.parent_id == job_id)
        .limit(COUNTED + 1)
        .subquery()
    )
    jobs = func.count().label("jobs")
    question = select(some.c.word, jobs).group_by(some.c.word).order_by(jobs.desc(), some.c.word)
    return {row.word: row.jobs for row in connection.execute(question)}


def first_started(connection: Connection, job_id: int, limit: int = 20) -> Sequence[RowMapping]:
    """The first jobs that this one started."""
    question = (
        select(
            Job.id,
            Job.state,
            Job.outcome,
            Venue.name.label("venue"),
            Job.images_uploaded,
            Job.images_failed,
        )
        .outerjoin(Venue, Venue.id == Job.venue_id)
        .where(Job.parent_id == job_id)
        .order_by(Job.id)
        .limit(limit)
    )
    return connection.execute(question).mappings().all()


def retry_request(connection: Connection, request_id: int) -> RowMapping | None:
    """The retry request a job works for, with its images counted by state as `items`."""
    some = select(RetryItem.state).where(RetryItem.request_id == request_id).limit(COUNTED + 1).subquery()
    by_state = select(some.c.state, func.count().label("images")).group_by(some.c.state).subquery()
    items = select(func.jsonb_object_agg(by_state.c.state, by_state.c.images)).scalar_subquery()
    question = select(
        RetryRequest.id,
        RetryRequest.actor,
        RetryRequest.reason,
        RetryRequest.state,
        RetryRequest.created_at,
        RetryRequest.finished_at,
        func.coalesce(items, literal({}, JSONB)).label("items"),
    ).where(RetryRequest.id == request_id)
    return connection.execute(question).mappings().one_or_none()

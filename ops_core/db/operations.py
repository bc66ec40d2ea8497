"""What the Operations page and the home page ask the database.

Every question is bounded: lists have a limit, counts stop at `COUNT_LIMIT`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on
from sqlalchemy.engine import RowMapping

from ops_core.db.schema import Attempt, City, Heartbeat, Image, Job, JobProvider, Provider, Venue
from ops_core.domain.errors import Classification, of_class
from ops_core.domain.images import AttemptOutcome, ImageState
from ops_core.domain.jobs import JobState

Question = Select[*tuple[Any, ...]]

#: Counting further costs time and tells a person nothing more; shown as "10,000+".
COUNT_LIMIT = 10_000

#: Seconds after which a process that has not been heard of counts as gone.
ALIVE_SECONDS = 30


def recent_jobs(
    connection: Connection, limit: int = 50, before: tuple[datetime, int] | None = None
) -> Sequence[RowMapping]:
    """The last finished jobs, newest first; `before` is the (finished_at, id) of the last row already seen.

    `first_error` is the error of the first image that the job left failed, or else of the first
    provider that failed. `retryable` counts the images it left failed with a transient error,
    `recovered` those it left failed that are in the store now.
    """
    page = (
        select(Job.id, Job.finished_at)
        .where(Job.finished_at.is_not(None))
        .order_by(Job.finished_at.desc(), Job.id.desc())
        .limit(limit)
    )
    if before is not None:
        page = page.where(tuple_(Job.finished_at, Job.id) < tuple_(literal(before[0]), literal(before[1])))
    shown = page.cte("shown")
    ends = _ends(Attempt.job_id.in_(select(shown.c.id))).subquery("ends")
    failures = (
        select(
            ends.c.job_id,
            func.count().filter(ends.c.error_type.in_(of_class(Classification.TRANSIENT))).label("retryable"),
            func.count().filter(Image.state == ImageState.UPLOADED).label("recovered"),
            func.array_agg(aggregate_order_by(ends.c.error_type, ends.c.finished_at, ends.c.id))[1].label(
                "first_error"
            ),
        )
        .join(Image, Image.id == ends.c.image_id)
        .where(ends.c.outcome != AttemptOutcome.UPLOADED)
        .group_by(ends.c.job_id)
        .subquery("failures")
    )
    asked = (
        select(
            JobProvider.job_id,
            func.array_agg(aggregate_order_by(JobProvider.provider, JobProvider.provider)).label("providers"),
            func.array_agg(aggregate_order_by(JobProvider.error_type, JobProvider.provider))
            .filter(JobProvider.error_type.is_not(None))[1]
            .label("provider_error"),
            func.count(JobProvider.error_type).label("providers_failed"),
        )
        .where(JobProvider.job_id.in_(select(shown.c.id)))
        .group_by(JobProvider.job_id)
        .subquery("asked")
    )
    question = (
        _job_columns()
        .add_columns(
            func.coalesce(failures.c.retryable, 0).label("retryable"),
            func.coalesce(failures.c.recovered, 0).label("recovered"),
            func.coalesce(failures.c.first_error, asked.c.provider_error).label("first_error"),
            asked.c.providers,
            func.coalesce(asked.c.providers_failed, 0).label("providers_failed"),
        )
        .join(shown, shown.c.id == Job.id)
        .outerjoin(failures, failures.c.job_id == Job.id)
        .outerjoin(asked, asked.c.job_id == Job.id)
        .order_by(Job.finished_at.desc(), Job.id.desc())
    )
    return connection.execute(question).mappings().all()


def job(connection: Connection, job_id: int) -> RowMapping | None:
    """One job with its args, meta and errors; None if there is none of that id."""
    question = _job_columns().add_columns(Job.args, Job.meta, Job.errors, Job.actor, Job.attempt)
    return connection.execute(question.where(Job.id == job_id)).mappings().one_or_none()


def provider_results(connection: Connection, job_id: int) -> Sequence[RowMapping]:
    """How each provider did in a job."""
    question = (
        select(
            JobProvider.provider,
            JobProvider.status,
            JobProvider.error_type,
            JobProvider.reason,
            JobProvider.status_code,
            JobProvider.images_fetched,
            JobProvider.images_uploaded,
            JobProvider.images_failed,
            JobProvider.calls,
            JobProvider.cost_usd,
            JobProvider.duration_ms,
        )
        .where(JobProvider.job_id == job_id)
        .order_by(JobProvider.provider)
    )
    return connection.execute(question).mappings().all()


def failed_images(connection: Connection, job_id: int, limit: int = 200) -> Sequence[RowMapping]:
    """The images a job left failed, as they were then, with the state each has now."""
    ends = _ends(Attempt.job_id == job_id).subquery("ends")
    question = (
        select(
            ends.c.image_id,
            ends.c.provider,
            ends.c.error_type,
            ends.c.status_code,
            ends.c.detail,
            ends.c.finished_at,
            Image.state.label("state_now"),
            Image.retry_count,
            Image.source_url,
        )
        .join(Image, Image.id == ends.c.image_id)
        .where(ends.c.outcome != AttemptOutcome.UPLOADED)
        .order_by(ends.c.finished_at, ends.c.id)
        .limit(limit)
    )
    return connection.execute(question).mappings().all()


def uploaded_images(connection: Connection, job_id: int, limit: int = 8) -> Sequence[RowMapping]:
    """The images a job brought into the store, best first."""
    question = (
        select(
            Image.id,
            Image.provider,
            Image.url,
            Image.thumbnail_url,
            Image.thumbnail_key,
            Image.width,
            Image.height,
            Image.attribution,
            Image.attribution_url,
            Image.license,
            Image.license_url,
        )
        .where(
            Image.state == ImageState.UPLOADED,
            Image.id.in_(
                select(Attempt.image_id).where(
                    Attempt.job_id == job_id, Attempt.outcome == AttemptOutcome.UPLOADED
                )
            ),
        )
        .order_by(Image.position, Image.id)
        .limit(limit)
    )
    return connection.execute(question).mappings().all()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJobs:
    """How many jobs are open; each count stops at `COUNT_LIMIT` + 1, which means "more"."""

    waiting: int  #: For a worker, or for another try.
    running: int  #: In a worker's hands.


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFailures:
    """Failed images by what can be done; each count stops at `COUNT_LIMIT` + 1, which means "more"."""

    transient: int  #: Automatic retries still touch them.
    ambiguous: int  #: They wait for a person's decision.
    permanent: int  #: They cannot become right by trying again.
    given_up: int  #: Their automatic retries are used up.

    @property
    def need_a_person(self) -> bool:
        """Whether somebody has to look: automatic retries will not end all of them."""
        return bool(self.ambiguous + self.permanent + self.given_up)


def open_jobs(connection: Connection) -> OpenJobs:
    """The jobs that are not finished now."""
    question = select(
        _bounded(Job.id, Job.state.in_((JobState.AVAILABLE, JobState.RETRYABLE))).label("waiting"),
        _bounded(Job.id, Job.state == JobState.EXECUTING).label("running"),
    )
    return OpenJobs(**connection.execute(question).mappings().one())


def open_failures(connection: Connection) -> OpenFailures:
    """The images that are failed now. A class with few of them costs a walk over all failures: cache it."""

    def failed(classification: Classification) -> ScalarSelect[int]:
        of_these = Image.error_type.in_(of_class(classification))
        return _bounded(Image.id, Image.state == ImageState.FAILED, of_these)

    question = select(
        failed(Classification.TRANSIENT).label("transient"),
        failed(Classification.AMBIGUOUS).label("ambiguous"),
        failed(Classification.PERMANENT).label("permanent"),
        _bounded(Image.id, Image.state == ImageState.PERMANENTLY_FAILED).label("given_up"),
    )
    return OpenFailures(**connection.execute(question).mappings().one())


def heartbeats(connection: Connection) -> Sequence[RowMapping]:
    """The processes heard of within a day, by kind, latest first; `age` in seconds of the server's clock."""
    age = func.extract("epoch", func.now() - Heartbeat.seen_at)
    question = (
        select(Heartbeat.process, Heartbeat.kind, Heartbeat.started_at, Heartbeat.seen_at, age.label("age"))
        .where(age < 24 * 3600)
        .order_by(Heartbeat.kind, Heartbeat.seen_at.desc())
    )
    return connection.execute(question).mappings().all()


def provider_names(connection: Connection) -> dict[str, str]:
    """The name people know each provider by, by code, most important first."""
    rows = connection.execute(select(Provider.code, Provider.name).order_by(Provider.priority, Provider.code))
    return {row.code: row.name for row in rows}


def ping(connection: Connection) -> None:
    """Ask the database for the least it can answer."""
    connection.execute(select(literal(1)))


def _job_columns() -> Question:
    return (
        select(
            Job.id,
            Job.kind,
            Job.state,
            Job.status,
            Job.venue_id,
            Venue.name.label("venue"),
            City.name.label("city"),
            Job.attempted_at,
            Job.finished_at,
            # a job that broke has no report; what it broke on says more than nothing
            func.coalesce(Job.meta["summary"].astext, Job.errors[-1]["error"].astext).label("summary"),
            # what the job found stored already, or failed before with no automatic try left
            func.coalesce(Job.meta["images_existing"].as_integer(), 0).label("existing"),
            func.coalesce(Job.meta["images_left"].as_integer(), 0).label("left"),
            Job.images_discovered,
            Job.images_uploaded,
            Job.images_failed,
            Job.cost_usd,
        )
        .select_from(Job)
        .outerjoin(Venue, Venue.id == Job.venue_id)
        .outerjoin(City, City.id == Job.city_id)
    )


def _ends(of_jobs: ColumnElement[bool]) -> Question:
    """The last try of each image within each job: a job that was run again tries an image again."""
    return (
        select(
            Attempt.job_id,
            Attempt.image_id,
            Attempt.id,
            Attempt.provider,
            Attempt.finished_at,
            Attempt.outcome,
            Attempt.error_type,
            Attempt.status_code,
            Attempt.detail,
        )
        .where(of_jobs)
        .ext(distinct_on(Attempt.job_id, Attempt.image_id))
        .order_by(Attempt.job_id, Attempt.image_id, Attempt.finished_at.desc(), Attempt.id.desc())
    )


def _bounded(column: Any, *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    some = select(column).where(*conditions).limit(COUNT_LIMIT + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()

"""One job: its row, its providers, its images and its tries.

Every question is bounded: of a job with more than `TRIES_SEEN` tries, these are looked at and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, Connection, Select, case, func, literal, select, true
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.engine import RowMapping

from ops_core.db.schema import Attempt, City, Image, Job, JobProvider, Picture, Venue
from ops_core.domain.errors import TRANSIENT_TYPES
from ops_core.domain.images import MAX_RETRIES, AttemptOutcome, ImageState

#: Tries of one job that are read to say what became of its images.
TRIES_SEEN = 10_000

_FAILED_NOW = Image.state.in_((ImageState.FAILED, ImageState.PERMANENTLY_FAILED))


def job(connection: Connection, job_id: int) -> RowMapping | None:
    """One job without its raw args, meta and errors; None if there is none of that id.

    `numbers` are the numbers at the top of its meta, whatever shape the meta has.
    """
    fields = func.jsonb_each(
        case((func.jsonb_typeof(Job.meta) == "object", Job.meta), else_=literal({}, JSONB))
    ).table_valued("key", "value")
    numbers = (
        select(func.jsonb_object_agg(fields.c.key, fields.c.value))
        .select_from(fields)
        .where(func.jsonb_typeof(fields.c.value) == "number")
        .correlate(Job)
        .scalar_subquery()
    )
    question = (
        select(
            Job.id,
            Job.kind,
            Job.state,
            Job.status,
            Job.outcome,
            Job.venue_id,
            Venue.name.label("venue"),
            City.name.label("city"),
            Job.parent_id,
            Job.request_id,
            Job.actor,
            Job.source,
            # a job that broke has no report; what it broke on says more than nothing
            func.coalesce(Job.summary, Job.meta["summary"].astext, Job.errors[-1]["error"].astext).label(
                "summary"
            ),
            Job.attempt,
            Job.max_attempts,
            Job.lost_claims,
            Job.images_discovered,
            Job.images_uploaded,
            Job.images_failed,
            Job.images_existing,
            Job.images_left,
            Job.cost_usd,
            Job.inserted_at,
            Job.attempted_at,
            Job.finished_at,
            numbers.label("numbers"),
        )
        .select_from(Job)
        .outerjoin(Venue, Venue.id == Job.venue_id)
        .outerjoin(City, City.id == Job.city_id)
    )
    return connection.execute(question.where(Job.id == job_id)).mappings().one_or_none()


def raw(connection: Connection, job_id: int) -> RowMapping | None:
    """The job as it is stored: args, meta and errors with what they belong to."""
    columns = (
        Job.id,
        Job.kind,
        Job.state,
        Job.status,
        Job.source,
        Job.source_id,
        Job.args,
        Job.meta,
        Job.errors,
    )
    return connection.execute(select(*columns).where(Job.id == job_id)).mappings().one_or_none()


def errors(connection: Connection, job_id: int) -> Any:
    """One entry per run of the job that broke, as stored: {attempt, at, error}."""
    return connection.scalar(select(Job.errors).where(Job.id == job_id))


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


def fates(connection: Connection, job_id: int) -> Sequence[RowMapping]:
    """What became of the images a job tried, counted by provider and by how the job left them.

    `error_type` is None for images the job brought in. `stored`, `failed_now` and `retryable_now`
    are what these images are today; `later` are those failed now whose latest try was another job's.
    `tries` is the number of tries looked at, the same in every row.
    """
    tries = _tries(job_id)
    ends = _ends(tries).subquery("ends")
    ours = Image.failed_job == job_id
    automatic = (
        (Image.state == ImageState.FAILED)
        & Image.error_type.in_(TRANSIENT_TYPES)
        & (Image.retry_count < MAX_RETRIES)
    )
    question = (
        select(
            ends.c.provider,
            ends.c.error_type,
            func.count().label("images"),
            func.count().filter(Image.state == ImageState.UPLOADED).label("stored"),
            func.count().filter(_FAILED_NOW).label("failed_now"),
            func.count().filter(ours & automatic).label("retryable_now"),
            func.count().filter(_FAILED_NOW & ours.is_not(true())).label("later"),
            select(func.count()).select_from(tries).scalar_subquery().label("tries"),
        )
        .join(Image, Image.id == ends.c.image_id)
        .group_by(ends.c.provider, ends.c.error_type)
        .order_by(ends.c.provider, ends.c.error_type)
    )
    return connection.execute(question).mappings().all()


def failed_images(connection: Connection, job_id: int, limit: int = 200) -> Sequence[RowMapping]:
    """The images a job left failed, as they were then, with the state each has now."""
    ends = _ends(_tries(job_id)).subquery("ends")
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
        .order_by(ends.c.finished_at, ends.c.image_id)
        .limit(limit)
    )
    return connection.execute(question).mappings().all()


def uploaded_images(connection: Connection, job_id: int, limit: int = 8) -> Sequence[RowMapping]:
    """The images a job brought into the store and that are still there, best first."""
    ends = _ends(_tries(job_id)).subquery("ends")
    question = (
        select(
            Image.id,
            Image.provider,
            Image.url,
            Image.thumbnail_url,
            Image.thumbnail_key,
            Image.width,
            Image.height,
            Image.quality_score,
            Image.bytes,
            Image.attribution,
            Image.attribution_url,
            Image.license,
            Image.license_url,
            Image.flags,
            Picture.venues.label("picture_venues"),
        )
        .join(ends, ends.c.image_id == Image.id)
        .outerjoin(Picture, Picture.id == Image.picture_id)
        .where(ends.c.outcome == AttemptOutcome.UPLOADED, Image.state == ImageState.UPLOADED)
        .order_by(Image.position, Image.id)
        .limit(limit)
    )
    return connection.execute(question).mappings().all()


def tries(connection: Connection, job_id: int, limit: int = 200) -> Sequence[RowMapping]:
    """The job's tries of images in the order they began."""
    question = (
        select(
            Attempt.started_at,
            Attempt.finished_at,
            Attempt.image_id,
            Attempt.number,
            Attempt.provider,
            Attempt.outcome,
            Attempt.error_type,
            Attempt.status_code,
            Attempt.detail,
            Attempt.bytes,
            Attempt.cost_usd,
        )
        .where(Attempt.job_id == job_id)
        .order_by(Attempt.started_at, Attempt.id)
        .limit(limit)
    )
    return connection.execute(question).mappings().all()


def _tries(job_id: int) -> CTE:
    return (
        select(
            Attempt.image_id,
            Attempt.number,
            Attempt.provider,
            Attempt.finished_at,
            Attempt.outcome,
            Attempt.error_type,
            Attempt.status_code,
            Attempt.detail,
        )
        .where(Attempt.job_id == job_id)
        .limit(TRIES_SEEN)
        .cte("tries")
    )


def _ends(tries: CTE) -> Select[Any]:
    """The last try of each image: a job that was run again tries an image again."""
    return (
        select(tries)
        .ext(distinct_on(tries.c.image_id))
        .order_by(tries.c.image_id, tries.c.number.desc(), tries.c.finished_at.desc())
    )

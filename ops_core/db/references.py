"""Images that are shown from their provider and not copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, Subquery, case, func, select

from ops_core.db.schema import Image, Job, Venue
from ops_core.domain.images import ImageState

#: Photos a job chose that were to be shown from their provider, as its meta says; for queries of jobs.
CHOSEN_BY_JOB = case(
    (
        func.jsonb_typeof(Job.meta["images_referenced"]) == "number",
        Job.meta["images_referenced"].as_integer(),
    ),
    else_=0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One image that is shown from its provider."""

    id: int
    venue_id: int
    city_id: int
    provider: str
    provider_ref: str
    fetch_ref: str | None
    url: str | None  #: Where it is shown from, if that may be kept.


def reference(connection: Connection, image_id: int) -> Reference | None:
    """The image of that id; None if there is none, or it is no reference."""
    row = (
        connection.execute(
            select(
                Image.id,
                Image.venue_id,
                Venue.city_id,
                Image.provider,
                Image.provider_ref,
                Image.fetch_ref,
                Image.url,
            )
            .join(Venue, Venue.id == Image.venue_id)
            .where(Image.id == image_id, Image.state == ImageState.REFERENCED)
        )
        .mappings()
        .one_or_none()
    )
    return Reference(**row) if row else None


def of_job(connection: Connection, job_id: int, limit: int) -> Sequence[RowMapping]:
    """Of the photos a job chose, the first `limit` that are shown from their provider now, best first."""
    chosen = _chosen(job_id)
    question = (
        select(
            Image.id,
            Image.provider,
            Image.url,
            Image.source_url,
            Image.width,
            Image.height,
            Image.quality_score,
            Image.attribution,
            Image.attribution_url,
            Image.license,
            Image.license_url,
        )
        .join(chosen, chosen.c.id.cast(Image.id.type) == Image.id)
        .where(Image.state == ImageState.REFERENCED)
        .order_by(Image.position, Image.id)
        .limit(limit)
    )
    return connection.execute(question).mappings().all()


def by_provider(connection: Connection, job_id: int) -> dict[str, int]:
    """How many photos a job chose of each provider are shown from there now."""
    chosen = _chosen(job_id)
    question = (
        select(Image.provider, func.count().label("images"))
        .join(chosen, chosen.c.id.cast(Image.id.type) == Image.id)
        .where(Image.state == ImageState.REFERENCED)
        .group_by(Image.provider)
    )
    return {row.provider: row.images for row in connection.execute(question)}


def _chosen(job_id: int) -> Subquery:
    return (
        select(func.jsonb_array_elements_text(Job.meta["image_ids"]).label("id"))
        .where(Job.id == job_id, func.jsonb_typeof(Job.meta["image_ids"]) == "array")
        .subquery("chosen")
    )

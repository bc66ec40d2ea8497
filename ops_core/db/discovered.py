"""Photos that providers list, as image rows: made, refreshed, or kept as references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, case, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ops_core.db import job_totals
from ops_core.db.schema import Image
from ops_core.domain.images import ImageState

_MEASURED = ("width", "height", "quality_score")
_STATED = ("fetch_ref", "source_url", "attribution", "attribution_url", "license", "license_url")

#: What a failed image leaves behind when it becomes a reference after all.
_CLEARED: dict[str, Any] = {
    "error_type": None,
    "status_code": None,
    "detail": None,
    "not_before": None,
    "failed_job": None,
    "lost_claims": 0,
}


def keep(connection: Connection, venue_id: int, photos: Sequence[dict[str, Any]]) -> list[int]:
    """One row per photo, made or refreshed; the ids in the order given.

    Keys of a photo: provider, provider_ref, position, quality_score, state (discovered or referenced)
    and, optional but the same for all, url, fetch_ref, source_url, width, height, attribution,
    attribution_url, license, license_url, and report_due_at, which counts for photos that are new only. A
    photo that is in the store already stays as it is there; one that is being tried keeps its state; any
    other becomes a reference, or is to be tried, as `state` says.
    """
    if not photos:
        return []
    # one order for all writers: two jobs of one venue must not wait for each other in a circle
    connection.execute(
        select(Image.id).where(Image.venue_id == venue_id).order_by(Image.id).with_for_update(key_share=True)
    )
    rows = sorted(photos, key=lambda photo: (photo["provider"], photo["provider_ref"]))
    statement = insert(Image)
    new = statement.excluded
    stored = Image.state == ImageState.UPLOADED
    # the other two become references below, where what they were counted as is taken back
    changes_policy = or_(Image.state == ImageState.DISCOVERED, Image.state == ImageState.REFERENCED)
    found = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["venue_id", "provider", "provider_ref"],
            set_={
                "position": new.position,
                "state": case((changes_policy, new.state), else_=Image.state),
                "url": case((changes_policy, new.url), else_=Image.url),
                **{name: func.coalesce(new[name], getattr(Image, name)) for name in _STATED},
                # of a reference no name is kept that its provider lets nobody keep
                "fetch_ref": case(
                    (new.state == ImageState.REFERENCED, new.fetch_ref),
                    else_=func.coalesce(new.fetch_ref, Image.fetch_ref),
                ),
                **{
                    name: case(
                        (stored, getattr(Image, name)), else_=func.coalesce(new[name], getattr(Image, name))
                    )
                    for name in _MEASURED
                },
            },
        ).returning(Image.id, Image.provider, Image.provider_ref),
        # as parameters and not as `values`, which would be compiled anew for every number of photos
        [{"venue_id": venue_id, "url": None, **row} for row in rows],
    )
    ids = {(row.provider, row.provider_ref): row.id for row in found}
    references = {
        ids[row["provider"], row["provider_ref"]]: row.get("url")
        for row in rows
        if row["state"] == ImageState.REFERENCED
    }
    _refer_failed(connection, references)
    _count(connection, venue_id)
    return [ids[photo["provider"], photo["provider_ref"]] for photo in photos]


def refer(connection: Connection, ids: Sequence[int], providers: Mapping[str, bool]) -> int:
    """Those of `ids` that wait to be tried, and whose provider forbids copies now, become references.

    `providers` says of each such provider whether a photo's address may be kept; where it may not, it is
    forgotten, and asked for when the photo is shown.
    """
    if not ids or not providers:
        return 0
    waiting = (
        select(Image.id)
        .where(Image.id.in_(ids), Image.provider.in_(providers), Image.state == ImageState.DISCOVERED)
        .order_by(Image.id)
        .with_for_update(key_share=True)
    )
    kept = Image.provider.in_([code for code, may_be_kept in providers.items() if may_be_kept])
    changed = connection.execute(
        update(Image)
        .where(Image.id.in_(waiting))
        .values(
            state=ImageState.REFERENCED,
            url=case((kept, Image.fetch_ref)),
            fetch_ref=case((kept, Image.fetch_ref)),
        )
        .returning(Image.venue_id)
    ).scalars()
    venues = list(changed)
    for venue_id in sorted(set(venues)):
        _count(connection, venue_id)
    return len(venues)


def _refer_failed(connection: Connection, references: dict[int, str | None]) -> None:
    failed = connection.execute(
        select(Image.id, Image.failed_job, Image.error_type, Image.retry_count).where(
            Image.id.in_(references),
            or_(Image.state == ImageState.FAILED, Image.state == ImageState.PERMANENTLY_FAILED),
        )
    ).all()
    if not failed:
        return
    job_totals.change(
        connection,
        [
            job_totals.taken_over(row.failed_job, row.error_type, row.retry_count)
            for row in failed
            if row.failed_job
        ],
    )
    for row in failed:
        connection.execute(
            update(Image)
            .where(Image.id == row.id)
            .values(state=ImageState.REFERENCED, url=references[row.id], **_CLEARED)
        )


def _count(connection: Connection, venue_id: int) -> None:
    connection.execute(
        text("""
            UPDATE venues SET referenced_images = counted.images
            FROM (SELECT count(*) AS images FROM images
                  WHERE venue_id = :venue_id AND state = 'referenced') AS counted
            WHERE id = :venue_id AND referenced_images <> counted.images
        """),
        {"venue_id": venue_id},
    )

"""Recording tries: the image's new state, the attempt row and the rollups, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from ops_core.db import job_totals, pictures, retry_rollups, rollups
from ops_core.db.images import ClaimedImage
from ops_core.domain.errors import ErrorType, info
from ops_core.domain.failures import Failure
from ops_core.domain.freshness import backoff
from ops_core.domain.images import (
    AttemptOutcome,
    ImageState,
    may_try_automatically,
    retry_count_after,
    state_after_failure,
)
from ops_core.domain.pictures import PictureFlag
from ops_core.domain.quality import quality_score

#: Seconds before the first automatic retry of an image; doubled for each further one.
RETRY_BASE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where a picture was put, and what it turned out to be."""

    store: str  #: Name of the store.
    key: str
    url: str
    thumbnail_key: str | None  #: None where the store makes thumbnails itself.
    thumbnail_url: str
    content_type: str
    content_hash: str
    perceptual_hash: str | None = None
    flags: tuple[PictureFlag, ...] = ()
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One finished try. Exactly one of `stored` and `failure` is given."""

    image: ClaimedImage
    started_at: datetime
    finished_at: datetime
    job_id: int | None
    worker: str
    stored: Stored | None = None
    failure: Failure | None = None
    request_id: int | None = None  #: The retry request it was made for.
    asked: bool = True  #: Whether its provider was spoken to.
    answered: bool = False  #: Whether its provider delivered the file.
    calls: int = 0
    cost_usd: Decimal = Decimal(0)
    bytes: int = 0  #: Downloaded; 0 for a picture that the store held already.


#: What the images were before: rows that are written later are locked in one order by everybody.
_BEFORE = text("""
    SELECT id, failed_job, error_type, retry_count, perceptual_hash, picture_id FROM images
    WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE
""")

_RECORD = text("""
    -- fenced: a try whose claim was taken over by somebody else changes nothing
    UPDATE images SET
        state = new.state::image_state, error_type = new.error_type::error_type,
        status_code = new.status_code, detail = new.detail,
        retry_count = new.retry_count, tries = new.number,
        store = new.store, storage_key = new.storage_key, url = new.url, thumbnail_key = new.thumbnail_key,
        thumbnail_url = new.thumbnail_url, content_type = new.content_type,
        content_hash = new.content_hash, bytes = new.stored_bytes,
        perceptual_hash = new.perceptual_hash, flags = coalesce(new.flags, '{}'),
        -- another picture than before leaves its group; `work/same_pictures.py` finds its new one
        picture_id = CASE WHEN new.perceptual_hash = images.perceptual_hash THEN images.picture_id END,
        width = coalesce(new.width, images.width), height = coalesce(new.height, images.height),
        quality_score = coalesce(new.quality_score, images.quality_score),
        claimed_by = NULL, claimed_at = NULL, claimed_until = NULL, claimed_job = NULL,
        not_before = new.finished_at + make_interval(secs => new.retry_after), lost_claims = 0,
        last_attempt_at = new.finished_at,
        failed_job = CASE WHEN new.state <> 'uploaded' THEN new.job_id END,
        uploaded_at = CASE WHEN new.state = 'uploaded' THEN new.finished_at END
    FROM jsonb_to_recordset(CAST(:tries AS jsonb)) AS new(
        id bigint, claim bigint, state text, error_type text, status_code smallint, detail text,
        retry_count smallint, number smallint, store text, storage_key text, url text, thumbnail_key text,
        thumbnail_url text, content_type text, content_hash text, perceptual_hash text, flags text[],
        stored_bytes bigint, width bigint, height bigint, quality_score float8, finished_at timestamptz,
        retry_after float8, job_id bigint)
    WHERE images.id = new.id AND images.claim = new.claim AND images.state = 'uploading'
    RETURNING images.id
""")

_APPEND = text("""
    INSERT INTO attempts (image_id, job_id, request_id, provider, number, outcome, error_type, status_code,
                          detail, bytes, calls, cost_usd, started_at, finished_at, worker)
    SELECT image_id, job_id, request_id, provider, number, outcome::attempt_outcome, error_type::error_type,
           status_code, detail, bytes, calls, cost_usd, started_at, finished_at, worker
    FROM jsonb_to_recordset(CAST(:tries AS jsonb)) AS new(
        image_id bigint, job_id bigint, request_id bigint, provider text, number smallint, outcome text,
        error_type text, status_code smallint, detail text, bytes bigint, calls smallint,
        cost_usd numeric, started_at timestamptz, finished_at timestamptz, worker text)
""")

_COUNT_UPLOADS = text("""
    UPDATE venues SET uploaded_images = uploaded_images + new.uploaded
    FROM (SELECT * FROM jsonb_to_recordset(CAST(:uploads AS jsonb)) AS r(id bigint, uploaded bigint)
          ORDER BY id) AS new
    WHERE venues.id = new.id
""")


def record(connection: Connection, tries: Sequence[Tried]) -> set[int]:
    """Write what came of `tries`; returns the ids of the images whose claim still held.

    The others were taken over after their lease ran out: their attempt stands there as lost, and
    nothing here counts them a second time.
    """
    ordered = sorted(tries, key=lambda tried: tried.image.id)
    rows = [_image_row(tried) for tried in ordered]
    before = {row.id: row for row in connection.execute(_BEFORE, {"ids": [row["id"] for row in rows]})}
    held = {row.id for row in connection.execute(_RECORD, {"tries": json.dumps(rows)})}
    kept = [tried for tried in ordered if tried.image.id in held]
    if not kept:
        return held
    after = {row["id"]: row for row in rows}
    connection.execute(_APPEND, {"tries": json.dumps([_attempt_row(tried) for tried in kept])})
    stored_late = [tried.image.id for tried in kept if tried.stored and tried.image.tries]
    earlier = [before[tried.image.id] for tried in kept]
    changes = [
        job_totals.taken_over(row.failed_job, row.error_type, row.retry_count)
        for row in earlier
        if row.failed_job
    ]
    # its job may have ended without it: then nobody else counts this try
    changes += [_own(tried.job_id, tried, after[tried.image.id]) for tried in kept if tried.job_id]
    if stored_late:
        changes += job_totals.first_jobs(connection, stored_late)
    job_totals.change(connection, changes)
    rollups.add(connection, [_rollup_row(tried) for tried in kept])
    pictures.recount(
        connection,
        {
            row.picture_id
            for row in earlier
            if row.picture_id and row.perceptual_hash != after[row.id].get("perceptual_hash")
        },
    )
    retry_rollups.add(
        connection,
        [
            _retry_row(tried, ErrorType(row.error_type))
            for tried, row in zip(kept, earlier, strict=True)
            if row.error_type
        ],
    )
    uploads: dict[int, int] = {}
    for tried in kept:
        if tried.stored:
            uploads[tried.image.venue_id] = uploads.get(tried.image.venue_id, 0) + 1
    if uploads:
        pairs = [{"id": venue, "uploaded": count} for venue, count in sorted(uploads.items())]
        connection.execute(_COUNT_UPLOADS, {"uploads": json.dumps(pairs)})
    return held


def _own(job_id: int, tried: Tried, row: Mapping[str, Any]) -> job_totals.Change:
    """What the try, which left its image as `row`, adds to its own job, should that have ended already."""
    first, stored = int(tried.image.tries == 0), int(tried.stored is not None)
    return job_totals.Change(
        job_id=job_id,
        failed_now=1 - stored,
        retryable_now=int(
            not stored and may_try_automatically(row["state"], row["error_type"], row["retry_count"])
        ),
        first_tried=first,
        first_uploaded=first * stored,
        first_stored=first * stored,
    )


def _image_row(tried: Tried) -> dict[str, Any]:
    image, stored, failure = tried.image, tried.stored, tried.failure
    retries = retry_count_after(image.retry_count, is_retry=image.is_retry)
    row: dict[str, Any] = {
        "id": image.id,
        "claim": image.claim,
        "retry_count": retries,
        "number": image.tries + 1,
        "finished_at": tried.finished_at.isoformat(),
        "job_id": tried.job_id,
    }
    if stored:
        row |= {
            "state": ImageState.UPLOADED,
            "store": stored.store,
            "storage_key": stored.key,
            "url": stored.url,
            "thumbnail_key": stored.thumbnail_key,
            "thumbnail_url": stored.thumbnail_url,
            "content_type": stored.content_type,
            "content_hash": stored.content_hash,
            "perceptual_hash": stored.perceptual_hash,
            "flags": stored.flags,
            "stored_bytes": stored.bytes,
            "width": stored.width,
            "height": stored.height,
            "quality_score": quality_score(stored.width, stored.height),
        }
    else:
        assert failure is not None
        row |= {
            "state": state_after_failure(failure.error_type, retries),
            "error_type": failure.error_type,
            "status_code": failure.status_code,
            "detail": failure.detail or None,
            "retry_after": _wait(failure, retries),
        }
    return row


def _wait(failure: Failure, retries: int) -> float | None:
    """Seconds before the next automatic try: what the provider asked for, and longer each time."""
    if not info(failure.error_type).retryable:
        return failure.retry_after
    return max(failure.retry_after or 0.0, backoff(retries + 1, RETRY_BASE))


def _attempt_row(tried: Tried) -> dict[str, Any]:
    failure = tried.failure
    return {
        "image_id": tried.image.id,
        "job_id": tried.job_id,
        "request_id": tried.request_id,
        "provider": tried.image.provider,
        "number": tried.image.tries + 1,
        "outcome": AttemptOutcome.FAILED if failure else AttemptOutcome.UPLOADED,
        "error_type": failure.error_type if failure else None,
        "status_code": failure.status_code if failure else None,
        "detail": (failure.detail or None) if failure else None,
        "bytes": tried.bytes,
        "calls": tried.calls,
        "cost_usd": str(tried.cost_usd),
        "started_at": tried.started_at.isoformat(),
        "finished_at": tried.finished_at.isoformat(),
        "worker": tried.worker,
    }


def _rollup_row(tried: Tried) -> rollups.Row:
    return rollups.Row(
        hour=tried.finished_at.replace(minute=0, second=0, microsecond=0),
        provider=tried.image.provider,
        error_type=tried.failure.error_type.value if tried.failure else "",
        city_id=tried.image.city_id,
        first=tried.image.tries == 0,
        bytes=tried.bytes,
        duration_ms=round((tried.finished_at - tried.started_at).total_seconds() * 1000),
        calls=tried.calls,
        cost_usd=tried.cost_usd,
    )


def _retry_row(tried: Tried, failed_with: ErrorType) -> retry_rollups.Row:
    return retry_rollups.Row(
        day=tried.finished_at.astimezone(UTC).date(),
        provider=tried.image.provider,
        error_type=failed_with,
        uploaded=tried.stored is not None,
    )

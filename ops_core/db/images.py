"""Image rows: claimed under a lease, and released when a lease runs out (made in `db/discovered.py`).

A claim is fenced: every claim raises `images.claim`, and only the holder of the newest one may
record an outcome (`db/attempts.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, select, text

from ops_core.db import job_totals, rollups
from ops_core.db.schema import Image
from ops_core.domain.errors import TRANSIENT_TYPES, ErrorType
from ops_core.domain.images import MAX_RETRIES, ImageState

_TRANSIENT = [kind.value for kind in TRANSIENT_TYPES]
_RULE = {"transient": _TRANSIENT, "max_retries": MAX_RETRIES}

#: `domain.images.state_given_back` of a row of `images`.
_GIVEN_BACK = """CASE WHEN images.error_type IS NULL THEN 'discovered'::image_state
    WHEN images.error_type = ANY(CAST(:transient AS error_type[])) AND images.retry_count >= :max_retries
    THEN 'permanently_failed'::image_state ELSE 'failed'::image_state END"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedImage:
    """An image that this worker alone may bring in until its lease ends. `claim` is the fence."""

    id: int
    claim: int
    venue_id: int
    venue_name: str
    city_id: int
    provider: str
    provider_ref: str
    fetch_ref: str | None
    source_url: str | None
    retry_count: int
    tries: int
    is_retry: bool


def claim(
    connection: Connection,
    ids: Sequence[int],
    *,
    owner: str,
    job_id: int,
    lease_seconds: float,
    suspects: bool = False,
    at_once: bool = False,
    override: bool = False,
) -> list[ClaimedImage]:
    """Those of `ids` that may be tried automatically now and that nobody else holds, best first.

    A job tries an image once, lost tries aside, unless these had the image set aside. `suspects` are
    the images on which a worker died; they are claimed by themselves only, so that they take no others
    with them. `at_once` does not wait for an image's `not_before`: a person asked, and a provider's
    limits have their own say. `override` claims failed images whatever they failed with and however
    often.
    """
    rows = connection.execute(
        text("""
            -- claim images for a job; who is locked is being claimed by somebody else right now
            WITH free AS (
                SELECT id FROM images
                WHERE id = ANY(:ids) AND (:at_once OR not_before IS NULL OR not_before <= now())
                  AND (lost_claims > 0) = :suspects
                  AND NOT EXISTS (SELECT FROM attempts WHERE attempts.job_id = :job_id
                                  AND attempts.image_id = images.id
                                  AND (outcome = 'failed' OR images.error_type = :worker_lost))
                  AND (state = 'discovered'
                       OR state = 'failed' AND error_type = ANY(CAST(:transient AS error_type[]))
                          AND retry_count < :max_retries
                       OR :override AND state IN ('failed', 'permanently_failed'))
                ORDER BY id FOR UPDATE SKIP LOCKED
            )
            UPDATE images SET state = 'uploading', claimed_by = :owner, claimed_job = :job_id,
                claimed_at = now(), claimed_until = now() + make_interval(secs => :lease), claim = claim + 1
            FROM free, venues
            WHERE images.id = free.id AND venues.id = images.venue_id
            RETURNING images.id, images.claim, images.venue_id, venues.name AS venue_name, venues.city_id,
                provider, provider_ref, fetch_ref, source_url, retry_count, tries,
                (error_type IS NOT NULL) AS is_retry, images.position
        """),
        {
            "ids": list(ids),
            **_RULE,
            "owner": owner,
            "job_id": job_id,
            "lease": lease_seconds,
            "suspects": suspects,
            "at_once": at_once,
            "override": override,
            "worker_lost": ErrorType.WORKER_LOST.value,
        },
    ).all()
    return [
        ClaimedImage(
            id=row.id,
            claim=row.claim,
            venue_id=row.venue_id,
            venue_name=row.venue_name,
            city_id=row.city_id,
            provider=row.provider,
            provider_ref=row.provider_ref,
            fetch_ref=row.fetch_ref,
            source_url=row.source_url,
            retry_count=row.retry_count,
            tries=row.tries,
            is_retry=row.is_retry,
        )
        for row in sorted(rows, key=lambda row: row.position)
    ]


def states(connection: Connection, ids: Sequence[int]) -> dict[int, ImageState]:
    """What each of `ids` is now, in their order."""
    rows = connection.execute(select(Image.id, Image.state).where(Image.id.in_(ids)))
    found = {row.id: row.state for row in rows}
    return {image_id: found[image_id] for image_id in ids}


def suspects(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Those of `ids` that are not in the store and on which a worker died."""
    question = select(Image.id).where(
        Image.id.in_(ids), Image.lost_claims > 0, Image.state != ImageState.UPLOADED
    )
    return list(connection.scalars(question.order_by(Image.id)))


def seconds_until_settled(connection: Connection, ids: Sequence[int], *, look_again: float) -> float | None:
    """None if none of `ids` is left between two states; else when it makes sense to look again.

    An image in other hands may settle any moment; one that was put off waits for its time.
    """
    wait: float | None = connection.scalar(
        text("""
            SELECT min(greatest(extract(epoch FROM not_before - now()), :look_again))::float8
            FROM (SELECT CASE WHEN state = 'discovered' THEN coalesce(not_before, now()) ELSE now() END
                         AS not_before
                  FROM images WHERE id = ANY(:ids) AND state IN ('discovered', 'uploading')) AS unsettled
        """),
        {"ids": list(ids), "look_again": look_again},
    )
    return wait


def extend_leases(connection: Connection, owner: str, lease_seconds: float) -> None:
    """The heartbeat: push the end of every lease `owner` holds."""
    connection.execute(
        text("""
            UPDATE images SET claimed_until = now() + make_interval(secs => :lease)
            WHERE id IN (SELECT id FROM images WHERE state = 'uploading' AND claimed_by = :owner
                         ORDER BY id FOR UPDATE SKIP LOCKED)
        """),
        {"owner": owner, "lease": lease_seconds},
    )


def give_back(connection: Connection, owner: str) -> int:
    """Free what `owner` holds and will not try; not a lost try. How many."""
    return connection.execute(
        text(f"""
            UPDATE images SET state = {_GIVEN_BACK},
                claimed_by = NULL, claimed_at = NULL, claimed_until = NULL, claimed_job = NULL
            WHERE id IN (SELECT id FROM images WHERE state = 'uploading' AND claimed_by = :owner
                         ORDER BY id FOR NO KEY UPDATE)
        """),
        {"owner": owner, **_RULE},
    ).rowcount


def put_off(connection: Connection, image: ClaimedImage, seconds: float) -> None:
    """Give a claimed image back untried, not to be tried for `seconds`: its provider's limit is used up."""
    connection.execute(
        text(f"""
            UPDATE images SET state = {_GIVEN_BACK},
                claimed_by = NULL, claimed_at = NULL, claimed_until = NULL, claimed_job = NULL,
                not_before = now() + make_interval(secs => :seconds)
            WHERE id = :id AND claim = :claim AND state = 'uploading'
        """),
        {"id": image.id, "claim": image.claim, "seconds": seconds, **_RULE},
    )


def release_expired(
    connection: Connection, *, max_lost_claims: int, owner_prefix: str | None = None, limit: int = 1000
) -> int:
    """Free images whose worker is gone; returns how many.

    The lost try becomes an attempt row. An image on which workers died `max_lost_claims` times is
    set aside as `worker_lost`, so that a picture that kills workers cannot do so for ever. With
    `owner_prefix`, all claims of that worker are freed at once: it says itself that it stops.
    """
    gone = "starts_with(claimed_by, :prefix)" if owner_prefix else "claimed_until < now()"
    lost = connection.execute(
        text(f"""
            WITH stale AS (
                SELECT * FROM images WHERE state = 'uploading' AND {gone}
                ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
            ), freed AS (
                UPDATE images SET
                    state = CASE WHEN stale.lost_claims + 1 >= :max_lost THEN 'failed'::image_state
                                 ELSE {_GIVEN_BACK} END,
                    error_type = CASE WHEN stale.lost_claims + 1 >= :max_lost THEN :lost
                                      ELSE stale.error_type END,
                    detail = CASE WHEN stale.lost_claims + 1 >= :max_lost THEN :detail ELSE stale.detail END,
                    status_code = CASE WHEN stale.lost_claims + 1 < :max_lost THEN stale.status_code END,
                    claimed_by = NULL, claimed_at = NULL, claimed_until = NULL, claimed_job = NULL,
                    failed_job = CASE WHEN stale.lost_claims + 1 >= :max_lost THEN stale.claimed_job
                                      ELSE stale.failed_job END,
                    lost_claims = stale.lost_claims + 1, tries = stale.tries + 1, last_attempt_at = now()
                FROM stale WHERE images.id = stale.id
                RETURNING images.id
            ), logged AS (
                INSERT INTO attempts (image_id, job_id, request_id, provider, number, outcome, error_type,
                                      detail, started_at, finished_at, worker)
                SELECT stale.id, stale.claimed_job, jobs.request_id, stale.provider, stale.tries + 1, 'lost',
                       :lost, :detail, least(stale.claimed_at, now()), now(), stale.claimed_by
                FROM stale JOIN freed USING (id) LEFT JOIN jobs ON jobs.id = stale.claimed_job
                RETURNING image_id
            )
            SELECT stale.provider, stale.tries, venues.city_id, now() AS lost_at,
                   stale.failed_job, stale.claimed_job, stale.error_type, stale.retry_count,
                   stale.lost_claims + 1 >= :max_lost AS set_aside,
                   now() - least(stale.claimed_at, now()) AS held
            FROM logged JOIN stale ON stale.id = logged.image_id JOIN venues ON venues.id = stale.venue_id
        """),
        {
            "limit": limit,
            "max_lost": max_lost_claims,
            "lost": ErrorType.WORKER_LOST.value,
            "detail": "the worker stopped before it finished",
            "prefix": owner_prefix,
            **_RULE,
        },
    ).all()
    job_totals.change(
        connection,
        [
            job_totals.taken_over(row.failed_job, row.error_type, row.retry_count)
            for row in lost
            if row.set_aside and row.failed_job
        ]
        + [
            # its job may have ended without it: then nobody else counts this try
            job_totals.Change(
                job_id=row.claimed_job, failed_now=int(row.set_aside), first_tried=int(row.tries == 0)
            )
            for row in lost
            if row.claimed_job
        ],
    )
    rollups.add(
        connection,
        [
            rollups.Row(
                hour=row.lost_at.replace(minute=0, second=0, microsecond=0),
                provider=row.provider,
                error_type=ErrorType.WORKER_LOST.value,
                city_id=row.city_id,
                first=row.tries == 0,
                bytes=0,
                duration_ms=round(row.held.total_seconds() * 1000),
                calls=0,
                cost_usd=Decimal(0),
            )
            for row in lost
        ],
    )
    return len(lost)

"""Job rows: enqueued, claimed under a lease, held, finished. Which are due: `db/due_jobs.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from ops_core.db import job_totals
from ops_core.domain.jobs import JobKind, JobState, JobStatus

#: Times workers may die on one job before it is discarded: a poison job must not run for ever, but a
#: bad night of restarts must not throw work away.
MAX_LOST_CLAIMS = 10

#: When the jobs of a paused retry are due: never, as people count.
HELD = datetime(2999, 1, 1, tzinfo=UTC)

#: Longest a job of a cancelled retry waits, seconds: there is nothing to try, only others to wait for.
LET_GO_WAIT = 3.0

#: Advisory lock of whoever writes jobs of many venues.
ENQUEUE_LOCK = 0x656E7271


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job that this worker alone may run until its lease ends. `claim` is the fence."""

    id: int
    claim: int
    kind: JobKind
    venue_id: int | None
    attempt: int
    max_attempts: int
    lost_claims: int
    args: dict[str, Any]
    meta: dict[str, Any]
    actor: str
    inserted_at: datetime
    attempted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How a job ended."""

    state: JobState
    status: JobStatus
    discovered: int = 0
    uploaded: int = 0
    failed: int = 0
    cost_usd: Decimal = Decimal(0)
    meta: Mapping[str, Any]
    error: str | None = None  #: What it broke on, for `errors`.


def enqueue(
    connection: Connection,
    kind: JobKind,
    *,
    actor: str,
    args: Mapping[str, Any] | None = None,
    city_id: int | None = None,
    max_attempts: int = 3,
) -> int:
    """Write a job that is no single venue's; returns its id."""
    job_id: int = connection.execute(
        text("""
            INSERT INTO jobs (kind, actor, args, city_id, max_attempts)
            VALUES (:kind, :actor, :args, :city_id, :max_attempts) RETURNING id
        """),
        {
            "kind": kind.value,
            "actor": actor,
            "args": json.dumps(dict(args or {})),
            "city_id": city_id,
            "max_attempts": max_attempts,
        },
    ).scalar_one()
    return job_id


def enqueue_enrichments(
    connection: Connection,
    venue_ids: Sequence[int],
    *,
    actor: str,
    force: bool = False,
    parent_id: int | None = None,
    max_attempts: int = 3,
) -> list[int]:
    """One enrichment per venue that exists and has none open; the ids of the new jobs."""
    # two lists that name the same venues in different orders must not wait for each other in a circle
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ENQUEUE_LOCK})
    return list(
        connection.execute(
            text("""
                INSERT INTO jobs (kind, actor, venue_id, city_id, parent_id, args, max_attempts)
                SELECT 'enrichment', :actor, venues.id, venues.city_id, :parent_id,
                       jsonb_build_object('venue_id', venues.id, 'force', CAST(:force AS boolean)),
                       :max_attempts
                FROM unnest(CAST(:venue_ids AS bigint[])) WITH ORDINALITY AS asked(id, place)
                JOIN venues ON venues.id = asked.id
                ORDER BY asked.place
                ON CONFLICT (venue_id) WHERE kind = 'enrichment'
                    AND state IN ('available', 'executing', 'retryable') DO NOTHING
                RETURNING id
            """),
            {
                "actor": actor,
                "parent_id": parent_id,
                "force": force,
                "venue_ids": list(venue_ids),
                "max_attempts": max_attempts,
            },
        ).scalars()
    )


def has_open(connection: Connection, *, actor: str, kind: JobKind) -> bool:
    """Whether a job of that kind, asked for by `actor`, has not ended."""
    question = text("""
        SELECT EXISTS (SELECT FROM jobs WHERE state IN ('available', 'executing', 'retryable')
                       AND actor = :actor AND kind = CAST(:kind AS job_kind))
    """)
    return bool(connection.scalar(question, {"actor": actor, "kind": kind.value}))


def hurry(connection: Connection, job_id: int, *, force: bool) -> None:
    """Bring a waiting job forward, and have it ask even if the venue was checked recently."""
    connection.execute(
        text("""
            UPDATE jobs SET scheduled_at = least(scheduled_at, now()), hinted_at = NULL,
                args = CASE WHEN :force THEN args || '{"force": true}' ELSE args END
            WHERE id = :id AND state IN ('available', 'retryable')
        """),
        {"id": job_id, "force": force},
    )


def open_enrichment(connection: Connection, venue_id: int) -> int | None:
    """The venue's enrichment that has not ended, if there is one."""
    found: int | None = connection.scalar(
        text("""
            SELECT id FROM jobs WHERE venue_id = :venue_id AND kind = 'enrichment'
                AND state IN ('available', 'executing', 'retryable')
        """),
        {"venue_id": venue_id},
    )
    return found


#: What makes a job this worker's own: of those that are `due`, with their `state` until now.
CLAIM = """
    UPDATE jobs SET state = 'executing', claimed_by = :owner, attempted_at = now(), claim = claim + 1,
        claimed_until = now() + make_interval(secs => :lease),
        attempt = least(attempt + (due.state <> 'executing')::int, max_attempts),
        lost_claims = lost_claims + (due.state = 'executing')::int
    FROM due WHERE jobs.id = due.id
    RETURNING jobs.id, claim, kind, venue_id, attempt, max_attempts, lost_claims, args, meta, actor,
              inserted_at, attempted_at
"""


def claim(
    connection: Connection, ids: Sequence[int], *, owner: str, lease_seconds: float
) -> list[ClaimedJob]:
    """Those of `ids` that are due and that nobody runs; what a dead worker held counts as lost once."""
    rows = connection.execute(
        text(f"""
            WITH due AS (
                SELECT id, state FROM jobs
                WHERE id = ANY(:ids)
                  AND (state IN ('available', 'retryable') AND scheduled_at <= now()
                       OR state = 'executing' AND claimed_until < now())
                ORDER BY id FOR UPDATE SKIP LOCKED
            ) {CLAIM}
        """),
        {"ids": list(ids), "owner": owner, "lease": lease_seconds},
    )
    return [ClaimedJob(**{**row._mapping, "kind": JobKind(row.kind)}) for row in rows]


def extend_leases(connection: Connection, owner: str, lease_seconds: float) -> None:
    """The heartbeat: push the end of every lease `owner` holds."""
    connection.execute(
        text("""
            UPDATE jobs SET claimed_until = now() + make_interval(secs => :lease)
            WHERE id IN (SELECT id FROM jobs WHERE state = 'executing' AND claimed_by = :owner
                         ORDER BY id FOR UPDATE SKIP LOCKED)
        """),
        {"owner": owner, "lease": lease_seconds},
    )


def save_meta(connection: Connection, job: ClaimedJob, meta: Mapping[str, Any]) -> bool:
    """Keep a running job's progress; False if the job was taken over."""
    done = connection.execute(
        text("UPDATE jobs SET meta = :meta WHERE id = :id AND claim = :claim AND state = 'executing'"),
        {"id": job.id, "claim": job.claim, "meta": json.dumps(dict(meta))},
    )
    return done.rowcount == 1


def load_meta(connection: Connection, job_id: int) -> dict[str, Any]:
    """A job's progress as it was kept last."""
    meta: dict[str, Any] | None = connection.scalar(
        text("SELECT meta FROM jobs WHERE id = :id"), {"id": job_id}
    )
    return meta or {}


def finish(connection: Connection, job: ClaimedJob, result: JobResult) -> bool:
    """End a job and count what its images are now; False (and nothing changed) if it was taken over."""
    job_totals.hold_images(connection, [job.id])
    done = connection.execute(
        text("""
            UPDATE jobs SET state = CAST(:state AS job_state), status = CAST(:status AS job_status),
                -- now() is when the transaction began, which may have waited for others
                finished_at = clock_timestamp(), claimed_by = NULL, claimed_until = NULL,
                images_discovered = :discovered, images_uploaded = :uploaded, images_failed = :failed,
                cost_usd = :cost, meta = :meta,
                errors = CASE WHEN CAST(:error AS text) IS NULL THEN errors ELSE errors ||
                    jsonb_build_object('attempt', attempt, 'at', now(), 'error', CAST(:error AS text)) END
            WHERE id = :id AND claim = :claim AND state = 'executing'
        """),
        {
            "id": job.id,
            "claim": job.claim,
            "state": result.state.value,
            "status": result.status.value,
            "discovered": result.discovered,
            "uploaded": result.uploaded,
            "failed": result.failed,
            "cost": result.cost_usd,
            "error": result.error,
            "meta": json.dumps(dict(result.meta)),
        },
    )
    if done.rowcount == 1:
        job_totals.settle(connection, [job.id])
    return done.rowcount == 1


def try_again(connection: Connection, job: ClaimedJob, *, error: str, delay: float) -> bool:
    """Put a job whose attempt broke back in line; False if it was taken over."""
    done = connection.execute(
        text("""
            UPDATE jobs SET claimed_by = NULL, claimed_until = NULL, hinted_at = NULL, state = 'retryable',
                scheduled_at = now() + make_interval(secs => :delay),
                errors = errors || jsonb_build_object('attempt', attempt, 'at', now(),
                                                      'error', CAST(:error AS text))
            WHERE id = :id AND claim = :claim AND state = 'executing'
        """),
        {"id": job.id, "claim": job.claim, "error": error, "delay": delay},
    )
    return done.rowcount == 1


def put_off(connection: Connection, job: ClaimedJob, seconds: float) -> bool:
    """Give a job back that must wait for a provider's limit; the attempt does not count.

    The job of a retry that was paused meanwhile is held; that of one that was cancelled is due
    soon, to let go of what it has.
    """
    state = None
    if request_id := job.args.get("request_id"):
        # whoever pauses or resumes it is done before, or comes after and finds the job
        question = text("SELECT state::text FROM retry_requests WHERE id = :id FOR SHARE")
        state = connection.scalar(question, {"id": int(request_id)})
    wait = min(seconds, LET_GO_WAIT) if state == "cancelled" else seconds
    done = connection.execute(
        text("""
            UPDATE jobs SET claimed_by = NULL, claimed_until = NULL, hinted_at = NULL, state = 'available',
                attempt = greatest(attempt - 1, 0),
                scheduled_at = CASE WHEN :paused THEN :held ELSE now() + make_interval(secs => :seconds) END
            WHERE id = :id AND claim = :claim AND state = 'executing'
        """),
        {"id": job.id, "claim": job.claim, "seconds": wait, "paused": state == "paused", "held": HELD},
    )
    return done.rowcount == 1


def hold(connection: Connection, request_id: int) -> int:
    """Keep the waiting jobs of a retry that is paused from beginning; how many. Hold the request first."""
    return _move(connection, request_id, "scheduled_at < :held", ":held")


def unhold(connection: Connection, request_id: int) -> int:
    """The jobs of a retry that were held are due now; how many. Hold the request first."""
    return _move(connection, request_id, "scheduled_at >= :held", "now()")


def _move(connection: Connection, request_id: int, which: str, to: str) -> int:
    return connection.execute(
        text(f"""
            UPDATE jobs SET scheduled_at = {to}, hinted_at = NULL
            WHERE id IN (SELECT id FROM jobs WHERE request_id = :request_id
                         AND state IN ('available', 'retryable') AND {which}
                         ORDER BY id FOR NO KEY UPDATE)
        """),
        {"request_id": request_id, "held": HELD},
    ).rowcount


def give_back(connection: Connection, owner: str) -> int:
    """Put back in line what `owner` runs and will not finish; the attempt does not count. How many."""
    return connection.execute(
        text("""
            UPDATE jobs SET state = 'available', claimed_by = NULL, claimed_until = NULL, hinted_at = NULL,
                attempt = greatest(attempt - 1, 0)
            WHERE id IN (SELECT id FROM jobs WHERE state = 'executing' AND claimed_by = :owner
                         ORDER BY id FOR NO KEY UPDATE)
        """),
        {"owner": owner},
    ).rowcount


def release_expired(connection: Connection, *, owner_prefix: str | None = None) -> int:
    """Put jobs whose worker is gone back in line; how many.

    With `owner_prefix`, all jobs of that worker are freed at once: it says itself that it stops.
    Who claims a job that was lost `MAX_LOST_CLAIMS` times only reports what it did, and discards it.
    """
    gone = "starts_with(claimed_by, :prefix)" if owner_prefix else "claimed_until < now()"
    return connection.execute(
        text(f"""
            UPDATE jobs SET claimed_by = NULL, claimed_until = NULL, hinted_at = NULL,
                lost_claims = lost_claims + 1, state = 'available', attempt = greatest(attempt - 1, 0),
                errors = errors || jsonb_build_object('attempt', attempt, 'at', now(), 'error',
                                                      'the worker stopped before it finished')
            WHERE id IN (SELECT id FROM jobs WHERE state = 'executing' AND {gone}
                         ORDER BY id FOR UPDATE SKIP LOCKED)
        """),
        {"prefix": owner_prefix},
    ).rowcount

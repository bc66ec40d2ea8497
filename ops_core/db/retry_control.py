"""Pausing, resuming and cancelling retry requests. Each holds the request first (`db.retries.hold`)."""

from __future__ import annotations

from sqlalchemy import Connection, text

from ops_core.db import jobs, retries, retry_release
from ops_core.domain.retries import ItemState


def pause(connection: Connection, request_id: int, why: str) -> None:
    """Hand out nothing more; jobs that no worker has wait. What a worker has begun finishes."""
    connection.execute(
        text("UPDATE retry_requests SET state = 'paused', state_reason = :why WHERE id = :id"),
        {"id": request_id, "why": why},
    )
    jobs.hold(connection, request_id)


def resume(connection: Connection, request_id: int) -> list[int]:
    """Go on; a sample that stopped the request is not asked again. The jobs that may run now."""
    # who paused it before the sample was judged has not said what to do should it do badly
    stop = retry_release.sample_stop(connection, request_id)
    connection.execute(
        text("""
            UPDATE retry_requests SET state_reason = NULL,
                state = (CASE WHEN started_at IS NULL THEN 'pending' ELSE 'running' END)::request_state,
                sample_decided = sample_decided OR coalesce(state_reason = CAST(:stop AS text), false)
            WHERE id = :id
        """),
        {"id": request_id, "stop": stop},
    )
    jobs.unhold(connection, request_id)
    waiting = text("""
        SELECT id FROM jobs WHERE request_id = :id AND state IN ('available', 'retryable')
          AND scheduled_at <= now() ORDER BY id
    """)
    return list(connection.scalars(waiting, {"id": request_id}))


def cancel(connection: Connection, request_id: int, why: str) -> None:
    """Let go of all images that no worker has begun; the workers end the rest of the jobs soon."""
    retries.take_time(connection)
    connection.execute(
        text("UPDATE retry_requests SET state = 'cancelled', state_reason = :why WHERE id = :id"),
        {"id": request_id, "why": why},
    )
    # all of them at once and in the order of everybody: the rest is changed below
    connection.execute(
        text("""
            SELECT FROM jobs WHERE request_id = :id AND state IN ('available', 'retryable')
            ORDER BY id FOR UPDATE
        """),
        {"id": request_id},
    )
    let_go = connection.execute(
        text("""
            WITH untouched AS (
                DELETE FROM jobs
                WHERE request_id = :id AND state IN ('available', 'retryable')
                  AND NOT EXISTS (SELECT FROM attempts WHERE attempts.job_id = jobs.id)
                RETURNING id
            )
            UPDATE retry_items SET state = 'released', finished_at = now(), job_id = NULL
            WHERE request_id = :id AND state IN ('queued', 'running')
              AND (job_id IS NULL OR job_id IN (SELECT id FROM untouched))
        """),
        {"id": request_id},
    ).rowcount
    # what was tried already is reported by a worker, now and not when its provider lets it go on
    connection.execute(
        text("""
            UPDATE jobs SET scheduled_at = now(), hinted_at = NULL
            WHERE id IN (SELECT id FROM jobs WHERE request_id = :id AND state IN ('available', 'retryable')
                         ORDER BY id FOR NO KEY UPDATE)
        """),
        {"id": request_id},
    )
    retries.count(connection, request_id, {ItemState.RELEASED.value: let_go})

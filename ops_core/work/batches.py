"""Jobs that stand for many venues: they write one enrichment per venue, and end."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import jobs, places
from ops_core.db.jobs import ClaimedJob, JobResult
from ops_core.domain.freshness import backoff
from ops_core.domain.jobs import JobKind, JobState, JobStatus
from ops_core.settings import Settings
from ops_core.work.session import owner_name

log = logging.getLogger(__name__)

#: Venues one stale scan takes on at most, unless its args say otherwise.
DEFAULT_LIMIT = 500


def expand(engine: Engine, settings: Settings, job_id: int) -> list[int]:
    """Run a batch or stale job: its enrichments and its end are one transaction. The new jobs' ids.

    Venues that have an enrichment open already are not given a second one.
    """
    with engine.begin() as connection:
        claimed = jobs.claim(connection, [job_id], owner=owner_name(), lease_seconds=settings.lease_seconds)
    if not claimed:
        return []
    try:
        return _expand(engine, settings, claimed[0])
    except (SQLAlchemyError, KeyError, TypeError, ValueError) as error:
        log.exception("job %d broke", job_id)
        broke(engine, settings, claimed[0], f"unexpected {type(error).__name__}; the worker's log has more")
        return []


def _expand(engine: Engine, settings: Settings, job: ClaimedJob) -> list[int]:
    started = time.monotonic()
    with engine.begin() as connection:
        venue_ids = _venues(connection, settings, job)
        children = jobs.enqueue_enrichments(
            connection,
            venue_ids,
            actor=job.actor,
            force=bool(job.args.get("force")),
            parent_id=job.id,
            max_attempts=settings.job_max_attempts,
        )
        status = JobStatus.SUCCESS if children else JobStatus.SKIPPED
        meta = {
            "status": status,
            "total_venues": len(venue_ids),
            "jobs_spawned": len(children),
            "summary": _summary(len(venue_ids), len(children)),
            "completed_at": datetime.now(UTC).isoformat(),
            "execution_time_ms": round((time.monotonic() - started) * 1000),
        }
        if not jobs.finish(connection, job, JobResult(state=JobState.COMPLETED, status=status, meta=meta)):
            connection.rollback()
            return []
    return children


def broke(engine: Engine, settings: Settings, job: ClaimedJob, error: str) -> None:
    """Put a job that wrote nothing back in line or, after its last attempt, discard it."""
    with engine.begin() as connection:
        if job.attempt < job.max_attempts:
            delay = backoff(job.attempt, settings.job_retry_delay)
            jobs.try_again(connection, job, error=error, delay=delay)
            return
        meta = {"status": JobStatus.ERROR, "error": error, "summary": f"Failed - {error}"}
        result = JobResult(state=JobState.DISCARDED, status=JobStatus.ERROR, meta=meta, error=error)
        jobs.finish(connection, job, result)


def _venues(connection: Connection, settings: Settings, job: ClaimedJob) -> list[int]:
    if job.kind is JobKind.BATCH:
        return [int(venue_id) for venue_id in job.args["venue_ids"]]
    return places.venues_due(
        connection,
        now=datetime.now(UTC),
        without_days=settings.recheck_without_images_days,
        with_days=settings.recheck_with_images_days,
        limit=int(job.args.get("limit", DEFAULT_LIMIT)),
        force=bool(job.args.get("force")),
    )


def _summary(venues: int, spawned: int) -> str:
    if venues == 0:
        return "No venues are due"
    noun = "venue" if spawned == 1 else "venues"
    text = f"Queued {spawned} {noun} for enrichment"
    if spawned < venues:
        text += f"; {venues - spawned} not found or queued already"
    return text

"""The cleanup scan: every venue with failed images is classified, and what can be retried is queued.

Its cost follows the number of failures: venues without any are never looked at.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import jobs, retries, retry_scope
from ops_core.db.jobs import ClaimedJob, JobResult
from ops_core.domain.jobs import JobState, JobStatus
from ops_core.domain.retries import Scope
from ops_core.domain.retry_plan import SkipReason, counted
from ops_core.settings import Settings
from ops_core.work import batches
from ops_core.work.blocked import blocked
from ops_core.work.session import owner_name

log = logging.getLogger(__name__)

#: Seconds the scan may take: one transaction of few statements (`db.retries.ALL_ITEMS_TIMEOUT_MS`).
LEASE = 300.0


def scan(engine: Engine, settings: Settings, job_id: int) -> int | None:
    """Run a cleanup job: its retry request and its end are one transaction. The request's id, if any.

    The dispatcher hands the request's images out.
    """
    with engine.begin() as connection:
        claimed = jobs.claim(connection, [job_id], owner=owner_name(), lease_seconds=LEASE)
    if not claimed:
        return None
    try:
        with engine.begin() as connection:
            return _scan(connection, settings, claimed[0])
    except SQLAlchemyError as error:
        log.exception("job %d broke", job_id)
        text = f"unexpected {type(error).__name__}; the worker's log has more"
        batches.broke(engine, settings, claimed[0], text)
        return None


def _scan(connection: Connection, settings: Settings, job: ClaimedJob) -> int | None:
    started = time.monotonic()
    closed = blocked(connection, settings)
    found = retry_scope.venue_classes(connection, closed)
    queued = _queue(connection, job, closed) if found.transient else None
    venues, images = (queued.plan.venues, queued.plan.images) if queued else (0, 0)
    scanned = venues + found.in_flight + found.blocked + found.permanent + found.ambiguous
    meta = {
        "status": JobStatus.SUCCESS,
        "venues_scanned": scanned,
        "venues_queued": venues,
        "venues_in_flight": found.in_flight,
        "venues_blocked": found.blocked,
        "venues_permanent": found.permanent,
        "venues_ambiguous": found.ambiguous,
        "images_queued": images,
        "errors": 0,
        "request_id": queued.request_id if queued else None,
        "summary": _summary(scanned, venues, images, found),
        "completed_at": datetime.now(UTC).isoformat(),
        "execution_time_ms": round((time.monotonic() - started) * 1000),
    }
    result = JobResult(state=JobState.COMPLETED, status=JobStatus.SUCCESS, meta=meta)
    if not jobs.finish(connection, job, result):
        log.warning("job %d was taken over by another worker", job.id)
        connection.rollback()
        return None
    log.info("cleanup scan %d: %s", job.id, meta["summary"])
    return queued.request_id if queued else None


def _queue(
    connection: Connection, job: ClaimedJob, closed: Mapping[str, SkipReason]
) -> retries.Written | None:
    with connection.begin_nested() as attempt:
        written = retries.submit(
            connection,
            Scope(everything=True),
            actor=job.actor,
            token=f"cleanup:{job.id}",
            blocked=closed,
            scan_id=job.id,
        )
        if written is None or not written.plan.images:
            # others took up all of them a moment ago: a request without images would never end
            attempt.rollback()
            return None
    return written


def _summary(scanned: int, venues: int, images: int, found: retry_scope.VenueClasses) -> str:
    if not scanned:
        return "No venue has failed images"
    parts = [f"{venues:,} queued with {counted(images, 'image')}"] if venues else ["none queued"]
    if found.in_flight:
        parts.append(f"{found.in_flight:,} under way already")
    if found.blocked:
        parts.append(f"{found.blocked:,} at providers that are paused or may not be copied")
    if found.permanent:
        parts.append(f"{found.permanent:,} permanent")
    if found.ambiguous:
        parts.append(f"{found.ambiguous:,} left for a person")
    return f"Scanned {counted(scanned, 'venue')} with failed images: {', '.join(parts)}"

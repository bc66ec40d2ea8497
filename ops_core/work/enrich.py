"""Enriching venues: ask the providers, choose, bring each photo into the store, report.

A job goes through named steps and can be taken up again after each of them: what was discovered is
committed before the first download, and a job ends only when none of its images is left in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import images, job_providers, jobs, places
from ops_core.db.jobs import ClaimedJob, JobResult
from ops_core.db.places import VenueContext
from ops_core.domain.freshness import backoff, is_due
from ops_core.domain.images import UNSETTLED
from ops_core.domain.jobs import JobState, JobStatus
from ops_core.domain.quality import quality_score
from ops_core.providers.source import Photo
from ops_core.settings import Settings
from ops_core.work import report, upload
from ops_core.work.discover import Discovery, discover
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session, open_session, run_until_stopped

log = logging.getLogger(__name__)

#: Seconds after which a job looks again at images that another worker holds.
IN_OTHER_HANDS = 3.0


class _TryAgain(Exception):
    """The attempt broke in a way that tends to pass."""


class _TakenOver(Exception):
    """The job's lease ran out and another worker has it: nothing of ours may be written any more."""


def run(
    engine: Engine,
    settings: Settings,
    job_ids: Sequence[int],
    *,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Run those of the enrichment jobs `job_ids` that are due and free; how many that were.

    When `is_stopping` becomes true, what is not done within `STOP_GRACE` seconds is given back.
    """
    return asyncio.run(_run(engine, settings, list(job_ids), is_stopping))


async def _run(
    engine: Engine, settings: Settings, job_ids: list[int], is_stopping: Callable[[], bool]
) -> int:
    async with open_session(engine, settings) as session:
        claimed = await asyncio.to_thread(_claim, session, job_ids)
        await run_until_stopped([_run_one(session, job) for job in claimed], is_stopping)
    return len(claimed)


async def _run_one(session: Session, job: ClaimedJob) -> None:
    try:
        try:
            await _enrich(session, job)
        except PutOff as error:
            await asyncio.to_thread(_put_off, session, job, error.seconds)
        except _TryAgain as error:
            await asyncio.to_thread(_try_again, session, job, str(error))
    except _TakenOver:
        log.warning("job %d was taken over by another worker", job.id)
    except SQLAlchemyError as error:
        # nothing can be written now: the lease runs out, and the sweeper puts the job back in line
        log.warning("job %d is left to its lease: %s", job.id, type(error).__name__)
    except Exception as error:
        log.exception("job %d broke", job.id)
        text = f"unexpected {type(error).__name__}; the worker's log has more"
        await asyncio.to_thread(_try_again, session, job, text)


async def _enrich(session: Session, job: ClaimedJob) -> None:
    context = await asyncio.to_thread(_venue, session, job)
    if context is None:
        await asyncio.to_thread(_finish_without_venue, session, job)
        return
    image_ids: list[int] | None = job.meta.get("image_ids")
    if image_ids is None:
        if not job.args.get("force") and not _due(session.settings, context):
            await asyncio.to_thread(_finish_as_fresh, session, job)
            return
        image_ids = await _discover(session, job, context)
    progress = await upload.bring_in(session, image_ids, job_id=job.id)
    if progress.put_off:
        raise PutOff(f"job {job.id}", progress.put_off)
    if await asyncio.to_thread(_unsettled, session, image_ids):
        raise PutOff(f"job {job.id}", IN_OTHER_HANDS)
    await asyncio.to_thread(_finish, session, job, context, image_ids)


async def _discover(session: Session, job: ClaimedJob, context: VenueContext) -> list[int]:
    known = {
        code: [Photo(**photo) for photo in photos] for code, photos in job.meta.get("listed", {}).items()
    }
    discovery = await discover(session, context.venue, known)
    late = discovery.may_answer_later if job.attempt < job.max_attempts else []
    if discovery.wait or late:
        # who answered is not asked (and paid) again, and who could not is not left out for months
        await asyncio.to_thread(_keep_answers, session, job, discovery)
        if discovery.wait:
            raise PutOff(f"job {job.id}", discovery.wait)
        raise _TryAgain("; ".join(f"{line.provider} could not list photos: {line.reason}" for line in late))
    return await asyncio.to_thread(_keep_discovery, session, job, context, discovery)


def _claim(session: Session, job_ids: list[int]) -> list[ClaimedJob]:
    with session.engine.begin() as connection:
        return jobs.claim(
            connection, job_ids, owner=session.owner, lease_seconds=session.settings.lease_seconds
        )


def _venue(session: Session, job: ClaimedJob) -> VenueContext | None:
    with session.engine.connect() as connection:
        return places.venue_context(connection, job.venue_id) if job.venue_id else None


def _due(settings: Settings, context: VenueContext) -> bool:
    return is_due(
        context.last_checked_at,
        context.uploaded_images,
        now=datetime.now(UTC),
        without_days=settings.recheck_without_images_days,
        with_days=settings.recheck_with_images_days,
    )


def _keep_answers(session: Session, job: ClaimedJob, discovery: Discovery) -> None:
    listed = {code: [asdict(photo) for photo in photos] for code, photos in discovery.listed.items()}
    with session.engine.begin() as connection:
        job_providers.save(connection, job.id, discovery.results)
        if not jobs.save_meta(connection, job, {"listed": listed}):
            raise _TakenOver


def _keep_discovery(
    session: Session, job: ClaimedJob, context: VenueContext, discovery: Discovery
) -> list[int]:
    rows = [
        {
            "provider": photo.provider,
            "provider_ref": photo.provider_ref,
            "fetch_ref": photo.fetch_ref,
            "source_url": photo.source_url,
            "width": photo.width,
            "height": photo.height,
            "quality_score": quality_score(photo.width, photo.height),
            "position": place,
            "attribution": photo.attribution,
            "attribution_url": photo.attribution_url,
            "license": photo.license,
            "license_url": photo.license_url,
        }
        for place, photo in enumerate(discovery.chosen(session))
    ]
    with session.engine.begin() as connection:
        image_ids = images.discover(connection, context.id, rows)
        job_providers.save(connection, job.id, discovery.results)
        if discovery.listed:
            places.mark_checked(connection, context.id, datetime.now(UTC))
        if not jobs.save_meta(connection, job, {"image_ids": image_ids}):
            raise _TakenOver
    return image_ids


def _unsettled(session: Session, image_ids: list[int]) -> int:
    with session.engine.connect() as connection:
        states = images.states(connection, image_ids).values()
    return sum(state in UNSETTLED for state in states)


def _finish(session: Session, job: ClaimedJob, context: VenueContext, image_ids: list[int]) -> None:
    with session.engine.begin() as connection:
        facts = report.Facts(
            job=job,
            context=context,
            tries=job_providers.tries(connection, job.id),
            providers=job_providers.load(connection, job.id),
            photo_costs=job_providers.photo_costs(connection, job.id),
            states=images.states(connection, image_ids),
            now=datetime.now(UTC),
        )
        result = report.result(facts)
        if not jobs.finish(connection, job, result):
            raise _TakenOver
        for counts in report.photo_counts(facts):
            job_providers.save_counts(connection, job.id, counts)


def _finish_as_fresh(session: Session, job: ClaimedJob) -> None:
    _end(
        session,
        job,
        JobState.COMPLETED,
        JobStatus.SKIPPED,
        reason="not_stale",
        summary="Skipped - checked recently",
    )


def _finish_without_venue(session: Session, job: ClaimedJob) -> None:
    _end(
        session,
        job,
        JobState.DISCARDED,
        JobStatus.ERROR,
        error="Venue not found",
        summary="Failed - venue not found",
    )


def _end(session: Session, job: ClaimedJob, state: JobState, status: JobStatus, **meta: Any) -> None:
    now = datetime.now(UTC)
    meta |= {
        "status": status,
        "execution_time_ms": report.milliseconds(job, now),
        "completed_at": now.isoformat(),
    }
    with session.engine.begin() as connection:
        jobs.finish(connection, job, JobResult(state=state, status=status, meta=meta))


def _put_off(session: Session, job: ClaimedJob, seconds: float) -> None:
    with session.engine.begin() as connection:
        jobs.put_off(connection, job, seconds)


def _try_again(session: Session, job: ClaimedJob, error: str) -> None:
    with session.engine.begin() as connection:
        delay = backoff(job.attempt, session.settings.job_retry_delay)
        jobs.try_again(connection, job, error=error, delay=delay)

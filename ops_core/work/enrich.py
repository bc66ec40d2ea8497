"""Enriching venues: ask the providers, choose, bring each photo into the store, report.

A job goes through named steps and can be taken up again after each of them: what was discovered is
committed before the first download, and a job ends only when none of its images is left in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from ops_core.db import discovered, images, job_providers, jobs, places
from ops_core.db.jobs import ClaimedJob, JobResult
from ops_core.db.places import VenueContext
from ops_core.domain.freshness import is_due
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobState, JobStatus, ProviderStatus
from ops_core.domain.providers import facts_of
from ops_core.domain.quality import choose, quality_score
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Photo, UseReporter
from ops_core.settings import Settings
from ops_core.work import report, upload
from ops_core.work.discover import Discovery, discover
from ops_core.work.job_runs import IN_OTHER_HANDS, TakenOver, TryAgain
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session


async def run(session: Session, job: ClaimedJob) -> None:
    """Work one enrichment off. Raises `PutOff`, `TryAgain` and `TakenOver`."""
    context = await asyncio.to_thread(_venue, session, job)
    if context is None:
        await asyncio.to_thread(_finish_without_venue, session, job)
        return
    image_ids: list[int] | None = job.meta.get("image_ids")
    later: Exception | None = None
    if image_ids is None or job.meta.get("waiting"):
        if image_ids is None and not job.args.get("force") and not _due(session.settings, context):
            await asyncio.to_thread(_finish_as_fresh, session, job)
            return
        discovery = await discover(session, context.venue, job.meta.get("answered", []))
        chosen = _choose(session, discovery, image_ids or [])
        later = _later(job, discovery)
        image_ids = await asyncio.to_thread(
            _keep_discovery, session, job, context, discovery, chosen, bool(later)
        )
    # what is known is brought in at once: a provider that must wait does not hold up the others
    await upload.bring_in(session, image_ids, job_id=job.id)
    if later:
        raise later
    wait = await asyncio.to_thread(_seconds_until_settled, session, image_ids)
    if wait is not None:
        raise PutOff(wait)
    await asyncio.to_thread(_finish, session, job, context, image_ids)


def _later(job: ClaimedJob, discovery: Discovery) -> Exception | None:
    """Why the job must come back to ask who could not answer; None if it need not."""
    if discovery.wait:
        return PutOff(discovery.wait)
    late = discovery.may_answer_later if job.attempt < job.max_attempts else []
    if late:
        return TryAgain("; ".join(f"{line.provider} could not list photos: {line.reason}" for line in late))
    return None


def _venue(session: Session, job: ClaimedJob) -> VenueContext | None:
    with session.engine.connect() as connection:
        return places.venue_context(connection, job.venue_id) if job.venue_id else None


def _due(settings: Settings, context: VenueContext) -> bool:
    return is_due(
        context.last_checked_at,
        context.uploaded_images + context.referenced_images,
        now=datetime.now(UTC),
        without_days=settings.recheck_without_images_days,
        with_days=settings.recheck_with_images_days,
    )


def _choose(session: Session, discovery: Discovery, earlier: Sequence[int]) -> list[Photo]:
    return choose(
        discovery.photos,
        priority={code: provider.priority for code, provider in session.providers.items()},
        per_provider=session.settings.max_images_per_provider,
        per_venue=session.settings.max_images_per_venue - len(earlier),
    )


def _keep_discovery(
    session: Session,
    job: ClaimedJob,
    context: VenueContext,
    discovery: Discovery,
    chosen: Sequence[Photo],
    waiting: bool,
) -> list[int]:
    earlier: list[int] = job.meta.get("image_ids", [])
    now = datetime.now(UTC)
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
            "report_due_at": now if isinstance(SOURCES[photo.provider], UseReporter) else None,
            **_policy(session, photo),
        }
        for place, photo in enumerate(chosen, start=len(earlier))
    ]
    with session.engine.begin() as connection:
        found = discovered.keep(connection, context.id, rows)
        image_ids = list(dict.fromkeys([*earlier, *found]))
        job_providers.save(connection, job.id, discovery.results)
        places.mark_asked(connection, context.id, now)
        meta: dict[str, Any] = {"image_ids": image_ids}
        if waiting:
            # who answered is not asked (and paid) again
            meta |= {"waiting": True, "answered": discovery.answered}
        if not jobs.save_meta(connection, job, meta):
            raise TakenOver
    return image_ids


def _policy(session: Session, photo: Photo) -> dict[str, Any]:
    """Whether a photo is to be copied or shown from its provider, and what of its address may be kept."""
    if session.may_copy(photo.provider):
        return {"state": ImageState.DISCOVERED, "url": None}
    kept = facts_of(photo.provider).keeps_address
    return {
        "state": ImageState.REFERENCED,
        "url": photo.show_url if kept else None,
        # a name that expires is asked for anew each time the photo is shown
        "fetch_ref": photo.fetch_ref if kept else None,
    }


def _seconds_until_settled(session: Session, image_ids: list[int]) -> float | None:
    with session.engine.connect() as connection:
        return images.seconds_until_settled(connection, image_ids, look_again=IN_OTHER_HANDS)


def _facts(
    connection: Connection, job: ClaimedJob, context: VenueContext, image_ids: list[int]
) -> report.Facts:
    return report.Facts(
        job=job,
        context=context,
        tries=job_providers.tries(connection, job.id),
        providers=job_providers.load(connection, job.id),
        photo_costs=job_providers.photo_costs(connection, job.id),
        states=images.states(connection, image_ids),
        now=datetime.now(UTC),
    )


def _finish(session: Session, job: ClaimedJob, context: VenueContext, image_ids: list[int]) -> None:
    with session.engine.begin() as connection:
        facts = _facts(connection, job, context, image_ids)
        _write_end(connection, facts, report.result(facts))
        answered = (ProviderStatus.SUCCESS, ProviderStatus.NO_IMAGES)
        if facts.providers and all(line.status in answered for line in facts.providers):
            places.mark_checked(connection, context.id, facts.now)


def discard(session: Session, job: ClaimedJob, error: str) -> None:
    """End a job that cannot go on, with what it did until then."""
    with session.engine.begin() as connection:
        context = places.venue_context(connection, job.venue_id) if job.venue_id else None
        if context is None:
            raise TakenOver
        image_ids = jobs.load_meta(connection, job.id).get("image_ids", [])
        facts = _facts(connection, job, context, image_ids)
        _write_end(connection, facts, report.broken(report.result(facts), error))
        places.mark_asked(connection, context.id, facts.now)


def _write_end(connection: Connection, facts: report.Facts, result: JobResult) -> None:
    if not jobs.finish(connection, facts.job, result):
        raise TakenOver
    for counts in report.photo_counts(facts):
        job_providers.save_counts(connection, facts.job.id, counts)


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

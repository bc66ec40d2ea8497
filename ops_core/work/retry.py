"""Retrying a venue's failed images: the part of a retry request that one job works off.

The request's items say which images these are. The job ends, and its items with it, in one
transaction, once each of them was tried by this job, or turned out to need no try any more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from ops_core.db import job_providers, jobs, places, retries
from ops_core.db.job_providers import JobTry, ProviderResult
from ops_core.db.jobs import ClaimedJob, JobResult
from ops_core.db.retries import OpenItem
from ops_core.domain.jobs import ProviderStatus
from ops_core.domain.retries import ItemState
from ops_core.domain.retry_plan import ItemEnd, SkipReason, item_end, retried_in_words
from ops_core.settings import Settings
from ops_core.work import job_runs, report, upload
from ops_core.work.job_runs import IN_OTHER_HANDS, TakenOver
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session


def run(
    engine: Engine,
    settings: Settings,
    job_ids: Sequence[int],
    *,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Run those of the retry jobs `job_ids` that are due and free; how many that were.

    When `is_stopping` becomes true, what is not done within `STOP_GRACE` seconds is given back.
    """
    return job_runs.run(engine, settings, job_ids, _retry, _discard, is_stopping)


async def _retry(session: Session, job: ClaimedJob) -> None:
    image_ids = await asyncio.to_thread(_begin, session, job)
    waits = await upload.bring_in(session, image_ids, job_id=job.id, at_once=True)
    wait = await asyncio.to_thread(_finish, session, job, waits)
    if wait is not None:
        raise PutOff(wait)


def _part(job: ClaimedJob) -> tuple[int, int]:
    """The request and the venue of a retry job."""
    return int(job.args["request_id"]), int(job.args["venue_id"])


def _begin(session: Session, job: ClaimedJob) -> list[int]:
    with session.engine.begin() as connection:
        return retries.begin(connection, *_part(job))


def _finish(session: Session, job: ClaimedJob, waits: Mapping[int, float]) -> float | None:
    """End the job, or say in how many seconds it makes sense to look at its images again."""
    request_id, venue_id = _part(job)
    with session.engine.begin() as connection:
        retries.hold(connection, request_id)
        items = retries.open_items(connection, request_id, venue_id)
        tries = job_providers.tries(connection, job.id)
        ends = _ends(items, tries)
        unsettled = [image_id for image_id, end in ends.items() if end is None]
        if unsettled:
            return max(IN_OTHER_HANDS, min(waits.get(image_id, IN_OTHER_HANDS) for image_id in unsettled))
        settled = {image_id: end for image_id, end in ends.items() if end is not None}
        _write_end(connection, job, items, tries, settled)
    return None


def _discard(session: Session, job: ClaimedJob, error: str) -> None:
    """End a job that cannot go on, with what it did until then; what it did not reach is skipped."""
    request_id, venue_id = _part(job)
    with session.engine.begin() as connection:
        retries.hold(connection, request_id)
        items = retries.open_items(connection, request_id, venue_id)
        tries = job_providers.tries(connection, job.id)
        not_reached = ItemEnd(ItemState.SKIPPED, SkipReason.BROKEN)
        ends = {image_id: end or not_reached for image_id, end in _ends(items, tries).items()}
        _write_end(connection, job, items, tries, ends, error)


def _ends(items: Sequence[OpenItem], tries: Sequence[JobTry]) -> dict[int, ItemEnd | None]:
    last = {each.image_id: each for each in tries}
    return {
        item.image_id: item_end(
            item.state,
            item.error_type,
            at_limit=item.at_limit,
            tried=last[item.image_id].outcome if item.image_id in last else None,
            tried_error=last[item.image_id].error_type if item.image_id in last else None,
        )
        for item in items
    }


def _write_end(
    connection: Connection,
    job: ClaimedJob,
    items: Sequence[OpenItem],
    tries: Sequence[JobTry],
    ends: Mapping[int, ItemEnd],
    error: str | None = None,
) -> None:
    request_id, venue_id = _part(job)
    context = places.venue_context(connection, venue_id)
    if context is None:
        raise TakenOver
    providers = _providers(items, ends)
    facts = report.Facts(
        job=job,
        context=context,
        # a try that came to nothing, of an image that was skipped after all, is no failure of this job
        tries=[each for each in tries if ends[each.image_id].state is not ItemState.SKIPPED],
        providers=providers,
        photo_costs=job_providers.photo_costs(connection, job.id),
        states={item.image_id: item.state for item in items},
        now=datetime.now(UTC),
    )
    result = _result(facts, request_id, ends)
    # before the job ends: what is counted then includes them
    job_providers.save(connection, job.id, providers)
    if not jobs.finish(connection, job, report.broken(result, error) if error else result):
        raise TakenOver
    for counts in report.photo_counts(facts):
        job_providers.save_counts(connection, job.id, counts)
    retries.end_items(connection, request_id, ends)


def _providers(items: Sequence[OpenItem], ends: Mapping[int, ItemEnd]) -> list[ProviderResult]:
    tried = {item.provider for item in items if ends[item.image_id].state is not ItemState.SKIPPED}
    return [
        ProviderResult(
            provider=code, status=ProviderStatus.SUCCESS if code in tried else ProviderStatus.SKIPPED
        )
        for code in sorted({item.provider for item in items})
    ]


def _result(facts: report.Facts, request_id: int, ends: Mapping[int, ItemEnd]) -> JobResult:
    counted = Counter(end.reason for end in ends.values() if end.state is ItemState.SKIPPED)
    skipped = {reason: counted[reason] for reason in SkipReason if reason in counted}
    done = report.result(facts)
    more = {
        "request_id": request_id,
        "skipped": skipped,
        "summary": retried_in_words(done.uploaded, done.failed, skipped),
    }
    return replace(done, meta={**done.meta, **more})

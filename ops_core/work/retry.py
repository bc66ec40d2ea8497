"""Retrying a venue's failed images: the part of a retry request that one job works off.

The items that carry the job's id say which images these are. The job ends, and its items with it, in
one transaction, once each of them was tried by this job, turned out to need no try any more, or was
let go because the request was cancelled.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from sqlalchemy import Connection

from ops_core.db import job_providers, jobs, places, retries
from ops_core.db.job_providers import JobTry, ProviderResult
from ops_core.db.jobs import ClaimedJob, JobResult
from ops_core.db.retries import OpenItem
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import ProviderStatus
from ops_core.domain.retries import ItemState, RequestState
from ops_core.domain.retry_plan import ItemEnd, SkipReason, item_end, retried_in_words
from ops_core.providers.registry import SOURCES
from ops_core.work import report, upload
from ops_core.work.job_runs import IN_OTHER_HANDS, TakenOver
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session, askable

_TRIED = (ItemState.UPLOADED, ItemState.FAILED)


async def run(session: Session, job: ClaimedJob) -> None:
    """Work off one job of a retry. Raises `PutOff` and `TakenOver`."""
    image_ids = await asyncio.to_thread(_begin, session, job)
    if image_ids is None:
        return
    waits = await upload.bring_in(
        session,
        image_ids,
        job_id=job.id,
        at_once=True,
        override=_override(job),
        request_id=_request_id(job),
    )
    wait = await asyncio.to_thread(_finish, session, job, waits, _blocked(session))
    if wait is not None:
        raise PutOff(wait)


def _blocked(session: Session) -> Mapping[str, SkipReason]:
    """Why nothing of a provider is tried any more, by its code; those that may be tried are not in it."""
    can_be_asked = askable(session.providers, session.settings)
    found = {code: SkipReason.PAUSED for code in SOURCES if code not in can_be_asked}
    return found | {code: SkipReason.REHOSTING for code in session.providers if not session.may_copy(code)}


def _request_id(job: ClaimedJob) -> int:
    return int(job.args["request_id"])


def _override(job: ClaimedJob) -> bool:
    return bool(job.args.get("override", False))


def _begin(session: Session, job: ClaimedJob) -> list[int] | None:
    """The images to try: none of a cancelled request; None if the request is paused, and the job waits."""
    with session.engine.begin() as connection:
        state = retries.begin(connection, _request_id(job), job.id)
        if state is RequestState.PAUSED:
            jobs.put_off(connection, job, 0.0)  # held until the request is resumed
            return None
        if state is RequestState.CANCELLED:
            return []
        return [item.image_id for item in retries.open_items(connection, job.id)]


def _finish(
    session: Session, job: ClaimedJob, waits: Mapping[int, float], blocked: Mapping[str, SkipReason]
) -> float | None:
    """End the job, or say in how many seconds it makes sense to look at its images again.

    What is left of providers that may not be asked, or copied from, any more is skipped.
    """
    with session.engine.begin() as connection:
        # pausing and cancelling wait meanwhile
        state = retries.hold(connection, _request_id(job))
        items = retries.open_items(connection, job.id)
        tries = job_providers.tries(connection, job.id)
        ends = _ends(job, items, tries, blocked)
        if state is RequestState.CANCELLED:
            ends = _let_go(items, ends)
        unsettled = [image_id for image_id, end in ends.items() if end is None]
        if unsettled and state is RequestState.PAUSED:
            jobs.put_off(connection, job, 0.0)  # held until the request is resumed
            return None
        if unsettled:
            return max(IN_OTHER_HANDS, min(waits.get(image_id, IN_OTHER_HANDS) for image_id in unsettled))
        settled = {image_id: end for image_id, end in ends.items() if end is not None}
        _write_end(connection, job, items, tries, settled)
    return None


def discard(session: Session, job: ClaimedJob, error: str) -> None:
    """End a job that cannot go on, with what it did until then; what it did not reach is skipped."""
    with session.engine.begin() as connection:
        retries.hold(connection, _request_id(job))
        items = retries.open_items(connection, job.id)
        tries = job_providers.tries(connection, job.id)
        not_reached = ItemEnd(ItemState.SKIPPED, SkipReason.BROKEN)
        ends = {image_id: end or not_reached for image_id, end in _ends(job, items, tries).items()}
        _write_end(connection, job, items, tries, ends, error)


def _ends(
    job: ClaimedJob,
    items: Sequence[OpenItem],
    tries: Sequence[JobTry],
    blocked: Mapping[str, SkipReason] = MappingProxyType({}),
) -> dict[int, ItemEnd | None]:
    last = {each.image_id: each for each in tries}
    return {
        item.image_id: item_end(
            item.state,
            item.error_type,
            at_limit=item.at_limit,
            tried=last[item.image_id].outcome if item.image_id in last else None,
            tried_error=last[item.image_id].error_type if item.image_id in last else None,
            blocked=blocked.get(item.provider),
            override=_override(job),
        )
        for item in items
    }


def _let_go(items: Sequence[OpenItem], ends: Mapping[int, ItemEnd | None]) -> dict[int, ItemEnd | None]:
    """Of a cancelled request: what nobody holds is not tried any more."""
    held = {item.image_id for item in items if item.state is ImageState.UPLOADING}
    released = ItemEnd(ItemState.RELEASED)
    return {
        image_id: end if end is not None or image_id in held else released for image_id, end in ends.items()
    }


def _write_end(
    connection: Connection,
    job: ClaimedJob,
    items: Sequence[OpenItem],
    tries: Sequence[JobTry],
    ends: Mapping[int, ItemEnd],
    error: str | None = None,
) -> None:
    context = places.venue_context(connection, int(job.args["venue_id"]))
    if context is None:
        raise TakenOver
    providers = _providers(items, ends)
    facts = report.Facts(
        job=job,
        context=context,
        # a try that came to nothing, of an image that was skipped after all, is no failure of this job
        tries=[each for each in tries if ends[each.image_id].state in _TRIED],
        providers=providers,
        photo_costs=job_providers.photo_costs(connection, job.id),
        states={item.image_id: item.state for item in items},
        now=datetime.now(UTC),
    )
    result = _result(facts, _request_id(job), ends)
    # before the job ends: what is counted then includes them
    job_providers.save(connection, job.id, providers)
    if not jobs.finish(connection, job, report.broken(result, error) if error else result):
        raise TakenOver
    for counts in report.photo_counts(facts):
        job_providers.save_counts(connection, job.id, counts)
    calls = sum(calls for calls, _ in facts.photo_costs.values())
    retries.end_items(connection, _request_id(job), ends, calls=calls, cost_usd=result.cost_usd)


def _providers(items: Sequence[OpenItem], ends: Mapping[int, ItemEnd]) -> list[ProviderResult]:
    tried = {item.provider for item in items if ends[item.image_id].state in _TRIED}
    return [
        ProviderResult(
            provider=code, status=ProviderStatus.SUCCESS if code in tried else ProviderStatus.SKIPPED
        )
        for code in sorted({item.provider for item in items})
    ]


def _result(facts: report.Facts, request_id: int, ends: Mapping[int, ItemEnd]) -> JobResult:
    counted = Counter(end.reason for end in ends.values() if end.state is ItemState.SKIPPED)
    skipped = {reason: counted[reason] for reason in SkipReason if reason in counted}
    let_go = sum(end.state is ItemState.RELEASED for end in ends.values())
    done = report.result(facts)
    more = {
        "request_id": request_id,
        "skipped": skipped,
        "let_go": let_go,
        "summary": retried_in_words(done.uploaded, done.failed, skipped, let_go),
    }
    return replace(done, meta={**done.meta, **more})

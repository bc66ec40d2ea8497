"""Bringing images into the store: claimed, each tried once (`work/one_image.py`), recorded."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from ops_core.db import discovered, images
from ops_core.db.attempts import Tried
from ops_core.db.images import ClaimedImage
from ops_core.domain.errors import ErrorType
from ops_core.domain.providers import facts_of
from ops_core.work import one_image
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session

log = logging.getLogger(__name__)


async def bring_in(
    session: Session,
    image_ids: list[int],
    *,
    job_id: int,
    at_once: bool = False,
    override: bool = False,
    request_id: int | None = None,
) -> dict[int, float]:
    """Try every image of `image_ids` that may be tried now and that nobody else holds.

    Returns the seconds that images must wait for their provider: they were given back untried.
    `at_once` tries images before their own waiting time is over, `override` also those that are not
    tried automatically. Once the retry `request_id` is paused or cancelled, no image begins any more.
    Images on which a worker died come last and one at a time: if one of them kills this worker too,
    it takes no other with it.
    """
    which = _Which(job_id, request_id, at_once, override)
    async with session.halts.watching(request_id):
        if request_id in session.halts:
            return {}
        claimed = await asyncio.to_thread(_claim, session, image_ids, which)
        session.underway.add(job_id)
        ends = await asyncio.gather(
            *(_bring_in_one(session, image, which) for image in claimed), return_exceptions=True
        )
        waits: dict[int, float] = {}
        # all have ended before the first error goes on: none is left running without its session
        for image, end in zip(claimed, ends, strict=True):
            if isinstance(end, BaseException):
                raise end
            if end:
                waits[image.id] = end
        for suspect in await asyncio.to_thread(_suspects, session, image_ids):
            async with session.alone:
                for image in await asyncio.to_thread(_claim, session, [suspect], which, suspects=True):
                    if wait := await _bring_in_one(session, image, which):
                        waits[image.id] = wait
    return waits


@dataclass(frozen=True, slots=True)
class _Which:
    """On whose behalf, and by which rules, images are claimed."""

    job_id: int
    request_id: int | None
    at_once: bool
    override: bool


async def _bring_in_one(session: Session, image: ClaimedImage, which: _Which) -> float:
    """Try one image; the seconds it must wait if its provider did not let it be tried, else 0."""
    try:
        async with session.lanes.enter(image.provider, tag=which.request_id):
            tried = await _try(session, image, which)
    except PutOff as error:
        await asyncio.to_thread(_put_off, session, image, error.seconds)
        return error.seconds
    # what goes wrong once the file is here is the store's doing, or the picture's
    failure = tried.failure if tried.asked and not tried.answered else None
    if tried.asked:
        await session.permits.note(image.provider, failure)
    if failure and failure.error_type is ErrorType.RATE_LIMITED and failure.retry_after:
        await session.permits.block(image.provider, failure.retry_after)
    if not await session.recorder.record(tried):
        log.warning("image %d was taken over before its try was recorded", image.id)
    return 0.0


async def _try(session: Session, image: ClaimedImage, which: _Which) -> Tried:
    if which.request_id in session.halts:
        raise PutOff(0)
    try:
        return await one_image.try_(session, image, which.job_id, request_id=which.request_id)
    except PutOff as error:
        session.lanes.shut(image.provider, error.seconds)
        raise


def _claim(session: Session, ids: list[int], which: _Which, *, suspects: bool = False) -> list[ClaimedImage]:
    not_copied = {
        code: facts_of(code).keeps_address for code in session.providers if not session.may_copy(code)
    }
    with session.engine.begin() as connection:
        # the policy may have changed since they were listed
        discovered.refer(connection, ids, not_copied)
        return images.claim(
            connection,
            ids,
            owner=session.owner,
            job_id=which.job_id,
            lease_seconds=session.settings.lease_seconds,
            suspects=suspects,
            at_once=which.at_once,
            override=which.override,
        )


def _suspects(session: Session, ids: list[int]) -> list[int]:
    with session.engine.connect() as connection:
        return images.suspects(connection, ids)


def _put_off(session: Session, image: ClaimedImage, seconds: float) -> None:
    with session.engine.begin() as connection:
        images.put_off(connection, image, seconds)

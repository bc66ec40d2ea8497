"""Bringing claimed images into the store: resolve -> download -> verify -> store -> record."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy.exc import SQLAlchemyError

from ops_core.db import images
from ops_core.db.attempts import Stored, Tried
from ops_core.db.images import ClaimedImage
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.providers.http import Api
from ops_core.providers.registry import SOURCES
from ops_core.storage.store import image_key, thumbnail_key
from ops_core.work.rate_limits import MAX_BLOCK, PutOff
from ops_core.work.session import Session
from ops_core.work.verify import verify_image

log = logging.getLogger(__name__)


async def bring_in(
    session: Session, image_ids: list[int], *, job_id: int, at_once: bool = False
) -> dict[int, float]:
    """Try every image of `image_ids` that may be tried now and that nobody else holds.

    Returns the seconds that images must wait for their provider: they were given back untried.
    `at_once` tries images before their own waiting time is over. Images on which a worker died
    come last and one at a time: if one of them kills this worker too, it takes no other with it.
    """
    claimed = await asyncio.to_thread(_claim, session, image_ids, job_id, at_once=at_once)
    ends = await asyncio.gather(
        *(_bring_in_one(session, image, job_id) for image in claimed), return_exceptions=True
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
            for image in await asyncio.to_thread(
                _claim, session, [suspect], job_id, suspects=True, at_once=at_once
            ):
                if wait := await _bring_in_one(session, image, job_id):
                    waits[image.id] = wait
    return waits


async def _bring_in_one(session: Session, image: ClaimedImage, job_id: int) -> float:
    """Try one image; the seconds it must wait if its provider's limit did not let it be tried, else 0."""
    try:
        async with session.slots:
            tried = await _try(session, image, job_id)
    except PutOff as error:
        await asyncio.to_thread(_put_off, session, image, error.seconds)
        return error.seconds
    failure = tried.failure
    if failure and failure.error_type is ErrorType.RATE_LIMITED and failure.retry_after:
        await session.permits.block(image.provider, failure.retry_after)
    if not await session.recorder.record(tried):
        log.warning("image %d was taken over before its try was recorded", image.id)
    return 0.0


async def _try(session: Session, image: ClaimedImage, job_id: int) -> Tried:
    started_at = datetime.now(UTC)
    api = session.api(image.provider)
    stored: Stored | None = None
    failure: Failure | None = None
    size = 0
    try:
        data = await _download(session, image, api)
        size = len(data)
        stored = await _store(session, image, data)
    except Failed as error:
        failure = error.failure
    except (PutOff, SQLAlchemyError):
        raise
    except Exception as error:
        log.exception("image %d failed in a way no rule knows", image.id)
        failure = Failure(
            ErrorType.UNKNOWN_ERROR, f"unexpected {type(error).__name__}; the worker's log has more"
        )
    provider = session.providers.get(image.provider)
    price = provider.photo_usd if provider else Decimal(0)
    return Tried(
        image=image,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        job_id=job_id,
        worker=session.owner,
        stored=stored,
        failure=failure,
        calls=api.calls,
        cost_usd=api.calls * price,
        bytes=size,
    )


async def _download(session: Session, image: ClaimedImage, api: Api) -> bytes:
    source, provider = SOURCES.get(image.provider), session.providers.get(image.provider)
    if source is None or provider is None:
        raise Failed(Failure(ErrorType.NOT_CONFIGURED, f"{image.provider} is switched off or not known"))
    if provider.paused_for:
        raise PutOff(min(provider.paused_for, MAX_BLOCK))
    reason = source.not_ready(session.settings)
    if reason:
        raise Failed(Failure(ErrorType.NOT_CONFIGURED, reason))
    download = await source.resolve(image.provider_ref, image.fetch_ref, api)
    if download.needs_permit:
        await session.permits(image.provider)
    body = await session.http.download(download)
    return body.data


async def _store(session: Session, image: ClaimedImage, data: bytes) -> Stored:
    picture = await asyncio.to_thread(verify_image, data, session.settings)
    key = image_key(image.venue_id, image.venue_name, image.provider, image.provider_ref, picture.extension)
    small = thumbnail_key(key)
    await session.store.put(small, picture.thumbnail, "image/jpeg")
    await session.store.put(key, data, picture.content_type)
    return Stored(
        key=key,
        url=session.store.url(key),
        thumbnail_key=small,
        thumbnail_url=session.store.url(small),
        content_type=picture.content_type,
        content_hash=picture.content_hash,
        width=picture.width,
        height=picture.height,
        bytes=len(data),
    )


def _claim(
    session: Session, ids: list[int], job_id: int, *, suspects: bool = False, at_once: bool = False
) -> list[ClaimedImage]:
    with session.engine.begin() as connection:
        return images.claim(
            connection,
            ids,
            owner=session.owner,
            job_id=job_id,
            lease_seconds=session.settings.lease_seconds,
            suspects=suspects,
            at_once=at_once,
        )


def _suspects(session: Session, ids: list[int]) -> list[int]:
    with session.engine.connect() as connection:
        return images.suspects(connection, ids)


def _put_off(session: Session, image: ClaimedImage, seconds: float) -> None:
    with session.engine.begin() as connection:
        images.put_off(connection, image, seconds)

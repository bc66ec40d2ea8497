"""Bringing claimed images into the store: resolve -> download -> verify -> store -> record."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy.exc import DBAPIError

from ops_core.db import images
from ops_core.db.attempts import Stored, Tried
from ops_core.db.images import ClaimedImage
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.providers.http import Api
from ops_core.providers.registry import SOURCES
from ops_core.storage.store import image_key, thumbnail_key
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session
from ops_core.work.verify import verify_image

log = logging.getLogger(__name__)

#: Images claimed ahead of the free download slots, as a multiple of them: few, so that other
#: workers find work, and that little is lost with a worker.
_AHEAD = 2


@dataclass(slots=True)
class Progress:
    """What became of a job's images; `put_off` is the longest wait a provider's limit asked for."""

    tried: int = 0
    put_off: float = 0.0


async def bring_in(session: Session, image_ids: list[int], *, job_id: int) -> Progress:
    """Try every image of `image_ids` that may be tried now and that nobody else holds."""
    progress = Progress()
    size = max(1, session.settings.downloads_per_process * _AHEAD)
    for start in range(0, len(image_ids), size):
        claimed = await asyncio.to_thread(_claim, session, image_ids[start : start + size], job_id)
        ends = await asyncio.gather(
            *(_bring_in_one(session, image, job_id, progress) for image in claimed), return_exceptions=True
        )
        # all have ended before the first error goes on: none is left running without its session
        for end in ends:
            if isinstance(end, BaseException):
                raise end
    return progress


async def _bring_in_one(session: Session, image: ClaimedImage, job_id: int, progress: Progress) -> None:
    try:
        async with session.slots:
            tried = await _try(session, image, job_id)
    except PutOff as error:
        progress.put_off = max(progress.put_off, error.seconds)
        await asyncio.to_thread(_put_off, session, image, error.seconds)
        return
    failure = tried.failure
    if failure and failure.error_type is ErrorType.RATE_LIMITED and failure.retry_after:
        await session.permits.block(image.provider, failure.retry_after)
    progress.tried += 1
    if not await session.recorder.record(tried):
        log.warning("image %d was taken over before its try was recorded", image.id)


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
    except (PutOff, DBAPIError):
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
    source = SOURCES.get(image.provider)
    if source is None or image.provider not in session.providers:
        raise Failed(Failure(ErrorType.NOT_CONFIGURED, f"{image.provider} is switched off or not known"))
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


def _claim(session: Session, ids: list[int], job_id: int) -> list[ClaimedImage]:
    with session.engine.begin() as connection:
        return images.claim(
            connection,
            ids,
            owner=session.owner,
            job_id=job_id,
            lease_seconds=session.settings.lease_seconds,
        )


def _put_off(session: Session, image: ClaimedImage, seconds: float) -> None:
    with session.engine.begin() as connection:
        images.put_off(connection, image, seconds)

"""One try of one image: found in the store, or resolve -> download -> verify -> store."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy.exc import SQLAlchemyError

from ops_core.db.attempts import Stored, Tried
from ops_core.db.images import ClaimedImage
from ops_core.db.providers import ActiveProvider
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import PhotoSource
from ops_core.work import stored as pictures
from ops_core.work.rate_limits import MAX_BLOCK, PutOff
from ops_core.work.references import Caller
from ops_core.work.session import Session

log = logging.getLogger(__name__)

_NO_COPIES = "Copies of photos of {} may not be kept any more."


@dataclass(slots=True)
class _Spent:
    """What a try has asked of the provider so far; the two kinds of calls have a price each."""

    provider: ActiveProvider | None
    photo: Caller
    listing: Caller
    asked: bool = False
    answered: bool = False
    bytes: int = 0

    @property
    def calls(self) -> int:
        return self.photo.api.calls + self.listing.api.calls

    @property
    def cost_usd(self) -> Decimal:
        if self.provider is None:
            return Decimal(0)
        photos, listings = self.photo.api.calls, self.listing.api.calls
        return photos * self.provider.photo_usd + listings * self.provider.listing_usd


async def try_(session: Session, image: ClaimedImage, job_id: int, *, request_id: int | None = None) -> Tried:
    """Try one claimed image and say what came of it; records no outcome. Raises `PutOff` when it must wait.

    A picture that an earlier try brought into the store is found there and neither fetched nor paid again.
    """
    started_at = datetime.now(UTC)
    # looked up once: people may switch it off meanwhile, and what was asked is paid all the same
    provider = session.providers.get(image.provider)
    spent = _Spent(provider, Caller(session, image.provider), Caller(session, image.provider))
    stored: Stored | None = None
    failure: Failure | None = None
    try:
        if provider is not None:
            _check_policy(session, image)
        if _was_begun(image):
            stored = await pictures.find(session.store, session.settings, image)
        if stored is None:
            data = await _download(session, image, spent)
            spent.answered, spent.bytes = True, len(data)
            if not session.may_copy(image.provider):  # said meanwhile
                raise Failed(Failure(ErrorType.NOT_CONFIGURED, _NO_COPIES.format(image.provider)))
            stored = await pictures.keep(session.store, session.settings, image, data)
    except Failed as error:
        failure = error.failure
    except (PutOff, SQLAlchemyError):
        raise
    except Exception as error:
        log.exception("image %d failed in a way no rule knows", image.id)
        failure = Failure(
            ErrorType.UNKNOWN_ERROR, f"unexpected {type(error).__name__}; the worker's log has more"
        )
    return Tried(
        image=image,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        job_id=job_id,
        request_id=request_id,
        worker=session.owner,
        stored=stored,
        failure=failure,
        asked=spent.asked,
        answered=spent.answered,
        calls=spent.calls,
        cost_usd=spent.cost_usd,
        bytes=spent.bytes,
    )


def _was_begun(image: ClaimedImage) -> bool:
    """Whether somebody may have put its picture into the store before: any earlier claim might have."""
    return image.claim > 1 or image.tries > 0 or image.is_retry


async def _download(session: Session, image: ClaimedImage, spent: _Spent) -> bytes:
    source, provider = SOURCES.get(image.provider), spent.provider
    if source is None or provider is None:
        raise _not_askable(image, f"{image.provider} is switched off or not known")
    if provider.paused_for:
        raise PutOff(min(provider.paused_for, MAX_BLOCK))
    reason = source.not_ready(session.settings)
    if reason:
        raise _not_askable(image, reason)
    await session.permits.check(image.provider)
    spent.asked = True
    try:
        return await _fetch(session, source, image, spent)
    except Failed as error:
        if error.failure.error_type is not ErrorType.STALE_REFERENCE:
            raise
    fetch_ref = await session.references.renew(
        session, image, spent.listing, refused_at=spent.photo.called_at
    )
    try:
        return await _fetch(session, source, replace(image, fetch_ref=fetch_ref), spent)
    except Failed as error:
        failure = error.failure
        if failure.error_type is not ErrorType.STALE_REFERENCE:
            raise
        said = f"The photo's name expired, and its new one was refused too: {failure.detail}"
        raise Failed(replace(failure, detail=said)) from None


def _check_policy(session: Session, image: ClaimedImage) -> None:
    if not session.may_copy(image.provider):
        raise _not_askable(image, _NO_COPIES.format(image.provider))


def _not_askable(image: ClaimedImage, reason: str) -> Exception:
    # what failed before keeps its error and its retries: one that nobody makes must not make it final
    return PutOff(0) if image.is_retry else Failed(Failure(ErrorType.NOT_CONFIGURED, reason))


async def _fetch(session: Session, source: PhotoSource, image: ClaimedImage, spent: _Spent) -> bytes:
    download = await source.resolve(image.provider_ref, image.fetch_ref, spent.photo.api)
    if download.needs_permit:
        await session.permits(image.provider)
    spent.photo.now()
    body = await session.http.download(download)
    return body.data

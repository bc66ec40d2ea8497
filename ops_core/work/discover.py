"""Asking all providers that know a venue for its photos, at the same time, and choosing among them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ops_core.db.job_providers import ProviderResult
from ops_core.db.providers import ActiveProvider
from ops_core.domain.errors import ErrorType, info
from ops_core.domain.failures import Failed, Failure
from ops_core.domain.jobs import ProviderStatus
from ops_core.domain.places import Venue
from ops_core.providers.http import Api
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Photo
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session

log = logging.getLogger(__name__)

#: Shortest time after which a provider that could not be asked is asked again, seconds.
SOONEST = 1.0


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the providers answered."""

    photos: list[Photo]  #: What those asked just now have.
    answered: list[str]  #: Who answered, earlier runs of the job included.
    results: list[ProviderResult]  #: How each provider did just now.
    wait: float  #: Seconds until a provider's limit lets it be asked; 0 when none has to wait.

    @property
    def may_answer_later(self) -> list[ProviderResult]:
        """The providers that failed in a way that tends to pass."""
        return [line for line in self.results if line.error_type and info(line.error_type).retryable]


async def discover(session: Session, venue: Venue, answered: Sequence[str]) -> Discovery:
    """Ask every active provider that knows `venue`, except those that `answered` before."""
    codes = [
        code
        for code in session.providers
        if code in SOURCES
        and code not in answered
        and SOURCES[code].not_ready(session.settings) is None
        and SOURCES[code].knows(venue)
    ]
    paused = [code for code in codes if session.providers[code].paused_for]
    asked = [code for code in codes if code not in paused]
    answers = await asyncio.gather(
        *(_ask(session, session.providers[code], venue) for code in asked), return_exceptions=True
    )
    found = Discovery([], list(answered), [_skipped(code) for code in paused], 0.0)
    wait = 0.0
    for code, answer in zip(asked, answers, strict=True):
        if isinstance(answer, PutOff):
            wait = max(wait, answer.seconds, SOONEST)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            photos, result = answer
            found.results.append(result)
            if result.status is not ProviderStatus.FAILED:
                found.photos.extend(photos)
                found.answered.append(code)
    return replace(found, wait=wait)


def _skipped(code: str) -> ProviderResult:
    return ProviderResult(provider=code, status=ProviderStatus.SKIPPED, reason="it is paused")


async def _ask(
    session: Session, provider: ActiveProvider, venue: Venue
) -> tuple[list[Photo], ProviderResult]:
    code = provider.code
    api = session.api(code)
    async with session.listings.enter(code):
        started = time.monotonic()
        try:
            await session.permits.check(code)
            photos, failure = await _listed(session, code, venue, api)
        except PutOff as error:
            session.listings.shut(code, error.seconds)
            raise
    duration_ms = round((time.monotonic() - started) * 1000)
    await session.permits.note(code, failure)
    if failure and failure.error_type is ErrorType.RATE_LIMITED and failure.retry_after:
        await session.permits.block(code, failure.retry_after)
    cost = api.calls * provider.listing_usd
    if failure:
        return [], _failed(code, failure, api.calls, cost, duration_ms)
    return photos, ProviderResult(
        provider=code,
        status=ProviderStatus.SUCCESS if photos else ProviderStatus.NO_IMAGES,
        images_fetched=len(photos),
        calls=api.calls,
        cost_usd=cost,
        duration_ms=duration_ms,
    )


async def _listed(session: Session, code: str, venue: Venue, api: Api) -> tuple[list[Photo], Failure | None]:
    most, seconds = session.settings.max_images_per_provider, session.settings.provider_timeout
    try:
        async with asyncio.timeout(seconds):
            return await SOURCES[code].list_photos(venue, api, limit=most), None
    except Failed as error:
        return [], error.failure
    except TimeoutError:
        return [], Failure(ErrorType.NETWORK_TIMEOUT, f"no full answer within {seconds:g} s")


def _failed(code: str, failure: Failure, calls: int, cost: Decimal, duration_ms: int) -> ProviderResult:
    return ProviderResult(
        provider=code,
        status=ProviderStatus.FAILED,
        error_type=failure.error_type,
        reason=failure.detail or info(failure.error_type).label,
        status_code=failure.status_code,
        calls=calls,
        cost_usd=cost,
        duration_ms=duration_ms,
    )

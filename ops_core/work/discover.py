"""Asking all providers that know a venue for its photos, at the same time, and choosing among them."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from decimal import Decimal

from ops_core.db.job_providers import ProviderResult
from ops_core.domain.errors import ErrorType, info
from ops_core.domain.failures import Failed, Failure
from ops_core.domain.jobs import ProviderStatus
from ops_core.domain.places import Venue
from ops_core.domain.quality import choose
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Photo
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session

log = logging.getLogger(__name__)


#: What each provider that answered has, by its code.
Listed = dict[str, list[Photo]]


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the providers answered so far."""

    listed: Listed  #: Those that answered, earlier runs of the job included.
    results: list[ProviderResult]  #: How each provider asked just now did.
    wait: float  #: Seconds until a provider's limit lets it be asked; 0 when none has to wait.

    @property
    def may_answer_later(self) -> list[ProviderResult]:
        """The providers that failed in a way that tends to pass."""
        return [line for line in self.results if line.error_type and info(line.error_type).retryable]

    def chosen(self, session: Session) -> list[Photo]:
        """The photos to take, best first."""
        return choose(
            (photo for photos in self.listed.values() for photo in photos),
            priority={code: provider.priority for code, provider in session.providers.items()},
            per_provider=session.settings.max_images_per_provider,
            per_venue=session.settings.max_images_per_venue,
        )


async def discover(session: Session, venue: Venue, known: Listed) -> Discovery:
    """Ask every active provider that knows `venue`, except those whose answer is `known`."""
    codes = [
        code
        for code in session.providers
        if code in SOURCES
        and code not in known
        and SOURCES[code].not_ready(session.settings) is None
        and SOURCES[code].knows(venue)
    ]
    answers = await asyncio.gather(*(_ask(session, code, venue) for code in codes), return_exceptions=True)
    listed = dict(known)
    results: list[ProviderResult] = []
    wait = 0.0
    for code, answer in zip(codes, answers, strict=True):
        if isinstance(answer, PutOff):
            wait = max(wait, answer.seconds)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            photos, result = answer
            results.append(result)
            if result.status is not ProviderStatus.FAILED:
                listed[code] = photos
    return Discovery(listed, results, wait)


async def _ask(session: Session, code: str, venue: Venue) -> tuple[list[Photo], ProviderResult]:
    api = session.api(code)
    started = time.monotonic()
    photos: list[Photo] = []
    failure: Failure | None = None
    try:
        async with asyncio.timeout(session.settings.provider_timeout):
            photos = await SOURCES[code].list_photos(
                venue, api, limit=session.settings.max_images_per_provider
            )
    except Failed as error:
        failure = error.failure
    except TimeoutError:
        seconds = session.settings.provider_timeout
        failure = Failure(ErrorType.NETWORK_TIMEOUT, f"no full answer within {seconds:g} s")
    if failure and failure.error_type is ErrorType.RATE_LIMITED and failure.retry_after:
        await session.permits.block(code, failure.retry_after)
    duration_ms = round((time.monotonic() - started) * 1000)
    cost = api.calls * session.providers[code].listing_usd
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

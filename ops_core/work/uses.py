"""Telling providers that want to know it which of their photos are shown from now on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ops_core.db import discovered
from ops_core.db.job_providers import ProviderResult
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.domain.jobs import ProviderStatus
from ops_core.providers.http import Api
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Photo, UseReporter
from ops_core.work.discover import Discovery
from ops_core.work.rate_limits import PutOff
from ops_core.work.session import Session

log = logging.getLogger(__name__)

#: Seconds of silence for a provider that asks for fewer calls without saying for how long.
LATER = 60.0


@dataclass(slots=True)
class _Told:
    """What came of telling one provider."""

    api: Api
    price: Decimal  #: Of one report, US dollars.
    untold: list[Photo] = field(default_factory=list)  #: Not heard of for now, so not kept yet.
    failure: Failure | None = None  #: It asked for fewer calls.


async def report_uses(
    session: Session, venue_id: int, chosen: Sequence[Photo], discovery: Discovery
) -> tuple[list[Photo], Discovery]:
    """Report the references among `chosen` that are new; what is left of both when one is refused.

    Reports are made as far as the provider's limit lets them be made at once. Where it asks for fewer,
    photos are not kept yet: it counts as not answered, and the job comes back for them, as for a listing.
    A provider that answers with another error was told as well as can be.
    """
    known: set[tuple[str, str]] | None = None
    told: dict[str, _Told] = {}
    for photo in chosen:
        source = SOURCES[photo.provider]
        if session.may_copy(photo.provider) or not isinstance(source, UseReporter):
            continue
        if known is None:
            known = await asyncio.to_thread(_references, session, venue_id)
        if (photo.provider, photo.provider_ref) in known:
            continue
        tell = told.get(photo.provider)
        if tell is None:
            row = session.providers.get(photo.provider)  # it may be switched off by now
            price = row.photo_usd if row else Decimal(0)
            tell = told[photo.provider] = _Told(session.api(photo.provider), price)
        await _tell(session, source, photo, tell)
    untold = [photo for tell in told.values() for photo in tell.untold]
    late = {photo.provider for photo in untold}
    return [photo for photo in chosen if photo not in untold], replace(
        discovery,
        answered=[code for code in discovery.answered if code not in late],
        results=[
            _with_reports(line, told[line.provider]) if line.provider in told else line
            for line in discovery.results
        ],
    )


def _with_reports(line: ProviderResult, told: _Told) -> ProviderResult:
    """How the provider did, its reports of use included."""
    line = replace(
        line, calls=line.calls + told.api.calls, cost_usd=line.cost_usd + told.api.calls * told.price
    )
    if told.failure is None:
        return line
    return replace(
        line,
        status=ProviderStatus.FAILED,
        error_type=told.failure.error_type,
        status_code=told.failure.status_code,
        reason=f"the use of its photos could not be reported: {told.failure.detail}",
    )


async def _tell(session: Session, source: UseReporter, photo: Photo, tell: _Told) -> None:
    if tell.untold:
        tell.untold.append(photo)
        return
    try:
        await source.report_use(photo, tell.api)
    except PutOff:
        # Unsplash's demo limit is one call in 72 s: waiting for it would keep the venue's job open for an
        # hour over illustrations, and each time it came back its listing would use the permit up
        log.info("the use of a photo of %s is not reported: its limit is used up", photo.provider)
    except Failed as error:
        failure = error.failure
        log.warning("the use of a photo of %s could not be reported: %s", photo.provider, failure.detail)
        if failure.error_type is ErrorType.RATE_LIMITED:
            tell.failure = failure
            tell.untold.append(photo)
            await session.permits.block(photo.provider, failure.retry_after or LATER)


def _references(session: Session, venue_id: int) -> set[tuple[str, str]]:
    with session.engine.connect() as connection:
        return discovered.references(connection, venue_id)

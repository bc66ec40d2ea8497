"""Telling providers that want to know it which of their photos are in use (`db/uses.py`).

Nothing waits for these reports: enrichments mark photos, and workers report them in short rounds that the
dispatcher asks for. A round uses permits that are free when it asks. A listing that must wait comes back
when its permit is due and finds no round at work most of the time, so listings go first, and reports
have what they leave. Where listings leave nothing, reports that are late wait as long as these do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from sqlalchemy import Engine

from ops_core.db import leader, providers, rate_limits, rollups, uses
from ops_core.db.providers import ActiveProvider
from ops_core.db.uses import Use
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure
from ops_core.domain.uses import is_settled
from ops_core.providers.http import Api, Http
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import UseReporter
from ops_core.settings import Settings
from ops_core.work.discover import PHOTOS
from ops_core.work.rate_limits import Permits, PutOff
from ops_core.work.session import run_until_stopped

log = logging.getLogger(__name__)

#: Longest wait for a permit, seconds: enough for 5,000 calls an hour, far too short for 50.
PATIENCE = 1.0
#: Seconds after which a report that is due is late.
LATE = 3600.0
#: Seconds after which a round makes no further report: it keeps a worker's process from jobs.
ROUND_SECONDS = 5.0
#: Seconds until a report that could not be made is made again, behind those of other photos.
AGAIN = 3600.0


def are_due(engine: Engine) -> bool:
    """Whether some provider is to be told of a use, and may be told now."""
    with engine.connect() as connection:
        waiting = uses.due(connection, _reporters())
        if not waiting:
            return False
        silent = rate_limits.silences(connection, waiting)
        active = providers.active(connection)
    return any(_may_be_told(code, active) and code not in silent for code in waiting)


def report(engine: Engine, settings: Settings, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """One round: report the uses that are due, oldest first, as far as the limits allow it at once.

    While another process is at it, nothing is done. What a worker that dies had just reported is
    reported once more.
    """
    with leader.leadership(engine, leader.REPORTING_USES) as is_leader:
        if not is_stopping() and is_leader():
            asyncio.run(_round(engine, settings, is_stopping))


def _reporters() -> dict[str, UseReporter]:
    return {code: source for code, source in SOURCES.items() if isinstance(source, UseReporter)}


def _may_be_told(code: str, active: Mapping[str, ActiveProvider]) -> bool:
    known = active.get(code)
    return known is not None and not known.paused_for and PHOTOS in known.capabilities


async def _round(engine: Engine, settings: Settings, is_stopping: Callable[[], bool]) -> None:
    with engine.connect() as connection:
        active = providers.active(connection)
    told = [
        (reporter, active[code])
        for code, reporter in _reporters().items()
        if _may_be_told(code, active) and SOURCES[code].not_ready(settings) is None
    ]
    async with Http(settings) as http:
        rounds = [_tell(engine, settings, http, reporter, provider) for reporter, provider in told]
        await run_until_stopped(rounds, is_stopping)


async def _tell(
    engine: Engine, settings: Settings, http: Http, reporter: UseReporter, provider: ActiveProvider
) -> None:
    use = await asyncio.to_thread(_oldest, engine, provider.code)
    if use is None:
        return
    patience = PATIENCE if use.overdue < LATE else settings.permit_wait
    permits = Permits(engine, {provider.code: provider.limits}, patience)

    async def permit(code: str) -> None:
        # a report that needs no call must not be the probe that a breaker waits for
        await permits.check(code)
        await permits(code)

    until = time.monotonic() + ROUND_SECONDS
    while use is not None and time.monotonic() < until:
        api = http.api(provider.code, permit)
        began = time.monotonic()
        try:
            failure = await _report(reporter, use, api)
        except PutOff as error:
            log.debug("no more uses are reported to %s now: it must be waited %s", provider.code, error)
            return
        took = time.monotonic() - began
        await asyncio.to_thread(_keep, engine, use, provider, failure, api.calls, took)
        if api.calls:
            await permits.note(provider.code, failure)
            if failure and failure.error_type is ErrorType.RATE_LIMITED and failure.retry_after:
                await permits.block(provider.code, failure.retry_after)
            if not is_settled(failure):
                return  # the next one would likely end like it
        use = await asyncio.to_thread(_oldest, engine, provider.code)


async def _report(reporter: UseReporter, use: Use, api: Api) -> Failure | None:
    try:
        await reporter.report_use(use.provider_ref, use.fetch_ref, api)
    except Failed as error:
        said = error.failure.detail
        log.warning("the use of a photo of %s could not be reported: %s", reporter.code, said)
        return error.failure
    return None


def _oldest(engine: Engine, provider: str) -> Use | None:
    with engine.connect() as connection:
        return uses.oldest(connection, provider)


def _keep(
    engine: Engine, use: Use, provider: ActiveProvider, failure: Failure | None, calls: int, seconds: float
) -> None:
    with engine.begin() as connection:
        if is_settled(failure):
            uses.settle(connection, use.image_id)
        else:
            uses.put_off(connection, use.image_id, AGAIN)
        if calls:
            rollups.add_calls(
                connection,
                provider=provider.code,
                city_id=use.city_id,
                calls=calls,
                cost_usd=calls * provider.photo_usd,
                duration_ms=round(seconds * 1000),
            )

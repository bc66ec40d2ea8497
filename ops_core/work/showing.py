"""Where a browser may load a reference from now: addresses that may not be kept are asked for when shown.

What a provider answered serves everybody for a few minutes, in memory alone: a page of ten photos asks
once for their venue, and not at all when it is looked at again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import Engine

from ops_core.db import places, providers, rollups
from ops_core.db.providers import ActiveProvider
from ops_core.db.references import Reference
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure, failed
from ops_core.domain.places import Venue
from ops_core.providers.guard import Guard
from ops_core.providers.http import Api, Http
from ops_core.providers.photo_address import photo_address
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Photo, PhotoSource
from ops_core.settings import Settings
from ops_core.work.discover import PHOTOS
from ops_core.work.rate_limits import Permits
from ops_core.work.references import MOST_PHOTOS

#: Seconds for which an address serves; Google's live for an hour at least, and terms allow no more than use.
KEPT_FOR = 300.0
#: Venues whose addresses are held at once.
MOST_VENUES = 500
#: Longest wait for a permit, seconds: a person is looking at an empty frame.
PATIENCE = 3.0
#: Seconds for which a call that failed is not made again, however many frames ask for it.
NOT_AGAIN = 15.0


@dataclass(slots=True)
class _Shown:
    """What is known of one venue's photos at one provider; `lock` is held while it is asked."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    listed_at: float | None = None
    photos: dict[str, Photo] = field(default_factory=dict)
    resolved: dict[str, tuple[float, str]] = field(default_factory=dict)  #: Reference -> (when, address).
    #: Reference -> (until when nobody is asked again, why); the listing's stands under None.
    failures: dict[str | None, tuple[float, Failure]] = field(default_factory=dict)

    def fail(self, what: str | None, failure: Failure) -> None:
        """Remember for a while that the call for `what` told nothing."""
        silent = max(NOT_AGAIN, failure.retry_after or 0.0)
        self.failures[what] = time.monotonic() + silent, failure

    def raise_known(self, provider_ref: str) -> None:
        """Raise `Failed` if the calls that `provider_ref` needs failed a moment ago."""
        for what in (None, provider_ref):
            until, failure = self.failures.get(what, (0.0, None))
            if failure is not None and time.monotonic() < until:
                raise Failed(failure)


_venues: OrderedDict[tuple[str, int, str], _Shown] = OrderedDict()
_venues_lock = threading.Lock()


def address(engine: Engine, settings: Settings, shown: Reference) -> str:
    """The address of one reference. Raises `Failed`, and `PutOff` when its provider's limit is used up."""
    if shown.url:
        return str(Guard.of(settings.sandbox_url).check(shown.url))
    of_venue = _of(engine, shown)
    with of_venue.lock:
        found = of_venue.resolved.get(shown.provider_ref)
        if found is None or time.monotonic() - found[0] > KEPT_FOR:
            of_venue.raise_known(shown.provider_ref)
            found = (time.monotonic(), asyncio.run(_ask(engine, settings, shown, of_venue)))
            of_venue.resolved[shown.provider_ref] = found
        return found[1]


def _of(engine: Engine, shown: Reference) -> _Shown:
    key = (str(engine.url), shown.venue_id, shown.provider)
    with _venues_lock:
        of_venue = _venues.setdefault(key, _Shown())
        _venues.move_to_end(key)
        while len(_venues) > MOST_VENUES:
            _venues.popitem(last=False)
    return of_venue


async def _ask(engine: Engine, settings: Settings, shown: Reference, of_venue: _Shown) -> str:
    source = SOURCES.get(shown.provider)
    known = _provider(engine, shown.provider)
    if source is None or known is None:
        raise failed(ErrorType.NOT_CONFIGURED, "Its provider is switched off or not known.")
    if known.paused_for:
        raise failed(ErrorType.NOT_CONFIGURED, "Its provider is paused.")
    if reason := source.not_ready(settings):
        raise failed(ErrorType.NOT_CONFIGURED, reason)
    if PHOTOS not in known.capabilities:
        raise failed(ErrorType.NOT_CONFIGURED, "Its provider is switched off for photos.")
    permits = Permits(engine, {shown.provider: known.limits}, PATIENCE)
    began = time.monotonic()
    async with Http(settings) as http:
        listing, photo = http.api(shown.provider, permits), http.api(shown.provider, permits)
        try:
            await permits.check(shown.provider)
            found = await _address(engine, settings, shown, of_venue, listing, photo)
        except Failed as error:
            if listing.calls + photo.calls:
                await _told(permits, shown.provider, error.failure)
            if photo.calls:
                of_venue.fail(shown.provider_ref, error.failure)
            raise
        finally:
            _spent(engine, shown, known, listing, photo, round((time.monotonic() - began) * 1000))
        if listing.calls + photo.calls:
            await permits.note(shown.provider, None)
    return found


async def _told(permits: Permits, provider: str, failure: Failure) -> None:
    """Have everybody know what the provider said: its breaker, and those it asks to be silent."""
    await permits.note(provider, failure)
    if failure.error_type is ErrorType.RATE_LIMITED and failure.retry_after:
        await permits.block(provider, failure.retry_after)


async def _address(
    engine: Engine, settings: Settings, shown: Reference, of_venue: _Shown, listing: Api, photo: Api
) -> str:
    source = SOURCES[shown.provider]
    fresh = of_venue.listed_at is not None and time.monotonic() - of_venue.listed_at < KEPT_FOR
    if not fresh:
        with engine.connect() as connection:
            context = places.venue_context(connection, shown.venue_id)
        if context is None or not source.knows(context.venue):
            raise failed(
                ErrorType.STALE_REFERENCE, "The venue has no id at this provider any more: its photo is lost."
            )
        try:
            photos = await _listed(source, context.venue, settings, listing)
        except Failed as error:
            of_venue.fail(None, error.failure)
            raise
        of_venue.photos = {each.provider_ref: each for each in photos}
        of_venue.listed_at = time.monotonic()
    found = of_venue.photos.get(shown.provider_ref)
    if found is None:
        raise failed(ErrorType.NOT_FOUND, "The provider does not list this photo any more.")
    shown_from = found.show_url or (await source.resolve(found.provider_ref, found.fetch_ref, photo)).url
    # a browser is sent there: it must be a place of the provider's own
    if photo_address(shown_from, shown.provider, photo) is None:
        raise failed(ErrorType.BLOCKED_ADDRESS, "The provider shows this photo from an unknown place.")
    return shown_from


async def _listed(source: PhotoSource, venue: Venue, settings: Settings, listing: Api) -> list[Photo]:
    try:
        async with asyncio.timeout(settings.provider_timeout):
            return await source.list_photos(venue, listing, limit=MOST_PHOTOS)
    except TimeoutError:
        raise failed(ErrorType.NETWORK_TIMEOUT, "The provider did not answer in time.") from None


def _provider(engine: Engine, code: str) -> ActiveProvider | None:
    with engine.connect() as connection:
        return providers.active(connection).get(code)


def _spent(
    engine: Engine, shown: Reference, known: ActiveProvider, listing: Api, photo: Api, duration_ms: int
) -> None:
    calls = listing.calls + photo.calls
    if not calls:
        return
    cost = listing.calls * known.listing_usd + photo.calls * known.photo_usd
    with engine.begin() as connection:
        rollups.add_calls(
            connection,
            provider=shown.provider,
            city_id=shown.city_id,
            calls=calls,
            cost_usd=Decimal(cost),
            duration_ms=duration_ms,
        )

"""Photo names that expired: the venue is listed anew, once for all its images that ask at the time."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ops_core.db import photo_names, places
from ops_core.db.images import ClaimedImage
from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure, failed
from ops_core.domain.places import Venue
from ops_core.domain.quality import quality_score
from ops_core.providers.http import Api
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Photo
from ops_core.work.rate_limits import Permits, PutOff

if TYPE_CHECKING:
    from ops_core.work.session import Session

#: Photos asked for: more than are ever taken, since one that slid down the list is still listed.
MOST_PHOTOS = 100

#: Seconds for which a listing serves other images of its venue.
KEPT_FOR = 60.0


class Caller:
    """A counted way to call one provider that remembers when it last did."""

    def __init__(self, session: Session, provider: str) -> None:
        self.api: Api = session.http.api(provider, self._permit)
        self.called_at = -math.inf  #: `time.monotonic()` of the last call or download.
        self._permits: Permits = session.permits

    def now(self) -> None:
        """Say that a call is about to be made that needs no permit."""
        self.called_at = time.monotonic()

    async def _permit(self, provider: str) -> None:
        await self._permits(provider)
        self.now()


@dataclass(slots=True)
class _Listing:
    """What a provider last said of a venue; `lock` is held while it is asked."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    asked_at: float = -math.inf  #: `time.monotonic()`.
    photos: dict[str, Photo] = field(default_factory=dict)  #: By their stable name.
    failure: Failure | None = None

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self.asked_at > KEPT_FOR


class References:
    """The listings that one session's images share."""

    def __init__(self) -> None:
        self._listings: dict[tuple[int, str], _Listing] = {}

    async def renew(
        self, session: Session, image: ClaimedImage, lister: Caller, *, refused_at: float
    ) -> str | None:
        """The new `fetch_ref` of a photo whose old one was refused in a call made at `refused_at`.

        It is kept with the image, and what else the listing states of the photo. The venue is listed
        through `lister`, unless another image's listing tells. Raises `Failed`: not_found if the photo
        is not listed any more, else why the venue could not be listed; and `PutOff`.
        """
        listing = self._of(image)
        async with listing.lock:
            if not _tells(listing, image, refused_at):
                try:
                    await _list(session, image, lister, listing)
                except PutOff:
                    if image.fetch_ref is not None:
                        await asyncio.to_thread(_forget, session, image)
                    raise
            failure, photo = listing.failure, listing.photos.get(image.provider_ref)
        if failure is not None:
            raise Failed(failure)
        if photo is None:
            raise failed(
                ErrorType.NOT_FOUND, "The photo's name expired, and the provider lists the photo no more."
            )
        if not await asyncio.to_thread(_keep, session, image, photo):
            raise failed(ErrorType.WORKER_LOST, "Another worker has taken the image over.")
        return photo.fetch_ref

    def _of(self, image: ClaimedImage) -> _Listing:
        old = [key for key, one in self._listings.items() if one.is_old and not one.lock.locked()]
        for key in old:
            del self._listings[key]
        return self._listings.setdefault((image.venue_id, image.provider), _Listing())


def _tells(listing: _Listing, image: ClaimedImage, refused_at: float) -> bool:
    """Whether an earlier listing knows better than the name that was refused."""
    if listing.is_old:
        return False
    photo = listing.photos.get(image.provider_ref)
    return listing.asked_at >= refused_at or (photo is not None and photo.fetch_ref != image.fetch_ref)


async def _list(session: Session, image: ClaimedImage, lister: Caller, listing: _Listing) -> None:
    source = SOURCES[image.provider]
    venue = await asyncio.to_thread(_venue, session, image.venue_id)
    if venue is None or not source.knows(venue):
        raise failed(
            ErrorType.STALE_REFERENCE,
            "The photo's name expired, and the venue has no id at its provider by which to list it anew.",
        )
    photos: list[Photo] = []
    failure: Failure | None = None
    seconds = session.settings.provider_timeout
    try:
        async with asyncio.timeout(seconds):
            photos = await source.list_photos(venue, lister.api, limit=MOST_PHOTOS)
    except Failed as error:
        failure = error.failure
    except TimeoutError:
        failure = Failure(ErrorType.NETWORK_TIMEOUT, f"no full answer within {seconds:g} s")
    if failure is not None:
        said = f"The photo's name expired, and its venue could not be listed anew: {failure.detail}"
        failure = replace(failure, detail=said)
    listing.asked_at = lister.called_at
    listing.photos = {photo.provider_ref: photo for photo in photos}
    listing.failure = failure


def _venue(session: Session, venue_id: int) -> Venue | None:
    with session.engine.connect() as connection:
        context = places.venue_context(connection, venue_id)
    return context.venue if context else None


def _keep(session: Session, image: ClaimedImage, photo: Photo) -> bool:
    stated = {
        "fetch_ref": photo.fetch_ref,
        "source_url": photo.source_url,
        "width": photo.width,
        "height": photo.height,
        "quality_score": quality_score(photo.width, photo.height) if photo.width and photo.height else None,
        "attribution": photo.attribution,
        "attribution_url": photo.attribution_url,
        "license": photo.license,
        "license_url": photo.license_url,
    }
    with session.engine.begin() as connection:
        return photo_names.renew(connection, image, stated)


def _forget(session: Session, image: ClaimedImage) -> None:
    with session.engine.begin() as connection:
        photo_names.forget(connection, image)

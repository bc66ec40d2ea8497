"""Google Places: the photos of a place by its place id, and the search for a venue's place.

Google has two interfaces, and a key is for one of them: Places (New) and the older one
(`Settings.google_places_api`). A photo that one of them listed is listed anew when the other is to
fetch it.
"""

from __future__ import annotations

from ops_core.domain.places import Venue
from ops_core.providers.google_legacy import LegacyPlaces
from ops_core.providers.google_new import NewPlaces
from ops_core.providers.google_shared import CODE, Interface, key_of
from ops_core.providers.http import Api
from ops_core.providers.source import Download, Photo, Place
from ops_core.settings import Settings

_INTERFACES: dict[str, Interface] = {"new": NewPlaces(), "legacy": LegacyPlaces()}


class GooglePlaces:
    """The source and finder for `google_places`; see `providers.source`."""

    code = CODE
    id_key = CODE

    def not_ready(self, settings: Settings) -> str | None:
        """Why it cannot be asked: no key."""
        if key_of(settings):
            return None
        return "Set VENUE_OPS_GOOGLE_PLACES_API_KEY to ask Google Places."

    def cannot_search(self, settings: Settings) -> str | None:
        """Why it cannot be searched: no key."""
        return self.not_ready(settings)

    def knows(self, venue: Venue) -> bool:
        """Whether the venue has a Google place id."""
        return self.id_key in venue.provider_ids

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos, in Google's order; Google gives ten at most."""
        return await _interface(api).list_photos(venue, api, limit=limit)

    async def resolve(self, provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        """The short-lived, keyless address of the photo; one paid call."""
        return await _interface(api).resolve(fetch_ref, api)

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        """At most `limit` places that may be the venue, Google's best first."""
        return await _interface(api).find_places(venue, api, limit=limit)


def _interface(api: Api) -> Interface:
    return _INTERFACES[api.settings.google_places_api]

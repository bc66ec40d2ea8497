"""Foursquare Places: the photos of a place by its id, and the search for a venue's place.

Two interfaces are alike but for hosts, headers and names of fields: that of 2025, and v3, which older
keys are for (`Settings.foursquare_api`). A photo's address is put together from its prefix, a size and
its suffix; it holds no secret, but the terms of pay-as-you-go accounts do not let it be kept.
`provider_ref` is the photo's id, which may be; `fetch_ref` is the address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure, error_type_of_status
from ops_core.domain.places import Venue
from ops_core.providers import keys
from ops_core.providers.found_places import SEARCH_RADIUS, found_place
from ops_core.providers.http import Api
from ops_core.providers.lists import each_once, listed, usable
from ops_core.providers.photo_address import known_address, photo_address
from ops_core.providers.reply import dig, name, pixels, text
from ops_core.providers.source import Download, Photo, Place, PlaceKind
from ops_core.providers.venue_ids import id_of
from ops_core.settings import Settings

HOST = "places-api.foursquare.com"
V3_HOST = "api.foursquare.com"

#: The version of the interface of 2025 that is spoken; without it every call is refused.
VERSION = "2025-06-17"

#: Most photos or places in one reply.
MOST = 50

_PHOTO_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_USED_UP = re.compile(r"credit|quota", re.IGNORECASE)

#: Where errors say what went wrong: the interface of 2025 and v3, then v2.
_MESSAGES = (("message",), ("meta", "errorDetail"), ("meta", "errorType"))


class Foursquare:
    """The source and finder for `foursquare`; see `providers.source`."""

    code = "foursquare"
    id_key = "foursquare"

    def not_ready(self, settings: Settings) -> str | None:
        """Why it cannot be asked: no key."""
        if _key(settings):
            return None
        return "Set VENUE_OPS_FOURSQUARE_API_KEY to ask Foursquare."

    def cannot_search(self, settings: Settings) -> str | None:
        """Why it cannot be searched: no key."""
        return self.not_ready(settings)

    def knows(self, venue: Venue) -> bool:
        """Whether the venue has a Foursquare id."""
        return self.id_key in venue.provider_ids

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos (and 50), the most popular first."""
        place_id = id_of(venue, self.id_key, "Foursquare id")
        reply = await api.get_json(
            f"{_places(api)}/{place_id}/photos",
            params={"limit": str(min(max(limit, 1), MOST)), "sort": "POPULAR"},
            headers=_headers(api.settings),
            classify=classify,
        )
        held = reply.get("results") if isinstance(reply, dict) else reply
        entries = listed(held, "Foursquare's list of photos")
        photos = [_photo(entry, position, place_id, api) for position, entry in enumerate(entries)]
        return each_once(usable(photos, "the photos Foursquare listed", api))[:limit]

    async def resolve(self, provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        """The photo's address as listed; no call."""
        return Download(url=known_address(fetch_ref, self.code, api))

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        """At most `limit` places (and 50) that may be the venue, Foursquare's best first."""
        v3 = _is_v3(api.settings)
        params = {
            "query": venue.name,
            "limit": str(min(max(limit, 1), MOST)),
            # no field more: some are billed as Premium
            "fields": "fsq_id,name,geocodes,location"
            if v3
            else "fsq_place_id,name,latitude,longitude,location",
        }
        if venue.point is None:
            params["near"] = f"{venue.city}, {venue.country}"
        else:
            params |= {"ll": f"{venue.latitude:.6f},{venue.longitude:.6f}", "radius": str(SEARCH_RADIUS)}
        reply = await api.get_json(
            f"{_places(api)}/search", params=params, headers=_headers(api.settings), classify=classify
        )
        places = [_place(entry) for entry in listed(dig(reply, "results"), "Foursquare's search result")]
        return usable(places, "the places Foursquare found", api)[:limit]


def classify(status: int, headers: Mapping[str, str], body: Any) -> Failure | None:
    """What Foursquare says went wrong, as a failure; None when it does not say, or nothing did."""
    if status == 200:
        return None
    words = [said for path in _MESSAGES if (said := text(dig(body, *path)))]
    everything = body if isinstance(body, str) else " ".join(words)
    if status == 401:  # what is said of a key may repeat it
        return Failure(
            ErrorType.AUTH_ERROR,
            "Foursquare rejects the key; correct VENUE_OPS_FOURSQUARE_API_KEY, or VENUE_OPS_FOURSQUARE_API "
            "if the key is for the other interface.",
        )
    if status == 410:
        return Failure(
            ErrorType.HTTP_ERROR,
            "Foursquare has closed this interface; set VENUE_OPS_FOURSQUARE_API to the one your key is for.",
        )
    if status == 429 and _USED_UP.search(everything):
        said = words[0] if words else "the account has no credits left."
        return Failure(ErrorType.QUOTA_EXCEEDED, f"Foursquare: {said}")
    return Failure(error_type_of_status(status), f"Foursquare: {words[0]}") if words else None


def _photo(entry: Any, position: int, place_id: str, api: Api) -> Photo | None:
    ref = name(dig(entry, "fsq_photo_id"), _PHOTO_ID) or name(dig(entry, "id"), _PHOTO_ID)
    if ref is None:
        return None
    width = pixels(dig(entry, "width"))
    prefix, suffix = dig(entry, "prefix"), dig(entry, "suffix")
    if not isinstance(prefix, str) or not isinstance(suffix, str):
        return None
    wanted = api.settings.image_width
    size = f"width{wanted}" if width is not None and width > wanted else "original"
    address = photo_address(f"{prefix}{size}{suffix}", Foursquare.code, api)
    if address is None:
        return None
    page = f"https://foursquare.com/v/{place_id}"
    return Photo(
        provider=Foursquare.code,
        provider_ref=ref,
        fetch_ref=address,
        source_url=page,
        width=width,
        height=pixels(dig(entry, "height")),
        position=position,
        attribution="Foursquare",  # it does not say who made a photo
        attribution_url=page,
        show_url=address,
    )


def _place(entry: Any) -> Place | None:
    spot = dig(entry, "geocodes", "main") or entry  # v3, else 2025
    location = dig(entry, "location")
    return found_place(
        Foursquare.code,
        Foursquare.id_key,
        dig(entry, "fsq_place_id") or dig(entry, "fsq_id"),
        dig(entry, "name"),
        kind=PlaceKind.VENUE,  # it lists nothing else
        address=dig(location, "formatted_address") or dig(location, "address"),
        latitude=dig(spot, "latitude"),
        longitude=dig(spot, "longitude"),
    )


def _places(api: Api) -> str:
    return f"{api.base(V3_HOST)}/v3/places" if _is_v3(api.settings) else f"{api.base(HOST)}/places"


def _headers(settings: Settings) -> dict[str, str]:
    if _is_v3(settings):
        return {"Authorization": _key(settings), "Accept": "application/json"}
    return {
        "Authorization": f"Bearer {_key(settings)}",
        "X-Places-Api-Version": VERSION,
        "Accept": "application/json",
    }


def _is_v3(settings: Settings) -> bool:
    return settings.foursquare_api == "v3"


def _key(settings: Settings) -> str:
    return keys.sent(settings.foursquare_api_key, settings)

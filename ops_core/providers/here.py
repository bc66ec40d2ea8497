"""HERE: the photos of a place by its id, where the contract includes them, and the search for its place.

The photos are TripAdvisor's. A photo has no id: `provider_ref` is the part of its address that all its
sizes share, `fetch_ref` the address of the largest. HERE states no width and no height. The key goes
into the query, as HERE documents it, and from there nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from yarl import URL

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure, error_type_of_status
from ops_core.domain.places import Venue
from ops_core.providers import keys
from ops_core.providers.found_places import found_place
from ops_core.providers.http import Api
from ops_core.providers.lists import each_once, listed, usable
from ops_core.providers.photo_address import known_address, photo_address
from ops_core.providers.reply import dig, text
from ops_core.providers.source import Download, Photo, Place, PlaceKind
from ops_core.providers.venue_ids import id_of
from ops_core.settings import Settings

LOOKUP_HOST = "lookup.search.hereapi.com"
DISCOVER_HOST = "discover.search.hereapi.com"
GEOCODE_HOST = "geocode.search.hereapi.com"

#: Most places in one reply.
MOST_PLACES = 100

#: Sizes of a photo, the best first; `small` and `thumbnail` are squares cut out of it.
_SIZES = (("variants", "original"), ("variants", "large"), (), ("variants", "medium"))

#: What TripAdvisor's addresses begin with, one letter for the size: /media/photo-o/0a/1b/2c/3d/name.jpg.
_SIZE_IN_PATH = re.compile(r".*/media/photo-[a-z]{1,2}/")

#: Longest part of an address taken as a photo's name, characters.
_LONGEST_REF = 500

_KINDS: Mapping[str, PlaceKind] = {
    "place": PlaceKind.VENUE,
    "houseNumber": PlaceKind.ADDRESS,
    "street": PlaceKind.ADDRESS,
    "intersection": PlaceKind.ADDRESS,
    "addressBlock": PlaceKind.ADDRESS,
    "locality": PlaceKind.AREA,
    "administrativeArea": PlaceKind.AREA,
    "postalCodePoint": PlaceKind.AREA,
}


class Here:
    """The source and finder for `here`; see `providers.source`."""

    code = "here"
    id_key = "here"

    def not_ready(self, settings: Settings) -> str | None:
        """Why it cannot be asked for photos: no key, or no contract that includes them."""
        if settings.sandbox_url:
            return None
        if not _key(settings):
            return "Set VENUE_OPS_HERE_API_KEY to ask HERE."
        if not settings.here_images:
            return "Set VENUE_OPS_HERE_IMAGES=true if your contract with HERE includes photos; most do not."
        return None

    def cannot_search(self, settings: Settings) -> str | None:
        """Why it cannot be searched: no key."""
        if _key(settings):
            return None
        return "Set VENUE_OPS_HERE_API_KEY to search HERE for venues."

    def knows(self, venue: Venue) -> bool:
        """Whether the venue has a HERE id."""
        return self.id_key in venue.provider_ids

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos, in HERE's order; a place without any has no `media` in its reply."""
        place_id = id_of(venue, self.id_key, "HERE id")
        reply = await api.get_json(
            f"{api.base(LOOKUP_HOST)}/v1/lookup",
            params={
                "id": place_id,
                "show": "tripadvisor,tripadvisorImageVariants",
                "apiKey": _key(api.settings),
            },
            classify=classify_photos,
        )
        entries = listed(_images(reply), "HERE's description of the place")
        photos = [_photo(entry, position, api) for position, entry in enumerate(entries)]
        return each_once(usable(photos, "the photos HERE listed", api))[:limit]

    async def resolve(self, provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        """The photo's address as listed; no call."""
        return Download(url=known_address(fetch_ref, self.code, api))

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        """At most `limit` places (and 100) that may be the venue, HERE's best first."""
        params = {"limit": str(min(max(limit, 1), MOST_PLACES)), "apiKey": _key(api.settings)}
        if venue.point is None:
            # /discover needs a point; /geocode knows places by name and city as well
            url = f"{api.base(GEOCODE_HOST)}/v1/geocode"
            params["q"] = f"{venue.name}, {venue.city}, {venue.country}"
        else:
            url = f"{api.base(DISCOVER_HOST)}/v1/discover"
            params |= {"q": venue.name, "at": f"{venue.latitude:.6f},{venue.longitude:.6f}"}
        reply = await api.get_json(url, params=params, classify=classify)
        places = [_place(entry) for entry in listed(dig(reply, "items"), "HERE's search result")]
        return usable(places, "the places HERE found", api)[:limit]


def classify(status: int, headers: Mapping[str, str], body: Any) -> Failure | None:
    """What HERE says went wrong, as a failure; None when it does not say, or nothing did."""
    if status == 200:
        return None
    if status == 401:  # what is said of a key may repeat it
        return Failure(ErrorType.AUTH_ERROR, "HERE rejects the key; correct VENUE_OPS_HERE_API_KEY.")
    words = [text(dig(body, name)) for name in ("error_description", "title", "cause")]
    said = " ".join(line if line.endswith((".", "!", "?")) else f"{line}." for line in words if line)
    return Failure(error_type_of_status(status), f"HERE: {said}") if said else None


def classify_photos(status: int, headers: Mapping[str, str], body: Any) -> Failure | None:
    """As `classify`, where a refusal means that the contract does not include photos."""
    if status == 403:
        return Failure(
            ErrorType.FORBIDDEN,
            "Your contract with HERE does not include photos; set VENUE_OPS_HERE_IMAGES=false, or ask HERE.",
        )
    return classify(status, headers, body)


def _images(reply: Any) -> Any:
    """What stands for photos in the description of a place; None if the reply is no such description."""
    if text(dig(reply, "id")) is None:
        return None
    images = dig(reply, "media", "images", "items")
    return [] if images is None else images


def _photo(entry: Any, position: int, api: Api) -> Photo | None:
    stated = (photo_address(dig(entry, *size, "href"), Here.code, api) for size in _SIZES)
    address = next(filter(None, stated), None)
    if address is None:
        return None
    # the default size names the photo, if it is usable: it is always stated, the others on request only
    ref = _ref(photo_address(dig(entry, "href"), Here.code, api) or address)
    if not ref:
        return None
    supplier = text(dig(entry, "supplier", "id"), 80)
    return Photo(
        provider=Here.code,
        provider_ref=ref,
        fetch_ref=address,
        position=position,
        attribution="TripAdvisor" if supplier == "tripadvisor" else supplier,
        show_url=address,
    )


def _ref(address: str) -> str:
    """The part of a photo's address that stays when host, size and query change."""
    path = URL(address).raw_path
    return _SIZE_IN_PATH.sub("", path, count=1)[-_LONGEST_REF:].strip("/")


def _place(entry: Any) -> Place | None:
    return found_place(
        Here.code,
        Here.id_key,
        dig(entry, "id"),
        dig(entry, "title"),
        kind=_KINDS.get(text(dig(entry, "resultType")) or "", PlaceKind.UNKNOWN),
        address=dig(entry, "address", "label"),
        latitude=dig(entry, "position", "lat"),
        longitude=dig(entry, "position", "lng"),
    )


def _key(settings: Settings) -> str:
    return keys.sent(settings.here_api_key, settings)

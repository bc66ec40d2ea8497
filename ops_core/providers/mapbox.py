"""Mapbox: the photos of a place by its Mapbox id, and the search for that id.

The Places API is a preview that states little of a photo: an address, sometimes a size. The older
Details API has the same below `properties.metadata`; both forms are read. The token travels in the
query, where Mapbox wants it, so no address that was asked is ever kept or named in a failure.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failed, Failure, error_type_of_status, failed
from ops_core.domain.places import Venue
from ops_core.domain.redact import holds_secret
from ops_core.providers import keys
from ops_core.providers.found_places import found_place
from ops_core.providers.guard import Guard
from ops_core.providers.http import Api
from ops_core.providers.lists import listed, usable
from ops_core.providers.photo_address import photo_address, stood_for
from ops_core.providers.reply import dig, in_full, mapping, pixels, text
from ops_core.providers.source import Download, Photo, Place, PlaceKind
from ops_core.providers.venue_ids import id_of
from ops_core.settings import Settings

HOST = "api.mapbox.com"

#: Most places one search gives.
MOST_PLACES = 10

#: Longest search text Mapbox takes, characters.
MOST_QUERY = 256

#: Longest wait believed of a reset that comes without its interval, seconds.
LONGEST_RESET = 3600.0

_KINDS: dict[str, PlaceKind] = {
    "poi": PlaceKind.VENUE,
    "address": PlaceKind.ADDRESS,
    "street": PlaceKind.ADDRESS,
    "block": PlaceKind.ADDRESS,
    **dict.fromkeys(
        ("neighborhood", "locality", "place", "city", "district", "postcode", "region", "country"),
        PlaceKind.AREA,
    ),
}


class Mapbox:
    """The source and finder for `mapbox`; see `providers.source`."""

    code = "mapbox"
    id_key = "mapbox"

    def not_ready(self, settings: Settings) -> str | None:
        """Why it cannot be asked: no token."""
        if _token(settings):
            return None
        return "Set VENUE_OPS_MAPBOX_ACCESS_TOKEN to ask Mapbox."

    def cannot_search(self, settings: Settings) -> str | None:
        """Why it cannot be searched: no token."""
        return self.not_ready(settings)

    def knows(self, venue: Venue) -> bool:
        """Whether the venue has a Mapbox id."""
        return self.id_key in venue.provider_ids

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos, in Mapbox's order; one record of the month's quota."""
        place_id = id_of(venue, self.id_key, "Mapbox id")
        reply = await api.get_json(
            f"{api.base(HOST)}/places/v1/details/retrieve/{place_id}",
            params={"access_token": _token(api.settings)},
            classify=classify,
        )
        entries = listed(_entries(reply), "Mapbox's record of the place")
        return _photos(entries, api)[:limit]

    async def resolve(self, provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        """The photo's address, as listed; no call."""
        address = _address(fetch_ref, api)
        if address is None:
            raise failed(ErrorType.STALE_REFERENCE, "The photo's address is not known; list the venue again.")
        return Download(url=address)

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        """At most `limit` points of interest and addresses, Mapbox's best first."""
        words = venue.name if venue.has_coordinates else f"{venue.name}, {venue.city}, {venue.country}"
        params = {
            "q": words[:MOST_QUERY],
            "types": "poi,address",
            "limit": str(min(max(limit, 1), MOST_PLACES)),
            "access_token": _token(api.settings),
        }
        if venue.has_coordinates:
            params["proximity"] = f"{venue.longitude:.6f},{venue.latitude:.6f}"
        reply = await api.get_json(
            f"{api.base(HOST)}/search/searchbox/v1/forward", params=params, classify=classify
        )
        places = [_place(feature) for feature in listed(dig(reply, "features"), "Mapbox's search result")]
        return usable(places, "the places Mapbox found", api)[:limit]


def classify(status: int, headers: Mapping[str, str], body: Any) -> Failure | None:
    """What Mapbox says went wrong, as a failure; None when it does not say, or nothing did."""
    if status == 200:
        return None
    if status == 429:
        return Failure(
            ErrorType.RATE_LIMITED,
            "Mapbox was asked too often, or the month's records are used up.",
            retry_after=seconds_until_reset(headers, time.time()),
        )
    message = (text(dig(body, "message"), 200) or "").rstrip(".")
    if not message:
        return None
    if status == 401:  # what Mapbox says of a token may repeat it
        return Failure(
            ErrorType.AUTH_ERROR, "Mapbox rejects the token; correct VENUE_OPS_MAPBOX_ACCESS_TOKEN."
        )
    if status == 403:
        return Failure(ErrorType.FORBIDDEN, f"Mapbox: {message}. The token needs the scope places:read.")
    if status == 422 and "mapbox_id" in message.lower():
        return Failure(
            ErrorType.NOT_FOUND,
            f"Mapbox: {message}. Correct the venue's Mapbox id; it must be that of a point of interest.",
        )
    return Failure(error_type_of_status(status), f"Mapbox: {message}.")


def seconds_until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from `now` (since 1970) until the limit that was hit begins anew; None if not stated.

    A reset further off than the interval it ends comes from a clock that differs from ours.
    """
    reset, interval = (headers.get(f"X-Rate-Limit-{name}", "").strip() for name in ("Reset", "Interval"))
    if not re.fullmatch(r"[0-9]{9,11}", reset):
        return None
    longest = float(interval) if re.fullmatch(r"[1-9][0-9]{0,5}", interval) else LONGEST_RESET
    return min(max(float(reset) - now, 1.0), longest)


def _entries(reply: Any) -> list[Any] | None:
    """What stands for a photo in the record of a place; None if the reply is no such record."""
    is_feature = dig(reply, "type") == "Feature"
    place = mapping(dig(reply, "properties") if is_feature else reply)
    about = mapping(place.get("metadata")) if is_feature else place
    photos, first = about.get("photos"), about.get("primary_photo")
    if not isinstance(photos, list | None) or ("mapbox_id" not in place and photos is None):
        return None
    leading = first if isinstance(first, list) else [first] if first else []
    return [*leading, *(photos or ())]


def _photos(listed: Sequence[Any], api: Api) -> list[Photo]:
    """The usable ones among what is listed, each once."""
    read = [(address, entry) if (address := _address_of(entry, api)) else None for entry in listed]
    entries: dict[str, Any] = {}
    for address, entry in usable(read, "the photos Mapbox listed", api):
        entries.setdefault(address, entry)
    names = {address: _place_of(address, api) for address in entries}
    shared = {name for name, count in Counter(names.values()).items() if count > 1}
    return [
        Photo(
            provider=Mapbox.code,
            # where photos differ in the query alone, it belongs to their names
            provider_ref=_digest(address if names[address] in shared else names[address]),
            fetch_ref=address,
            show_url=photo_address(address, Mapbox.code, api),
            width=pixels(dig(entry, "width")),
            height=pixels(dig(entry, "height")),
            position=position,
            attribution=text(dig(entry, "source"), 80),
        )
        for position, (address, entry) in enumerate(entries.items())
    ]


def _address_of(entry: Any, api: Api) -> str | None:
    stated = [entry] if isinstance(entry, str) else [dig(entry, "url"), dig(entry, "thumb_url")]
    return next((address for each in stated if (address := _address(each, api))), None)


def _address(given: Any, api: Api) -> str | None:
    """`given` if it is an https address that may be fetched and kept; a signed one may not.

    Any public host will do: where its photos are, the preview does not say. Browsers are sent to known
    ones only.
    """
    if not isinstance(given, str):
        return None
    try:
        address = str(Guard.of(api.settings.sandbox_url).check(in_full(given)))
    except Failed:
        return None
    real = stood_for(address, api)
    return address if real and real.startswith("https://") and not holds_secret(real) else None


def _place_of(address: str, api: Api) -> str:
    """Host and path: the same in the sandbox wherever that runs, and without what changes by the day."""
    return address.removeprefix(api.base("")).partition("#")[0].partition("?")[0]


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _place(feature: Any) -> Place | None:
    about = dig(feature, "properties")
    found = found_place(
        Mapbox.code,
        Mapbox.id_key,
        dig(about, "mapbox_id"),
        dig(about, "name"),
        kind=_KINDS.get(text(dig(about, "feature_type")) or "", PlaceKind.UNKNOWN),
        address=dig(about, "full_address") or dig(about, "place_formatted"),
        latitude=dig(about, "coordinates", "latitude"),
        longitude=dig(about, "coordinates", "longitude"),
    )
    preferred = text(dig(about, "name_preferred"))
    if found is None or preferred in (None, found.name):
        return found
    return replace(found, also_named=(preferred,))


def _token(settings: Settings) -> str:
    return keys.sent(settings.mapbox_access_token, settings)

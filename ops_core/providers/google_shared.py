"""What Google's two interfaces to Places have in common: key, ids, addresses of photos, kinds of places."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import failed
from ops_core.domain.places import Venue
from ops_core.providers import keys
from ops_core.providers.found_places import found_place
from ops_core.providers.http import Api
from ops_core.providers.lists import each_once, listed
from ops_core.providers.photo_address import photo_address
from ops_core.providers.reply import items
from ops_core.providers.source import Classify, Download, Photo, Place, PlaceKind
from ops_core.providers.venue_ids import id_of
from ops_core.settings import Settings

CODE = "google_places"

#: What is read, as failures and logs call it.
LISTED_PHOTOS, LISTED_PLACES = "the photos Google listed", "the places Google listed"

#: Authors of one photo that are named.
MOST_AUTHORS = 5

#: Types of everything that has a name and an owner, whatever else it is.
_NAMED = frozenset({"establishment", "point_of_interest"})
_ADDRESSES = frozenset(
    {"street_address", "premise", "subpremise", "route", "intersection", "plus_code"}
    | {"street_number", "floor", "room", "post_box"}
)
_AREAS = frozenset(
    {"locality", "sublocality", "neighborhood", "political", "country", "continent", "archipelago"}
    | {"postal_code", "postal_code_prefix", "postal_code_suffix", "postal_town", "colloquial_area"}
)


class Interface(Protocol):
    """One of the two interfaces; all three raise `Failed` as `PhotoSource` and `PlaceFinder` say."""

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos of the venue, in Google's order."""
        ...

    async def resolve(self, fetch_ref: str | None, api: Api) -> Download:
        """What to download for the photo that was listed with `fetch_ref`."""
        ...

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        """At most `limit` places that may be the venue, Google's best first."""
        ...


def key_of(settings: Settings) -> str:
    """The key to ask with; empty if there is none."""
    return keys.sent(settings.google_places_api_key, settings)


def place_id_of(venue: Venue) -> str:
    """The venue's Google place id; raises Failed(not_found) if it is malformed."""
    return id_of(venue, CODE, "Google place id")


def words_for(venue: Venue) -> str:
    """What is searched for: name and city, and the country where no coordinates tell which city is meant."""
    parts = [venue.name, venue.city] if venue.has_coordinates else [venue.name, venue.city, venue.country]
    return ", ".join(parts)


def list_of(reply: Any, field: str) -> list[Any]:
    """The list a reply holds under `field`, which Google leaves out when it is empty.

    Raises Failed(bad_response) for anything else.
    """
    held = reply.get(field, []) if isinstance(reply, Mapping) else None
    return listed(held, f"Google's list of {field}")


def told_apart(photos: Sequence[Photo]) -> list[Photo]:
    """`photos` with names that are the same at every listing, which Google's own names are not.

    One that has no `provider_ref` yet is named for its author and size; of several that are alike in
    these, the first listed is the first. The same photo listed twice counts once.
    """
    named: list[Photo] = []
    alike: dict[str, int] = {}
    for photo in photos:
        ref = photo.provider_ref
        if not ref:
            words = (photo.attribution_url, photo.attribution, photo.width, photo.height)
            mark = hashlib.sha256("\x1f".join(map(str, words)).encode()).hexdigest()[:32]
            alike[mark] = alike.get(mark, 0) + 1
            ref = f"{mark}-{alike[mark]}"
        named.append(replace(photo, provider_ref=ref))
    return each_once(named)


def download_from(address: Any, api: Api, classify: Classify) -> Download:
    """The download of a photo from where Google says it is; raises Failed(bad_response) for elsewhere."""
    url = photo_address(address, CODE, api)
    if url is None:
        raise failed(ErrorType.BAD_RESPONSE, "Google gave no address of a photo.")
    return Download(url=url, classify=classify)


def place_of(
    place_id: Any, name: Any, types: Any, *, address: Any, latitude: Any, longitude: Any
) -> Place | None:
    """A place that a search found; None if its id or its name is unusable."""
    return found_place(
        CODE,
        CODE,
        place_id,
        name,
        kind=kind_of(types),
        address=address,
        latitude=latitude,
        longitude=longitude,
    )


def kind_of(types: Any) -> PlaceKind:
    """What a place is by its types, of which there are many for kinds of venues and few for the rest."""
    given = {each for each in items(types) if isinstance(each, str)}
    if given & _NAMED:
        return PlaceKind.VENUE
    if given & _ADDRESSES:
        return PlaceKind.ADDRESS
    if given & _AREAS or any(each.startswith("administrative_area") for each in given):
        return PlaceKind.AREA
    return PlaceKind.VENUE if given else PlaceKind.UNKNOWN

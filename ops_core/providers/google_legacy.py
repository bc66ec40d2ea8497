"""The older interface to Google Places, which keys of long ago are for.

It answers HTTP 200 whatever happened and says in `status` how it went. The key stands in the address of
every call, so no such address may be kept, shown or followed: a photo's is asked where it redirects to,
and that place, which needs no key, is what is downloaded.

`fetch_ref` is a photo's reference, which expires and is another one at every listing: a stale one ends
as `stale_reference`, and listing the venue again brings the new one. `provider_ref` is made of what
stays: who made the photo, and its size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure, failed
from ops_core.domain.places import Venue
from ops_core.providers.found_places import SEARCH_RADIUS
from ops_core.providers.google_shared import (
    CODE,
    LISTED_PHOTOS,
    LISTED_PLACES,
    MOST_AUTHORS,
    download_from,
    key_of,
    list_of,
    place_id_of,
    place_of,
    told_apart,
    words_for,
)
from ops_core.providers.http import Api
from ops_core.providers.lists import usable
from ops_core.providers.reply import dig, first_link, items, name, pixels, plain, text
from ops_core.providers.source import Download, Photo, Place

HOST = "maps.googleapis.com"

#: Widest picture that is documented to be served, pixels.
WIDEST = 1600

_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,1000}")
#: A word on the key; in an address that the page repeats it is a name.
_OF_THE_KEY = re.compile(r"\bkey\b(?!=)", re.IGNORECASE)

#: Statuses of a reply that tells something; the second one says that there is nothing.
_GOOD = ("OK", "ZERO_RESULTS")

_STATUSES: dict[str, ErrorType] = {
    "NOT_FOUND": ErrorType.NOT_FOUND,
    "INVALID_REQUEST": ErrorType.HTTP_ERROR,
    "REQUEST_DENIED": ErrorType.AUTH_ERROR,
    "OVER_QUERY_LIMIT": ErrorType.RATE_LIMITED,
    "OVER_DAILY_LIMIT": ErrorType.QUOTA_EXCEEDED,
    "UNKNOWN_ERROR": ErrorType.SERVICE_UNAVAILABLE,  # theirs, and documented to pass
}


class LegacyPlaces:
    """The older interface; see `google_shared.Interface`."""

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos, in Google's order; Google gives ten at most."""
        place_id = place_id_of(venue)
        reply = await _ask(api, "details/json", place_id=place_id, fields="photos")
        if reply["status"] == "ZERO_RESULTS":  # the id is good, but its place is gone
            return []
        page = _page(venue, place_id)
        entries = list_of(reply.get("result"), "photos")
        photos = [_photo(entry, position, page) for position, entry in enumerate(entries)]
        return told_apart(usable(photos, LISTED_PHOTOS, api))[:limit]

    async def resolve(self, fetch_ref: str | None, api: Api) -> Download:
        """Where the photo's address with the key in it leads; one paid call."""
        if not fetch_ref or not _REFERENCE.fullmatch(fetch_ref):
            raise failed(
                ErrorType.STALE_REFERENCE, "The photo's reference is not known; list the venue again."
            )
        address = await api.get_redirect(
            f"{api.base(HOST)}/maps/api/place/photo",
            params={
                "maxwidth": str(min(api.settings.image_width, WIDEST)),
                "photo_reference": fetch_ref,
                "key": key_of(api.settings),
            },
            classify=classify_photo,
        )
        return download_from(address, api, classify)

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        """At most `limit` places that may be the venue, Google's best first; often there is only one."""
        params = {
            "input": words_for(venue),
            "inputtype": "textquery",
            "fields": "place_id,name,formatted_address,geometry,types",
        }
        if venue.point is not None:
            params["locationbias"] = f"circle:{SEARCH_RADIUS}@{venue.latitude:.6f},{venue.longitude:.6f}"
        reply = await _ask(api, "findplacefromtext/json", **params)
        places = [_place(entry) for entry in list_of(reply, "candidates")]
        return usable(places, LISTED_PLACES, api)[:limit]


def classify(status: int, headers: Mapping[str, str], body: Any) -> Failure | None:
    """What Google says went wrong, as a failure; None when it does not say, or nothing did."""
    if status == 403 and headers.get("Content-Type", "").lower().startswith("image/"):
        return Failure(ErrorType.QUOTA_EXCEEDED, "Google answered with its quota picture.")
    if status != 200 and isinstance(body, str) and "api key" in body.lower():
        return Failure(ErrorType.AUTH_ERROR, "Google does not take the API key.")
    word, message = text(dig(body, "status"), 60) or "", text(dig(body, "error_message")) or ""
    kind = _kind(word, message)
    if kind is None:
        return None
    return Failure(kind, f"Google: {word}: {message}" if message else f"Google: {word}.")


def classify_photo(status: int, headers: Mapping[str, str], body: Any) -> Failure | None:
    """As `classify`, for a photo: of what is asked there, only its reference can be refused with 400.

    And with 403 only the key, which is then named, or any more photos.
    """
    failure = classify(status, headers, body)
    if status == 403 and failure is None:
        if _OF_THE_KEY.search(str(body)):
            return Failure(ErrorType.AUTH_ERROR, "Google does not take the API key.")
        return Failure(ErrorType.QUOTA_EXCEEDED, "Google gives no more photos: the quota is used up.")
    if status == 400 and (failure is None or failure.error_type is ErrorType.HTTP_ERROR):
        return Failure(ErrorType.STALE_REFERENCE, "Google does not take the photo's reference any more.")
    return failure


def _kind(word: str, message: str) -> ErrorType | None:
    said = message.lower()
    if word == "INVALID_REQUEST" and ("place_id" in said or "placeid" in said):
        return ErrorType.NOT_FOUND
    if word == "OVER_QUERY_LIMIT" and ("billing" in said or "daily" in said):
        return ErrorType.QUOTA_EXCEEDED  # does not pass by waiting a minute
    return _STATUSES.get(word)


async def _ask(api: Api, path: str, **params: str) -> dict[str, Any]:
    """A reply that tells something. Raises Failed."""
    reply = await api.get_json(
        f"{api.base(HOST)}/maps/api/place/{path}",
        params={**params, "key": key_of(api.settings)},
        classify=classify,
    )
    if not isinstance(reply, dict) or reply.get("status") not in _GOOD:
        raise failed(ErrorType.BAD_RESPONSE, "Google does not say whether the call went well.")
    return reply


def _photo(entry: Any, position: int, page: str) -> Photo | None:
    given = (name(dig(entry, field), _REFERENCE) for field in ("photo_reference", "photoreference"))
    reference = next(filter(None, given), None)
    if reference is None:
        return None
    authors = items(dig(entry, "html_attributions"))
    names = [author for each in authors[:MOST_AUTHORS] if (author := plain(each, 80))]
    return Photo(
        provider=CODE,
        provider_ref="",  # told apart once all are read
        fetch_ref=reference,
        source_url=page,
        width=pixels(dig(entry, "width")),
        height=pixels(dig(entry, "height")),
        position=position,
        attribution=", ".join(names) or None,
        attribution_url=next((link for each in authors if (link := first_link(each))), None),
    )


def _page(venue: Venue, place_id: str) -> str:
    """The venue on Google Maps: its photos have no pages of their own here."""
    words = {"api": "1", "query": venue.name, "query_place_id": place_id}
    return f"https://www.google.com/maps/search/?{urlencode(words)}"


def _place(entry: Any) -> Place | None:
    return place_of(
        dig(entry, "place_id"),
        dig(entry, "name"),
        dig(entry, "types"),
        address=dig(entry, "formatted_address"),
        latitude=dig(entry, "geometry", "location", "lat"),
        longitude=dig(entry, "geometry", "location", "lng"),
    )

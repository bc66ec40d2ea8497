"""Places (New), Google's present interface: listing, fetching and searching.

A photo's name (`places/<id>/photos/<ref>`) is what fetches it; it may not be kept for long, expires,
and is another one at every listing. So `fetch_ref` is the name, and `provider_ref` the key that the
photo has on Google Maps, which its links there carry. A stale name ends as `stale_reference`, and
listing the venue again brings the new one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure, failed
from ops_core.domain.places import Venue
from ops_core.domain.redact import holds_secret
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
from ops_core.providers.reply import dig, items, mapping, name, pixels, text, web_url
from ops_core.providers.source import Download, Photo, Place

HOST = "places.googleapis.com"

#: Most places in one page of a search.
MOST_PLACES = 20

#: What a search asks of each place; some other fields cost more.
_SEARCHED = ("id", "displayName", "formattedAddress", "location", "types")

_PHOTO_NAME = re.compile(r"places/[A-Za-z0-9_-]{1,300}/photos/[A-Za-z0-9_-]{1,1000}")
#: The photo's key as its two links carry it: `image_key=!1e10!2sKEY` and `!1sKEY!2e10`.
_FLAGGED_KEY = re.compile(r"image_key=[^&]*!2s([A-Za-z0-9_-]{8,1000})")
_MAPS_KEY = re.compile(r"!1s([A-Za-z0-9_-]{8,1000})!2e10(?![0-9])")
_DELAY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")

_REASONS: dict[str, ErrorType] = {
    "CREDENTIALS_MISSING": ErrorType.AUTH_ERROR,
    "SERVICE_DISABLED": ErrorType.AUTH_ERROR,
    "CONSUMER_INVALID": ErrorType.AUTH_ERROR,
    "CONSUMER_SUSPENDED": ErrorType.AUTH_ERROR,
    "BILLING_DISABLED": ErrorType.QUOTA_EXCEEDED,
    "RATE_LIMIT_EXCEEDED": ErrorType.RATE_LIMITED,
    "RESOURCE_QUOTA_EXCEEDED": ErrorType.QUOTA_EXCEEDED,
}
_STATUSES: dict[str, ErrorType] = {
    "RESOURCE_EXHAUSTED": ErrorType.RATE_LIMITED,
    "UNAUTHENTICATED": ErrorType.AUTH_ERROR,
    "PERMISSION_DENIED": ErrorType.FORBIDDEN,
    "NOT_FOUND": ErrorType.NOT_FOUND,
    "UNAVAILABLE": ErrorType.SERVICE_UNAVAILABLE,
    "DEADLINE_EXCEEDED": ErrorType.GATEWAY_TIMEOUT,
    "INTERNAL": ErrorType.SERVER_ERROR,
    "INVALID_ARGUMENT": ErrorType.HTTP_ERROR,
}


class NewPlaces:
    """Places (New); see `google_shared.Interface`."""

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos, in Google's order; Google gives ten at most."""
        reply = await api.get_json(
            f"{api.base(HOST)}/v1/places/{place_id_of(venue)}",
            headers=_headers(api, "id,photos"),
            classify=classify,
        )
        photos = [_photo(entry, position) for position, entry in enumerate(list_of(reply, "photos"))]
        return told_apart(usable(photos, LISTED_PHOTOS, api))[:limit]

    async def resolve(self, fetch_ref: str | None, api: Api) -> Download:
        """The short-lived, keyless address of the photo; one paid call."""
        if not fetch_ref or not _PHOTO_NAME.fullmatch(fetch_ref):
            raise failed(
                ErrorType.STALE_REFERENCE, "The photo's full name is not known; list the venue again."
            )
        reply = await api.get_json(
            f"{api.base(HOST)}/v1/{fetch_ref}/media",
            params={"maxWidthPx": str(api.settings.image_width), "skipHttpRedirect": "true"},
            headers=_headers(api),
            classify=classify,
        )
        return download_from(mapping(reply).get("photoUri"), api, classify)

    async def find_places(self, venue: Venue, api: Api, *, limit: int) -> list[Place]:
        """At most `limit` places (and 20) that may be the venue, Google's best first."""
        asked: dict[str, Any] = {"textQuery": words_for(venue), "pageSize": min(limit, MOST_PLACES)}
        if venue.point is not None:
            center = {"latitude": venue.latitude, "longitude": venue.longitude}
            asked["locationBias"] = {"circle": {"center": center, "radius": SEARCH_RADIUS}}
        reply = await api.post_json(
            f"{api.base(HOST)}/v1/places:searchText",
            asked,
            headers=_headers(api, ",".join(f"places.{field}" for field in _SEARCHED)),
            classify=classify,
        )
        places = [_place(entry) for entry in list_of(reply, "places")]
        return usable(places, LISTED_PLACES, api)[:limit]


def classify(status: int, headers: Mapping[str, str], body: Any) -> Failure | None:
    """What Google says went wrong, as a failure; None when it does not say, or nothing did."""
    if status == 200:
        return None
    if status == 403 and headers.get("Content-Type", "").lower().startswith("image/"):
        return Failure(ErrorType.QUOTA_EXCEEDED, "Google answered with its quota picture.")
    error = mapping(body).get("error")
    word, message = text(dig(error, "status")), text(dig(error, "message")) or ""
    kind = _kind(error, message) or _STATUSES.get(word or "")
    if kind is None:
        return None
    said = f"Google: {message}" if message else f"Google: {word}."
    return Failure(kind, said, retry_after=_retry_delay(error))


def _kind(error: Any, message: str) -> ErrorType | None:
    for detail in items(dig(error, "details")):
        reason = dig(detail, "reason")
        if reason == "RATE_LIMIT_EXCEEDED" and "/d/" in (text(dig(detail, "metadata", "quota_unit")) or ""):
            return ErrorType.QUOTA_EXCEEDED  # a limit per day does not pass by waiting a minute
        if isinstance(reason, str) and reason in _REASONS:
            return _REASONS[reason]
        if isinstance(reason, str) and reason.startswith("API_KEY_"):
            return ErrorType.AUTH_ERROR  # invalid, or blocked for this service, address, site or app
    said = message.lower()
    if "photo resource in the request is invalid" in said:
        return ErrorType.STALE_REFERENCE
    if "not a valid place id" in said:
        return ErrorType.NOT_FOUND
    if "api key" in said:
        return ErrorType.AUTH_ERROR
    if "billing" in said or "daily request quota" in said:
        return ErrorType.QUOTA_EXCEEDED
    return None


def _retry_delay(error: Any) -> float | None:
    for detail in items(dig(error, "details")):
        found = _DELAY.fullmatch(text(dig(detail, "retryDelay")) or "")
        if found:
            return float(found[1])
    return None


def _photo(entry: Any, position: int) -> Photo | None:
    found = _PHOTO_NAME.fullmatch(name(dig(entry, "name"), _PHOTO_NAME) or "")
    if found is None:
        return None
    authors = items(dig(entry, "authorAttributions"))
    names = [author for each in authors[:MOST_AUTHORS] if (author := text(dig(each, "displayName"), 80))]
    return Photo(
        provider=CODE,
        provider_ref=_key(entry) or "",
        fetch_ref=found[0],
        source_url=web_url(dig(entry, "googleMapsUri")),
        width=pixels(dig(entry, "widthPx")),
        height=pixels(dig(entry, "heightPx")),
        position=position,
        attribution=", ".join(names) or None,
        attribution_url=next((link for each in authors if (link := web_url(dig(each, "uri")))), None),
    )


def _key(entry: Any) -> str | None:
    """What names the photo for good, as far as its links tell."""
    for field, pattern in (("flagContentUri", _FLAGGED_KEY), ("googleMapsUri", _MAPS_KEY)):
        link = dig(entry, field)
        found = pattern.search(unquote(link[:4000])) if isinstance(link, str) else None
        if found is not None and not holds_secret(found[1]):
            return found[1]
    return None


def _place(entry: Any) -> Place | None:
    return place_of(
        dig(entry, "id"),
        dig(entry, "displayName", "text"),
        dig(entry, "types"),
        address=dig(entry, "formattedAddress"),
        latitude=dig(entry, "location", "latitude"),
        longitude=dig(entry, "location", "longitude"),
    )


def _headers(api: Api, mask: str | None = None) -> dict[str, str]:
    headers = {"X-Goog-Api-Key": key_of(api.settings)}
    return headers if mask is None else headers | {"X-Goog-FieldMask": mask}

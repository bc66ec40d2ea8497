"""Google Places (New): the photos of a place by its place id.

A photo's name (`places/<id>/photos/<ref>`) is what fetches it, and it expires; it may not be kept
for long. `provider_ref` is the last part of the name, `fetch_ref` the whole name: a stale one ends
as `stale_reference`, and listing the venue again brings the new one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure, failed
from ops_core.domain.places import PROVIDER_ID_SHAPES, Venue
from ops_core.providers.http import Api
from ops_core.providers.reply import dig, items, mapping, pixels, text, web_url
from ops_core.providers.source import Download, Photo
from ops_core.settings import Settings

HOST = "places.googleapis.com"

_PHOTO_NAME = re.compile(r"places/[A-Za-z0-9_-]{1,300}/photos/([A-Za-z0-9_-]{1,1000})")
_DELAY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")

_REASONS: dict[str, ErrorType] = {
    "API_KEY_INVALID": ErrorType.AUTH_ERROR,
    "API_KEY_SERVICE_BLOCKED": ErrorType.AUTH_ERROR,
    "API_KEY_HTTP_REFERRER_BLOCKED": ErrorType.AUTH_ERROR,
    "API_KEY_IP_ADDRESS_BLOCKED": ErrorType.AUTH_ERROR,
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


class GooglePlaces:
    """The source for `google_places`; see `providers.source.PhotoSource`."""

    code = "google_places"

    def not_ready(self, settings: Settings) -> str | None:
        """Why it cannot be asked: no key."""
        if settings.sandbox_url:
            return None
        if not _key(settings):
            return "Set VENUE_OPS_GOOGLE_PLACES_API_KEY to ask Google Places."
        return None

    def knows(self, venue: Venue) -> bool:
        """Whether the venue has a Google place id."""
        return "google_places" in venue.provider_ids

    async def list_photos(self, venue: Venue, api: Api, *, limit: int) -> list[Photo]:
        """At most `limit` photos, in Google's order; Google gives ten at most."""
        place_id = venue.provider_ids["google_places"]
        if not PROVIDER_ID_SHAPES["google_places"].fullmatch(place_id):
            raise failed(ErrorType.NOT_FOUND, "The venue's Google place id is malformed; correct it.")
        reply = await api.get_json(
            f"{api.base(HOST)}/v1/places/{place_id}",
            headers=_headers(api.settings) | {"X-Goog-FieldMask": "id,photos"},
            classify=classify,
        )
        if not isinstance(reply, dict) or not isinstance(reply.get("photos", []), list):
            raise failed(ErrorType.BAD_RESPONSE, "Google's list of photos is not in its documented form.")
        listed = reply.get("photos", [])
        photos = [photo for position, entry in enumerate(listed) if (photo := _photo(entry, position))]
        if listed and not photos:
            raise failed(ErrorType.BAD_RESPONSE, "None of the photos Google listed has a usable name.")
        if len(photos) < len(listed):
            api.log.warning("left out %d photos without a usable name", len(listed) - len(photos))
        return photos[:limit]

    async def resolve(self, provider_ref: str, fetch_ref: str | None, api: Api) -> Download:
        """The short-lived, keyless address of the photo; one paid call."""
        if not fetch_ref or not _PHOTO_NAME.fullmatch(fetch_ref):
            raise failed(
                ErrorType.STALE_REFERENCE, "The photo's full name is not known; list the venue again."
            )
        reply = await api.get_json(
            f"{api.base(HOST)}/v1/{fetch_ref}/media",
            params={"maxWidthPx": str(api.settings.image_width), "skipHttpRedirect": "true"},
            headers=_headers(api.settings),
            classify=classify,
        )
        address = mapping(reply).get("photoUri")
        if not isinstance(address, str) or not address:
            raise failed(ErrorType.BAD_RESPONSE, "Google gave no address for the photo.")
        return Download(url=address, classify=classify)


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
    said = message.lower()
    if "photo resource in the request is invalid" in said:
        return ErrorType.STALE_REFERENCE
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
    name = dig(entry, "name")
    found = _PHOTO_NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        return None
    authors = items(dig(entry, "authorAttributions"))
    names = [author for each in authors[:5] if (author := text(dig(each, "displayName"), 80))]
    return Photo(
        provider=GooglePlaces.code,
        provider_ref=found[1],
        fetch_ref=found[0],
        source_url=web_url(dig(entry, "googleMapsUri")),
        width=pixels(dig(entry, "widthPx")),
        height=pixels(dig(entry, "heightPx")),
        position=position,
        attribution=", ".join(names) or None,
        attribution_url=next((link for each in authors if (link := web_url(dig(each, "uri")))), None),
    )


def _headers(settings: Settings) -> dict[str, str]:
    # the real key has no business in the sandbox
    return {"X-Goog-Api-Key": "sandbox" if settings.sandbox_url else _key(settings)}


def _key(settings: Settings) -> str:
    secret = settings.google_places_api_key
    return "".join(secret.get_secret_value().split()) if secret else ""

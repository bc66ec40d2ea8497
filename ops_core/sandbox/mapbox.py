"""Mapbox: the preview of its Places API, the search for places, and the photos' own host.

    GET /api.mapbox.com/places/v1/details/retrieve/{mapbox_id}    ?access_token
    GET /api.mapbox.com/search/searchbox/v1/forward               ?q&proximity=LON,LAT&types&limit&...
    GET /photos.mapbox.com/v1/{name}.jpg                          the bytes; needs no token

Any id of a point of interest is a place; ids of addresses are no places, as at the real one. A token that
contains `invalid` is invalid, any other is good. Where the real photos are is not documented.
"""

from __future__ import annotations

import base64
import math
import time
from typing import Any

from aiohttp import web

from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.draws import draw
from ops_core.sandbox.faults import LISTING_MIX, Fault
from ops_core.sandbox.photo_tokens import photo_of, token_of
from ops_core.sandbox.pictures import CONTENT_TYPES
from ops_core.sandbox.places import Found, found
from ops_core.sandbox.world import Photo, World

CODE = "mapbox"

#: Requests per minute, as stated in every reply.
PER_MINUTE = 600

#: Most places in one search.
MOST_PLACES = 10

_POI = "urn:mbxpoi:"
_URNS = {"venue": _POI, "address": "urn:mbxadr:", "area": "urn:mbxplc:"}
_TYPES = {"venue": "poi", "address": "address", "area": "place"}

_FAULTS = frozenset(Fault) - {Fault.STALE_REFERENCE}

_MESSAGES = {
    401: "Not Authorized - Invalid Token",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def routes(desk: Desk) -> list[web.RouteDef]:
    """The paths of this provider."""

    async def details(request: web.Request) -> web.StreamResponse:
        place = request.match_info["place"]
        call = Call(CODE, "listing", place, _FAULTS, _api_error)
        refused = _token_refusal(request) or _place_refusal(place)

        def make() -> Reply:
            host = f"http://{request.host}/photos.mapbox.com"
            return json_reply(_record(desk.world, place, host), headers=_limit(60))

        return await desk.answer(request, call, make, refused)

    async def search(request: web.Request) -> web.StreamResponse:
        query = request.query
        words = query.get("q", "").strip()
        call = Call(CODE, "search", words or "places", frozenset(LISTING_MIX), _api_error)
        spot = _spot(query.get("proximity"))
        limit = query.get("limit", str(MOST_PLACES))
        refused = _token_refusal(request)
        if refused is None and not words:
            refused = _error(400, "q is required", outcome="refused")
        if refused is None and ("proximity" in query and spot is None):
            refused = _error(400, "proximity must be longitude,latitude", outcome="refused")
        if refused is None and not (limit.isdecimal() and 1 <= int(limit) <= MOST_PLACES):
            refused = _error(400, f"limit must be between 1 and {MOST_PLACES}", outcome="refused")

        def make() -> Reply:
            latitude, longitude = spot or (None, None)
            types = [kind for kind in query.get("types", "").split(",") if kind]
            places = found(desk.world.seed, CODE, words, latitude, longitude)
            wanted = [place for place in places if not types or _TYPES[place.kind] in types]
            features = [_feature(place) for place in wanted[: int(limit)]]
            return json_reply({"type": "FeatureCollection", "features": features}, headers=_limit(60))

        return await desk.answer(request, call, make, refused)

    async def image(request: web.Request) -> web.StreamResponse:
        token = request.match_info["name"].removesuffix(".jpg")
        photo = photo_of(desk.world, CODE, token)
        call = Call(CODE, "image", token, _FAULTS, _host_error)
        if photo is None:
            return await desk.answer(request, call, Reply, _host_error(404, 0, True, outcome="refused"))

        def make() -> Reply:
            # whatever the name says, some are PNG or WebP inside
            return Reply(200, desk.pictures.get(photo, photo.width), CONTENT_TYPES[photo.format])

        return await desk.answer(request, call, make)

    return [
        web.get("/api.mapbox.com/places/v1/details/retrieve/{place}", details, allow_head=False),
        web.get("/api.mapbox.com/search/searchbox/v1/forward", search, allow_head=False),
        web.get("/photos.mapbox.com/v1/{name}", image, allow_head=False),
    ]


def place_id(kind: str, token: str) -> str:
    """The Mapbox id of a place of this kind (venue, address or area)."""
    return base64.urlsafe_b64encode(f"{_URNS[kind]}{token}".encode()).decode().rstrip("=")


def _record(world: World, place: str, host: str) -> dict[str, Any]:
    north, east, sizes, _ = draw(world.seed, "place", CODE, place)
    record: dict[str, Any] = {
        "mapbox_id": place,
        "name": f"Sandbox venue {place[-6:]}",
        "full_address": f"{1 + int(north * 90)} Sandbox Street, Sandbox City",
        "brand": None,
        "primary_category": "restaurant",
        "categories": ["restaurant", "food_and_drink"],
        "permanently_closed": False,
        "status": "active",
        "coordinates": {
            "latitude": round(north * 120 - 60, 6),
            "longitude": round(east * 360 - 180, 6),
            "source": "poi",
        },
        "attributes": {},
    }
    if photos := world.photos(CODE, place):
        record["photos"] = [_photo(world, photo, host, states_size=sizes < 0.5) for photo in photos]
    return record


def _photo(world: World, photo: Photo, host: str, *, states_size: bool) -> dict[str, Any]:
    stated: dict[str, Any] = {"url": f"{host}/v1/{token_of(world, photo)}.jpg"}
    if states_size:
        stated |= {"width": photo.width, "height": photo.height}
    return stated


def _feature(place: Found) -> dict[str, Any]:
    kind = _TYPES[place.kind]
    properties: dict[str, Any] = {
        "name": place.name,
        "mapbox_id": place_id(place.kind, place.token),
        "feature_type": kind,
        "full_address": f"{place.address}, Sandbox City",
        "place_formatted": "Sandbox City",
        "coordinates": {"latitude": place.latitude, "longitude": place.longitude},
        "context": {},
        "language": "en",
        "maki": "marker",
        "metadata": {},
    }
    if kind == "poi":
        properties["poi_category"] = ["restaurant"]
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [place.longitude, place.latitude]},
        "properties": properties,
    }


def _spot(proximity: str | None) -> tuple[float, float] | None:
    """`LON,LAT` as (latitude, longitude); None if that is no place on Earth."""
    try:
        longitude, latitude = (float(part) for part in (proximity or "").split(","))
    except ValueError:
        return None
    on_earth = abs(latitude) <= 90 and abs(longitude) <= 180
    return (latitude, longitude) if math.isfinite(latitude + longitude) and on_earth else None


def _token_refusal(request: web.Request) -> Reply | None:
    token = request.query.get("access_token", "")
    if not token:
        return _error(401, "Not Authorized - No Token", outcome="refused")
    return _error(401, outcome="refused") if "invalid" in token.lower() else None


def _place_refusal(place: str) -> Reply | None:
    # base64 writes the first 10 of these 11 bytes in the same 13 characters whatever follows
    if place.startswith(place_id("venue", "")[:13]):
        return None
    return _error(422, f"Invalid mapbox_id format: {place}", outcome="refused")


def _limit(seconds: int) -> dict[str, str]:
    """The headers that state the limit, which begins anew in `seconds`."""
    return {
        "X-Rate-Limit-Limit": str(PER_MINUTE),
        "X-Rate-Limit-Interval": "60",
        "X-Rate-Limit-Reset": str(int(time.time()) + seconds),
    }


def _error(status: int, message: str | None = None, **fields: Any) -> Reply:
    return json_reply({"message": message or _MESSAGES.get(status, "Unknown error")}, status, **fields)


def _api_error(status: int, retry_after: int, heads: bool) -> Reply:
    if status in (502, 504):
        return _host_error(status, retry_after, heads)  # from the servers before the API
    headers = {"Retry-After": str(retry_after)} if status == 503 else {}
    return _error(status, headers=_limit(retry_after) if status == 429 else headers)


def _host_error(status: int, retry_after: int, heads: bool, *, outcome: str = "ok") -> Reply:
    headers = {"Retry-After": str(retry_after)} if status in (429, 503) else {}
    page = f"<html><title>{status}</title><p>Error {status}</p></html>".encode()
    return Reply(status, page, "text/html; charset=utf-8", headers, outcome)

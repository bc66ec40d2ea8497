"""The text search of Google Places (New), as documented; what the older search finds is the same.

POST /places.googleapis.com/v1/places:searchText       X-Goog-Api-Key, X-Goog-FieldMask: places.id,...
     {"textQuery": "Name, City", "pageSize": 5, "locationBias": {"circle": {"center": ..., "radius": 500}}}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.faults import Fault
from ops_core.sandbox.google_places import CODE, api_error, key_refusal, mask_of, refusal
from ops_core.sandbox.places import Found, found

#: Most places in one page, and in a page whose size is not given.
MOST_PLACES = 20

#: Types of what is found, by its kind.
TYPES: dict[str, list[str]] = {
    "venue": ["point_of_interest", "establishment"],
    "address": ["street_address"],
    "area": ["locality", "political"],
}

_FIELDS = ("id", "name", "displayName", "formattedAddress", "location", "types")
_WIDEST = 50_000.0


def routes(desk: Desk) -> list[web.RouteDef]:
    """The path of the search."""

    async def search(request: web.Request) -> web.StreamResponse:
        asked = _asked(await request.text())
        query = asked.get("textQuery")
        words = query if isinstance(query, str) else ""
        call = search_call(words, api_error)
        refused = key_refusal(request) or _mask_refusal(mask_of(request)) or _refusal(asked, words)

        def make() -> Reply:
            size = asked.get("pageSize") or MOST_PLACES
            places = found_at(desk, words, *_center(asked))[:size]
            if not places:  # the real API leaves empty lists out
                return json_reply({})
            return json_reply({"places": [_shown(place, mask_of(request)) for place in places]})

        return await desk.answer(request, call, make, refused)

    return [web.post("/places.googleapis.com/v1/places:searchText", search)]


def search_call(words: str, error: Callable[[int, int, bool], Reply]) -> Call:
    """A search as the desk knows it: it fails at the rates of listings."""
    return Call(CODE, "listing", f"search:{words}", frozenset(Fault) - {Fault.STALE_REFERENCE}, error)


def found_at(desk: Desk, words: str, latitude: float | None, longitude: float | None) -> list[Found]:
    """What both searches find."""
    return found(desk.world.seed, CODE, words, latitude, longitude)


def place_id(place: Found) -> str:
    """The place's id; like any other, it has photos."""
    return f"ChIJsandbox_{place.token}"


def _asked(body: str) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


def _shown(place: Found, mask: list[str]) -> dict[str, Any]:
    whole = {
        "name": f"places/{place_id(place)}",
        "id": place_id(place),
        "types": TYPES[place.kind],
        "formattedAddress": place.address,
        "location": {"latitude": place.latitude, "longitude": place.longitude},
        "displayName": {"text": place.name, "languageCode": "en"},
    }
    return {field: value for field, value in whole.items() if "*" in mask or f"places.{field}" in mask}


def _center(asked: dict[str, Any]) -> tuple[float | None, float | None]:
    bias = asked.get("locationBias")
    if not bias:
        return None, None
    center = bias["circle"]["center"]
    return float(center["latitude"]), float(center["longitude"])


def _mask_refusal(mask: list[str]) -> Reply | None:
    if not mask:
        return refusal(400, "FieldMask is a required parameter.")
    for path in mask:
        if path != "*" and path not in {f"places.{field}" for field in _FIELDS}:
            return refusal(
                400, f"Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'."
            )
    return None


def _refusal(asked: dict[str, Any], words: str) -> Reply | None:
    if not words.strip():
        return refusal(400, "Empty text_query.")
    size = asked.get("pageSize", 0)
    if not isinstance(size, int) or size < 0:
        return refusal(400, "page_size must not be negative.")
    if asked.get("locationBias"):
        try:
            latitude, longitude = _center(asked)
            radius = float(asked["locationBias"]["circle"]["radius"])
        except (KeyError, TypeError, ValueError):
            return refusal(400, "Invalid value at 'location_bias'.")
        if latitude is None or longitude is None or not (abs(latitude) <= 90 and abs(longitude) <= 180):
            return refusal(400, "Invalid LatLng.")
        if not 0 <= radius <= _WIDEST:
            return refusal(400, f"The radius must be between 0.0 and {_WIDEST}.")
    return None

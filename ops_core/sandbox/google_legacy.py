"""The older interface to Google Places: details, photos and the search for one place, as documented.

    GET /maps.googleapis.com/maps/api/place/details/json?place_id=ChIJ...&fields=photos&key=
    GET /maps.googleapis.com/maps/api/place/photo?maxwidth=1600&photo_reference=AU...&key=
    GET /maps.googleapis.com/maps/api/place/findplacefromtext/json?input=Name&inputtype=textquery&fields=&key=

The same places with the same photos as in `google_places`, and the same photo has the same fate. Errors are
HTTP 200 with a `status` of their own; a photo is a redirect, and its errors are pages or even pictures.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from aiohttp import web
from PIL import Image

from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.draws import number
from ops_core.sandbox.faults import Fault
from ops_core.sandbox.google_places import (
    API_FAULTS,
    CODE,
    PLACE_ID,
    find_photo,
    host_error,
    lasting,
    photo_name,
    photo_ref,
    place_photos,
)
from ops_core.sandbox.google_search import TYPES, found_at, place_id, search_call
from ops_core.sandbox.places import Found
from ops_core.sandbox.world import Photo, World

#: Widest picture that is served, pixels; who asks for more gets this.
WIDEST = 1600

_PLACE_FIELDS = ("photo", "photos", "place_id", "name", "formatted_address", "geometry", "type", "types")
_BIAS = re.compile(r"(?:circle:[\d.]+@|point:)(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)")
_SIZE = re.compile(r"[1-9]\d{0,5}")
_NO_KEY = (
    "You must use an API key to authenticate each request to Google Maps Platform APIs. For additional "
    "information, please refer to http://g.co/dev/maps-no-account"
)
_BAD_KEY = "The provided API key is invalid. "

#: What an error status of the other interface is called here; the reply itself is HTTP 200.
_STATUSES: dict[int, tuple[str, str | None]] = {
    400: ("INVALID_REQUEST", None),
    401: ("REQUEST_DENIED", _BAD_KEY),
    403: ("REQUEST_DENIED", "This IP, site or mobile application is not authorized to use this API key."),
    404: ("NOT_FOUND", None),
    429: ("OVER_QUERY_LIMIT", "You have exceeded your rate-limit for this API."),
}

#: The replies without a result.
_NO_DETAILS: Mapping[str, Any] = {"html_attributions": []}
_NO_CANDIDATES: Mapping[str, Any] = {"candidates": []}


def routes(desk: Desk) -> list[web.RouteDef]:
    """The paths of this interface."""

    async def details(request: web.Request) -> web.StreamResponse:
        place = request.query.get("place_id", "")
        faults = frozenset(Fault) - {Fault.STALE_REFERENCE}
        call = Call(CODE, "listing", place, faults, partial(_error, _NO_DETAILS))
        refused = _key_refusal(request, _NO_DETAILS) or _fields_refusal(request, _NO_DETAILS)
        if refused is None and not PLACE_ID.fullmatch(place):
            said = "Invalid request. Invalid 'place_id' parameter."
            refused = _refusal(_NO_DETAILS, "INVALID_REQUEST", said)

        def make() -> Reply:
            photos = place_photos(desk.world, place)
            desk.listed(f"resolve:{CODE}:{photo_ref(desk.world, photo)}" for photo in photos)
            result = _masked(_place(desk, place, photos), request)
            return json_reply({**_NO_DETAILS, "result": result, "status": "OK"})

        return await desk.answer(request, call, make, refused)

    async def photo(request: web.Request) -> web.StreamResponse:
        query = request.query
        ref = query.get("photo_reference") or query.get("photoreference") or ""
        call = Call(CODE, "resolve", lasting(ref), API_FAULTS, _photo_error)
        refused = _photo_refusal(desk.world, request, ref)

        def make() -> Reply:
            uri = f"http://{request.host}/lh3.googleusercontent.com/places/{ref}={_size_suffix(query)}"
            return Reply(302, b"", "text/html; charset=UTF-8", {"Location": uri})

        return await desk.answer(request, call, make, refused)

    async def find(request: web.Request) -> web.StreamResponse:
        words = request.query.get("input", "")
        call = search_call(words, partial(_error, _NO_CANDIDATES))
        refused = _key_refusal(request, _NO_CANDIDATES) or _fields_refusal(request, _NO_CANDIDATES)
        if refused is None and (not words.strip() or request.query.get("inputtype") != "textquery"):
            refused = _refusal(_NO_CANDIDATES, "INVALID_REQUEST")

        def make() -> Reply:
            places = [_masked(_candidate(place), request) for place in found_at(desk, words, *_spot(request))]
            return json_reply({"candidates": places, "status": "OK" if places else "ZERO_RESULTS"})

        return await desk.answer(request, call, make, refused)

    api = "/maps.googleapis.com/maps/api/place"
    return [
        web.get(f"{api}/details/json", details, allow_head=False),
        web.get(f"{api}/photo", photo, allow_head=False),
        web.get(f"{api}/findplacefromtext/json", find, allow_head=False),
    ]


def _place(desk: Desk, place: str, photos: tuple[Photo, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {"place_id": place, "name": f"Sandbox venue {place[-6:]}"}
    if photos:  # the real API leaves empty lists out
        found["photos"] = [_photo(desk, photo) for photo in photos]
    return found


def _photo(desk: Desk, photo: Photo) -> dict[str, Any]:
    link = f"https://maps.google.com/maps/contrib/{number(desk.world.seed, 'contributor', photo.author)}"
    return {
        "height": photo.height,
        "html_attributions": [f'<a href="{link}">{html.escape(photo.author, quote=False)}</a>'],
        "photo_reference": photo_name(desk, photo),
        "width": photo.width,
    }


def _candidate(place: Found) -> dict[str, Any]:
    return {
        "formatted_address": place.address,
        "geometry": {"location": {"lat": place.latitude, "lng": place.longitude}},
        "name": place.name,
        "place_id": place_id(place),
        "types": TYPES[place.kind],
    }


def _fields(request: web.Request) -> list[str]:
    return [field.strip() for field in request.query.get("fields", "").split(",") if field.strip()]


def _masked(whole: dict[str, Any], request: web.Request) -> dict[str, Any]:
    """What was asked for; without `fields` a search tells ids only, and details tell all."""
    asked = {field.partition("/")[0].rstrip("s") for field in _fields(request)}
    if not asked:
        return {"place_id": whole["place_id"]} if "types" in whole else whole
    return {field: value for field, value in whole.items() if field.rstrip("s") in asked}


def _spot(request: web.Request) -> tuple[float | None, float | None]:
    bias = _BIAS.fullmatch(request.query.get("locationbias", ""))
    return (float(bias[1]), float(bias[2])) if bias else (None, None)


def _size_suffix(query: Mapping[str, str]) -> str:
    sizes = {name: min(int(query[name]), WIDEST) for name in ("maxwidth", "maxheight") if name in query}
    width, height = sizes.get("maxwidth"), sizes.get("maxheight")
    return f"s{width or height}" + (f"-w{width}" if width else "") + (f"-h{height}" if height else "")


def _key_refusal(request: web.Request, nothing: Mapping[str, Any]) -> Reply | None:
    key = request.query.get("key", "")
    if not key:
        return _refusal(nothing, "REQUEST_DENIED", _NO_KEY)
    return _refusal(nothing, "REQUEST_DENIED", _BAD_KEY) if "invalid" in key.lower() else None


def _fields_refusal(request: web.Request, nothing: Mapping[str, Any]) -> Reply | None:
    unknown = [field for field in _fields(request) if field.partition("/")[0] not in _PLACE_FIELDS]
    if not unknown:
        return None
    said = f"Error while parsing 'fields' parameter: Unsupported field name '{unknown[0]}'. "
    return _refusal(nothing, "INVALID_REQUEST", said)


def _photo_refusal(world: World, request: web.Request, ref: str) -> Reply | None:
    query = request.query
    key = query.get("key", "")
    if not key or "invalid" in key.lower():
        return Reply(403, _BAD_KEY.encode(), "text/plain; charset=UTF-8", outcome="refused")
    sizes = [query[name] for name in ("maxwidth", "maxheight") if name in query]
    if (
        find_photo(world, ref) is None
        or not sizes
        or not all(re.fullmatch(r"[1-9]\d{0,5}", s) for s in sizes)
    ):
        return host_error(400, 0, True, outcome="refused")
    return None


def _photo_error(status: int, retry_after: int, heads: bool) -> Reply:
    if status == 403:
        return Reply(403, _quota_picture(), "image/png")
    if status == 401:
        return Reply(403, _BAD_KEY.encode(), "text/plain; charset=UTF-8")
    return host_error(status, retry_after, heads)


def _error(nothing: Mapping[str, Any], status: int, retry_after: int, heads: bool) -> Reply:
    word, said = _STATUSES.get(status, ("", None))
    if status == 500 and heads:  # the API's own; the other form comes from the servers before it
        word = "UNKNOWN_ERROR"
    return json_reply(_problem(nothing, word, said)) if word else host_error(status, retry_after, heads)


def _refusal(nothing: Mapping[str, Any], word: str, said: str | None = None) -> Reply:
    return json_reply(_problem(nothing, word, said), outcome="refused")


def _problem(nothing: Mapping[str, Any], word: str, said: str | None) -> dict[str, Any]:
    return {**nothing, **({"error_message": said} if said else {}), "status": word}


@cache
def _quota_picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (100, 100), "white").save(out, "PNG")
    return out.getvalue()

"""HERE Geocoding and Search: lookup with TripAdvisor's photos, discover and geocode, as documented.

    GET /lookup.search.hereapi.com/v1/lookup?id=here:…&show=tripadvisor,tripadvisorImageVariants&apiKey=KEY
    GET /discover.search.hereapi.com/v1/discover?at=LAT,LON&q=WORDS&apiKey=KEY
    GET /geocode.search.hereapi.com/v1/geocode?q=WORDS&apiKey=KEY
    GET /media-cdn.tripadvisor.com/media/photo-o/{ref}      the bytes; needs no key

Any id that begins with `here:` is a place. A key that contains `invalid` is an invalid key, one that contains
`nocontract` may not see photos, any other is good. `media` is left out of places without photos, and there
is never an `images` beside it.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.draws import number
from ops_core.sandbox.faults import Fault
from ops_core.sandbox.photo_tokens import photo_of, token_of
from ops_core.sandbox.pictures import CONTENT_TYPES
from ops_core.sandbox.places import Found, found
from ops_core.sandbox.world import Photo, World

CODE = "here"

#: Most places in one reply, and how many there are if none asks for another number.
MOST = 100
USUAL = 20

#: TripAdvisor's sizes: HERE's word, the letter in the address, and the longest side in pixels (0: as it is).
SIZES = (
    ("thumbnail", "t", 50),
    ("small", "l", 150),
    ("medium", "f", 250),
    ("large", "s", 550),
    ("original", "o", 0),
)

#: What `show` may ask of a lookup.
SHOWN = frozenset({"tripadvisor", "tripadvisorImageVariants", "tz", "phonemes", "streetInfo", "countryInfo"})

_PLACE_ID = re.compile(r"here:[\w:.-]{3,200}")
_POINT = re.compile(r"(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)")
_FAULTS = frozenset(Fault) - {Fault.STALE_REFERENCE}
_KINDS = {"venue": "place", "address": "houseNumber", "area": "locality"}

_TITLES: dict[int, tuple[str, str]] = {
    400: ("Illegal input", "Check the parameters."),
    403: ("Forbidden", "Ask for a contract that includes this."),
    404: ("Not found", "Check the id."),
    429: ("Too many requests", "Rate limit for this service has been reached"),
    500: ("Internal server error", "Try again later."),
    503: ("Service unavailable", "Try again later."),
}


def routes(desk: Desk) -> list[web.RouteDef]:
    """The paths of this provider."""
    geocode, discover = _Search(desk, near_a_point=False), _Search(desk, near_a_point=True)
    return [
        web.get("/lookup.search.hereapi.com/v1/lookup", _Lookup(desk).get, allow_head=False),
        web.get("/discover.search.hereapi.com/v1/discover", discover.get, allow_head=False),
        web.get("/geocode.search.hereapi.com/v1/geocode", geocode.get, allow_head=False),
        web.get("/media-cdn.tripadvisor.com/media/photo-{size}/{ref:.+}", _Files(desk).get, allow_head=False),
    ]


class _Lookup:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, request: web.Request) -> web.StreamResponse:
        place = request.query.get("id", "")
        shown = {word for word in request.query.get("show", "").split(",") if word}
        call = Call(CODE, "listing", place or "lookup", _FAULTS, _api_error)
        refused = _key_refusal(request)
        if refused is None and (unknown := sorted(shown - SHOWN)):
            refused = _refusal(
                400, "Illegal input for parameter 'show'", f"Unsupported value: '{unknown[0]}'"
            )
        if refused is None and "tripadvisor" in shown and "nocontract" in request.query["apiKey"]:
            refused = _refusal(403)
        if refused is None and not _PLACE_ID.fullmatch(place):
            refused = _refusal(400, "Illegal input for parameter 'id'") if not place else _refusal(404)
        return await self._desk.answer(
            request, call, lambda: json_reply(self._place(request, place, shown)), refused
        )

    def _place(self, request: web.Request, place: str, shown: set[str]) -> dict[str, Any]:
        world = self._desk.world
        about: dict[str, Any] = {
            "title": f"Sandbox venue {place[-6:]}",
            "id": place,
            "resultType": "place",
            "address": {"label": f"Sandbox venue {place[-6:]}"},
        }
        photos = world.photos(CODE, place) if "tripadvisor" in shown else ()
        if photos:
            variants = "tripadvisorImageVariants" in shown
            items = [_item(request, world, photo, variants=variants) for photo in photos]
            about["media"] = {"images": {"items": items}}
        return about


class _Search:
    def __init__(self, desk: Desk, *, near_a_point: bool) -> None:
        self._desk = desk
        self._near_a_point = near_a_point

    async def get(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        words, limit = query.get("q", ""), query.get("limit", str(USUAL))
        point = _POINT.fullmatch(query.get("at", ""))
        call = Call(CODE, "listing", f"search:{words}", _FAULTS, _api_error)
        refused = _key_refusal(request)
        if refused is None and not words:
            refused = _refusal(400, "Required parameter missing", "Parameter 'q' is missing")
        if refused is None and not (limit.isdecimal() and 1 <= int(limit) <= MOST):
            refused = _refusal(400, "Illegal input for parameter 'limit'")
        if refused is None and self._near_a_point and point is None:
            refused = _refusal(400, "Required parameter missing", "Give one of 'at', 'in'")

        def make() -> Reply:
            spot = (float(point[1]), float(point[2])) if point else (None, None)
            places = found(self._desk.world.seed, CODE, words, *spot)
            return json_reply({"items": [_found(place) for place in places[: int(limit)]]})

        return await self._desk.answer(request, call, make, refused)


class _Files:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, request: web.Request) -> web.StreamResponse:
        world, ref = self._desk.world, request.match_info["ref"]
        sides = {letter: side for _, letter, side in SIZES}
        side = sides.get(request.match_info["size"])
        photo = photo_of(world, CODE, ref.rpartition("/")[2].removesuffix(".jpg"))
        call = Call(CODE, "image", ref, _FAULTS, _host_error)
        if photo is None or side is None or photo_ref(world, photo) != ref:
            return await self._desk.answer(request, call, Reply, _host_error(404, 0, True, outcome="refused"))

        def make() -> Reply:
            width, height = side or photo.width, side or None
            return Reply(200, self._desk.pictures.get(photo, width, height), CONTENT_TYPES[photo.format])

        return await self._desk.answer(request, call, make)


def photo_ref(world: World, photo: Photo) -> str:
    """What all sizes of a photo have in common in their addresses; always `.jpg`, whatever the file is."""
    folders = f"{number(world.seed, 'folder', photo.subject, photo.index) & 0xFFFFFFFF:08x}"
    return "/".join([*(folders[at : at + 2] for at in range(0, 8, 2)), f"{token_of(world, photo)}.jpg"])


def place_id(place: Found) -> str:
    """The id of a place that a search finds."""
    if place.kind == "venue":
        return f"here:pds:place:616u33db-{place.token}"
    if place.kind == "address":
        return f"here:af:streetsection:{place.token}:CgcIBCDRo"
    return f"here:cm:namedplace:{int(place.token, 16) % 10**8}"


def _item(request: web.Request, world: World, photo: Photo, *, variants: bool) -> dict[str, Any]:
    host = f"http://{request.host}/media-cdn.tripadvisor.com/media"
    ref = photo_ref(world, photo)
    item: dict[str, Any] = {"href": f"{host}/photo-f/{ref}", "supplier": {"id": "tripadvisor"}}
    if variants:
        item["variants"] = {word: {"href": f"{host}/photo-{letter}/{ref}"} for word, letter, _ in SIZES}
    return item


def _found(place: Found) -> dict[str, Any]:
    return {
        "title": place.name,
        "id": place_id(place),
        "resultType": _KINDS[place.kind],
        "address": {"label": place.address if place.kind == "address" else f"{place.name}, {place.address}"},
        "position": {"lat": place.latitude, "lng": place.longitude},
    }


def _key_refusal(request: web.Request) -> Reply | None:
    key = request.query.get("apiKey", "")
    if key and "invalid" not in key.lower():
        return None
    said = "apiKey invalid. apiKey not found." if key else "No credentials found"
    return json_reply({"error": "Unauthorized", "error_description": said}, 401, outcome="refused")


def _refusal(status: int, title: str | None = None, cause: str = "") -> Reply:
    return _problem(status, title, cause, outcome="refused")


def _problem(status: int, title: str | None, cause: str, **fields: Any) -> Reply:
    usual, action = _TITLES[status]
    problem = {
        "status": status,
        "title": title or usual,
        "cause": cause,
        "action": action,
        "correlationId": f"{number('correlation', status):016x}",
        "requestId": f"REQ-{number('request', status):016x}",
    }
    return json_reply(problem, status, **fields)


def _api_error(status: int, retry_after: int, heads: bool) -> Reply:
    headers = {"Retry-After": str(retry_after)} if status in (429, 503) else {}
    if status == 401:
        said = {"error": "Unauthorized", "error_description": "apiKey invalid. apiKey not found."}
        return json_reply(said, 401)
    if status not in _TITLES:
        return _host_error(status, retry_after, heads)  # from the servers before the API
    return _problem(status, None, _TITLES[status][1], headers=headers)


def _host_error(status: int, retry_after: int, heads: bool, *, outcome: str = "ok") -> Reply:
    headers = {"Retry-After": str(retry_after)} if status in (429, 503) else {}
    return Reply(status, f"<html><h1>Error {status}</h1></html>".encode(), "text/html", headers, outcome)

"""Foursquare Places: photos and search, in the interface of 2025 and in v3, as documented.

    GET /places-api.foursquare.com/places/{id}/photos     Authorization: Bearer KEY, X-Places-Api-Version
    GET /places-api.foursquare.com/places/search          the same, with query and ll or near
    GET /api.foursquare.com/v3/places/{id}/photos         Authorization: KEY
    GET /api.foursquare.com/v3/places/search              the same
    GET /fastly.4sqi.net/img/general/{size}/{file}        the bytes; needs no key

Any id of 24 hexadecimal digits is a place. A key that contains `invalid` is an invalid key, one that
contains `nocredits` has none left, any other is good. v2 is closed. A file is always named `.jpg`, whatever
it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.draws import number
from ops_core.sandbox.faults import Fault
from ops_core.sandbox.photo_tokens import photo_of, token_of
from ops_core.sandbox.pictures import CONTENT_TYPES
from ops_core.sandbox.places import Found, found
from ops_core.sandbox.world import Photo, World

CODE = "foursquare"

#: Most photos or places in one reply, and how many there are if none asks for another number.
MOST = 50
USUAL = 10

_PLACE_ID = re.compile(r"[0-9a-f]{24}")
_POINT = re.compile(r"(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)")
_FILE = re.compile(r"\d+_([A-Za-z0-9_-]+)\.jpg")
_SIZE = re.compile(r"original|(\d{1,4})x(\d{1,4})|width(\d{1,4})|height(\d{1,4})")
_FAULTS = frozenset(Fault) - {Fault.STALE_REFERENCE}

_MESSAGES: dict[int, str] = {
    400: "Invalid request.",
    401: "Invalid request token.",
    403: "Forbidden.",
    404: "Invalid venue specified.",
    429: "Rate limit exceeded.",
    500: "Internal server error.",
    503: "Service unavailable.",
}


def routes(desk: Desk) -> list[web.RouteDef]:
    """The paths of this provider."""
    new, v3 = "/places-api.foursquare.com/places", "/api.foursquare.com/v3/places"
    return [
        web.get(f"{new}/search", _Search(desk, v3=False).get, allow_head=False),
        web.get(f"{new}/{{place}}/photos", _Photos(desk, v3=False).get, allow_head=False),
        web.get(f"{v3}/search", _Search(desk, v3=True).get, allow_head=False),
        web.get(f"{v3}/{{place}}/photos", _Photos(desk, v3=True).get, allow_head=False),
        web.get("/api.foursquare.com/v2/{path:.*}", _Closed(desk).get, allow_head=False),
        web.get("/fastly.4sqi.net/img/general/{size}/{file}", _Files(desk).get, allow_head=False),
    ]


class _Photos:
    def __init__(self, desk: Desk, *, v3: bool) -> None:
        self._desk = desk
        self._v3 = v3

    async def get(self, request: web.Request) -> web.StreamResponse:
        place, query = request.match_info["place"], request.query
        call = Call(CODE, "listing", place, _FAULTS, _api_error)
        refused = _key_refusal(request, v3=self._v3) or _limit_refusal(query)
        if refused is None and query.get("sort", "POPULAR").upper() not in ("POPULAR", "NEWEST"):
            refused = _refusal(400, "Invalid value for parameter sort.")
        if refused is None and not _PLACE_ID.fullmatch(place):
            refused = _refusal(404)
        return await self._desk.answer(
            request, call, lambda: json_reply(self._listed(request, place)), refused
        )

    def _listed(self, request: web.Request, place: str) -> list[dict[str, Any]]:
        world = self._desk.world
        photos = world.photos(CODE, place)[: int(request.query.get("limit", USUAL))]
        return [
            {
                "id" if self._v3 else "fsq_photo_id": photo_id(world, photo),
                "created_at": f"20{10 + photo.index:02}-10-25T08:51:10.000Z",
                "prefix": f"http://{request.host}/fastly.4sqi.net/img/general/",
                "suffix": "/" + file_name(world, photo),
                "width": photo.width,
                "height": photo.height,
                "classifications": ["outdoor" if photo.index % 2 else "indoor"],
            }
            for photo in photos
        ]


class _Search:
    def __init__(self, desk: Desk, *, v3: bool) -> None:
        self._desk = desk
        self._v3 = v3

    async def get(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        words = query.get("query", "")
        call = Call(CODE, "listing", f"search:{words}", _FAULTS, _api_error)
        point = _POINT.fullmatch(query.get("ll", ""))
        refused = _key_refusal(request, v3=self._v3) or _limit_refusal(query)
        if refused is None and (point is None) == ("near" not in query):
            refused = _refusal(400, "Give either ll or near.")
        if refused is None and not query.get("radius", "0").isdecimal():
            refused = _refusal(400, "Invalid value for parameter radius.")

        def make() -> Reply:
            spot = (float(point[1]), float(point[2])) if point else (None, None)
            wanted = set(query.get("fields", "").split(",")) - {""}
            shown = [
                {name: value for name, value in self._place(place).items() if not wanted or name in wanted}
                for place in found(self._desk.world.seed, CODE, words, *spot)
                if place.kind == "venue"  # it knows no plain addresses
            ]
            return json_reply({"results": shown[: int(query.get("limit", USUAL))], "context": {}})

        return await self._desk.answer(request, call, make, refused)

    def _place(self, place: Found) -> dict[str, Any]:
        about: dict[str, Any] = {
            "name": place.name,
            "location": {"address": place.address, "formatted_address": place.address},
            "categories": [],
        }
        spot = {"latitude": place.latitude, "longitude": place.longitude}
        if self._v3:
            return {"fsq_id": place_id(place), "geocodes": {"main": spot}, **about}
        return {"fsq_place_id": place_id(place), **spot, **about}


class _Closed:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, request: web.Request) -> web.StreamResponse:
        call = Call(CODE, "other", "v2", (), _api_error)
        meta = {
            "code": 410,
            "errorType": "deprecated",
            "errorDetail": "This endpoint is no longer supported.",
        }
        gone = json_reply({"meta": meta, "response": {}}, 410, outcome="refused")
        return await self._desk.answer(request, call, Reply, gone)


class _Files:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, request: web.Request) -> web.StreamResponse:
        world, name = self._desk.world, request.match_info["file"]
        token, size = _FILE.fullmatch(name), _SIZE.fullmatch(request.match_info["size"])
        photo = photo_of(world, CODE, token[1]) if token else None
        ref = photo_id(world, photo) if photo else name
        call = Call(CODE, "image", ref, _FAULTS, _host_error)
        if photo is None or size is None or file_name(world, photo) != name:
            return await self._desk.answer(request, call, Reply, _host_error(404, 0, True, outcome="refused"))
        width, height = size[1] or size[3], size[2] or size[4]
        within = (int(width or photo.width), int(height) if height else None)

        def make() -> Reply:
            return Reply(200, self._desk.pictures.get(photo, *within), CONTENT_TYPES[photo.format])

        return await self._desk.answer(request, call, make)


def photo_id(world: World, photo: Photo) -> str:
    """The photo's id, as Foursquare writes ids."""
    return f"5f{number(world.seed, 'photo id', photo.subject, photo.index):022x}"


def file_name(world: World, photo: Photo) -> str:
    """The photo's file: the number of whoever sent it, and the rest."""
    who = number(world.seed, "sender", photo.author) % 10**8
    return f"{who}_{token_of(world, photo)}.jpg"


def place_id(place: Found) -> str:
    """The id of a place that a search finds."""
    return f"4b05866c{place.token}"


def _key_refusal(request: web.Request, *, v3: bool) -> Reply | None:
    given = request.headers.get("Authorization", "")
    key = given if v3 else given.removeprefix("Bearer ")
    # v3 takes the bare key, the interface of 2025 a bearer's: each refuses the other's
    if not key or "invalid" in key.lower() or given.startswith("Bearer ") == v3:
        return _refusal(401)
    if not v3 and not request.headers.get("X-Places-Api-Version"):
        return _refusal(400, "Missing required header: X-Places-Api-Version.")
    if "nocredits" in key.lower():
        return _refusal(429, "No API credits remaining.")
    return None


def _limit_refusal(query: Mapping[str, str]) -> Reply | None:
    limit = query.get("limit", str(USUAL))
    if limit.isdecimal() and 1 <= int(limit) <= MOST:
        return None
    return _refusal(400, f"Invalid value for parameter limit: it must be between 1 and {MOST}.")


def _refusal(status: int, message: str | None = None) -> Reply:
    return json_reply({"message": message or _MESSAGES[status]}, status, outcome="refused")


def _api_error(status: int, retry_after: int, heads: bool) -> Reply:
    if status not in _MESSAGES:
        return _host_error(status, retry_after, heads)  # from the servers before the API
    headers = {"Retry-After": str(retry_after)} if status in (429, 503) else {}
    return json_reply({"message": _MESSAGES[status]}, status, headers=headers)


def _host_error(status: int, retry_after: int, heads: bool, *, outcome: str = "ok") -> Reply:
    headers = {"Retry-After": str(retry_after)} if status in (429, 503) else {}
    return Reply(status, f"<html><h1>Error {status}</h1></html>".encode(), "text/html", headers, outcome)

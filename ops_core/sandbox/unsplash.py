"""Unsplash: the search for photos, the report that one is used, and the pictures' own host.

    GET /api.unsplash.com/search/photos           ?query&page&per_page&orientation   Authorization: Client-ID
    GET /api.unsplash.com/photos/{id}/download    ?ixid
    GET /images.unsplash.com/photo-{id}           ?w&fm   the bytes; needs no key

Any words find photos. A key that contains `invalid` is invalid, any other is good; a key in the query
counts as none, since that is where a secret must never be. A used-up limit is HTTP 403 and plain text, as
at the real one, but passes after the plan's `retry_after` seconds instead of at the full hour, and a
`Retry-After` says so; with `retry_after` 0 there is no such header, and the reply is the real one's.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.draws import number
from ops_core.sandbox.faults import Fault
from ops_core.sandbox.photo_tokens import photo_of, token_of
from ops_core.sandbox.pictures import CONTENT_TYPES
from ops_core.sandbox.world import Photo, World

CODE = "unsplash"

#: Requests per hour, as stated in every reply; images do not count.
PER_HOUR = 5000

#: Most photos in one page of a search.
MOST_PHOTOS = 30

#: Characters of the search words that make a difference: the names of photos hold them.
_WORDS = 40

_WIDTHS = {"regular": 1080, "small": 400, "thumb": 200}

_FAULTS = frozenset(Fault) - {Fault.STALE_REFERENCE}
_REPORT_FAULTS = frozenset(
    {Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.SERVICE_UNAVAILABLE}
    | {Fault.GATEWAY_TIMEOUT}
)

_MESSAGES = {
    401: "OAuth error: The access token is invalid",
    403: "You are not authorized to perform this action",
    404: "Couldn't find Photo",
    500: "Something went wrong",
    503: "Service temporarily unavailable",
}


def routes(desk: Desk) -> list[web.RouteDef]:
    """The paths of this provider."""

    async def search(request: web.Request) -> web.StreamResponse:
        query = request.query
        words = " ".join(query.get("query", "").split())
        call = Call(CODE, "listing", words, _FAULTS, _api_error)
        refused = _key_refusal(request)
        if refused is None and not words:
            refused = _error(400, "query is missing", outcome="refused")

        def make() -> Reply:
            photos = found_photos(desk.world, words, query.get("orientation", ""))
            size = min(_whole(query.get("per_page"), 10), MOST_PHOTOS)
            start = (_whole(query.get("page"), 1) - 1) * size
            host = f"http://{request.host}"
            body = {
                "total": len(photos),
                "total_pages": -(-len(photos) // size),
                "results": [_photo(desk.world, photo, host) for photo in photos[start : start + size]],
            }
            return json_reply(body, headers=_limit(desk))

        return await desk.answer(request, call, make, refused)

    async def download(request: web.Request) -> web.StreamResponse:
        token = request.match_info["id"]
        photo = photo_of(desk.world, CODE, token)
        call = Call(CODE, "other", token, _REPORT_FAULTS, _api_error)
        refused = _key_refusal(request) or (None if photo else _error(404, outcome="refused"))

        def make() -> Reply:
            url = f"http://{request.host}/images.unsplash.com/photo-{token}"
            return json_reply({"url": url}, headers=_limit(desk))

        return await desk.answer(request, call, make, refused)

    async def image(request: web.Request) -> web.StreamResponse:
        token = request.match_info["name"]
        photo = photo_of(desk.world, CODE, token)
        call = Call(CODE, "image", token, _FAULTS, _host_error)
        if photo is None:
            return await desk.answer(request, call, Reply, _host_error(404, 0, True, outcome="refused"))
        width = _whole(request.query.get("w"), photo.width)
        form = "jpeg" if request.query.get("fm") == "jpg" else photo.format

        def make() -> Reply:
            return Reply(200, desk.pictures.get(photo, width, as_format=form), CONTENT_TYPES[form])

        return await desk.answer(request, call, make)

    return [
        web.get("/api.unsplash.com/search/photos", search, allow_head=False),
        web.get("/api.unsplash.com/photos/{id}/download", download, allow_head=False),
        web.get("/images.unsplash.com/photo-{name}", image, allow_head=False),
    ]


def found_photos(world: World, words: str, orientation: str = "") -> list[Photo]:
    """The photos that a search finds, best first."""
    photos = world.photos(CODE, words.casefold()[:_WORDS].strip())
    fits = {
        "landscape": lambda photo: photo.width > photo.height,
        "portrait": lambda photo: photo.width < photo.height,
        "squarish": lambda photo: photo.width == photo.height,
    }.get(orientation, lambda _: True)
    return [photo for photo in photos if fits(photo)]


def _photo(world: World, photo: Photo, host: str) -> dict[str, Any]:
    token = token_of(world, photo)
    user = quote(photo.author.replace(" ", "").lower())
    mark = number(world.seed, "ixid", token)
    tracked = {"ixid": f"M3w{mark:x}", "ixlib": "rb-4.0.3"}
    raw = f"{host}/images.unsplash.com/photo-{token}?{urlencode(tracked)}"
    full = f"{raw}&crop=entropy&cs=srgb&fm=jpg&q=85"
    sized = {
        name: f"{raw}&crop=entropy&cs=tinysrgb&fit=max&fm=jpg&q=80&w={width}"
        for name, width in _WIDTHS.items()
    }
    page = f"https://unsplash.com/photos/{token}"
    own = f"{host}/api.unsplash.com/photos/{token}"
    return {
        "id": token,
        "width": photo.width,
        "height": photo.height,
        "color": f"#{mark & 0xFFFFFF:06x}",
        "description": None,
        "alt_description": f"a drawn picture of {photo.subject}",
        "urls": {"raw": raw, "full": full, **sized},
        "links": {
            "self": own,
            "html": page,
            "download": f"{page}/download?ixid={tracked['ixid']}",
            "download_location": f"{own}/download?ixid={tracked['ixid']}",
        },
        "user": {
            "username": user,
            "name": photo.author,
            "links": {"html": f"https://unsplash.com/@{user}"},
        },
    }


def _whole(given: str | None, otherwise: int) -> int:
    """`given` as a whole number from 1, else the other."""
    return int(given) if given and given.isdecimal() and 1 <= int(given) <= 100_000 else otherwise


def _key_refusal(request: web.Request) -> Reply | None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Client-ID" and key.strip() and "invalid" not in key.lower():
        return None
    return _error(401, outcome="refused")


def _limit(desk: Desk) -> dict[str, str]:
    """The headers that state the limit; there is none that says when it begins anew."""
    groups = (desk.ledger.groups.get(f"{kind}:{CODE}") for kind in ("listing", "other"))
    asked = sum(tally.requests for tally in groups if tally)
    return {"X-Ratelimit-Limit": str(PER_HOUR), "X-Ratelimit-Remaining": str(max(1, PER_HOUR - asked))}


def _error(status: int, message: str | None = None, **fields: Any) -> Reply:
    return json_reply({"errors": [message or _MESSAGES.get(status, "Unknown error")]}, status, **fields)


def _api_error(status: int, retry_after: int, heads: bool) -> Reply:
    if status == 429:
        headers = {"X-Ratelimit-Limit": str(PER_HOUR), "X-Ratelimit-Remaining": "0"}
        if retry_after:
            headers["Retry-After"] = str(retry_after)
        return Reply(403, b"Rate Limit Exceeded", "text/plain; charset=utf-8", headers)
    if status in (502, 504):
        return _host_error(status, retry_after, heads)  # from the servers before the API
    return _error(status, headers={"Retry-After": str(retry_after)} if status == 503 else {})


def _host_error(status: int, retry_after: int, heads: bool, *, outcome: str = "ok") -> Reply:
    headers = {"Retry-After": str(retry_after)} if status in (429, 503) else {}
    return Reply(status, f"Error {status}".encode(), "text/plain; charset=utf-8", headers, outcome)

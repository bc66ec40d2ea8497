"""Google Places (New): place details with a field mask, and photo media, as the API documents them.

    GET /places.googleapis.com/v1/places/{place}                        X-Goog-Api-Key, X-Goog-FieldMask
    GET /places.googleapis.com/v1/places/{place}/photos/{ref}/media     maxWidthPx and/or maxHeightPx
    GET /lh3.googleusercontent.com/places/{ref}=s1600-w1600             the bytes; needs no key

Any place id of the documented shape is a place. A key that contains `invalid` is an invalid key, any
other is good; a key in the query counts as none, since that is where a secret must never be. The host
of the bytes refuses whoever brings the key there, be it as the address they come from.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from aiohttp import web

from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.draws import draw, number
from ops_core.sandbox.faults import Fault
from ops_core.sandbox.pictures import CONTENT_TYPES
from ops_core.sandbox.world import Photo, World

CODE = "google_places"

#: Most photos in one place's details.
PHOTOS_PER_PLACE = 10

PLACE_ID = re.compile(r"[A-Za-z0-9_-]{20,300}")
_FIELDS = ("id", "name", "displayName", "location", "photos")
_NEWNESS = re.compile(r"--[0-9a-f]{8}$")
_SIZE = re.compile(r"=s(\d{1,4})(?:-w(\d{1,4}))?(?:-h(\d{1,4}))?$")

#: Faults of a photo that Google's API answers itself; all others happen at the image host.
API_FAULTS = frozenset(
    {Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.SERVICE_UNAVAILABLE, Fault.AUTH_ERROR, Fault.FORBIDDEN}
    | {Fault.NOT_FOUND, Fault.STALE_REFERENCE}
)
_HOST_FAULTS = frozenset(Fault) - API_FAULTS

_MESSAGES: dict[int, tuple[str, str]] = {
    400: (
        "INVALID_ARGUMENT",
        "The photo resource in the request is invalid. Please retrieve it from Places API endpoints.",
    ),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: (
        "NOT_FOUND",
        "The Place ID is no longer valid. Please refresh cached Place IDs as per "
        "https://developers.google.com/maps/documentation/places/web-service/place-id#save-id",
    ),
    429: (
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'.",
    ),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}


def routes(desk: Desk) -> list[web.RouteDef]:
    """The paths of this provider."""

    async def details(request: web.Request) -> web.StreamResponse:
        place = request.match_info["place"]
        call = Call(CODE, "listing", place, frozenset(Fault) - {Fault.STALE_REFERENCE}, api_error)
        refused = key_refusal(request) or _mask_refusal(mask_of(request)) or _place_refusal(place)

        def make() -> Reply:
            photos = place_photos(desk.world, place)
            desk.listed(f"resolve:{CODE}:{photo_ref(desk.world, photo)}" for photo in photos)
            return json_reply(_masked(_place(desk, place, photos), mask_of(request)))

        return await desk.answer(request, call, make, refused)

    async def media(request: web.Request) -> web.StreamResponse:
        place, ref = request.match_info["place"], request.match_info["ref"]
        call = Call(CODE, "resolve", lasting(ref), API_FAULTS, api_error)
        photo = find_photo(desk.world, ref)
        refused = key_refusal(request) or _size_refusal(request)
        if refused is None and (photo is None or photo.subject != place):
            refused = refusal(400)

        def make() -> Reply:
            name = f"places/{place}/photos/{ref}/media"
            uri = f"http://{request.host}/lh3.googleusercontent.com/places/{ref}={_size_suffix(request)}"
            if request.query.get("skipHttpRedirect", "").lower() == "true":
                return json_reply({"name": name, "photoUri": uri})
            return Reply(302, b"", "text/html; charset=UTF-8", {"Location": uri})

        return await desk.answer(request, call, make, refused)

    async def image(request: web.Request) -> web.StreamResponse:
        token = request.match_info["token"]
        ref = lasting(token.partition("=")[0])
        photo, size = find_photo(desk.world, ref), _SIZE.search(token)
        call = Call(CODE, "image", ref, _HOST_FAULTS, host_error)
        if "key" in request.query or "key=" in request.headers.get("Referer", ""):
            return await desk.answer(request, call, Reply, host_error(400, 0, True, outcome="refused"))
        if photo is None or size is None:
            return await desk.answer(request, call, Reply, host_error(404, 0, True, outcome="refused"))
        side, width, height = size.groups()
        within = (int(width or side), int(height) if height else None)

        def make() -> Reply:
            return Reply(200, desk.pictures.get(photo, *within), CONTENT_TYPES[photo.format])

        return await desk.answer(request, call, make)

    api = "/places.googleapis.com/v1/places/{place}"
    return [
        web.get(api, details, allow_head=False),
        web.get(api + "/photos/{ref}/media", media, allow_head=False),
        web.get("/lh3.googleusercontent.com/places/{token}", image, allow_head=False),
    ]


def place_photos(world: World, place: str) -> tuple[Photo, ...]:
    """The photos of a place, as many as Google shows."""
    return world.photos(CODE, place)[:PHOTOS_PER_PLACE]


def photo_ref(world: World, photo: Photo) -> str:
    """The last part of a photo's name. It says which photo it is, so nothing has to be remembered."""
    mark = number(world.seed, "ref", photo.subject, photo.index) & 0xFFFFFFFF
    text = f"{photo.index}.{mark:08x}.{photo.subject}"
    return "AU" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def photo_name(desk: Desk, photo: Photo) -> str:
    """What the photo is called at this listing: its reference, with something new while names change."""
    ref = photo_ref(desk.world, photo)
    if not desk.plan.names_change:
        return ref
    return f"{ref}--{number(ref, desk.ledger.totals.requests) & 0xFFFFFFFF:08x}"


def lasting(name: str) -> str:
    """The reference in a photo's name, which counts, scripts and its fate go by."""
    return _NEWNESS.sub("", name)


def find_photo(world: World, name: str) -> Photo | None:
    """The photo behind the last part of a photo's name, old or new; None if there is none."""
    ref = lasting(name)
    try:
        text = base64.urlsafe_b64decode(ref[2:] + "=" * (-len(ref[2:]) % 4)).decode()
        index, _, place = text.split(".", 2)
        photo = place_photos(world, place)[int(index)]
    except (binascii.Error, ValueError, IndexError):
        return None
    return photo if photo_ref(world, photo) == ref else None


def _place(desk: Desk, place: str, photos: tuple[Photo, ...]) -> dict[str, Any]:
    north, east, _, _ = draw(desk.world.seed, "place", place)
    found: dict[str, Any] = {
        "name": f"places/{place}",
        "id": place,
        "displayName": {"text": f"Sandbox venue {place[-6:]}", "languageCode": "en"},
        "location": {"latitude": round(north * 120 - 60, 6), "longitude": round(east * 360 - 180, 6)},
    }
    if photos:  # the real API leaves empty lists out
        found["photos"] = [_photo(desk, photo) for photo in photos]
    return found


def _photo(desk: Desk, photo: Photo) -> dict[str, Any]:
    who = number(desk.world.seed, "contributor", photo.author)
    # the key of a photo on Google Maps, unlike its name here, never changes
    key = photo_ref(desk.world, photo)
    return {
        "name": f"places/{photo.subject}/photos/{photo_name(desk, photo)}",
        "widthPx": photo.width,
        "heightPx": photo.height,
        "authorAttributions": [
            {
                "displayName": photo.author,
                "uri": f"//maps.google.com/maps/contrib/{who}",
                "photoUri": f"//lh3.googleusercontent.com/a-/{who:x}=s100-p-k-no-mo",
            }
        ],
        "flagContentUri": "https://www.google.com/local/imagery/report/"
        f"?cb_client=maps_api_places.places_api&image_key=!1e10!2s{key}&hl=en-US",
        "googleMapsUri": "https://www.google.com/maps/place//"
        f"data=!3m4!1e2!3m2!1s{key}!2e10!4m2!3m1!1s0x{who:x}:0x{who >> 8:x}",
    }


def mask_of(request: web.Request) -> list[str]:
    """The paths of the request's field mask."""
    query = request.query
    mask = request.headers.get("X-Goog-FieldMask") or query.get("$fields") or query.get("fields") or ""
    return [path.strip() for path in mask.split(",") if path.strip()]


def _masked(place: dict[str, Any], mask: list[str]) -> dict[str, Any]:
    if "*" in mask:
        return place
    whole = {path for path in mask if "." not in path}
    shown = {field: value for field, value in place.items() if field in whole}
    inner = {path.removeprefix("photos.") for path in mask if path.startswith("photos.")}
    if inner and "photos" in place and "photos" not in whole:
        shown["photos"] = [
            {field: value for field, value in photo.items() if field in inner} for photo in place["photos"]
        ]
    return shown


def _size_suffix(request: web.Request) -> str:
    width, height = request.query.get("maxWidthPx"), request.query.get("maxHeightPx")
    return f"s{width or height}" + (f"-w{width}" if width else "") + (f"-h{height}" if height else "")


def key_refusal(request: web.Request) -> Reply | None:
    """Why the request's key is not taken, as the API says it; None if it is."""
    key = request.headers.get("X-Goog-Api-Key", "")
    if not key:
        return refusal(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). Please use "
            "API Key or other form of API consumer identity to call this API.",
        )
    if "invalid" in key.lower():
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "places.googleapis.com"},
        }
        return refusal(400, "API key not valid. Please pass a valid API key.", info)
    return None


def _mask_refusal(mask: list[str]) -> Reply | None:
    if not mask:
        return refusal(
            400,
            "FieldMask is a required parameter. See https://cloud.google.com/apis/docs/system-parameters on "
            "how to provide it. As an example, you can set the header 'X-Goog-FieldMask' with value 'id'.",
        )
    for path in mask:
        if path != "*" and path.partition(".")[0] not in _FIELDS:
            return refusal(
                400, f"Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'."
            )
    return None


def _place_refusal(place: str) -> Reply | None:
    return None if PLACE_ID.fullmatch(place) else refusal(400, f"Not a valid Place ID: {place}")


def _size_refusal(request: web.Request) -> Reply | None:
    sizes = [request.query[name] for name in ("maxWidthPx", "maxHeightPx") if name in request.query]
    if not sizes:
        return refusal(400, "At least one of max_width_px or max_height_px must be specified.")
    if not all(size.isdecimal() and 1 <= int(size) <= 4800 for size in sizes):
        return refusal(400, "max_width_px and max_height_px must be between 1 and 4800.")
    return None


def refusal(status: int, message: str | None = None, *details: dict[str, Any]) -> Reply:
    """The API's form of a request that is wrong."""
    return _error(status, message, list(details), outcome="refused")


def _error(status: int, message: str | None, details: list[dict[str, Any]], **fields: Any) -> Reply:
    word, usual = _MESSAGES.get(status, ("UNKNOWN", "Unknown error."))
    error: dict[str, Any] = {"code": status, "message": message or usual, "status": word}
    if details:
        error["details"] = details
    return json_reply({"error": error}, status, **fields)


def api_error(status: int, retry_after: int, heads: bool) -> Reply:
    """The API's form of an error; see `desk.Call.error`."""
    details: list[dict[str, Any]] = []
    headers: dict[str, str] = {}
    if status == 429:
        details = [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED"},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after}s"},
        ]
    if status == 503:
        headers["Retry-After"] = str(retry_after)
    if status in (502, 504):
        return host_error(status, retry_after, heads)  # from the front end before the API, not from the API
    return _error(status, None, details, headers=headers)


def host_error(status: int, retry_after: int, heads: bool, *, outcome: str = "ok") -> Reply:
    """The web page with which Google's servers answer before and beside the API; see `desk.Call.error`."""
    headers = {"Retry-After": str(retry_after)} if status in (429, 503) else {}
    page = f"<html><title>Error {status}</title><p><b>{status}.</b> That's an error.</html>".encode()
    return Reply(status, page, "text/html; charset=UTF-8", headers, outcome)

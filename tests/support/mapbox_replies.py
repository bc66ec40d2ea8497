"""What Mapbox replies: the preview of its Places API, the older Details API, and Search Box."""

from __future__ import annotations

import hashlib
from typing import Any

from aiohttp import web

MAPBOX_PLACE = "dXJuOm1ieHBvaTpmMzRhMDkxOC1kZTRjLTQyNDktODkwNi00ODMxNmUxODMzMzY"
MAPBOX_ADDRESS = "dXJuOm1ieGFkcjpkNTY3OGNkZi1hYjEyLTRkZWYtOTAxMi0zNDU2Nzg5MGFiY2Q"
MAPBOX_LISTING = f"/api.mapbox.com/places/v1/details/retrieve/{MAPBOX_PLACE}"
MAPBOX_SEARCH = "/api.mapbox.com/search/searchbox/v1/forward"


def photo_path(number: int) -> str:
    return f"photos.mapbox.com/v1/blue-note-{number}.jpg"


def mapbox_ref(path: str) -> str:
    """The name of the photo at this host and path."""
    return hashlib.sha256(path.encode()).hexdigest()[:32]


def place(photos: Any = None) -> dict[str, Any]:
    """A place as the Places API describes it; `photos` is left out where there is none."""
    about: dict[str, Any] = {
        "mapbox_id": MAPBOX_PLACE,
        "name": "Blue Note",
        "full_address": "3 Main St, 31-042 Kraków, Poland",
        "brand": None,
        "primary_category": "bar",
        "categories": ["bar", "nightlife"],
        "permanently_closed": False,
        "status": "active",
        "coordinates": {"latitude": 50.0601, "longitude": 19.9401, "source": "poi", "routable_points": []},
        "address": {"city": "Kraków", "country": "Poland", "country_code": "PL"},
        "attributes": {},
    }
    return about if photos is None else {**about, "photos": photos}


def details(request: web.Request) -> dict[str, Any]:
    host = f"http://{request.host}"
    photos: list[dict[str, Any]] = [{"url": f"{host}/{photo_path(number)}"} for number in (1, 2, 3)]
    photos[1] |= {"width": 800, "height": 600}
    return place([*photos, {"url": f"{host}/{photo_path(4)}?access_token=leaked-secret"}])


def older_details(request: web.Request, **metadata: Any) -> dict[str, Any]:
    """The same place as the older Details API describes it."""
    host = f"http://{request.host}"
    shown = metadata or {
        "primary_photo": [{"thumb_url": f"{host}/{photo_path(1)}"}],
        "photos": [{"url": f"{host}/{photo_path(number)}", "width": 640, "height": 480} for number in (1, 2)],
    }
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [19.9401, 50.0601]},
        "properties": {
            "mapbox_id": MAPBOX_PLACE,
            "name": "Blue Note",
            "feature_type": "poi",
            "metadata": shown,
        },
    }


def feature(mapbox_id: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [19.9401, 50.0601]},
        "properties": {
            "name": name,
            "mapbox_id": mapbox_id,
            "feature_type": kind,
            "full_address": "3 Main St, 31-042 Kraków, Poland",
            "place_formatted": "31-042 Kraków, Poland",
            "context": {"country": {"name": "Poland", "country_code": "PL"}},
            "coordinates": {"latitude": 50.0601, "longitude": 19.9401},
            "language": "en",
            "maki": "bar",
            "metadata": {},
            **more,
        },
    }


FOUND: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        feature(MAPBOX_PLACE, "Blue Note", "poi", name_preferred="Blue Note Jazz Club"),
        feature(MAPBOX_ADDRESS, "3 Main St", "address"),
    ],
    "attribution": "© Mapbox and its suppliers.",
}

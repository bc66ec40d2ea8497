"""What Foursquare replies, in its interface of 2025 and in v3."""

from __future__ import annotations

from typing import Any

from aiohttp import web

FOURSQUARE_PLACE = "4b058694f964a520d4b622e3"
FOURSQUARE_LISTING = f"/places-api.foursquare.com/places/{FOURSQUARE_PLACE}/photos"
FOURSQUARE_SEARCH = "/places-api.foursquare.com/places/search"
V3_LISTING = f"/api.foursquare.com/v3/places/{FOURSQUARE_PLACE}/photos"
V3_SEARCH = "/api.foursquare.com/v3/places/search"
FOURSQUARE_PHOTO = "5f953cbb1d2d4b7a3c6a1f0"


def photo(request: web.Request, number: int, id_name: str = "fsq_photo_id", **more: Any) -> dict[str, Any]:
    return {
        id_name: f"{FOURSQUARE_PHOTO}{number}",
        "created_at": "2020-10-25T08:51:10.000Z",
        "prefix": f"http://{request.host}/fastly.4sqi.net/img/general/",
        "suffix": f"/27261341_abc{number}.jpg",
        "width": 1920,
        "height": 1440,
        "classifications": ["outdoor"],
        **more,
    }


def leaking(request: web.Request) -> dict[str, Any]:
    """A photo that nobody may see: its address holds a secret."""
    return photo(request, 9, suffix="/27261341_abc9.jpg?token=leaked-secret")


def photos(request: web.Request) -> list[dict[str, Any]]:
    return [*(photo(request, number) for number in (1, 2, 3)), leaking(request)]


def v3_photos(request: web.Request) -> list[dict[str, Any]]:
    return [*(photo(request, number, "id") for number in (1, 2, 3)), leaking(request)]


PLACES: dict[str, Any] = {
    "results": [
        {
            "fsq_place_id": FOURSQUARE_PLACE,
            "latitude": 50.0601,
            "longitude": 19.9401,
            "name": "Blue Note",
            "location": {"address": "3 Main St", "formatted_address": "3 Main St, 31-042 Kraków"},
        },
        {
            "fsq_place_id": "4b058694f964a520d4b622e4",
            "latitude": 50.0603,
            "longitude": 19.9405,
            "name": "Note Café",
            "location": {"address": "5 Main St"},
        },
    ],
    "context": {
        "geo_bounds": {"circle": {"center": {"latitude": 50.06, "longitude": 19.94}, "radius": 2000}}
    },
}
V3_PLACES: dict[str, Any] = {
    "results": [
        {
            "fsq_id": place["fsq_place_id"],
            "geocodes": {"main": {"latitude": place["latitude"], "longitude": place["longitude"]}},
            "name": place["name"],
            "location": place["location"],
        }
        for place in PLACES["results"]
    ],
    "context": PLACES["context"],
}

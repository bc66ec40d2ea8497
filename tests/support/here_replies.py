"""What HERE replies to lookup, discover and geocode."""

from __future__ import annotations

from typing import Any

from aiohttp import web

HERE_PLACE = "here:pds:place:616u2yhm-aed6bd9d9d6b4c4e9e3a4f3c3a2a1b0c"
HERE_LOOKUP = "/lookup.search.hereapi.com/v1/lookup"
HERE_DISCOVER = "/discover.search.hereapi.com/v1/discover"
HERE_GEOCODE = "/geocode.search.hereapi.com/v1/geocode"
HERE_PHOTO = "0d/e1/2a/a1/blue-note.jpg"

#: TripAdvisor's letters for HERE's words for sizes.
LETTERS = {"thumbnail": "t", "small": "l", "medium": "f", "large": "s", "original": "o"}


def item(request: web.Request, number: int, **more: Any) -> dict[str, Any]:
    host = f"http://{request.host}/media-cdn.tripadvisor.com/media"
    name = f"0d/e1/2a/a{number}/blue-note.jpg"
    variants = {word: {"href": f"{host}/photo-{letter}/{name}"} for word, letter in LETTERS.items()}
    return {
        "href": f"{host}/photo-f/{name}",
        "supplier": {"id": "tripadvisor"},
        "variants": variants,
        **more,
    }


def place(items: list[Any] | None = None) -> dict[str, Any]:
    """A place as lookup describes it; `media` is left out where there is none."""
    about: dict[str, Any] = {
        "title": "Blue Note",
        "id": HERE_PLACE,
        "resultType": "place",
        "address": {"label": "Blue Note, 3 Main St, 31-042 Kraków, Polska"},
        "position": {"lat": 50.0601, "lng": 19.9401},
    }
    return about if items is None else {**about, "media": {"images": {"items": items}}}


def lookup(request: web.Request) -> dict[str, Any]:
    items = [item(request, number) for number in (1, 2, 3)]
    items[0]["variants"]["original"]["href"] += "?key=leaked-secret"
    return place(items)


FOUND: dict[str, Any] = {
    "items": [
        place(),
        {
            "title": "3 Main St, 31-042 Kraków, Polska",
            "id": "here:af:streetsection:7r2QxWJf9A9EhK7TaGTRyA:CggIBCDima62ARABGgQxNjAwKGQ",
            "resultType": "houseNumber",
            "houseNumberType": "PA",
            "address": {"label": "3 Main St, 31-042 Kraków, Polska"},
            "position": {"lat": 50.0602, "lng": 19.9402},
        },
    ]
}

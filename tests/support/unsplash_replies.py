"""What Unsplash replies to a search and to a report of use."""

from __future__ import annotations

from typing import Any

from aiohttp import web

UNSPLASH_LISTING = "/api.unsplash.com/search/photos"
UNSPLASH_PHOTO = "LBI7cgq3pbM"
UNSPLASH_DOWNLOAD = f"/api.unsplash.com/photos/{UNSPLASH_PHOTO}/download"
IXID = "M3wxMjA3fDB8MXxzZWFyY2h8MXx8Ymx1ZXxlbnwwfHx8fDE2"


def photo(request: web.Request, photo_id: str, **more: Any) -> dict[str, Any]:
    image = f"http://{request.host}/images.unsplash.com/photo-15{len(photo_id)}-{photo_id}"
    sized = {
        name: f"{image}?crop=entropy&cs=tinysrgb&fit=max&fm=jpg&ixid={IXID}&ixlib=rb-4.0.3&q=80&w={width}"
        for name, width in (("regular", 1080), ("small", 400), ("thumb", 200))
    }
    return {
        "id": photo_id,
        "slug": f"blue-note-{photo_id}",
        "created_at": "2021-10-25T08:51:10Z",
        "width": 5245,
        "height": 3497,
        "color": "#60544D",
        "blur_hash": "LoC%a7IoIVxZ_NM|M{s:%hRjWAo0",
        "description": None,
        "alt_description": "a trumpet on a table",
        "urls": {"raw": f"{image}?ixid={IXID}&ixlib=rb-4.0.3", **sized},
        "links": {
            "self": f"https://api.unsplash.com/photos/{photo_id}",
            "html": f"https://unsplash.com/photos/{photo_id}?client_id=leaked-secret",
            "download": f"https://unsplash.com/photos/{photo_id}/download?ixid={IXID}",
            "download_location": f"https://api.unsplash.com/photos/{photo_id}/download?ixid={IXID}",
        },
        "user": {
            "id": "pXhwzz1JtQU",
            "username": "gillespie",
            "name": "Gille  <Spie>",
            "links": {"html": "https://unsplash.com/@gillespie"},
        },
        **more,
    }


def found(request: web.Request) -> dict[str, Any]:
    photos = [photo(request, photo_id) for photo_id in (UNSPLASH_PHOTO, "eOLpJytrbsQ", "aq_vVn-Hfzo")]
    return {"total": 133, "total_pages": 27, "results": photos}


NOTHING: dict[str, Any] = {"total": 0, "total_pages": 0, "results": []}

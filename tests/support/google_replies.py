"""What Google's older interface to Places and both of its searches reply, and Wikidata's search."""

from __future__ import annotations

from typing import Any

from aiohttp import web

PLACE = "ChIJD7fiBh9u5kcRYJSMaMOCCwQ"
STREET = "EiBNYWluIFN0LCBLcmFrw7N3LCBQb2xhbmQiLiosChQ"

NEW_SEARCH = "/places.googleapis.com/v1/places:searchText"
LEGACY_LISTING = "/maps.googleapis.com/maps/api/place/details/json"
LEGACY_PHOTO = "/maps.googleapis.com/maps/api/place/photo"
LEGACY_SEARCH = "/maps.googleapis.com/maps/api/place/findplacefromtext/json"

NEW_PLACES: dict[str, Any] = {
    "places": [
        {
            "id": PLACE,
            "types": ["bar", "live_music_venue", "point_of_interest", "establishment"],
            "formattedAddress": "3 Main St, 31-042 Kraków, Poland",
            "location": {"latitude": 50.0601, "longitude": 19.9401},
            "displayName": {"text": "Blue Note", "languageCode": "en"},
        },
        {
            "id": STREET,
            "types": ["street_address"],
            "formattedAddress": "3 Main St, Kraków, Poland",
            "location": {"latitude": 50.0602, "longitude": 19.9402},
            "displayName": {"text": "3 Main St"},
        },
    ]
}

CANDIDATES: dict[str, Any] = {
    "candidates": [
        {
            "formatted_address": "3 Main St, 31-042 Kraków, Poland",
            "geometry": {
                "location": {"lat": 50.0601, "lng": 19.9401},
                "viewport": {"northeast": {"lat": 50.07, "lng": 19.95}, "southwest": {"lat": 50, "lng": 19}},
            },
            "name": "Blue Note",
            "place_id": PLACE,
            "types": ["bar", "point_of_interest", "establishment"],
        },
        {
            "formatted_address": "3 Main St, Kraków, Poland",
            "geometry": {"location": {"lat": 50.0602, "lng": 19.9402}},
            "name": "3 Main St",
            "place_id": STREET,
            "types": ["premise"],
        },
    ],
    "status": "OK",
}


def legacy_photo(number: int, **more: Any) -> dict[str, Any]:
    """One photo as the older interface lists it."""
    return {
        "height": 3024,
        "html_attributions": [
            '<a href="https://maps.google.com/maps/contrib/1019?key=leaked-secret">Jan &lt;K&gt;</a>'
        ],
        "photo_reference": f"AUacShh_{number}",
        "width": 4032,
        **more,
    }


def legacy_details(*photos: Any) -> dict[str, Any]:
    """A place's details; Google leaves the list out when it is empty."""
    return {"html_attributions": [], "result": {"photos": list(photos)} if photos else {}, "status": "OK"}


def legacy_problem(status: str, message: str | None = None) -> dict[str, Any]:
    """How the older interface says that something is wrong, with HTTP 200."""
    said = {} if message is None else {"error_message": message}
    return {"html_attributions": [], **said, "status": status}


def legacy_redirect(request: web.Request) -> web.Response:
    """Where a photo is."""
    place = f"http://{request.host}/lh3.googleusercontent.com/places/x=s1600-w1600"
    return web.Response(status=302, headers={"Location": place}, text="<html>moved")


def claim(value: Any, rank: str = "normal") -> dict[str, Any]:
    """One statement with a value."""
    return {"mainsnak": {"snaktype": "value", "datavalue": {"value": value}}, "rank": rank}


def spot(latitude: Any, longitude: Any, globe: str = "Q2") -> dict[str, Any]:
    """Coordinates as Wikidata states them."""
    where = {"latitude": latitude, "longitude": longitude, "altitude": None, "precision": 0.0001}
    return {**where, "globe": f"http://www.wikidata.org/entity/{globe}"}


def hit(entity: str, label: str, text: str | None = None) -> dict[str, Any]:
    """One entity in a search result; `text` is what matched."""
    matched = {"type": "label" if text is None else "alias", "language": "en", "text": text or label}
    return {
        "id": entity,
        "title": entity,
        "concepturi": f"http://www.wikidata.org/entity/{entity}",
        "repository": "wikidata",
        "url": f"//www.wikidata.org/wiki/{entity}",
        "display": {"label": {"value": label, "language": "en"}},
        "label": label,
        "match": matched,
    }


def entity(entity_id: str, label: str, **claims: list[dict[str, Any]]) -> dict[str, Any]:
    """One entity with all that is asked of it."""
    return {
        "type": "item",
        "id": entity_id,
        "labels": {"en": {"language": "en", "value": label}},
        "descriptions": {"en": {"language": "en", "value": f"{label} in Kraków"}},
        "aliases": {"en": [{"language": "en", "value": f"{label} Club"}, {"language": "en", "value": label}]},
        "claims": claims,
    }


ENTITIES = {
    "Q195311": entity(
        "Q195311", "Blue Note", P625=[claim(spot(50.0601, 19.9401))], P31=[claim({"id": "Q187456"})]
    ),
    "Q1000": entity(
        "Q1000", "Blue Note Street", P625=[claim(spot(50.0602, 19.9402))], P31=[claim({"id": "Q79007"})]
    ),
    "Q885833": entity("Q885833", "Blue Note Records", P31=[claim({"id": "Q18127"})]),
}


def wikidata_search(request: web.Request) -> dict[str, Any]:
    """Both calls of a search."""
    if request.query["action"] == "wbgetentities":
        return {"entities": {each: ENTITIES[each] for each in request.query["ids"].split("|")}, "success": 1}
    named = [hit(each, found["labels"]["en"]["value"]) for each, found in ENTITIES.items()]
    return {"searchinfo": {"search": request.query["search"]}, "search": named, "success": 1}

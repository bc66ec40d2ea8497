"""The providers' documented replies, and a way to put a source's questions to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from ops_core.domain.failures import Failed, Failure
from ops_core.domain.places import Venue
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Download, Photo, PlaceKind
from tests.support import (
    foursquare_replies,
    google_replies,
    here_replies,
    mapbox_replies,
    unsplash_replies,
)
from tests.support.loopback import FakeProviders, Permits, api_of

PLACE = google_replies.PLACE
GOOGLE_LISTING = f"/places.googleapis.com/v1/places/{PLACE}"
GOOGLE_NAME = f"places/{PLACE}/photos/AUacShh_1"
GOOGLE_MEDIA = f"/places.googleapis.com/v1/{GOOGLE_NAME}/media"
WIKIDATA = "/www.wikidata.org/w/api.php"
COMMONS = "/commons.wikimedia.org/w/api.php"


def google_listing(_: web.Request) -> dict[str, Any]:
    return {
        "id": PLACE,
        "photos": [
            {
                "name": f"places/{PLACE}/photos/AUacShh_{number}",
                "widthPx": 4800,
                "heightPx": 3200,
                "authorAttributions": [
                    {
                        "displayName": "John <Smith>",
                        "uri": "//maps.google.com/maps/contrib/1015",
                        "photoUri": "//lh3.googleusercontent.com/a-/x",
                    }
                ],
                "flagContentUri": "https://www.google.com/local/imagery/report/"
                f"?cb_client=maps_api_places.places_api&image_key=!1e10!2sCIHM0ogKEICAgIC_{number}&hl=en-US",
                "googleMapsUri": "https://www.google.com/maps/place//"
                f"data=!3m4!1e2!3m2!1sCIHM0ogKEICAgIC_{number}!2e10!4m2!3m1!1s0x47f2:0x64?key=leaked-secret",
            }
            for number in (1, 2, 3)
        ],
    }


def wikidata_claims(request: web.Request) -> dict[str, Any]:
    wanted = request.query["property"]
    value = {"P18": "Tour_Eiffel.jpg", "P373": "Eiffel Tower"}[wanted]
    return {
        "claims": {
            wanted: [
                {"mainsnak": {"snaktype": "somevalue"}, "rank": "normal"},
                {"mainsnak": {"datavalue": {"value": "Old.jpg", "type": "string"}}, "rank": "deprecated"},
                {"mainsnak": {"datavalue": {"value": value, "type": "string"}}, "rank": "preferred"},
            ]
        }
    }


def commons_page(request: web.Request, title: str, mime: str = "image/jpeg", **more: Any) -> dict[str, Any]:
    upload = f"http://{request.host}/upload.wikimedia.org/wikipedia/commons"
    name = title.removeprefix("File:").replace(" ", "_")
    info = {
        "url": f"{upload}/a/a8/{name}",
        "thumburl": f"{upload}/thumb/a/a8/{name}/1280px-{name}",
        "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{name}",
        "width": 4000,
        "height": 3000,
        "mime": mime,
        "user": "Uploader",
        "extmetadata": {
            "LicenseShortName": {"value": "CC BY-SA 4.0"},
            "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/4.0"},
            "Artist": {
                "value": '<a href="//commons.wikimedia.org/wiki/User:Anna">Anna &amp; Jan</a>'
                "<script>alert(1)</script>"
            },
        },
    }
    return {"pageid": 1, "ns": 6, "title": title, "imageinfo": [info], **more}


def commons(request: web.Request) -> dict[str, Any]:
    if request.query.get("generator"):
        pages = [
            commons_page(request, "File:Third.jpg", index=3),
            commons_page(request, "File:Tour Eiffel.jpg", index=1),
            commons_page(request, "File:Plan.svg", "image/svg+xml", index=0),
            commons_page(request, "File:Book.pdf", "application/pdf", index=0),
            commons_page(request, "File:Second.png", "image/png", index=2),
        ]
        return {"batchcomplete": True, "query": {"pages": pages}}
    pages = [
        commons_page(request, title) if "Gone" not in title else {"ns": 6, "title": title, "missing": True}
        for title in request.query["titles"].split("|")
    ]
    return {"query": {"pages": pages}} if pages else {}


@dataclass(frozen=True)
class Case:
    """One provider: a venue it knows, replies, and what must come of them."""

    code: str
    venue: Venue
    replies: dict[str, Any]
    first_ref: str
    empty: dict[str, Any]  #: Replies of a venue without photos.
    settings: dict[str, Any] = field(default_factory=dict)  #: Which of a provider's interfaces is asked.
    keys: dict[str, Any] = field(default_factory=dict)  #: Settings with which the real provider is asked.
    states_size: bool = True  #: Whether the provider states widths and heights.
    names_author: bool = True  #: Whether the provider states who made a photo.
    bare_list: bool = False  #: Whether the reply is an array of photos, so that `[]` is a venue without any.


@dataclass(frozen=True)
class Search:
    """One interface that is searched: replies that find Blue Note at 50.0601, 19.9401, then an address."""

    code: str
    replies: dict[str, Any]
    first_id: str
    empty: dict[str, Any]  #: Replies that find nothing.
    settings: dict[str, Any] = field(default_factory=dict)  #: Which of a provider's interfaces is asked.
    second_kind: PlaceKind = PlaceKind.ADDRESS  #: What the second place is, as far as the provider says.
    told_where: bool = True  #: Whether the search can be told where the venue is.


#: By a name for people: a provider may have more than one interface.
SEARCHES: dict[str, Search] = {
    "foursquare": Search(
        code="foursquare",
        replies={foursquare_replies.FOURSQUARE_SEARCH: foursquare_replies.PLACES},
        first_id=foursquare_replies.FOURSQUARE_PLACE,
        empty={foursquare_replies.FOURSQUARE_SEARCH: {"results": [], "context": {}}},
        second_kind=PlaceKind.VENUE,
    ),
    "foursquare_v3": Search(
        code="foursquare",
        replies={foursquare_replies.V3_SEARCH: foursquare_replies.V3_PLACES},
        first_id=foursquare_replies.FOURSQUARE_PLACE,
        empty={foursquare_replies.V3_SEARCH: {"results": [], "context": {}}},
        settings={"foursquare_api": "v3"},
        second_kind=PlaceKind.VENUE,
    ),
    "here": Search(
        code="here",
        replies=dict.fromkeys((here_replies.HERE_DISCOVER, here_replies.HERE_GEOCODE), here_replies.FOUND),
        first_id=here_replies.HERE_PLACE,
        empty={here_replies.HERE_DISCOVER: {"items": []}, here_replies.HERE_GEOCODE: {"items": []}},
    ),
    "mapbox": Search(
        code="mapbox",
        replies={mapbox_replies.MAPBOX_SEARCH: mapbox_replies.FOUND},
        first_id=mapbox_replies.MAPBOX_PLACE,
        empty={mapbox_replies.MAPBOX_SEARCH: {"type": "FeatureCollection", "features": []}},
    ),
    "google_places": Search(
        code="google_places",
        replies={google_replies.NEW_SEARCH: google_replies.NEW_PLACES},
        first_id=PLACE,
        empty={google_replies.NEW_SEARCH: {}},
    ),
    "google_places_legacy": Search(
        code="google_places",
        replies={google_replies.LEGACY_SEARCH: google_replies.CANDIDATES},
        first_id=PLACE,
        empty={google_replies.LEGACY_SEARCH: {"candidates": [], "status": "ZERO_RESULTS"}},
        settings={"google_places_api": "legacy"},
    ),
    "wikimedia_commons": Search(
        code="wikimedia_commons",
        replies={WIKIDATA: google_replies.wikidata_search},
        first_id="Q195311",
        empty={WIKIDATA: {"searchinfo": {"search": "x"}, "search": [], "success": 1}},
        told_where=False,
    ),
}


def venue_with(**ids: str) -> Venue:
    return Venue(name="V", address="", city="C", country="FR", provider_ids=ids)


CASES = {
    "google_places": Case(
        code="google_places",
        venue=venue_with(google_places=PLACE),
        replies={
            GOOGLE_LISTING: google_listing,
            GOOGLE_MEDIA: lambda request: {
                "name": f"{GOOGLE_NAME}/media",
                "photoUri": f"http://{request.host}/lh3.googleusercontent.com/places/x=s1600",
            },
        },
        first_ref="CIHM0ogKEICAgIC_1",
        keys={"google_places_api_key": "k"},
        empty={GOOGLE_LISTING: {"id": PLACE}},
    ),
    "google_places_legacy": Case(
        code="google_places",
        venue=venue_with(google_places=PLACE),
        replies={
            google_replies.LEGACY_LISTING: google_replies.legacy_details(
                *(google_replies.legacy_photo(number) for number in (1, 2, 3))
            ),
            google_replies.LEGACY_PHOTO: google_replies.legacy_redirect,
        },
        first_ref="a1c1c11ca33456bcb47e2abb31b9ed67-1",  # by author and size
        settings={"google_places_api": "legacy"},
        keys={"google_places_api_key": "k", "google_places_api": "legacy"},
        empty={google_replies.LEGACY_LISTING: google_replies.legacy_details()},
    ),
    "wikimedia_commons": Case(
        code="wikimedia_commons",
        venue=venue_with(wikidata="Q243"),
        replies={WIKIDATA: wikidata_claims, COMMONS: commons},
        first_ref="File:Tour Eiffel.jpg",
        keys={"wikimedia_contact": "ops@example.org"},
        empty={WIKIDATA: {"claims": {}}, COMMONS: {"batchcomplete": True}},
    ),
    "foursquare": Case(
        code="foursquare",
        venue=venue_with(foursquare=foursquare_replies.FOURSQUARE_PLACE),
        replies={foursquare_replies.FOURSQUARE_LISTING: foursquare_replies.photos},
        first_ref=f"{foursquare_replies.FOURSQUARE_PHOTO}1",
        keys={"foursquare_api_key": "k"},
        empty={foursquare_replies.FOURSQUARE_LISTING: []},
        names_author=False,
        bare_list=True,
    ),
    "foursquare_v3": Case(
        code="foursquare",
        venue=venue_with(foursquare=foursquare_replies.FOURSQUARE_PLACE),
        replies={foursquare_replies.V3_LISTING: foursquare_replies.v3_photos},
        first_ref=f"{foursquare_replies.FOURSQUARE_PHOTO}1",
        settings={"foursquare_api": "v3"},
        keys={"foursquare_api_key": "k", "foursquare_api": "v3"},
        empty={foursquare_replies.V3_LISTING: []},
        names_author=False,
        bare_list=True,
    ),
    "here": Case(
        code="here",
        venue=venue_with(here=here_replies.HERE_PLACE),
        replies={here_replies.HERE_LOOKUP: here_replies.lookup},
        first_ref=here_replies.HERE_PHOTO,
        keys={"here_api_key": "k", "here_images": True},
        empty={here_replies.HERE_LOOKUP: here_replies.place()},
        states_size=False,
        names_author=False,
    ),
    "mapbox": Case(
        code="mapbox",
        venue=venue_with(mapbox=mapbox_replies.MAPBOX_PLACE),
        replies={mapbox_replies.MAPBOX_LISTING: mapbox_replies.details},
        first_ref=mapbox_replies.mapbox_ref(mapbox_replies.photo_path(1)),
        keys={"mapbox_access_token": "t"},
        empty={mapbox_replies.MAPBOX_LISTING: mapbox_replies.place()},
        states_size=False,
        names_author=False,
    ),
    "unsplash": Case(
        code="unsplash",
        venue=venue_with(unsplash="jazz club"),
        replies={unsplash_replies.UNSPLASH_LISTING: unsplash_replies.found},
        first_ref=unsplash_replies.UNSPLASH_PHOTO,
        keys={"unsplash_access_key": "k"},
        empty={unsplash_replies.UNSPLASH_LISTING: unsplash_replies.NOTHING},
    ),
}


def listing(
    case: Case, replies: dict[str, Any], *, limit: int = 10, **settings: Any
) -> tuple[list[Photo], FakeProviders, Permits]:
    world, permits = FakeProviders(replies), Permits()

    async def run() -> list[Photo]:
        async with world.running(**(case.settings | settings)) as http:
            api = api_of(http, case.code, permits)
            found = await SOURCES[case.code].list_photos(case.venue, api, limit=limit)
            assert api.calls == len(permits.taken) == len(world.seen)
            return found

    return asyncio.run(run()), world, permits


def resolving(
    case: Case, replies: dict[str, Any], ref: str, fetch_ref: str | Callable[[str], str] | None
) -> Download:
    world = FakeProviders(replies)

    async def run() -> Download:
        async with world.running(**case.settings) as http:
            given = fetch_ref(world.url) if callable(fetch_ref) else fetch_ref
            return await SOURCES[case.code].resolve(ref, given, api_of(http, case.code))

    return asyncio.run(run())


def failure_of(run: Callable[[], Any]) -> Failure:
    with pytest.raises(Failed) as caught:
        run()
    return caught.value.failure

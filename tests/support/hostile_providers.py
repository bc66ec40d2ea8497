"""Providers that put keys wherever they can: one server for all of them, in place of the sandbox.

Each venue carries a number in whatever it is known by, and so does whatever is listed for it. The number
says what is done to which reply; all other replies are as documented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ops_core.domain.places import Venue
from tests.support import (
    foursquare_replies,
    google_replies,
    here_replies,
    mapbox_replies,
    provider_replies,
    unsplash_replies,
)
from tests.support.photos import jpeg
from tests.support.planted import OURS, Planter
from tests.support.threads import in_thread

_NUMBER = re.compile(r"(?:f0f0f0|7777)([0-9]{8})")
_PHOTO = jpeg(64, 48)

#: Changes one reply: (what is documented, the request) -> what is answered.
Change = Callable[[Any, web.Request], Any]


@dataclass(frozen=True)
class Interface:
    """One interface of one provider: what it calls a venue, and which replies there are to plant in."""

    code: str
    key: str | None  #: The setting that holds its key.
    id_of: Callable[[int], dict[str, str]]
    listing: tuple[str, ...]  #: Kinds of replies on the way from a venue to its photos.
    search: tuple[str, ...] = ("search",)
    older: bool = False  #: The interface that settings choose with google_places_api or foursquare_api.

    @property
    def ours(self) -> str:
        """The key it is sent."""
        return OURS[self.key or "here_api_key"]


def _foursquare_id(number: int) -> str:
    return f"f0f0f0{number:08d}abcdefabcd"


INTERFACES: dict[str, Interface] = {
    "google": Interface(
        "google_places",
        "google_places_api_key",
        lambda number: {"google_places": f"ChIJf0f0f0{number:08d}Zz"},
        ("list", "resolve"),
    ),
    "google_legacy": Interface(
        "google_places",
        "google_places_api_key",
        lambda number: {"google_places": f"ChIJf0f0f0{number:08d}Zz"},
        ("list", "resolve"),
        older=True,
    ),
    "foursquare": Interface(
        "foursquare", "foursquare_api_key", lambda number: {"foursquare": _foursquare_id(number)}, ("list",)
    ),
    "foursquare_v3": Interface(
        "foursquare",
        "foursquare_api_key",
        lambda number: {"foursquare": _foursquare_id(number)},
        ("list",),
        older=True,
    ),
    "here": Interface(
        "here", "here_api_key", lambda number: {"here": f"here:pds:place:f0f0f0{number:08d}"}, ("list",)
    ),
    "mapbox": Interface(
        "mapbox", "mapbox_access_token", lambda number: {"mapbox": f"dXJuf0f0f0{number:08d}"}, ("list",)
    ),
    "unsplash": Interface(
        "unsplash",
        "unsplash_access_key",
        lambda number: {"unsplash": f"jazz f0f0f0{number:08d}"},
        ("list", "report"),
        search=(),
    ),
    "wikimedia": Interface(
        "wikimedia_commons",
        None,
        lambda number: {"wikidata": f"Q7777{number:08d}"},
        ("claims", "list"),
        search=("search", "entities"),
    ),
}


@dataclass(frozen=True)
class Scenario:
    """One thing that is done to one kind of reply of one interface."""

    interface: str
    kind: str
    where: str
    change: Change
    searched: bool = False  #: The venue has no id and is searched for.

    def venue(self, number: int) -> Venue:
        """A venue for which this is done."""
        return Venue(
            name=f"Blue Note f0f0f0{number:08d}",
            address="3 Main St",
            city="Kraków",
            country="Poland",
            latitude=50.06,
            longitude=19.94,
            provider_ids={} if self.searched else INTERFACES[self.interface].id_of(number),
        )


@dataclass
class HostileProviders:
    """The server: what it does for which venue, and what it saw."""

    planter: Planter = field(default_factory=Planter)
    scenarios: dict[int, Scenario] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)  #: Numbers whose change was made at least once.
    heard: set[str] = field(default_factory=set)  #: The settings whose keys arrived here.
    store_answers: list[Callable[[web.Request], web.Response]] = field(default_factory=list)  #: In turn.
    store_asked: int = 0
    url: str = ""

    def add(self, scenario: Scenario) -> Venue:
        """A new venue for which `scenario` is done."""
        number = len(self.scenarios) + 1
        self.scenarios[number] = scenario
        return scenario.venue(number)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Whatever is asked."""
        told = f"{request.path_qs} {dict(request.headers)}"
        self.heard |= {name for name, key in OURS.items() if key in told}
        asked = f"{request.path_qs} {(await request.read()).decode('latin-1')}"
        found = _NUMBER.search(asked)
        if request.path.startswith("/store/"):
            return self.of_store(request)
        kind, interface = _kind(request)
        if found is None or kind is None:
            return web.Response(status=404, text="nothing here")
        number = int(found[1])
        reply = documented(kind, interface, number, request)
        scenario = self.scenarios.get(number)
        if scenario is not None and (scenario.kind, scenario.interface) == (kind, interface):
            self.done.add(number)
            reply = scenario.change(reply, request)
        return reply if isinstance(reply, web.StreamResponse) else web.json_response(reply)

    def of_store(self, request: web.Request) -> web.Response:
        """The next answer of an image store: S3 or ImageKit, its API below /store."""
        self.store_asked += 1
        return self.store_answers[self.store_asked % len(self.store_answers)](request)

    @contextmanager
    def running(self) -> Iterator[HostileProviders]:
        """Served on this machine until left."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        with in_thread(app) as self.url:
            yield self


def _kind(request: web.Request) -> tuple[str | None, str]:
    """Which kind of reply is asked for, and of which interface."""
    _, host, *_ = request.path.split("/")
    path = request.path
    action = request.query.get("action", "")
    if host in ("places.googleapis.com", "maps.googleapis.com"):
        name = "google" if host.startswith("places") else "google_legacy"
        if path.endswith(("/media", "/place/photo")):
            return "resolve", name
        return ("search" if "search" in path or "findplace" in path else "list"), name
    if host in ("places-api.foursquare.com", "api.foursquare.com"):
        name = "foursquare" if host.startswith("places") else "foursquare_v3"
        return ("search" if path.endswith("/search") else "list"), name
    if host.endswith("search.hereapi.com"):
        return ("list" if host.startswith("lookup") else "search"), "here"
    if host == "api.mapbox.com":
        return ("search" if "searchbox" in path else "list"), "mapbox"
    if host == "api.unsplash.com":
        return ("report" if path.endswith("/download") else "list"), "unsplash"
    if host == "www.wikidata.org":
        kinds = {"wbgetclaims": "claims", "wbsearchentities": "search", "wbgetentities": "entities"}
        return kinds.get(action), "wikimedia"
    if host == "commons.wikimedia.org":
        return "list", "wikimedia"
    return "photo", _PHOTO_HOSTS.get(host, "")


_PHOTO_HOSTS = {
    "lh3.googleusercontent.com": "google",
    "fastly.4sqi.net": "foursquare",
    "media-cdn.tripadvisor.com": "here",
    "photos.mapbox.com": "mapbox",
    "images.unsplash.com": "unsplash",
    "upload.wikimedia.org": "wikimedia",
}


def documented(kind: str, name: str, number: int, request: Any) -> Any:
    """The documented reply, for the venue of that number; `request` has its host and its query."""
    if kind == "photo":
        return web.Response(body=_PHOTO, content_type="image/jpeg")
    if (name, kind) == ("google_legacy", "resolve"):
        place = f"http://{request.host}/lh3.googleusercontent.com/places/AUf0f0f0{number:08d}=s1600"
        return web.Response(status=302, headers={"Location": place})
    return _numbered(_REPLIES[(name, kind)](request), INTERFACES[name], number)


def _first(reply: Any, *path: str) -> Any:
    """The reply with only the first of what it lists: one photo tells as much as three."""
    if not path:
        return reply[:1]
    return {**reply, path[0]: _first(reply[path[0]], *path[1:])}


def _media(request: Any) -> dict[str, Any]:
    return {
        "name": f"{provider_replies.GOOGLE_NAME}/media",
        "photoUri": f"http://{request.host}/lh3.googleusercontent.com/places/AUacShh_1=s1600",
    }


def _commons(request: Any) -> dict[str, Any]:
    return {"query": {"pages": [provider_replies.commons_page(request, "File:Tour Eiffel.jpg")]}}


def _entities(request: Any) -> dict[str, Any]:
    return {"entities": {"Q195311": google_replies.ENTITIES["Q195311"]}}


_REPLIES: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("google", "list"): lambda request: _first(provider_replies.google_listing(request), "photos"),
    ("google", "resolve"): _media,
    ("google", "search"): lambda _: _first(google_replies.NEW_PLACES, "places"),
    ("google_legacy", "list"): lambda _: google_replies.legacy_details(google_replies.legacy_photo(1)),
    ("google_legacy", "search"): lambda _: _first(google_replies.CANDIDATES, "candidates"),
    ("foursquare", "list"): lambda request: foursquare_replies.photos(request)[:1],
    ("foursquare", "search"): lambda _: _first(foursquare_replies.PLACES, "results"),
    ("foursquare_v3", "list"): lambda request: foursquare_replies.v3_photos(request)[:1],
    ("foursquare_v3", "search"): lambda _: _first(foursquare_replies.V3_PLACES, "results"),
    ("here", "list"): lambda request: here_replies.place([here_replies.item(request, 1)]),
    ("here", "search"): lambda _: _first(here_replies.FOUND, "items"),
    ("mapbox", "list"): lambda request: _first(mapbox_replies.details(request), "photos"),
    ("mapbox", "search"): lambda _: _first(mapbox_replies.FOUND, "features"),
    ("unsplash", "list"): lambda request: _first(unsplash_replies.found(request), "results"),
    ("unsplash", "report"): lambda _: {"url": "https://images.unsplash.com/photo-1?ixid=1"},
    ("wikimedia", "claims"): provider_replies.wikidata_claims,
    ("wikimedia", "list"): _commons,
    ("wikimedia", "search"): lambda _: {"search": [google_replies.hit("Q195311", "Blue Note")]},
    ("wikimedia", "entities"): _entities,
}


def _numbered(reply: Any, interface: Interface, number: int) -> Any:
    """The reply as that of a venue of its own."""
    mark = f"f0f0f0{number:08d}"
    (place_id,) = interface.id_of(number).values()
    said = json.dumps(reply)
    for word, own in {
        google_replies.PLACE: place_id,
        "AUacShh_1": f"AU{mark}",
        "CIHM0ogKEICAgIC_1": f"CI{mark}",
        foursquare_replies.FOURSQUARE_PLACE: place_id,
        "27261341_abc1": mark,
        here_replies.HERE_PLACE: place_id,
        "0d/e1/2a/a1": f"0d/{mark}",
        mapbox_replies.MAPBOX_PLACE: place_id,
        "blue-note-1.jpg": f"{mark}.jpg",
        unsplash_replies.UNSPLASH_PHOTO: f"ph{mark}",
        "Q195311": f"Q7777{number:08d}",
        "Tour_Eiffel": f"Tour_{mark}",
        "Tour Eiffel": f"Tour {mark}",
        "Eiffel Tower": f"Tower {mark}",
    }.items():
        said = said.replace(word, own)
    return json.loads(said)

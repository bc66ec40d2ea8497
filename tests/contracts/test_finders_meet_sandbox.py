"""The finders and the sandbox understand each other: what is found there has photos of its own."""

from __future__ import annotations

import asyncio

import pytest

from ops_core.domain.errors import ErrorType
from ops_core.domain.places import Venue, metres_between
from ops_core.providers.http import Http
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Photo, Place, PlaceKind
from ops_core.sandbox.places import FAR
from ops_core.settings import Settings
from tests.support.loopback import api_of
from tests.support.provider_replies import SEARCHES, Search, failure_of
from tests.support.sandbox import SandboxProcess
from tests.support.searches import finder

NAMES = [f"Venue{number}" for number in range(30)]


@pytest.fixture(params=sorted(SEARCHES))
def case(request: pytest.FixtureRequest) -> Search:
    return SEARCHES[request.param]


def find(case: Search, sandbox: SandboxProcess, *venues: Venue) -> list[list[Place]]:
    async def run() -> list[list[Place]]:
        async with Http(Settings(sandbox_url=sandbox.url, **case.settings)) as http:
            api = api_of(http, case.code)
            return [await finder(case.code).find_places(venue, api, limit=5) for venue in venues]

    return asyncio.run(run())


def venue(name: str, *, point: tuple[float, float] | None = (50.06, 19.94), **ids: str) -> Venue:
    latitude, longitude = point or (None, None)
    return Venue(
        name=name,
        address="",
        city="Kraków",
        country="Poland",
        latitude=latitude,
        longitude=longitude,
        provider_ids=ids,
    )


def test_most_venues_are_found_by_name_near_their_coordinates(case: Search, sandbox: SandboxProcess) -> None:
    found = find(case, sandbox, *map(venue, NAMES))
    named = sum(
        any(place.name == name for place in places) for name, places in zip(NAMES, found, strict=True)
    )
    assert len(NAMES) // 2 < named < len(NAMES)
    if case.told_where:
        spots = [(place.latitude, place.longitude) for places in found for place in places]
        assert max(metres_between((50.06, 19.94), spot) for spot in spots) < FAR + 10


def test_the_same_search_finds_the_same_places(case: Search, sandbox: SandboxProcess) -> None:
    assert find(case, sandbox, *map(venue, NAMES[:5])) == find(case, sandbox, *map(venue, NAMES[:5]))


def test_a_venue_without_coordinates_is_found_as_well(case: Search, sandbox: SandboxProcess) -> None:
    found = find(case, sandbox, *(venue(name, point=None) for name in NAMES))
    assert any(place.name == name for name, places in zip(NAMES, found, strict=True) for place in places)


def test_a_found_id_is_one_that_photos_are_listed_for(case: Search, sandbox: SandboxProcess) -> None:
    key = finder(case.code).id_key
    found = [place for places in find(case, sandbox, *map(venue, NAMES)) for place in places[:1]]
    places = [place for place in found if place.kind not in (PlaceKind.ADDRESS, PlaceKind.AREA)]

    async def run() -> list[list[Photo]]:
        async with Http(Settings(sandbox_url=sandbox.url, **case.settings)) as http:
            api = api_of(http, case.code)
            return [
                await SOURCES[case.code].list_photos(venue("V", **{key: place.place_id}), api, limit=5)
                for place in places
            ]

    listed = asyncio.run(run())
    assert sum(map(bool, listed)) > len(listed) // 2


def test_an_outage_ends_a_search_in_its_error_type(case: Search, sandbox: SandboxProcess) -> None:
    sandbox.set_faults(outages=dict.fromkeys(SOURCES, 503), retry_after=4)
    failure = failure_of(lambda: find(case, sandbox, venue("Blue Note")))
    assert (failure.error_type, failure.retry_after) == (ErrorType.SERVICE_UNAVAILABLE, 4.0)

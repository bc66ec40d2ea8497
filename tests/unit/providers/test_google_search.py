"""Searching for venues at Google, in both interfaces: what is asked, and what replies become."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ops_core.domain.errors import ErrorType
from ops_core.domain.places import Venue
from ops_core.providers.google_shared import kind_of
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Place, PlaceKind
from ops_core.settings import Settings
from tests.support.google_replies import (
    CANDIDATES,
    LEGACY_SEARCH,
    NEW_PLACES,
    NEW_SEARCH,
    PLACE,
    STREET,
    legacy_problem,
)
from tests.support.loopback import FakeProviders, api_of
from tests.support.provider_replies import failure_of

KRAKOW = Venue(
    name="Blue Note", address="3 Main St", city="Kraków", country="Poland", latitude=50.06, longitude=19.94
)
NOWHERE = Venue(name="Blue Note", address="", city="Kraków", country="Poland")


class Notes:
    """An `Api` that notes what is posted and answers with two places."""

    settings = Settings(sandbox_url="http://127.0.0.1:1")

    def base(self, host: str) -> str:
        return f"http://127.0.0.1:1/{host}"

    async def post_json(self, url: str, body: Any, *, headers: dict[str, str], **_: Any) -> Any:
        self.url, self.body, self.headers = url, body, headers
        return NEW_PLACES


def noted(venue: Venue, limit: int = 5) -> Notes:
    notes = Notes()
    asyncio.run(SOURCES["google_places"].find_places(venue, notes, limit=limit))
    return notes


def searching(
    replies: dict[str, Any], venue: Venue = KRAKOW, **settings: Any
) -> tuple[list[Place], FakeProviders]:
    world = FakeProviders(replies)

    async def run() -> list[Place]:
        async with world.running(**settings) as http:
            return await SOURCES["google_places"].find_places(venue, api_of(http, "google_places"), limit=5)

    return asyncio.run(run()), world


def legacy(reply: Any, venue: Venue = KRAKOW) -> tuple[list[Place], FakeProviders]:
    return searching({LEGACY_SEARCH: reply}, venue, google_places_api="legacy")


def test_the_new_search_asks_for_name_and_city_near_the_venue_and_for_cheap_fields_only() -> None:
    notes = noted(KRAKOW)
    assert notes.url.endswith(NEW_SEARCH)
    assert notes.body == {
        "textQuery": "Blue Note, Kraków",
        "pageSize": 5,
        "locationBias": {"circle": {"center": {"latitude": 50.06, "longitude": 19.94}, "radius": 2000}},
    }
    fields = ("id", "displayName", "formattedAddress", "location", "types")
    mask = ",".join(f"places.{field}" for field in fields)
    assert notes.headers == {"X-Goog-Api-Key": "sandbox", "X-Goog-FieldMask": mask}


def test_the_new_search_names_the_country_where_no_coordinates_are_known() -> None:
    assert noted(NOWHERE, limit=50).body == {"textQuery": "Blue Note, Kraków, Poland", "pageSize": 20}


def test_the_older_search_asks_the_same() -> None:
    _, world = legacy(CANDIDATES)
    assert world.seen[0].query == {
        "input": "Blue Note, Kraków",
        "inputtype": "textquery",
        "fields": "place_id,name,formatted_address,geometry,types",
        "locationbias": "circle:2000@50.060000,19.940000",
        "key": "sandbox",
    }
    asked = legacy(CANDIDATES, NOWHERE)[1].seen[0].query
    assert asked["input"] == "Blue Note, Kraków, Poland"
    assert "locationbias" not in asked


def test_both_searches_tell_the_same_of_a_place() -> None:
    new, old = searching({NEW_SEARCH: NEW_PLACES})[0], legacy(CANDIDATES)[0]
    assert new == old
    assert [place.place_id for place in new] == [PLACE, STREET]
    assert [place.address for place in new] == [
        "3 Main St, 31-042 Kraków, Poland",
        "3 Main St, Kraków, Poland",
    ]
    assert [place.kind for place in new] == [PlaceKind.VENUE, PlaceKind.ADDRESS]


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        (["museum", "point_of_interest", "establishment"], PlaceKind.VENUE),
        (["premise", "point_of_interest"], PlaceKind.VENUE),
        (["tourist_attraction"], PlaceKind.VENUE),
        *(
            ([each], PlaceKind.ADDRESS)
            for each in ("street_address", "premise", "subpremise", "route", "intersection", "plus_code")
        ),
        (["locality", "political"], PlaceKind.AREA),
        (["administrative_area_level_2"], PlaceKind.AREA),
        (["postal_code"], PlaceKind.AREA),
        (["sublocality_level_1", "sublocality", "political"], PlaceKind.AREA),
        ([], PlaceKind.UNKNOWN),
        (None, PlaceKind.UNKNOWN),
        ([5, None], PlaceKind.UNKNOWN),
    ],
)
def test_the_types_of_a_place_say_whether_it_is_a_venue(types: Any, kind: PlaceKind) -> None:
    assert kind_of(types) is kind


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {},
        {"id": "short", "displayName": {"text": "A"}},
        {"id": PLACE},
        {"id": PLACE, "displayName": "A"},
    ],
)
def test_odd_places_are_left_out_and_the_others_kept(odd: Any) -> None:
    found = searching({NEW_SEARCH: {"places": [odd, *NEW_PLACES["places"]]}})[0]
    assert [place.place_id for place in found] == [PLACE, STREET]
    failure = failure_of(lambda: searching({NEW_SEARCH: {"places": [odd]}}))
    assert failure.error_type is ErrorType.BAD_RESPONSE


@pytest.mark.parametrize(
    "where", [None, {}, {"lat": 50.0}, {"lat": 91, "lng": 19}, {"lat": "50", "lng": "19"}]
)
def test_coordinates_that_are_none_are_left_out(where: Any) -> None:
    candidate = {**CANDIDATES["candidates"][0], "geometry": {"location": where}}
    (place,) = legacy({"candidates": [candidate], "status": "OK"})[0]
    assert (place.latitude, place.longitude) == (None, None)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        ("INVALID_REQUEST", None, ErrorType.HTTP_ERROR),
        ("REQUEST_DENIED", "The provided API key is invalid. ", ErrorType.AUTH_ERROR),
        ("OVER_QUERY_LIMIT", None, ErrorType.RATE_LIMITED),
        ("OVER_QUERY_LIMIT", "verify your project has an active billing account", ErrorType.QUOTA_EXCEEDED),
        ("UNKNOWN_ERROR", None, ErrorType.SERVICE_UNAVAILABLE),
    ],
)
def test_the_older_search_fails_as_the_other_calls_do(
    status: str, message: str | None, expected: ErrorType
) -> None:
    reply = {"candidates": [], **legacy_problem(status, message)}
    assert failure_of(lambda: legacy(reply)).error_type is expected


@pytest.mark.parametrize("reply", [{"candidates": {}, "status": "OK"}, {"candidates": []}, {"places": []}])
def test_candidates_in_another_form_are_a_bad_response(reply: Any) -> None:
    assert failure_of(lambda: legacy(reply)).error_type is ErrorType.BAD_RESPONSE


def test_a_list_of_places_in_another_form_is_a_bad_response() -> None:
    failure = failure_of(lambda: searching({NEW_SEARCH: {"places": {"id": PLACE}}}))
    assert failure.error_type is ErrorType.BAD_RESPONSE

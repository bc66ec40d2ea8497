"""Searching for venues at Wikidata: what is asked, and what entities become."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.domain.places import Venue
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Place, PlaceKind
from tests.support.google_replies import claim, entity, hit, spot, wikidata_search
from tests.support.loopback import FakeProviders, api_of
from tests.support.provider_replies import WIKIDATA, failure_of

VENUE = Venue(name="Blue Note", address="", city="Kraków", country="Poland", latitude=50.06, longitude=19.94)


def searching(reply: Any, limit: int = 5) -> tuple[list[Place], FakeProviders]:
    world = FakeProviders({WIKIDATA: reply})

    async def run() -> list[Place]:
        async with world.running() as http:
            api = api_of(http, "wikimedia_commons")
            return await SOURCES["wikimedia_commons"].find_places(VENUE, api, limit=limit)

    return asyncio.run(run()), world


def found_as(about: Any, **hits: Any) -> list[Place]:
    """What one entity becomes that the search finds as Q1."""

    def reply(request: web.Request) -> dict[str, Any]:
        if request.query["action"] == "wbgetentities":
            return {"entities": {"Q1": about}}
        return {"search": [{**hit("Q1", "Blue Note"), **hits}]}

    return searching(reply)[0]


def test_the_search_asks_for_items_with_the_venues_name_and_then_for_all_of_them_at_once() -> None:
    _, world = searching(wikidata_search, limit=50)
    first, second = (seen.query for seen in world.seen)
    assert first == {
        "action": "wbsearchentities",
        "search": "Blue Note",
        "language": "en",
        "uselang": "en",
        "type": "item",
        "limit": "50",
        "format": "json",
    }
    assert second["ids"] == "Q195311|Q1000|Q885833"
    assert second["props"] == "labels|aliases|descriptions|claims"


def test_no_more_entities_are_asked_for_than_wanted_or_allowed() -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        if request.query["action"] == "wbgetentities":
            ids = request.query["ids"].split("|")
            return {"entities": {each: entity(each, "Blue Note") for each in ids}}
        return {"search": [hit(f"Q{number}", "Blue Note") for number in range(1, 99)]}

    for limit, expected in ((3, 3), (80, 50)):
        places, world = searching(reply, limit=limit)
        assert world.seen[0].query["limit"] == str(expected)
        assert len(world.seen[1].query["ids"].split("|")) == len(places) == expected


def test_entities_keep_the_order_of_the_search_and_only_places_have_coordinates() -> None:
    venue, street, label = searching(wikidata_search)[0]
    assert (venue.place_id, venue.kind, venue.latitude, venue.longitude) == (
        "Q195311",
        PlaceKind.UNKNOWN,
        50.0601,
        19.9401,
    )
    assert (venue.provider, venue.address, venue.also_named) == (
        "wikimedia_commons",
        "Blue Note in Kraków",
        ("Blue Note Club",),
    )
    assert (street.place_id, street.kind) == ("Q1000", PlaceKind.ADDRESS)
    assert (label.name, label.kind, label.latitude, label.longitude) == (
        "Blue Note Records",
        PlaceKind.UNKNOWN,
        None,
        None,
    )


def test_the_name_that_matched_is_one_of_the_names() -> None:
    matched = {"type": "alias", "language": "pl", "text": "Klub Blue Note"}
    (place,) = found_as(entity("Q1", "Blue Note"), match=matched)
    assert place.also_named == ("Klub Blue Note", "Blue Note Club")


def test_the_best_coordinates_on_earth_are_taken() -> None:
    stated = [
        {"mainsnak": {"snaktype": "somevalue"}, "rank": "preferred"},
        claim(spot(1.0, 2.0), "deprecated"),
        claim(spot(3.0, 4.0)),
        claim(spot(7.0, 8.0, globe="Q405"), "preferred"),
        claim(spot(5.0, 6.0), "preferred"),
    ]
    (place,) = found_as(entity("Q1", "Blue Note", P625=stated))
    assert (place.latitude, place.longitude) == (5.0, 6.0)


@pytest.mark.parametrize(
    "stated", [[claim(spot(7.0, 8.0, globe="Q405"))], [claim(spot(91, 0))], [claim("50,19")], {}]
)
def test_what_lies_nowhere_on_earth_has_no_coordinates(stated: Any) -> None:
    (place,) = found_as(entity("Q1", "Blue Note", P625=stated))
    assert (place.latitude, place.longitude) == (None, None)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["Q33506"], PlaceKind.UNKNOWN),
        (["Q79007"], PlaceKind.ADDRESS),
        (["Q5", "Q515"], PlaceKind.AREA),
        ([], PlaceKind.UNKNOWN),
    ],
)
def test_streets_and_cities_are_told_from_the_rest(kinds: list[str], expected: PlaceKind) -> None:
    (place,) = found_as(entity("Q1", "Blue Note", P31=[claim({"id": kind}) for kind in kinds]))
    assert place.kind is expected


def test_a_stated_street_address_comes_before_a_description() -> None:
    (place,) = found_as(entity("Q1", "Blue Note", P6375=[claim({"text": "3 Main St", "language": "en"})]))
    assert place.address == "3 Main St"


def test_an_entity_without_an_english_name_has_the_name_it_was_found_by() -> None:
    (place,) = found_as({"id": "Q1", "claims": []}, label="Błękitna Nuta")
    assert (place.name, place.address, place.also_named) == ("Błękitna Nuta", None, ("Blue Note",))


@pytest.mark.parametrize(
    "about",
    [
        {"id": "Q1", "missing": ""},
        {"id": "Q2", "labels": {"en": {"value": "Merged into another"}}},
        entity("Q1", "Blue Note", P31=[claim({"id": "Q4167410"})]),
        None,
        [],
        "Q1",
    ],
)
def test_what_is_gone_or_only_explains_a_word_is_left_out(about: Any) -> None:
    assert found_as(about) == []


@pytest.mark.parametrize("odd", [None, 5, {}, {"id": 5}, {"id": "P31"}, {"id": "Q1|Q2"}, {"id": "Q1\n"}])
def test_odd_hits_are_never_put_into_the_second_call(odd: Any) -> None:
    places, world = searching({"search": [odd]})
    assert places == []
    assert len(world.seen) == 1


@pytest.mark.parametrize("entities", [None, [], 5, "x"])
def test_entities_in_another_form_are_a_bad_response(entities: Any) -> None:
    reply = {"search": [hit("Q1", "A")], "entities": entities}
    assert failure_of(lambda: searching(reply)).error_type is ErrorType.BAD_RESPONSE


def test_an_error_of_either_call_is_told_apart_by_what_wikidata_says() -> None:
    def reply(request: web.Request) -> web.Response:
        if request.query["action"] == "wbsearchentities":
            return web.json_response({"search": [hit("Q1", "A")]})
        return web.json_response({"error": {"code": "ratelimited"}}, headers={"Retry-After": "3"})

    for each in (
        reply,
        lambda _: web.json_response({"error": {"code": "ratelimited"}}, headers={"Retry-After": "3"}),
    ):
        failure = failure_of(lambda each=each: searching(each))
        assert (failure.error_type, failure.retry_after) == (ErrorType.RATE_LIMITED, 3.0)

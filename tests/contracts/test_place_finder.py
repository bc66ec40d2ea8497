"""What every source that searches for venues keeps to, shown on replies in the documented forms."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.domain.places import PROVIDER_ID_SHAPES, Venue
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import PlaceFinder, PlaceKind
from ops_core.settings import Settings
from tests.support.provider_replies import SEARCHES, Search, failure_of
from tests.support.searches import finder, searching


@pytest.fixture(params=sorted(SEARCHES))
def case(request: pytest.FixtureRequest) -> Search:
    return SEARCHES[request.param]


def test_every_source_that_searches_is_tried_here() -> None:
    searched = {code for code, source in SOURCES.items() if isinstance(source, PlaceFinder)}
    assert searched == {case.code for case in SEARCHES.values()}


def test_places_come_with_all_that_a_match_is_judged_by(case: Search) -> None:
    places, _ = searching(case, case.replies)
    venue, address = places[:2]
    assert (venue.provider, venue.place_id, venue.name) == (case.code, case.first_id, "Blue Note")
    assert venue.latitude == pytest.approx(50.0601)
    assert venue.longitude == pytest.approx(19.9401)
    assert venue.kind is not PlaceKind.ADDRESS
    assert address.kind is case.second_kind
    shape = PROVIDER_ID_SHAPES[finder(case.code).id_key]
    assert all(shape.fullmatch(place.place_id) for place in places)


def test_no_more_places_come_than_were_asked_for(case: Search) -> None:
    assert [place.place_id for place in searching(case, case.replies, limit=1)[0]] == [case.first_id]


def test_nothing_found_is_an_empty_list(case: Search) -> None:
    assert searching(case, case.empty)[0] == []


def test_a_venue_without_coordinates_is_searched_for_as_well(case: Search) -> None:
    venue = Venue(name="Blue Note", address="", city="Kraków", country="Poland")
    assert searching(case, case.replies, venue)[0]


@pytest.mark.parametrize(
    "name",
    [
        'Café & Bar + 100 % #1; "x" = y?',
        "東京国立博物館",
        "کتاب\u200cخانه ملی",
        "Ресторан «Ложка/Вилка»",
        "%41%20\\ {braces} <b>",
        "🎷 Blue Note",
    ],
)
@pytest.mark.parametrize(
    ("latitude", "longitude"), [(50.06, 19.94), (-90.0, 180.0), (-0.0000001, -179.9999999), (None, None)]
)
def test_a_name_in_any_script_and_any_spot_on_earth_arrive_as_they_are(
    case: Search, name: str, latitude: float | None, longitude: float | None
) -> None:
    venue = Venue(
        name=name, address="", city="Kraków", country="Poland", latitude=latitude, longitude=longitude
    )
    places, world = searching(case, case.replies, venue)
    assert places
    asked = world.seen[0]
    words = [*asked.query.values(), json.loads(asked.body or "{}").get("textQuery", "")]
    assert any(word.startswith(name) for word in words)
    # no number that only programs read
    assert not any("e-0" in word or "None" in word for word in asked.query.values())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, ErrorType.AUTH_ERROR),
        (403, ErrorType.FORBIDDEN),
        (429, ErrorType.RATE_LIMITED),
        (500, ErrorType.SERVER_ERROR),
        (503, ErrorType.SERVICE_UNAVAILABLE),
    ],
)
def test_a_status_that_says_no_more_is_classified_by_the_one_table(
    case: Search, status: int, expected: ErrorType
) -> None:
    def reply(_: web.Request) -> web.Response:
        return web.Response(status=status, text="<html>no")

    failure = failure_of(lambda: searching(case, dict.fromkeys(case.replies, reply)))
    assert (failure.error_type, failure.status_code) == (expected, status)


@pytest.mark.parametrize("body", [b"", b"<html>", b'"text"', b"null", b"17", b"\xff\xfe\xff"])
def test_a_reply_in_no_documented_form_is_a_bad_response(case: Search, body: bytes) -> None:
    def reply(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    failure = failure_of(lambda: searching(case, dict.fromkeys(case.replies, reply)))
    assert failure.error_type is ErrorType.BAD_RESPONSE


def test_a_finder_says_which_setting_it_lacks_and_needs_none_in_the_sandbox(case: Search) -> None:
    assert "VENUE_OPS_" in (finder(case.code).cannot_search(Settings()) or "")
    assert finder(case.code).cannot_search(Settings(sandbox_url="http://127.0.0.1:8502")) is None

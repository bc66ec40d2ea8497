"""Foursquare: what its replies and errors become, in both its interfaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.providers.registry import SOURCES
from ops_core.settings import Settings
from tests.support.foursquare_replies import (
    FOURSQUARE_LISTING,
    FOURSQUARE_PHOTO,
    FOURSQUARE_PLACE,
    FOURSQUARE_SEARCH,
    V3_LISTING,
    photo,
    photos,
)
from tests.support.provider_replies import (
    CASES,
    SEARCHES,
    Case,
    failure_of,
    listing,
    resolving,
    venue_with,
)
from tests.support.searches import searching

CASE, V3 = CASES["foursquare"], CASES["foursquare_v3"]
SEARCH = SEARCHES["foursquare"]
FILES = "fastly.4sqi.net/img/general"

Reply = Callable[[web.Request], web.Response]


def error(status: int, body: dict[str, Any], **headers: str) -> Reply:
    return lambda _: web.json_response(body, status=status, headers=headers)


def said(status: int, message: str, **headers: str) -> Reply:
    return error(status, {"message": message}, **headers)


def v2_error(status: int, word: str, detail: str) -> Reply:
    return error(status, {"meta": {"code": status, "errorType": word, "errorDetail": detail}, "response": {}})


def plain(status: int, words: str) -> Reply:
    return lambda _: web.Response(status=status, text=words)


def wait(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


@pytest.mark.parametrize(
    ("reply", "expected", "seconds"),
    [
        (said(400, "Invalid value for parameter limit."), ErrorType.HTTP_ERROR, None),
        (said(401, "Invalid request token."), ErrorType.AUTH_ERROR, None),
        (said(403, "Forbidden."), ErrorType.FORBIDDEN, None),
        (said(404, "invalid venue specified"), ErrorType.NOT_FOUND, None),
        (said(405, "Method not allowed."), ErrorType.HTTP_ERROR, None),
        (said(409, "Conflict."), ErrorType.HTTP_ERROR, None),
        (v2_error(410, "deprecated", "This endpoint is gone."), ErrorType.HTTP_ERROR, None),
        (plain(410, "Gone"), ErrorType.HTTP_ERROR, None),
        (said(429, "Rate limit exceeded.", **wait(7)), ErrorType.RATE_LIMITED, 7.0),
        (plain(429, "Too many requests"), ErrorType.RATE_LIMITED, None),
        (said(429, "No API credits remaining.", **wait(7)), ErrorType.QUOTA_EXCEEDED, None),
        (v2_error(429, "quota_exceeded", "Quota exceeded"), ErrorType.QUOTA_EXCEEDED, None),
        (v2_error(429, "quota_exceeded", ""), ErrorType.QUOTA_EXCEEDED, None),
        (v2_error(429, "rate_limit_exceeded", "Slow down"), ErrorType.RATE_LIMITED, None),
        (plain(429, "You have used up your credits"), ErrorType.QUOTA_EXCEEDED, None),
        (said(500, "Internal server error."), ErrorType.SERVER_ERROR, None),
        (said(503, "Service unavailable.", **wait(9)), ErrorType.SERVICE_UNAVAILABLE, 9.0),
    ],
)
@pytest.mark.parametrize("case", [CASE, V3], ids=["2025", "v3"])
def test_foursquare_errors_are_told_apart_by_what_foursquare_says(
    case: Case, reply: Reply, expected: ErrorType, seconds: float | None
) -> None:
    failure = failure_of(lambda: listing(case, dict.fromkeys(case.replies, reply)))
    assert failure.error_type is expected
    assert failure.retry_after == seconds
    assert failure.detail


def test_a_refused_key_names_both_settings_that_may_be_wrong_and_not_the_key() -> None:
    reply = said(401, "Invalid request token: 0123-the-key.")
    failure = failure_of(lambda: listing(CASE, {FOURSQUARE_LISTING: reply}))
    assert "VENUE_OPS_FOURSQUARE_API_KEY" in failure.detail
    assert "VENUE_OPS_FOURSQUARE_API " in failure.detail
    assert "0123-the-key" not in failure.detail


def test_a_closed_interface_names_the_setting_that_chooses_the_other() -> None:
    failure = failure_of(lambda: listing(V3, {V3_LISTING: plain(410, "Gone")}))
    assert "VENUE_OPS_FOURSQUARE_API " in failure.detail


def test_the_interface_of_2025_gets_a_bearers_key_and_its_version() -> None:
    _, world, _ = listing(CASE, CASE.replies, limit=7, foursquare_api_key="real-key")
    asked = world.seen[0]
    assert asked.headers["Authorization"] == "Bearer sandbox"  # the real key stays out of the sandbox
    assert asked.headers["X-Places-Api-Version"] == "2025-06-17"
    assert asked.query == {"limit": "7", "sort": "POPULAR"}


def test_v3_gets_the_bare_key() -> None:
    _, world, _ = listing(V3, V3.replies)
    asked = world.seen[0]
    assert asked.headers["Authorization"] == "sandbox"
    assert "X-Places-Api-Version" not in asked.headers


@pytest.mark.parametrize(("limit", "sent"), [(50, "50"), (51, "50"), (1000, "50"), (0, "1")])
def test_no_limit_is_asked_for_that_foursquare_refuses(limit: int, sent: str) -> None:
    _, world, _ = listing(CASE, CASE.replies, limit=limit)
    assert world.seen[0].query["limit"] == sent


@pytest.mark.parametrize(
    ("width", "wanted", "size"),
    [
        (1440, 1600, "original"),
        (1600, 1600, "original"),
        (1601, 1600, "width1600"),
        (4000, 960, "width960"),
        (None, 960, "original"),
        ("wide", 960, "original"),
        (-1, 960, "original"),
    ],
)
def test_a_photo_is_asked_for_as_it_is_or_at_the_configured_width(width: Any, wanted: int, size: str) -> None:
    found, world, _ = listing(
        CASE,
        {FOURSQUARE_LISTING: lambda request: [photo(request, 1, width=width)]},
        image_width=wanted,
    )
    address = f"{world.url}/{FILES}/{size}/27261341_abc1.jpg"
    assert (found[0].fetch_ref, found[0].show_url) == (address, address)


def test_a_photo_is_credited_to_foursquare_with_the_page_of_its_place() -> None:
    first = listing(CASE, CASE.replies)[0][0]
    page = f"https://foursquare.com/v/{FOURSQUARE_PLACE}"
    assert (first.attribution, first.attribution_url, first.source_url) == ("Foursquare", page, page)


def test_a_venue_with_nothing_but_older_photos_whose_names_look_like_keys_has_photos() -> None:
    suffix = "/ABBYAIL1IP5BZJEXGZNSCW33UJZWU3THJTUSOQCGL3P2UPXO.jpg"
    found, world, _ = listing(
        CASE, {FOURSQUARE_LISTING: lambda request: [photo(request, 1, width=720, suffix=suffix)]}
    )
    address = f"{world.url}/{FILES}/original{suffix}"
    assert [(each.fetch_ref, each.show_url) for each in found] == [(address, address)]
    assert resolving(CASE, {}, "x", lambda url: f"{url}/{FILES}/original{suffix}").url.endswith(suffix)


@pytest.mark.parametrize("case", [CASE, V3], ids=["2025", "v3"])
def test_either_interfaces_form_is_read_from_either(case: Case) -> None:
    def wrapped(request: web.Request) -> dict[str, Any]:
        return {"results": [photo(request, 1, "id"), photo(request, 2)]}

    found, _, _ = listing(case, dict.fromkeys(case.replies, wrapped))
    assert [each.provider_ref for each in found] == [f"{FOURSQUARE_PHOTO}1", f"{FOURSQUARE_PHOTO}2"]


def test_a_photo_that_is_listed_twice_is_one_photo() -> None:
    found, _, _ = listing(CASE, {FOURSQUARE_LISTING: lambda request: [*photos(request), *photos(request)]})
    assert len({each.provider_ref for each in found}) == len(found) == 3


ODD: list[Any] = [
    None,
    3,
    {},
    {"fsq_photo_id": "x"},
    {"fsq_photo_id": "../x", "prefix": "http://{host}/fastly.4sqi.net/img/", "suffix": "/x.jpg"},
    {"fsq_photo_id": "x", "prefix": "https://elsewhere.example.org/", "suffix": "/x.jpg"},
    {"fsq_photo_id": "x", "prefix": "https://fastly.4sqi.net.example.org/", "suffix": "/x.jpg"},
    {"fsq_photo_id": "x", "prefix": 5, "suffix": "/x.jpg"},
]


def test_odd_photos_are_left_out_and_the_others_kept() -> None:
    found, _, _ = listing(CASE, {FOURSQUARE_LISTING: lambda request: [*ODD, photo(request, 1)]})
    assert [each.provider_ref for each in found] == [f"{FOURSQUARE_PHOTO}1"]


@pytest.mark.parametrize("odd", [None, 5, {}, "", "../x"])
def test_a_photo_whose_id_is_odd_under_one_name_has_it_under_the_other(odd: Any) -> None:
    found, _, _ = listing(
        CASE, {FOURSQUARE_LISTING: lambda request: [photo(request, 1, "id", fsq_photo_id=odd)]}
    )
    assert [each.provider_ref for each in found] == [f"{FOURSQUARE_PHOTO}1"]


def test_a_list_of_odd_photos_only_is_a_bad_response_rather_than_no_images() -> None:
    failure = failure_of(lambda: listing(CASE, {FOURSQUARE_LISTING: ODD}))
    assert failure.error_type is ErrorType.BAD_RESPONSE


def test_a_listed_photo_is_fetched_from_its_address_without_a_permit() -> None:
    download = resolving(CASE, {}, "x", lambda url: f"{url}/{FILES}/original/x.jpg")
    assert download.url.endswith(f"/{FILES}/original/x.jpg")
    assert not download.needs_permit
    assert not download.headers


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "https://fastly.4sqi.net/img/general/original/x.jpg",  # real, while the sandbox is in use
        "http://127.0.0.1:1/fastly.4sqi.net/img/general/original/x.jpg",
        lambda url: f"{url}/images.example.org/x.jpg",
        lambda url: f"{url}/{FILES}/original/x.jpg?token=secret",
    ],
)
def test_an_address_that_is_not_known_to_be_foursquares_is_a_stale_reference(address: Any) -> None:
    failure = failure_of(lambda: resolving(CASE, {}, "x", address))
    assert failure.error_type is ErrorType.STALE_REFERENCE


def test_a_malformed_id_is_never_put_into_an_address() -> None:
    case = Case("foursquare", venue_with(foursquare="../../else"), {}, "", {})
    assert failure_of(lambda: listing(case, {})).error_type is ErrorType.NOT_FOUND


def test_a_search_asks_near_the_venues_coordinates_and_for_no_premium_field() -> None:
    _, world = searching(SEARCH, SEARCH.replies)
    assert world.seen[0].query == {
        "query": "Blue Note",
        "ll": "50.060000,19.940000",
        "radius": "2000",
        "limit": "5",
        "fields": "fsq_place_id,name,latitude,longitude,location",
    }
    assert world.seen[0].headers["X-Places-Api-Version"] == "2025-06-17"


def test_a_search_without_coordinates_asks_in_the_venues_city() -> None:
    venue = venue_with()
    _, world = searching(SEARCHES["foursquare_v3"], SEARCHES["foursquare_v3"].replies, venue)
    assert world.seen[0].query == {
        "query": "V",
        "near": "C, FR",
        "limit": "5",
        "fields": "fsq_id,name,geocodes,location",
    }
    assert world.seen[0].headers["Authorization"] == "sandbox"


@pytest.mark.parametrize("name", ["foursquare", "foursquare_v3"])
def test_a_found_place_has_its_address_and_spot(name: str) -> None:
    first, second = searching(SEARCHES[name], SEARCHES[name].replies)[0]
    assert (first.address, second.address) == ("3 Main St, 31-042 Kraków", "5 Main St")
    assert (first.latitude, first.longitude) == (50.0601, 19.9401)


def test_odd_places_are_left_out_and_odd_coordinates_unknown() -> None:
    odd = [None, 3, {}, {"fsq_place_id": "short", "name": "Bar"}, {"fsq_place_id": FOURSQUARE_PLACE}]
    good = {"fsq_place_id": FOURSQUARE_PLACE, "name": "Bar\x00", "latitude": 91, "longitude": 10**400}
    found, _ = searching(SEARCH, {FOURSQUARE_SEARCH: {"results": [*odd, good]}})
    assert [(place.name, place.latitude, place.longitude) for place in found] == [("Bar", None, None)]
    failure = failure_of(lambda: searching(SEARCH, {FOURSQUARE_SEARCH: {"results": odd}}))
    assert failure.error_type is ErrorType.BAD_RESPONSE


@pytest.mark.parametrize(
    ("message", "status", "expected"),
    [
        ("Invalid request token.", 401, ErrorType.AUTH_ERROR),
        ("No API credits remaining.", 429, ErrorType.QUOTA_EXCEEDED),
        ("Boundaries could not be determined.", 400, ErrorType.HTTP_ERROR),
    ],
)
def test_errors_of_a_search_are_told_apart_as_well(message: str, status: int, expected: ErrorType) -> None:
    failure = failure_of(lambda: searching(SEARCH, {FOURSQUARE_SEARCH: said(status, message)}))
    assert failure.error_type is expected


def test_a_key_of_spaces_is_no_key() -> None:
    assert "VENUE_OPS_FOURSQUARE_API_KEY" in SOURCES["foursquare"].not_ready(Settings(foursquare_api_key=" "))

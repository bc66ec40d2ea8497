"""Mapbox: what its replies and errors become, and that its token stays where it must."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.domain.places import Venue
from ops_core.providers.mapbox import Mapbox, seconds_until_reset
from ops_core.providers.source import Photo, Place, PlaceKind
from ops_core.settings import Settings
from tests.support.loopback import FakeProviders, api_of
from tests.support.mapbox_replies import (
    FOUND,
    MAPBOX_LISTING,
    MAPBOX_PLACE,
    MAPBOX_SEARCH,
    feature,
    mapbox_ref,
    older_details,
    photo_path,
    place,
)
from tests.support.provider_replies import CASES, Case, failure_of, listing, resolving, venue_with

CASE = CASES["mapbox"]
VENUE = Venue(
    name="Blue Note", address="3 Main St", city="Kraków", country="Poland", latitude=50.06, longitude=19.94
)
ELSEWHERE = Venue(name="Blue Note", address="3 Main St", city="Kraków", country="Poland")


def said(status: int, message: str, **headers: str) -> Callable[[web.Request], web.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.json_response({"message": message}, status=status, headers=named)


def photos_of(make: Callable[[str], Any]) -> list[Photo]:
    """What is listed of the reply that `make` builds for the host."""
    return listing(CASE, {MAPBOX_LISTING: lambda request: make(f"http://{request.host}")})[0]


def searched(reply: Any, venue: Venue = VENUE, *, limit: int = 5) -> tuple[list[Place], dict[str, str]]:
    world = FakeProviders({MAPBOX_SEARCH: reply})

    async def run() -> list[Place]:
        async with world.running() as http:
            return await Mapbox().find_places(venue, api_of(http, "mapbox"), limit=limit)

    return asyncio.run(run()), world.seen[0].query


class RealApi:
    """An `Api` without a sandbox that answers every call with one reply and remembers what was asked."""

    settings = Settings(mapbox_access_token="pk.real-token")

    class log:
        warning = staticmethod(lambda *_: None)

    def __init__(self, reply: Any) -> None:
        self.reply = reply
        self.asked: list[tuple[str, dict[str, str]]] = []

    def base(self, host: str) -> str:
        return f"https://{host}"

    async def get_json(self, url: str, *, params: dict[str, str], **_: Any) -> Any:
        self.asked.append((url, params))
        return self.reply


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (said(401, "Not Authorized - Invalid Token"), ErrorType.AUTH_ERROR),
        (said(403, "Forbidden"), ErrorType.FORBIDDEN),
        (said(404, "Not Found"), ErrorType.NOT_FOUND),
        (said(422, "Invalid mapbox_id format: address"), ErrorType.NOT_FOUND),
        (said(422, "Something else"), ErrorType.HTTP_ERROR),
        (said(429, "Too Many Requests"), ErrorType.RATE_LIMITED),
        (said(500, "Internal Server Error"), ErrorType.SERVER_ERROR),
        (said(503, "Service Unavailable"), ErrorType.SERVICE_UNAVAILABLE),
    ],
)
def test_mapbox_errors_are_told_apart(reply: Any, expected: ErrorType) -> None:
    assert failure_of(lambda: listing(CASE, {MAPBOX_LISTING: reply})).error_type is expected
    assert failure_of(lambda: searched(reply)).error_type is expected


def test_an_id_that_is_no_point_of_interest_is_to_be_corrected() -> None:
    reply = said(422, "Invalid mapbox_id format: dXJuOm1ieGFkcjo")
    failure = failure_of(lambda: listing(CASE, {MAPBOX_LISTING: reply}))
    assert failure.status_code == 422
    assert "Invalid mapbox_id format" in failure.detail
    assert "Correct the venue's Mapbox id" in failure.detail


def test_a_refusal_names_the_scope_that_default_tokens_lack() -> None:
    failure = failure_of(lambda: listing(CASE, {MAPBOX_LISTING: said(403, "Forbidden")}))
    assert "places:read" in failure.detail


def test_a_429_waits_until_the_limit_begins_anew() -> None:
    reset = str(int(time.time()) + 40)
    reply = said(429, "Too Many Requests", X_Rate_Limit_Reset=reset, X_Rate_Limit_Interval="60")
    failure = failure_of(lambda: listing(CASE, {MAPBOX_LISTING: reply}))
    assert failure.retry_after is not None
    assert 30 < failure.retry_after <= 40


def test_a_429_without_a_reset_waits_as_long_as_retry_after_says() -> None:
    reply = said(429, "Too Many Requests", Retry_After="12")
    assert failure_of(lambda: listing(CASE, {MAPBOX_LISTING: reply})).retry_after == 12.0


@pytest.mark.parametrize(
    ("reset", "interval", "expected"),
    [
        ("1700000040", "60", 40.0),
        ("1700000040", None, 40.0),
        ("1700000900", "60", 60.0),  # a clock that goes ahead
        ("1699990000", "60", 1.0),  # a clock that is behind
        ("1700099999", None, 3600.0),
        ("1700000040", "often", 40.0),
        (None, "60", None),
        ("", "60", None),
        ("soon", "60", None),
        ("40", "60", None),
        ("-1700000040", "60", None),
        ("1" * 400, "60", None),
        ("1700000900", "0", 900.0),
    ],
)
def test_the_wait_stays_within_the_interval_whatever_the_clocks_say(
    reset: str | None, interval: str | None, expected: float | None
) -> None:
    stated = {"X-Rate-Limit-Reset": reset, "X-Rate-Limit-Interval": interval}
    headers = {name: value for name, value in stated.items() if value is not None}
    assert seconds_until_reset(headers, 1_700_000_000.0) == expected


def test_the_real_token_stays_out_of_the_sandbox() -> None:
    _, world, _ = listing(CASE, CASE.replies, mapbox_access_token="real-token")
    assert world.seen[0].query == {"access_token": "sandbox"}


def test_the_token_goes_into_the_query_and_nowhere_else() -> None:
    shown = [{"url": f"https://a.mapbox.com/{name}?access_token=pk.real-token"} for name in "ab"]
    api = RealApi(place([*shown, {"url": "https://a.mapbox.com/c"}]))
    photos = asyncio.run(Mapbox().list_photos(CASE.venue, api, limit=9))
    assert api.asked == [
        (
            f"https://api.mapbox.com/places/v1/details/retrieve/{MAPBOX_PLACE}",
            {"access_token": "pk.real-token"},
        )
    ]
    assert [photo.show_url for photo in photos] == ["https://a.mapbox.com/c"]
    assert "real-token" not in repr(photos)


def test_what_mapbox_says_of_a_token_is_not_repeated() -> None:
    reply = said(401, "Not Authorized - Invalid Token tk.abcdef")
    failure = failure_of(lambda: listing(CASE, {MAPBOX_LISTING: reply}))
    assert "tk.abcdef" not in failure.detail
    assert "VENUE_OPS_MAPBOX_ACCESS_TOKEN" in failure.detail


def test_a_photo_has_its_address_to_show_and_its_size_where_mapbox_states_one() -> None:
    first, second, _ = listing(CASE, CASE.replies)[0]
    assert first.show_url == first.fetch_ref
    assert first.fetch_ref.endswith(f"/{photo_path(1)}")
    assert (first.width, first.height) == (None, None)
    assert (second.width, second.height) == (800, 600)


def test_a_source_that_mapbox_names_is_kept_as_credit() -> None:
    photos = photos_of(lambda host: place([{"url": f"{host}/a.jpg", "source": " Some <b>body "}]))
    assert photos[0].attribution == "Some <b>body"


def test_the_older_details_api_is_read_as_well_the_leading_photo_first_and_none_twice() -> None:
    photos, _, _ = listing(CASE, {MAPBOX_LISTING: older_details})
    assert [photo.provider_ref for photo in photos] == [mapbox_ref(photo_path(1)), mapbox_ref(photo_path(2))]
    assert photos[1].width == 640


@pytest.mark.parametrize(
    "leading",
    [
        lambda address: address,
        lambda address: {"url": address},
        lambda address: [address],
        lambda address: [{"url": address, "thumb_url": f"{address}?small"}],
    ],
)
def test_a_leading_photo_may_be_stated_in_any_of_the_forms_seen(leading: Callable[[str], Any]) -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        return older_details(request, primary_photo=leading(f"http://{request.host}/{photo_path(1)}"))

    photos, _, _ = listing(CASE, {MAPBOX_LISTING: reply})
    assert [photo.provider_ref for photo in photos] == [CASE.first_ref]


@pytest.mark.parametrize("empty", [place(), place([]), {**place(), "photos": None}])
def test_a_place_without_photos_has_none(empty: dict[str, Any]) -> None:
    assert listing(CASE, {MAPBOX_LISTING: empty})[0] == []


def test_a_photo_keeps_its_name_when_its_query_changes() -> None:
    one, other = (photos_of(lambda host, n=n: place([{"url": f"{host}/x.jpg?v={n}"}])) for n in (1, 2))
    assert one[0].provider_ref == other[0].provider_ref == mapbox_ref("x.jpg")


def test_photos_that_differ_in_the_query_alone_have_names_of_their_own() -> None:
    photos = photos_of(lambda host: place([{"url": f"{host}/photo?id={n}"} for n in (1, 2, 3)]))
    assert len({photo.provider_ref for photo in photos}) == 3


def test_the_sandbox_and_the_real_host_name_a_photo_alike() -> None:
    api = RealApi(place([{"url": f"https://{photo_path(1)}"}]))
    assert asyncio.run(Mapbox().list_photos(CASE.venue, api, limit=9))[0].provider_ref == CASE.first_ref


@pytest.mark.parametrize(
    "odd",
    [
        *(
            None,
            3,
            {},
            [],
            {"url": 5},
            {"url": ""},
            {"url": "javascript:alert(1)"},
            {"url": "data:image/png,"},
        ),
        *({"url": "http://127.0.0.1:1/a"}, {"url": "https://example.org/a"}, "//example.org/a"),
    ],
)
def test_odd_photos_are_left_out_and_the_others_kept(odd: Any) -> None:
    photos = photos_of(lambda host: place([odd, {"url": f"{host}/a.jpg", "width": "wide"}]))
    assert [(photo.width, photo.position) for photo in photos] == [(None, 0)]


@pytest.mark.parametrize(
    "address", ["http://10.0.0.1/a.jpg", "https://localhost/a.jpg", "https://user:pass@a.mapbox.com/a.jpg"]
)
def test_an_address_that_is_not_public_is_no_photo(address: str) -> None:
    api = RealApi(place([{"url": address}, {"url": "https://a.mapbox.com/c"}]))
    photos = asyncio.run(Mapbox().list_photos(CASE.venue, api, limit=9))
    assert [photo.show_url for photo in photos] == ["https://a.mapbox.com/c"]


@pytest.mark.parametrize(
    "given",
    [
        "//photos.mapbox.com/a.jpg",
        {"url": "//photos.mapbox.com/a.jpg"},
        {"url": None, "thumb_url": "https://photos.mapbox.com/a.jpg"},
        {"url": {}, "thumb_url": "https://photos.mapbox.com/a.jpg"},
        {"url": "https://photos.mapbox.com/b.jpg?token=x", "thumb_url": "https://photos.mapbox.com/a.jpg"},
    ],
)
def test_a_photo_is_taken_from_any_address_of_it_that_can_be_used(given: Any) -> None:
    (photo,) = asyncio.run(Mapbox().list_photos(CASE.venue, RealApi(place([given])), limit=9))
    assert photo.fetch_ref == photo.show_url == "https://photos.mapbox.com/a.jpg"


def test_an_address_that_is_not_https_is_no_photo() -> None:
    api = RealApi(place([{"url": "http://a.mapbox.com/a.jpg"}, {"url": "https://a.mapbox.com/c"}]))
    photos = asyncio.run(Mapbox().list_photos(CASE.venue, api, limit=9))
    assert [photo.fetch_ref for photo in photos] == ["https://a.mapbox.com/c"]


@pytest.mark.parametrize(
    ("address", "is_shown"),
    [
        ("https://photos.mapbox.com/a.jpg", True),
        ("https://igx.4sqi.net/img/general/original/a.jpg", True),
        ("https://photos.example.org/a.jpg", False),
        ("https://a.mapbox.com.example.org/a.jpg", False),
        ("https://a.mapbox.com:8443/a.jpg", False),
    ],
)
def test_a_photo_from_a_host_that_is_not_known_is_fetched_but_browsers_are_not_sent_there(
    address: str, is_shown: bool
) -> None:
    api = RealApi(place([{"url": address}]))
    (photo,) = asyncio.run(Mapbox().list_photos(CASE.venue, api, limit=9))
    assert (photo.fetch_ref, photo.show_url) == (address, address if is_shown else None)
    assert asyncio.run(Mapbox().resolve(photo.provider_ref, address, api)).url == address


def test_a_list_of_odd_photos_only_is_a_bad_response_rather_than_no_images() -> None:
    failure = failure_of(lambda: listing(CASE, {MAPBOX_LISTING: place([{"href": "x"}])}))
    assert failure.error_type is ErrorType.BAD_RESPONSE


@pytest.mark.parametrize(
    "fetch_ref", [None, "", "photo", "https://example.org/a.jpg", "http://127.0.0.1:1/a"]
)
def test_a_photo_without_its_address_is_a_stale_reference(fetch_ref: str | None) -> None:
    failure = failure_of(lambda: resolving(CASE, {}, CASE.first_ref, fetch_ref))
    assert failure.error_type is ErrorType.STALE_REFERENCE


def test_a_malformed_mapbox_id_is_never_put_into_an_address() -> None:
    case = Case("mapbox", venue_with(mapbox="../../v1/else"), {}, "", {})
    assert failure_of(lambda: listing(case, {})).error_type is ErrorType.NOT_FOUND


def test_a_venue_is_searched_for_by_its_name_near_its_coordinates() -> None:
    _, asked = searched(FOUND, limit=3)
    assert asked == {
        "q": "Blue Note",
        "proximity": "19.940000,50.060000",
        "types": "poi,address",
        "limit": "3",
        "access_token": "sandbox",
    }


def test_without_coordinates_a_venue_is_searched_for_in_its_city() -> None:
    _, asked = searched(FOUND, ELSEWHERE, limit=50)
    assert asked["q"] == "Blue Note, Kraków, Poland"
    assert asked["limit"] == "10"
    assert "proximity" not in asked


def test_a_place_has_its_address_and_the_name_it_prefers() -> None:
    first = searched(FOUND)[0][0]
    assert first.address == "3 Main St, 31-042 Kraków, Poland"
    assert first.also_named == ("Blue Note Jazz Club",)
    assert first.kind is PlaceKind.VENUE


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("poi", PlaceKind.VENUE),
        ("street", PlaceKind.ADDRESS),
        ("place", PlaceKind.AREA),
        ("postcode", PlaceKind.AREA),
        ("brand", PlaceKind.UNKNOWN),
        (["poi"], PlaceKind.UNKNOWN),
    ],
)
def test_a_place_is_of_the_kind_that_mapbox_says(kind: Any, expected: PlaceKind) -> None:
    assert searched({"features": [feature(MAPBOX_PLACE, "Blue Note", kind)]})[0][0].kind is expected


@pytest.mark.parametrize(
    "spot",
    [None, {}, {"latitude": 50.0}, {"latitude": 91, "longitude": 1}, {"latitude": "50", "longitude": "19"}],
)
def test_coordinates_that_are_none_are_left_out_both(spot: Any) -> None:
    found = searched({"features": [feature(MAPBOX_PLACE, "Blue Note", "poi", coordinates=spot)]})[0][0]
    assert (found.latitude, found.longitude) == (None, None)


def test_odd_places_are_left_out_and_the_others_kept() -> None:
    odd = [None, 3, {}, feature("a/../b", "X", "poi"), feature(MAPBOX_PLACE, "", "poi"), {"properties": []}]
    places, _ = searched({"features": [*odd, feature(MAPBOX_PLACE, "Blue Note", "poi")]})
    assert [place.name for place in places] == ["Blue Note"]


def test_a_search_that_found_odd_places_only_is_a_bad_response() -> None:
    assert failure_of(lambda: searched({"features": [{}]})).error_type is ErrorType.BAD_RESPONSE

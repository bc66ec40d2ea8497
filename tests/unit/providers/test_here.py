"""HERE: what its replies and errors become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import PlaceFinder, PlaceKind
from ops_core.settings import Settings
from tests.support.here_replies import (
    HERE_DISCOVER,
    HERE_GEOCODE,
    HERE_LOOKUP,
    HERE_PHOTO,
    HERE_PLACE,
    item,
    lookup,
    place,
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

CASE, SEARCH = CASES["here"], SEARCHES["here"]
FILES = "media-cdn.tripadvisor.com/media"

Reply = Callable[[web.Request], web.Response]


def problem(status: int, title: str, cause: str = "", **headers: str) -> Reply:
    body = {
        "status": status,
        "title": title,
        "cause": cause,
        "action": "Check it.",
        "correlationId": "4199533b-6290-41db-8d79-edf4f4019a74",
        "requestId": "REQ-1",
    }
    return lambda _: web.json_response(body, status=status, headers=headers)


def unauthorized(words: str) -> Reply:
    body = {"error": "Unauthorized", "error_description": words}
    return lambda _: web.json_response(body, status=401)


def wait(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


@pytest.mark.parametrize(
    ("reply", "expected", "seconds", "words"),
    [
        (
            problem(400, "Illegal input for parameter 'show'", "Unsupported value: 'x'"),
            ErrorType.HTTP_ERROR,
            None,
            "HERE: Illegal input for parameter 'show'. Unsupported value: 'x'.",
        ),
        (
            unauthorized("apiKey invalid. apiKey not found."),
            ErrorType.AUTH_ERROR,
            None,
            "VENUE_OPS_HERE_API_KEY",
        ),
        (problem(404, "Not found"), ErrorType.NOT_FOUND, None, "HERE: Not found."),
        (
            problem(429, "Rate limit for this service has been reached", **wait(2)),
            ErrorType.RATE_LIMITED,
            2.0,
            "Rate limit",
        ),
        (problem(500, "Internal error"), ErrorType.SERVER_ERROR, None, "HERE: Internal error."),
        (
            problem(503, "Service unavailable", **wait(600)),
            ErrorType.SERVICE_UNAVAILABLE,
            600.0,
            "HERE: Service unavailable.",
        ),
    ],
)
def test_here_errors_are_told_apart_by_what_here_says(
    reply: Reply, expected: ErrorType, seconds: float | None, words: str
) -> None:
    for run in (
        lambda: listing(CASE, {HERE_LOOKUP: reply}),
        lambda: searching(SEARCH, {HERE_DISCOVER: reply}),
        lambda: searching(SEARCH, {HERE_GEOCODE: reply}, venue_with()),
    ):
        failure = failure_of(run)
        assert failure.error_type is expected
        assert failure.retry_after == seconds
        assert words in failure.detail


def test_a_refusal_of_photos_says_that_the_contract_lacks_them_and_one_of_a_search_does_not() -> None:
    reply = problem(403, "Forbidden", "These credentials do not authorize access")
    photos = failure_of(lambda: listing(CASE, {HERE_LOOKUP: reply}))
    search = failure_of(lambda: searching(SEARCH, {HERE_DISCOVER: reply}))
    assert photos.error_type is search.error_type is ErrorType.FORBIDDEN
    assert "VENUE_OPS_HERE_IMAGES" in photos.detail
    assert search.detail == "HERE: Forbidden. These credentials do not authorize access."


def test_a_key_that_here_repeats_does_not_reach_the_detail() -> None:
    for reply in (unauthorized("apiKey abc-real-key not found."), problem(400, "?apiKey=abc-real-key&q=x")):
        failure = failure_of(lambda reply=reply: listing(CASE, {HERE_LOOKUP: reply}))
        assert "abc-real-key" not in failure.detail


def test_here_is_asked_for_tripadvisors_photos_in_all_sizes_and_the_real_key_stays_out_of_the_sandbox() -> (
    None
):
    _, world, _ = listing(CASE, CASE.replies, here_api_key="real-key")
    assert world.seen[0].query == {
        "id": HERE_PLACE,
        "show": "tripadvisor,tripadvisorImageVariants",
        "apiKey": "sandbox",
    }


def test_a_photo_is_fetched_and_shown_in_its_largest_size_that_holds_no_secret() -> None:
    photos, world, _ = listing(CASE, CASE.replies)
    # the first one's original is signed
    sizes = [photo.fetch_ref.removeprefix(f"{world.url}/{FILES}/").split("/")[0] for photo in photos]
    assert sizes == ["photo-s", "photo-o", "photo-o"]
    assert [photo.show_url for photo in photos] == [photo.fetch_ref for photo in photos]


def test_a_photo_without_variants_is_taken_in_its_default_size() -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        return place([item(request, 1, variants=None)])

    photos, world, _ = listing(CASE, {HERE_LOOKUP: reply})
    assert photos[0].fetch_ref == f"{world.url}/{FILES}/photo-f/{HERE_PHOTO}"


@pytest.mark.parametrize(
    "default", ["photo-f/{name}", "photo-w/{name}?w=900&s=1", "photo-o/{name}", "photo-xl/{name}#a"]
)
def test_a_photos_name_is_the_same_whatever_size_here_calls_its_default(default: str) -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        href = f"http://{request.host}/{FILES}/{default.format(name=HERE_PHOTO)}"
        return place([item(request, 1, href=href)])

    assert listing(CASE, {HERE_LOOKUP: reply})[0][0].provider_ref == HERE_PHOTO


def test_a_photo_says_who_supplied_it_and_no_size() -> None:
    photo = listing(CASE, CASE.replies)[0][0]
    assert photo.attribution == "TripAdvisor"
    assert (photo.width, photo.height, photo.source_url) == (None, None, None)


@pytest.mark.parametrize(
    "reply",
    [
        place(),
        place([]),
        {**place(), "media": {}},
        {**place(), "media": {"ratings": {"items": []}}},
        {**place(), "images": [{"href": "https://media-cdn.tripadvisor.com/media/photo-o/a.jpg"}]},
    ],
    ids=["no media", "no items", "empty media", "other media", "images, which HERE has not"],
)
def test_a_place_without_media_has_no_photos(reply: dict[str, Any]) -> None:
    assert listing(CASE, {HERE_LOOKUP: reply})[0] == []


ODD: list[Any] = [
    None,
    3,
    {},
    {"href": 5, "variants": "all"},
    {"href": "https://elsewhere.example.org/media/photo-o/a.jpg"},
    {"href": "javascript:alert(1)"},
    {"variants": {"thumbnail": {"href": "https://media-cdn.tripadvisor.com/media/photo-t/a.jpg"}}},
]


def test_odd_photos_are_left_out_and_the_others_kept_once() -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        return place([*ODD, item(request, 1), item(request, 1)])

    assert [photo.provider_ref for photo in listing(CASE, {HERE_LOOKUP: reply})[0]] == [HERE_PHOTO]


def test_a_list_of_odd_photos_only_is_a_bad_response_rather_than_no_images() -> None:
    failure = failure_of(lambda: listing(CASE, {HERE_LOOKUP: place(ODD)}))
    assert failure.error_type is ErrorType.BAD_RESPONSE


def test_a_list_that_is_none_is_a_bad_response() -> None:
    reply = {**place(), "media": {"images": {"items": "many"}}}
    assert failure_of(lambda: listing(CASE, {HERE_LOOKUP: reply})).error_type is ErrorType.BAD_RESPONSE


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "https://media-cdn.tripadvisor.com/media/photo-o/a.jpg",  # real, while the sandbox is in use
        lambda url: f"{url}/elsewhere.example.org/media/photo-o/a.jpg",
        lambda url: f"{url}/{FILES}/photo-o/a.jpg?signature=secret",
    ],
)
def test_an_address_that_is_not_known_to_be_tripadvisors_is_a_stale_reference(address: Any) -> None:
    failure = failure_of(lambda: resolving(CASE, {}, HERE_PHOTO, address))
    assert failure.error_type is ErrorType.STALE_REFERENCE


def test_a_listed_photo_is_fetched_from_its_address_without_a_key_or_a_permit() -> None:
    download = resolving(CASE, {}, HERE_PHOTO, lambda url: f"{url}/{FILES}/photo-o/{HERE_PHOTO}")
    assert download.url.endswith(f"/{FILES}/photo-o/{HERE_PHOTO}")
    assert not download.needs_permit
    assert not download.headers


def test_a_malformed_id_is_never_asked_for() -> None:
    case = Case("here", venue_with(here="here:a b&apiKey=x"), {}, "", {})
    assert failure_of(lambda: listing(case, {})).error_type is ErrorType.NOT_FOUND


def test_photos_need_a_key_and_a_contract_but_a_search_needs_the_key_only() -> None:
    source = SOURCES["here"]
    assert isinstance(source, PlaceFinder)
    keyed = Settings(here_api_key="k")
    assert "VENUE_OPS_HERE_API_KEY" in source.not_ready(Settings(here_images=True))
    assert "VENUE_OPS_HERE_IMAGES" in source.not_ready(keyed)
    assert source.cannot_search(keyed) is None
    assert "VENUE_OPS_HERE_API_KEY" in source.cannot_search(Settings())


def test_a_search_discovers_near_the_venues_coordinates_and_geocodes_without_them() -> None:
    _, near = searching(SEARCH, SEARCH.replies)
    _, anywhere = searching(SEARCH, SEARCH.replies, venue_with())
    assert (near.seen[0].path, near.seen[0].query) == (
        HERE_DISCOVER,
        {"q": "Blue Note", "at": "50.060000,19.940000", "limit": "5", "apiKey": "sandbox"},
    )
    assert (anywhere.seen[0].path, anywhere.seen[0].query) == (
        HERE_GEOCODE,
        {"q": "V, C, FR", "limit": "5", "apiKey": "sandbox"},
    )


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("place", PlaceKind.VENUE),
        ("houseNumber", PlaceKind.ADDRESS),
        ("street", PlaceKind.ADDRESS),
        ("intersection", PlaceKind.ADDRESS),
        ("addressBlock", PlaceKind.ADDRESS),
        ("locality", PlaceKind.AREA),
        ("administrativeArea", PlaceKind.AREA),
        ("postalCodePoint", PlaceKind.AREA),
        ("somethingNew", PlaceKind.UNKNOWN),
        (None, PlaceKind.UNKNOWN),
    ],
)
def test_what_a_result_is_follows_from_its_type(word: str | None, kind: PlaceKind) -> None:
    found, _ = searching(SEARCH, {HERE_DISCOVER: {"items": [{**place(), "resultType": word}]}})
    assert [each.kind for each in found] == [kind]
    assert found[0].address == "Blue Note, 3 Main St, 31-042 Kraków, Polska"


def test_odd_places_are_left_out_and_odd_coordinates_unknown() -> None:
    odd = [None, {}, {"title": "Pizza", "id": "category:pizza"}, {"id": HERE_PLACE}]
    good = {"title": "Bar", "id": HERE_PLACE, "position": {"lat": True, "lng": 19.9}}
    found, _ = searching(SEARCH, {HERE_DISCOVER: {"items": [*odd, good]}})
    assert [(each.name, each.latitude, each.longitude) for each in found] == [("Bar", None, None)]
    failure = failure_of(lambda: searching(SEARCH, {HERE_DISCOVER: {"items": odd}}))
    assert failure.error_type is ErrorType.BAD_RESPONSE


def test_a_lookup_that_describes_no_place_is_a_bad_response() -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        return {**lookup(request), "id": None}

    assert failure_of(lambda: listing(CASE, {HERE_LOOKUP: reply})).error_type is ErrorType.BAD_RESPONSE

"""Google Places: what its replies and errors become."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.providers.registry import SOURCES
from tests.support.loopback import FakeProviders, api_of
from tests.support.provider_replies import (
    CASES,
    GOOGLE_LISTING,
    GOOGLE_MEDIA,
    GOOGLE_NAME,
    PLACE,
    Case,
    failure_of,
    listing,
    resolving,
    venue_with,
)

CASE = CASES["google_places"]


def google_error(
    status: int, word: str, message: str = "", *details: dict[str, Any], **headers: str
) -> Callable[[web.Request], web.Response]:
    body = {"error": {"code": status, "message": message, "status": word, "details": list(details)}}
    return lambda _: web.json_response(body, status=status, headers=headers)


def reason(word: str, **metadata: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word, "metadata": metadata}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s"}


def quota_picture(_: web.Request) -> web.Response:
    return web.Response(status=403, body=b"\x89PNG", content_type="image/png")


@pytest.mark.parametrize(
    ("reply", "expected", "wait"),
    [
        (
            google_error(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                reason("API_KEY_INVALID"),
            ),
            ErrorType.AUTH_ERROR,
            None,
        ),
        (google_error(400, "INVALID_ARGUMENT", "", reason("API_KEY_INVALID")), ErrorType.AUTH_ERROR, None),
        (
            google_error(
                403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers. Please use API Key."
            ),
            ErrorType.AUTH_ERROR,
            None,
        ),
        (
            google_error(
                403, "PERMISSION_DENIED", "Places API (New) has not been used.", reason("SERVICE_DISABLED")
            ),
            ErrorType.AUTH_ERROR,
            None,
        ),
        *(
            (
                google_error(
                    403, "PERMISSION_DENIED", "Requests from this client are blocked.", reason(word)
                ),
                ErrorType.AUTH_ERROR,
                None,
            )
            for word in ("API_KEY_ANDROID_APP_BLOCKED", "API_KEY_IOS_APP_BLOCKED", "CREDENTIALS_MISSING")
        ),
        (
            google_error(403, "PERMISSION_DENIED", "The caller does not have permission"),
            ErrorType.FORBIDDEN,
            None,
        ),
        (
            google_error(
                403,
                "PERMISSION_DENIED",
                "This API method requires billing to be enabled.",
                reason("BILLING_DISABLED"),
            ),
            ErrorType.QUOTA_EXCEEDED,
            None,
        ),
        (quota_picture, ErrorType.QUOTA_EXCEEDED, None),
        (
            google_error(
                400,
                "INVALID_ARGUMENT",
                "The photo resource in the request is invalid. Please retrieve it from Places API endpoints.",
            ),
            ErrorType.STALE_REFERENCE,
            None,
        ),
        (
            google_error(404, "NOT_FOUND", "The provided Place ID is no longer valid."),
            ErrorType.NOT_FOUND,
            None,
        ),
        (
            google_error(429, "RESOURCE_EXHAUSTED", "Too many photos at the same time", RETRY_INFO),
            ErrorType.RATE_LIMITED,
            30.0,
        ),
        (
            google_error(
                429,
                "RESOURCE_EXHAUSTED",
                "Quota exceeded",
                reason("RATE_LIMIT_EXCEEDED"),
                **{"Retry-After": "12"},
            ),
            ErrorType.RATE_LIMITED,
            12.0,
        ),
        (
            google_error(
                429,
                "RESOURCE_EXHAUSTED",
                "Quota exceeded",
                reason("RATE_LIMIT_EXCEEDED", quota_unit="1/d/{project}"),
            ),
            ErrorType.QUOTA_EXCEEDED,
            None,
        ),
        (
            google_error(400, "INVALID_ARGUMENT", "Not a valid Place ID: ChIJ"),
            ErrorType.NOT_FOUND,
            None,
        ),
        (google_error(500, "INTERNAL", "Internal error"), ErrorType.SERVER_ERROR, None),
        (
            google_error(503, "UNAVAILABLE", "The service is currently unavailable."),
            ErrorType.SERVICE_UNAVAILABLE,
            None,
        ),
        (
            google_error(400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
            ErrorType.HTTP_ERROR,
            None,
        ),
    ],
)
def test_google_errors_are_told_apart_by_what_google_says(
    reply: Any, expected: ErrorType, wait: float | None
) -> None:
    case = CASE
    for run in (
        lambda: listing(case, {GOOGLE_LISTING: reply}),
        lambda: resolving(case, {GOOGLE_MEDIA: reply}, "AUacShh_1", GOOGLE_NAME),
    ):
        failure = failure_of(run)
        assert failure.error_type is expected
        assert failure.retry_after == wait


def test_a_key_that_google_repeats_does_not_reach_the_detail() -> None:
    reply = google_error(403, "PERMISSION_DENIED", "Requests with key=AIzaSyA1234567890abcdefg are blocked.")
    failure = failure_of(lambda: listing(CASE, {GOOGLE_LISTING: reply}))
    assert "AIzaSyA1234567890" not in failure.detail
    assert "are blocked" in failure.detail


def test_google_gets_its_key_in_a_header_and_the_field_mask_and_the_real_key_stays_out_of_the_sandbox() -> (
    None
):
    _, world, _ = listing(CASE, CASE.replies, google_places_api_key="real-key")
    asked = world.seen[0]
    assert asked.headers["X-Goog-Api-Key"] == "sandbox"
    assert asked.headers["X-Goog-FieldMask"] == "id,photos"
    assert asked.query == {}


def test_google_is_asked_for_the_configured_width_without_a_redirect() -> None:
    case, world = CASE, FakeProviders(CASE.replies)

    async def run() -> None:
        async with world.running(image_width=900) as http:
            await SOURCES[case.code].resolve("AUacShh_1", GOOGLE_NAME, api_of(http, case.code))

    asyncio.run(run())
    assert world.seen[0].query == {"maxWidthPx": "900", "skipHttpRedirect": "true"}


def test_google_credits_are_plain_text_with_a_full_link() -> None:
    first = listing(CASE, CASE.replies)[0][0]
    assert first.attribution == "John <Smith>"
    assert first.attribution_url == "https://maps.google.com/maps/contrib/1015"
    assert first.source_url.startswith(
        "https://www.google.com/maps/place//data=!3m4!1e2!3m2!1sCIHM0ogKEICAgIC_1"
    )
    assert first.source_url.endswith("?key=REDACTED")


@pytest.mark.parametrize(
    "links",
    [
        {
            "flagContentUri": "https://www.google.com/local/imagery/report/?image_key=!1e10!2sAF1QipM-x_1&hl=en"
        },
        {"flagContentUri": "https://www.google.com/report/?image_key=%211e10%212sAF1QipM-x_1"},
        {"googleMapsUri": "https://www.google.com/maps/place//data=!3m4!1e2!3m2!1sAF1QipM-x_1!2e10!4m2"},
        {"flagContentUri": 7, "googleMapsUri": "https://www.google.com/data=!1sAF1QipM-x_1!2e10"},
    ],
)
def test_a_photo_is_known_by_its_key_on_google_maps(links: dict[str, Any]) -> None:
    photos, _, _ = listing(CASE, {GOOGLE_LISTING: {"photos": [{"name": GOOGLE_NAME, **links}]}})
    assert [photo.provider_ref for photo in photos] == ["AF1QipM-x_1"]


def test_a_photo_without_a_key_is_known_by_who_made_it_and_its_size() -> None:
    def photo(number: int, author: str, width: int) -> dict[str, Any]:
        by = {"displayName": author, "uri": f"//maps.google.com/maps/contrib/{author}"}
        name = f"places/{PLACE}/photos/AU{number}"
        return {"name": name, "widthPx": width, "heightPx": 3000, "authorAttributions": [by]}

    def refs(*photos: dict[str, Any]) -> list[str]:
        return [found.provider_ref for found in listing(CASE, {GOOGLE_LISTING: {"photos": [*photos]}})[0]]

    first = refs(photo(1, "a", 4000), photo(2, "a", 4000), photo(3, "b", 4000), photo(4, "a", 3000))
    assert len(set(first)) == 4
    # other names, another order of the others: each is found again
    again = refs(photo(9, "a", 3000), photo(8, "b", 4000), photo(7, "a", 4000), photo(6, "a", 4000))
    assert again == [first[3], first[2], first[0], first[1]]


def test_a_photo_that_is_listed_twice_counts_once() -> None:
    key = {"googleMapsUri": "https://www.google.com/data=!1sAF1QipM-x_1!2e10"}
    twice = [{"name": f"places/{PLACE}/photos/AU{number}", **key} for number in (1, 2)]
    assert len(listing(CASE, {GOOGLE_LISTING: {"photos": twice}})[0]) == 1


def test_odd_google_photos_are_left_out_and_the_others_kept() -> None:
    odd = [None, 3, {}, {"name": 5}, {"name": "places/a/photos/../../x"}, {"name": f"{GOOGLE_NAME}\x00"}]
    good = {
        "name": GOOGLE_NAME,
        "widthPx": 10**400,
        "heightPx": "tall",
        "authorAttributions": "me",
        "googleMapsUri": "javascript:alert(1)",
    }
    photos, _, _ = listing(CASE, {GOOGLE_LISTING: {"photos": [*odd, good]}})
    assert len(photos) == 1
    assert (photos[0].width, photos[0].height, photos[0].attribution, photos[0].source_url) == (
        None,
        None,
        None,
        None,
    )


def test_a_google_list_of_odd_photos_only_is_a_bad_response_rather_than_no_images() -> None:
    failure = failure_of(lambda: listing(CASE, {GOOGLE_LISTING: {"photos": [{"name": 1}]}}))
    assert failure.error_type is ErrorType.BAD_RESPONSE


@pytest.mark.parametrize("name", [None, "", "AUacShh_1", "places/../photos/x", f"{GOOGLE_NAME}/media?key=1"])
def test_a_google_photo_without_its_full_name_is_a_stale_reference_and_costs_no_call(
    name: str | None,
) -> None:
    failure = failure_of(lambda: resolving(CASE, {}, "AUacShh_1", name))
    assert failure.error_type is ErrorType.STALE_REFERENCE


@pytest.mark.parametrize(
    "address", ["https://example.org/x", "/lh3.googleusercontent.com/x?key=1", "/example.org/x", "", None, 5]
)
def test_a_photo_is_downloaded_from_googles_image_hosts_only(address: Any) -> None:
    def reply(request: web.Request) -> web.Response:
        here = isinstance(address, str) and address.startswith("/")
        return web.json_response({"photoUri": f"http://{request.host}{address}" if here else address})

    failure = failure_of(lambda: resolving(CASE, {GOOGLE_MEDIA: reply}, "AUacShh_1", GOOGLE_NAME))
    assert failure.error_type is ErrorType.BAD_RESPONSE


def test_a_google_photo_has_no_address_to_show_it_from_later() -> None:
    assert {photo.show_url for photo in listing(CASE, CASE.replies)[0]} == {None}


@pytest.mark.parametrize("interface", ["new", "legacy"])
def test_a_malformed_place_id_is_never_put_into_an_address(interface: str) -> None:
    case = Case("google_places", venue_with(google_places="../../v1/else"), {}, "", {})
    failure = failure_of(lambda: listing(case, {}, google_places_api=interface))
    assert failure.error_type is ErrorType.NOT_FOUND

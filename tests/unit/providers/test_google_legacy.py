"""Google's older interface: what its replies and errors become, and where its key never gets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Download
from tests.support.google_replies import (
    LEGACY_LISTING,
    LEGACY_PHOTO,
    PLACE,
    legacy_details,
    legacy_photo,
    legacy_problem,
    legacy_redirect,
)
from tests.support.loopback import FakeProviders, Permits, api_of
from tests.support.provider_replies import CASES, GOOGLE_NAME, failure_of, listing, resolving

CASE = CASES["google_places_legacy"]
REF = "AUacShh_1"
USED_UP = (
    "You have exceeded your daily request quota for this API. If you did not set a custom daily request "
    "quota, verify your project has an active billing account: http://g.co/dev/maps-no-account"
)
#: The page of Google's servers repeats what was asked, the key's name included.
REFUSED = (
    b"<title>Error 403 (Forbidden)!!1</title><p>Your client does not have permission to get URL "
    b"<code>/maps/api/place/photo?maxwidth=1600&amp;photo_reference=AUacShh_1&amp;key=sandbox</code> "
    b"from this server. <ins>That's all we know.</ins>"
)
NOT_ENABLED = "You're calling a legacy API, which is not enabled for your project."


def answer(body: Any, status: int = 200, content_type: str = "text/html", **headers: str) -> Any:
    if isinstance(body, dict):
        return lambda _: web.json_response(body, status=status, headers=headers)
    return lambda _: web.Response(status=status, body=body, content_type=content_type, headers=headers)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (legacy_problem("NOT_FOUND"), ErrorType.NOT_FOUND),
        (
            legacy_problem("INVALID_REQUEST", "Invalid request. Invalid 'place_id' parameter."),
            ErrorType.NOT_FOUND,
        ),
        (legacy_problem("INVALID_REQUEST"), ErrorType.HTTP_ERROR),
        (legacy_problem("REQUEST_DENIED", "The provided API key is invalid. "), ErrorType.AUTH_ERROR),
        (legacy_problem("REQUEST_DENIED", NOT_ENABLED), ErrorType.AUTH_ERROR),
        (legacy_problem("OVER_QUERY_LIMIT"), ErrorType.RATE_LIMITED),
        (legacy_problem("OVER_QUERY_LIMIT", "You have exceeded your rate-limit."), ErrorType.RATE_LIMITED),
        (legacy_problem("OVER_QUERY_LIMIT", USED_UP), ErrorType.QUOTA_EXCEEDED),
        (legacy_problem("OVER_QUERY_LIMIT", "Billing is not enabled."), ErrorType.QUOTA_EXCEEDED),
        (legacy_problem("OVER_DAILY_LIMIT"), ErrorType.QUOTA_EXCEEDED),
        (legacy_problem("UNKNOWN_ERROR"), ErrorType.SERVICE_UNAVAILABLE),
    ],
)
def test_what_comes_with_http_200_is_told_apart_by_its_status(reply: Any, expected: ErrorType) -> None:
    for run in (
        lambda: listing(CASE, {LEGACY_LISTING: reply}),
        lambda: resolving(CASE, {LEGACY_PHOTO: reply}, REF, REF),
        lambda: listing(CASE, {LEGACY_LISTING: answer(reply, 403)}),
    ):
        failure = failure_of(run)
        assert failure.error_type is expected
        assert failure.detail.startswith(f"Google: {reply['status']}")
        assert failure.retry_after is None


def test_a_wait_that_comes_with_a_limit_is_kept() -> None:
    reply = answer(legacy_problem("OVER_QUERY_LIMIT"), **{"Retry-After": "9"})
    assert failure_of(lambda: listing(CASE, {LEGACY_LISTING: reply})).retry_after == 9.0


def test_a_place_that_is_gone_or_shows_nothing_has_no_photos() -> None:
    assert listing(CASE, {LEGACY_LISTING: {"html_attributions": [], "status": "ZERO_RESULTS"}})[0] == []
    assert listing(CASE, {LEGACY_LISTING: {"status": "OK", "result": {"photos": []}}})[0] == []
    assert listing(CASE, {LEGACY_LISTING: legacy_details()})[0] == []


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"status": "OK"},
        {"status": "OK", "result": []},
        {"status": "OK", "result": {"photos": {}}},
        {"status": "SOMETHING_NEW", "result": {}},
        {"status": ["OK"], "result": {}},
        {"result": {"photos": [legacy_photo(1)]}},
        legacy_details({"width": 3}, None, {"photo_reference": "../x"}, {"photo_reference": 5}),
    ],
)
def test_details_in_another_form_are_a_bad_response_rather_than_no_images(reply: Any) -> None:
    assert failure_of(lambda: listing(CASE, {LEGACY_LISTING: reply})).error_type is ErrorType.BAD_RESPONSE


def test_photos_are_credited_in_plain_text_and_lead_to_the_place_on_the_map() -> None:
    first = listing(CASE, CASE.replies)[0][0]
    assert (first.width, first.height) == (4032, 3024)
    assert first.attribution == "Jan <K>"
    assert first.attribution_url == "https://maps.google.com/maps/contrib/1019?key=REDACTED"
    assert first.source_url == f"https://www.google.com/maps/search/?api=1&query=V&query_place_id={PLACE}"
    assert first.show_url is None


def test_several_authors_are_named_together_and_none_is_fine() -> None:
    both = ['<a href="https://maps.google.com/maps/contrib/1">Anna</a>', "Jan<script>alert(1)</script>"]
    photos = [legacy_photo(1, html_attributions=both), legacy_photo(2, html_attributions=[])]
    first, second = listing(CASE, {LEGACY_LISTING: legacy_details(*photos)})[0]
    assert (first.attribution, first.attribution_url) == (
        "Anna, Jan",
        "https://maps.google.com/maps/contrib/1",
    )
    assert (second.attribution, second.attribution_url) == (None, None)


def test_both_spellings_of_a_reference_are_read_and_odd_photos_left_out() -> None:
    old = {"photoreference": "CnRtAAAA_old-1", "width": 10**400, "height": True}
    photos = listing(CASE, {LEGACY_LISTING: legacy_details({"height": 3}, old, legacy_photo(2))})[0]
    assert [photo.fetch_ref for photo in photos] == ["CnRtAAAA_old-1", "AUacShh_2"]
    assert len({photo.provider_ref for photo in photos}) == 2
    assert (photos[0].width, photos[0].height) == (None, None)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(b"\x89PNG", 403, "image/png"), ErrorType.QUOTA_EXCEEDED),
        (answer(b"<html>Your client does not have permission", 403), ErrorType.QUOTA_EXCEEDED),
        (answer(b"", 403), ErrorType.QUOTA_EXCEEDED),
        (answer(REFUSED, 403), ErrorType.QUOTA_EXCEEDED),
        (answer(b"{}", 403, "application/json"), ErrorType.QUOTA_EXCEEDED),
        (answer(b"The provided API key is invalid.", 403, "text/plain"), ErrorType.AUTH_ERROR),
        (answer(b"This site may not use this key.", 403, "text/plain"), ErrorType.AUTH_ERROR),
        (answer(legacy_problem("REQUEST_DENIED"), 403), ErrorType.AUTH_ERROR),
        (answer(b"<html>Bad request", 400), ErrorType.STALE_REFERENCE),
        (answer(b"\x89PNG", 400, "image/png"), ErrorType.STALE_REFERENCE),
        (answer(legacy_problem("INVALID_REQUEST"), 400), ErrorType.STALE_REFERENCE),
        (answer(legacy_problem("REQUEST_DENIED"), 400), ErrorType.AUTH_ERROR),
        (answer(b"<html>", 404), ErrorType.NOT_FOUND),
        (answer(b"<html>", 429), ErrorType.RATE_LIMITED),
        (answer(b"<html>", 500), ErrorType.SERVER_ERROR),
        (answer(b"<html>", 503), ErrorType.SERVICE_UNAVAILABLE),
        (answer(b"\xff\xd8\xff", 200, "image/jpeg"), ErrorType.BAD_RESPONSE),
        (answer(b"", 302), ErrorType.BAD_RESPONSE),
        (answer(b"", 302, Location="ftp://lh3.googleusercontent.com/x"), ErrorType.INVALID_URL),
        (answer(b"", 302, Location="https://lh3.googleusercontent.com/x"), ErrorType.BLOCKED_ADDRESS),
    ],
)
def test_a_photo_that_does_not_redirect_says_why(reply: Any, expected: ErrorType) -> None:
    failure = failure_of(lambda: resolving(CASE, {LEGACY_PHOTO: reply}, REF, REF))
    assert failure.error_type is expected


@pytest.mark.parametrize(
    "path",
    [
        "/maps.googleapis.com/maps/api/place/photo?key=sandbox",
        "/lh3.googleusercontent.com/x?key=sandbox",
        "/evil/x",
    ],
)
def test_a_photo_that_leads_back_to_a_key_or_to_a_stranger_is_not_downloaded(path: str) -> None:
    def reply(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"http://{request.host}{path}"})

    failure = failure_of(lambda: resolving(CASE, {LEGACY_PHOTO: reply}, REF, REF))
    assert failure.error_type is ErrorType.BAD_RESPONSE
    assert "sandbox" not in failure.detail


@pytest.mark.parametrize("name", [None, "", GOOGLE_NAME, "a b", f"{REF}&key=1"])
def test_a_photo_without_a_reference_of_this_interface_is_stale_and_costs_no_call(name: str | None) -> None:
    failure = failure_of(lambda: resolving(CASE, {}, REF, name))
    assert failure.error_type is ErrorType.STALE_REFERENCE


def resolve_once(**settings: Any) -> tuple[Download, FakeProviders, Permits]:
    world, permits = FakeProviders({LEGACY_PHOTO: legacy_redirect}), Permits()

    async def run() -> Download:
        async with world.running(google_places_api="legacy", **settings) as http:
            api = api_of(http, CASE.code, permits)
            found = await SOURCES[CASE.code].resolve(REF, REF, api)
            assert api.calls == 1
            return found

    return asyncio.run(run()), world, permits


@pytest.mark.parametrize(("width", "asked"), [(900, "900"), (1600, "1600"), (4800, "1600")])
def test_a_photo_is_asked_for_within_the_documented_width_and_not_followed(width: int, asked: str) -> None:
    found, world, permits = resolve_once(image_width=width)
    assert [seen.query for seen in world.seen] == [
        {"maxwidth": asked, "photo_reference": REF, "key": "sandbox"}
    ]
    assert permits.taken == ["google_places"]
    assert found.url == f"{world.url}/lh3.googleusercontent.com/places/x=s1600-w1600"
    assert not found.headers
    assert not found.needs_permit


def test_the_key_goes_to_the_interface_only_and_the_real_one_not_into_the_sandbox() -> None:
    world = FakeProviders(
        {**CASE.replies, "/lh3.googleusercontent.com/places/x=s1600-w1600": answer(b"x", 200, "image/jpeg")}
    )

    async def run() -> None:
        async with world.running(google_places_api="legacy", google_places_api_key="real-key") as http:
            source, api = SOURCES[CASE.code], api_of(http, CASE.code)
            photo = (await source.list_photos(CASE.venue, api, limit=1))[0]
            download = await source.resolve(photo.provider_ref, photo.fetch_ref, api)
            assert (await http.download(download)).data == b"x"
            assert "sandbox" not in repr(photo)

    asyncio.run(run())
    details, photo, image = world.seen
    assert details.query == {"place_id": PLACE, "fields": "photos", "key": "sandbox"}
    assert photo.query["key"] == "sandbox"
    assert image.query == {}
    assert "Referer" not in image.headers
    assert "real-key" not in repr(world.seen)


def test_a_key_that_google_repeats_does_not_reach_the_detail() -> None:
    reply = legacy_problem("REQUEST_DENIED", "The key AIzaSyA1234567890abcdefg in key=abc is not allowed.")
    for run in (
        lambda: listing(CASE, {LEGACY_LISTING: reply}),
        lambda: resolving(CASE, {LEGACY_PHOTO: reply}, REF, REF),
    ):
        detail = failure_of(run).detail
        assert "AIzaSyA1234567890" not in detail
        assert "key=abc" not in detail
        assert "is not allowed" in detail


def test_a_broken_connection_does_not_tell_the_key() -> None:
    def hang_up(request: web.Request) -> web.Response:
        assert request.query["key"] == "sandbox"
        request.transport.abort()
        return web.Response()

    for run in (
        lambda: listing(CASE, {LEGACY_LISTING: hang_up}),
        lambda: resolving(CASE, {LEGACY_PHOTO: hang_up}, REF, REF),
    ):
        failure = failure_of(run)
        assert failure.error_type is ErrorType.NETWORK_ERROR
        assert "sandbox" not in failure.detail

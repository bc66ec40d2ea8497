"""Unsplash: what its replies and errors become, and that its rules are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.domain.failures import Failure
from ops_core.providers.source import Photo, UseReporter
from ops_core.providers.unsplash import CLOCK_SLACK, Unsplash, classify, seconds_until_next_hour
from tests.support.loopback import FakeProviders, Permits, api_of
from tests.support.provider_replies import CASES, failure_of, listing, resolving, venue_with
from tests.support.unsplash_replies import (
    IXID,
    NOTHING,
    UNSPLASH_DOWNLOAD,
    UNSPLASH_LISTING,
    UNSPLASH_PHOTO,
    photo,
)

CASE = CASES["unsplash"]
HOUR = 3600.0


def said(status: int, *errors: str, **headers: str) -> Callable[[web.Request], web.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.json_response({"errors": list(errors)}, status=status, headers=named)


def used_up(status: int = 403, **headers: str) -> Callable[[web.Request], web.Response]:
    """The reply when the hour's requests are used up: plain text, as seen at the real one."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(status=status, text="Rate Limit Exceeded", headers=named)


def failing(reply: Any) -> Failure:
    return failure_of(lambda: listing(CASE, {UNSPLASH_LISTING: reply}))


def reporting(reply: Any, change: Callable[[Photo], Photo] = lambda photo: photo) -> FakeProviders:
    """Lists the photo, changes it, and reports its use; what the provider saw of that."""
    world, permits = FakeProviders({**CASE.replies, UNSPLASH_DOWNLOAD: reply}), Permits()

    async def run() -> None:
        async with world.running(unsplash_access_key="real-key") as http:
            (listed,) = await Unsplash().list_photos(CASE.venue, api_of(http, "unsplash"), limit=1)
            photo = change(listed)
            world.seen.clear()
            api = api_of(http, "unsplash", permits)
            await Unsplash().report_use(photo.provider_ref, photo.fetch_ref, api)
            assert api.calls == len(permits.taken) == len(world.seen) == 1

    asyncio.run(run())
    return world


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (said(400, "query is missing"), ErrorType.HTTP_ERROR),
        (said(401, "OAuth error: The access token is invalid"), ErrorType.AUTH_ERROR),
        (said(403, "You are not authorized"), ErrorType.FORBIDDEN),
        (said(404, "Couldn't find Photo"), ErrorType.NOT_FOUND),
        (said(500, "Something went wrong"), ErrorType.SERVER_ERROR),
        (used_up(), ErrorType.RATE_LIMITED),
        (used_up(429), ErrorType.RATE_LIMITED),
        (said(429, "Too many requests"), ErrorType.RATE_LIMITED),
        (said(403, "Rate Limit Exceeded"), ErrorType.RATE_LIMITED),
    ],
)
def test_unsplash_errors_are_told_apart(reply: Any, expected: ErrorType) -> None:
    assert failing(reply).error_type is expected


def test_the_words_of_an_error_are_its_detail() -> None:
    failure = failing(said(401, "OAuth error: The access token is invalid"))
    assert (failure.detail, failure.status_code) == (
        "Unsplash: OAuth error: The access token is invalid",
        401,
    )


@pytest.mark.parametrize(
    "reply", [used_up(), used_up(X_Ratelimit_Remaining="0"), used_up(429, X_Ratelimit_Remaining="0")]
)
def test_a_used_up_hour_waits_for_the_next_one_since_nothing_says_when_it_begins(reply: Any) -> None:
    failure = failing(reply)
    assert failure.retry_after is not None
    assert CLOCK_SLACK <= failure.retry_after <= HOUR + CLOCK_SLACK
    assert "used up" in failure.detail


@pytest.mark.parametrize("status", [403, 429])
def test_a_wait_that_is_named_goes_before_the_hour(status: int) -> None:
    assert failing(used_up(status, X_Ratelimit_Remaining="0", Retry_After="9")).retry_after == 9.0


@pytest.mark.parametrize("reply", [used_up(429), used_up(X_Ratelimit_Remaining="17")])
def test_a_limit_that_leaves_requests_is_not_that_of_the_hour(reply: Any) -> None:
    assert failing(reply).retry_after is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-01T10:00:00", 3600.0),
        ("2026-03-01T10:59:59", 1.0),
        ("2026-03-01T10:15:30.5", 2669.5),
        ("2026-12-31T23:30:00", 1800.0),
    ],
)
def test_the_next_hour_is_as_far_off_as_the_clock_says(at: str, expected: float) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert seconds_until_next_hour(now) == expected + CLOCK_SLACK


def test_a_success_is_no_failure_whatever_it_holds() -> None:
    assert classify(200, {"X-Ratelimit-Remaining": "0"}, {"errors": ["Rate Limit Exceeded"]}) is None


def test_unsplash_is_asked_for_landscapes_with_the_key_in_a_header_that_stays_out_of_the_sandbox() -> None:
    _, world, _ = listing(CASE, CASE.replies, limit=4, unsplash_access_key="real-key")
    asked = world.seen[0]
    assert asked.query == {"query": "jazz club", "per_page": "4", "orientation": "landscape"}
    assert asked.headers["Authorization"] == "Client-ID sandbox"
    assert asked.headers["Accept-Version"] == "v1"


def test_no_more_than_a_page_is_asked_for() -> None:
    assert listing(CASE, CASE.replies, limit=100)[1].seen[0].query["per_page"] == "30"


@pytest.mark.parametrize(("words", "known"), [("jazz club", True), (" ", False), ("", False)])
def test_only_words_that_somebody_gave_are_searched_for(words: str, known: bool) -> None:
    assert Unsplash().knows(venue_with(unsplash=words)) is known


def test_a_photo_is_shown_from_its_own_address_which_keeps_its_ixid() -> None:
    first = listing(CASE, CASE.replies)[0][0]
    assert first.show_url == first.fetch_ref
    assert "/images.unsplash.com/photo-" in first.show_url
    assert f"ixid={IXID}" in first.show_url
    assert "w=1080" in first.show_url


def test_photographer_and_photo_are_linked_with_the_name_of_the_application() -> None:
    first = listing(CASE, CASE.replies, unsplash_app_name="venue_console")[0][0]
    assert first.attribution == "Gille <Spie>"
    assert first.attribution_url == (
        "https://unsplash.com/@gillespie?utm_source=venue_console&utm_medium=referral"
    )
    assert first.source_url == (
        f"https://unsplash.com/photos/{UNSPLASH_PHOTO}?client_id=REDACTED"
        "&utm_source=venue_console&utm_medium=referral"
    )
    assert (first.license, first.license_url) == ("Unsplash License", "https://unsplash.com/license")


def test_a_photographer_without_a_name_is_credited_by_user_name() -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        user = {"username": "gx", "name": "", "links": {"html": "javascript:alert(1)"}}
        return {"results": [photo(request, UNSPLASH_PHOTO, user=user)]}

    first = listing(CASE, {UNSPLASH_LISTING: reply})[0][0]
    assert (first.attribution, first.attribution_url) == ("gx", None)


@pytest.mark.parametrize(
    "odd",
    [
        *({"id": None}, {"id": "../x"}, {"id": 3}, {"urls": None}, {"urls": {"regular": "https://e.org/a"}}),
        {"urls": {"regular": "https://images.unsplash.com/a"}},  # outside the sandbox that is in use
    ],
)
def test_odd_photos_are_left_out_and_the_others_kept(odd: dict[str, Any]) -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        good = photo(request, UNSPLASH_PHOTO, width="wide", height=-3)
        return {"results": [None, photo(request, "odd", **odd), good, good]}

    photos = listing(CASE, {UNSPLASH_LISTING: reply})[0]
    assert [(one.provider_ref, one.width, one.height) for one in photos] == [(UNSPLASH_PHOTO, None, None)]


def test_an_address_with_a_key_in_it_is_not_taken() -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        address = f"http://{request.host}/images.unsplash.com/photo-1?client_id=secret"
        return {"results": [photo(request, UNSPLASH_PHOTO, urls={"regular": address})]}

    assert failing(reply).error_type is ErrorType.BAD_RESPONSE


def test_pictures_that_may_be_had_for_money_only_are_left_out_without_a_word() -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        address = f"http://{request.host}/plus.unsplash.com/premium_photo-1?ixid=1"
        return {"results": [photo(request, "paid", urls={"regular": address})]}

    assert listing(CASE, {UNSPLASH_LISTING: reply})[0] == []
    assert listing(CASE, {UNSPLASH_LISTING: NOTHING})[0] == []


@pytest.mark.parametrize("fetch_ref", [None, "", "photo-1", "https://example.org/a.jpg"])
def test_a_photo_without_its_address_is_a_stale_reference(fetch_ref: str | None) -> None:
    failure = failure_of(lambda: resolving(CASE, {}, UNSPLASH_PHOTO, fetch_ref))
    assert failure.error_type is ErrorType.STALE_REFERENCE


def test_unsplash_wants_to_be_told_of_uses() -> None:
    assert isinstance(Unsplash(), UseReporter)


def test_the_use_of_a_photo_is_reported_in_one_call_with_its_ixid_and_the_key_in_a_header() -> None:
    asked = reporting({"url": "https://images.unsplash.com/photo-1"}).seen[0]
    assert (asked.path, asked.query) == (UNSPLASH_DOWNLOAD, {"ixid": IXID})
    assert asked.headers["Authorization"] == "Client-ID sandbox"


def test_a_report_without_an_ixid_is_made_all_the_same() -> None:
    def without(photo: Photo) -> Photo:
        return replace(photo, fetch_ref=photo.fetch_ref.partition("?")[0])

    assert reporting({"url": "x"}, without).seen[0].query == {}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (used_up(), ErrorType.RATE_LIMITED),
        (said(404, "Couldn't find Photo"), ErrorType.NOT_FOUND),
        (said(401, "OAuth error: The access token is invalid"), ErrorType.AUTH_ERROR),
    ],
)
def test_a_report_that_is_refused_says_why(reply: Any, expected: ErrorType) -> None:
    assert failure_of(lambda: reporting(reply)).error_type is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda photo: replace(photo, provider_ref="../me"), ErrorType.NOT_FOUND),
        (lambda photo: replace(photo, fetch_ref=None), ErrorType.STALE_REFERENCE),
    ],
)
def test_a_photo_that_is_none_of_unsplash_is_not_reported(
    change: Callable[[Photo], Photo], expected: ErrorType
) -> None:
    assert failure_of(lambda: reporting({"url": "x"}, change)).error_type is expected

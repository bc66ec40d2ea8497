"""What every photo source keeps to, shown on replies in the providers' documented forms."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import Download
from ops_core.settings import Settings
from tests.support.loopback import FakeProviders, api_of
from tests.support.provider_replies import (
    CASES,
    Case,
    failure_of,
    listing,
    venue_with,
)


def test_every_source_is_tried_here() -> None:
    assert set(SOURCES) == {case.code for case in CASES.values()}


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_photos_are_listed_with_all_that_is_recorded_of_them(case: Case) -> None:
    photos, _, _ = listing(case, case.replies)
    assert len(photos) == 3
    assert [photo.position for photo in photos] == [0, 1, 2]
    assert len({photo.provider_ref for photo in photos}) == 3
    first = photos[0]
    assert (first.provider, first.provider_ref) == (case.code, case.first_ref)
    assert first.fetch_ref
    assert not case.states_size or first.width > first.height > 1000
    assert first.source_url is None or first.source_url.startswith("https://")
    assert not case.names_author or first.attribution
    assert not case.names_author or first.attribution_url.startswith("https://")


def test_the_same_photos_have_the_same_names_at_every_listing(case: Case) -> None:
    once, again = listing(case, case.replies)[0], listing(case, case.replies)[0]
    assert [photo.provider_ref for photo in once] == [photo.provider_ref for photo in again]


def test_no_more_photos_come_than_were_asked_for(case: Case) -> None:
    photos, _, _ = listing(case, case.replies, limit=1)
    assert [photo.provider_ref for photo in photos] == [case.first_ref]


def test_a_venue_without_photos_is_an_empty_list(case: Case) -> None:
    assert listing(case, case.empty)[0] == []


def test_every_call_takes_one_permit_of_its_provider(case: Case) -> None:
    _, world, permits = listing(case, case.replies)
    assert permits.taken == [case.code] * len(world.seen)


def test_a_refused_permit_makes_no_call(case: Case) -> None:
    world = FakeProviders(case.replies)

    async def refuse(provider: str) -> None:
        raise RuntimeError("no permit")

    async def run() -> None:
        async with world.running(**case.settings) as http:
            await SOURCES[case.code].list_photos(case.venue, http.api(case.code, refuse), limit=5)

    with pytest.raises(RuntimeError):
        asyncio.run(run())
    assert world.seen == []


def test_a_listed_photo_resolves_to_an_address_to_download(case: Case) -> None:
    def run() -> Download:
        world = FakeProviders(case.replies)

        async def go() -> Download:
            async with world.running(**case.settings) as http:
                api = api_of(http, case.code)
                photo = (await SOURCES[case.code].list_photos(case.venue, api, limit=1))[0]
                found = await SOURCES[case.code].resolve(photo.provider_ref, photo.fetch_ref, api)
                assert found.url.startswith(world.url)
                return found

        return asyncio.run(go())

    assert "key" not in run().url.lower()


def test_no_secret_is_in_what_is_listed(case: Case) -> None:
    assert "leaked-secret" not in repr(listing(case, case.replies)[0])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, ErrorType.AUTH_ERROR),
        (403, ErrorType.FORBIDDEN),
        (404, ErrorType.NOT_FOUND),
        (429, ErrorType.RATE_LIMITED),
        (500, ErrorType.SERVER_ERROR),
        (502, ErrorType.BAD_GATEWAY),
        (503, ErrorType.SERVICE_UNAVAILABLE),
        (504, ErrorType.GATEWAY_TIMEOUT),
        (302, ErrorType.HTTP_ERROR),
        (418, ErrorType.HTTP_ERROR),
    ],
)
def test_a_status_that_says_no_more_is_classified_by_the_one_table(
    case: Case, status: int, expected: ErrorType
) -> None:
    def reply(_: web.Request) -> web.Response:
        return web.Response(
            status=status, text="<html>no", headers={"Retry-After": "7", "Location": "/elsewhere"}
        )

    failure = failure_of(lambda: listing(case, dict.fromkeys(case.replies, reply)))
    assert failure.error_type is expected
    assert failure.status_code == status
    assert failure.retry_after == (
        7.0
        if expected
        in (
            ErrorType.RATE_LIMITED,
            ErrorType.SERVICE_UNAVAILABLE,
            ErrorType.BAD_GATEWAY,
            ErrorType.GATEWAY_TIMEOUT,
        )
        else None
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>not json",
        b"[" * 50_000,
        b'"text"',
        b"null",
        b"17",
        b"[]",
        b"1" * 5000,
        b"\xff\xfe\xff",
        b'{"claims": 3, "photos": 3, "query": {"pages": 3}}',
    ],
    ids=[
        "empty",
        "html",
        "deep",
        "text",
        "null",
        "number",
        "array",
        "huge number",
        "not utf-8",
        "wrong types",
    ],
)
def test_a_reply_in_no_documented_form_is_a_bad_response(case: Case, body: bytes) -> None:
    def reply(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    if case.bare_list and body == b"[]":
        assert listing(case, dict.fromkeys(case.replies, reply))[0] == []
        return
    assert (
        failure_of(lambda: listing(case, dict.fromkeys(case.replies, reply))).error_type
        is ErrorType.BAD_RESPONSE
    )


def test_a_reply_over_the_size_limit_is_a_bad_response(case: Case) -> None:
    def reply(_: web.Request) -> web.Response:
        return web.json_response({"photos": [], "claims": {}, "filler": "x" * 3000})

    failure = failure_of(lambda: listing(case, dict.fromkeys(case.replies, reply), max_reply_bytes=2000))
    assert failure.error_type is ErrorType.BAD_RESPONSE


def test_a_compressed_reply_is_a_bad_response_and_not_unpacked(case: Case) -> None:
    def reply(_: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b" + b"\0" * 20, headers={"Content-Encoding": "gzip"})

    failure = failure_of(lambda: listing(case, dict.fromkeys(case.replies, reply)))
    assert failure.error_type is ErrorType.BAD_RESPONSE


def test_a_source_says_which_setting_it_lacks_and_needs_none_in_the_sandbox(case: Case) -> None:
    source = SOURCES[case.code]
    assert "VENUE_OPS_" in source.not_ready(Settings())
    assert source.not_ready(Settings(sandbox_url="http://127.0.0.1:8502")) is None
    assert source.not_ready(Settings(**case.keys)) is None


def test_a_source_knows_only_venues_that_carry_its_ids(case: Case) -> None:
    source = SOURCES[case.code]
    assert source.knows(case.venue)
    assert not source.knows(venue_with(osm="N616"))

"""Wikimedia Commons and Wikidata: what their replies and errors become."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from ops_core.domain.errors import ErrorType
from ops_core.domain.places import Venue
from ops_core.providers.registry import SOURCES
from tests.support.loopback import FakeProviders, api_of
from tests.support.provider_replies import (
    CASES,
    COMMONS,
    WIKIDATA,
    Case,
    commons,
    commons_page,
    failure_of,
    listing,
    resolving,
    venue_with,
)

CASE = CASES["wikimedia_commons"]
TOO_MANY = (
    "Too many requests. Please comply with the User-Agent policy to get a higher rate limit: "
    "https://meta.wikimedia.org/wiki/User-Agent_policy"
)


def test_commons_photos_are_credited_in_plain_text_with_their_licence() -> None:
    first = listing(CASE, CASE.replies)[0][0]
    assert first.attribution == "Anna & Jan"
    assert first.attribution_url == "https://commons.wikimedia.org/wiki/User:Anna"
    assert first.license == "CC BY-SA 4.0"
    assert first.license_url == "https://creativecommons.org/licenses/by-sa/4.0"
    assert first.source_url == "https://commons.wikimedia.org/wiki/File:Tour_Eiffel.jpg"


def test_commons_photos_are_shown_from_where_they_are_fetched() -> None:
    for photo in listing(CASE, CASE.replies)[0]:
        assert photo.show_url == photo.fetch_ref
        assert "/upload.wikimedia.org/wikipedia/commons/thumb/" in photo.show_url


def test_a_title_with_the_word_key_before_a_camera_s_name_is_a_title() -> None:
    title = "File:Key 20130512_123045_photo.jpg"
    case = Case("wikimedia_commons", venue_with(wikimedia_commons=title), {}, "", {})
    replies = {COMMONS: lambda request: {"query": {"pages": [commons_page(request, title)]}}}
    (found,) = listing(case, replies)[0]
    assert found.provider_ref == title
    assert found.source_url == "https://commons.wikimedia.org/wiki/File:Key_20130512_123045_photo.jpg"


def test_the_picture_wikidata_names_comes_first_then_the_category_without_drawings_and_doubles() -> None:
    photos, world, _ = listing(CASE, CASE.replies)
    assert [photo.provider_ref for photo in photos] == [
        "File:Tour Eiffel.jpg",
        "File:Second.png",
        "File:Third.jpg",
    ]
    assert [seen.query.get("property") for seen in world.seen] == ["P18", None, "P373", None]
    assert world.seen[3].query["gcmtitle"] == "Category:Eiffel Tower"
    assert {seen.query["iiurlwidth"] for seen in world.seen if "iiurlwidth" in seen.query} == {"1280"}


def test_the_category_is_not_asked_for_when_the_first_photo_is_enough() -> None:
    _, world, _ = listing(CASE, CASE.replies, limit=1)
    assert len(world.seen) == 2


@pytest.mark.parametrize(
    ("venue", "expected"),
    [
        (venue_with(wikimedia_commons="File:Tour_Eiffel.jpg"), {"titles": "File:Tour Eiffel.jpg"}),
        (
            venue_with(wikimedia_commons="Category:Eiffel Tower"),
            {"generator": "categorymembers", "gcmtitle": "Category:Eiffel Tower"},
        ),
        (
            Venue(name="V", address="", city="C", country="FR", latitude=48.8583701, longitude=-2.2944813),
            {
                "generator": "geosearch",
                "ggscoord": "48.858370|-2.294481",
                "ggsradius": "100",
                "ggsnamespace": "6",
            },
        ),
    ],
)
def test_a_venue_without_a_wikidata_id_is_found_by_its_file_category_or_coordinates(
    venue: Venue, expected: dict[str, str]
) -> None:
    case = Case("wikimedia_commons", venue, {}, "", {})
    assert SOURCES[case.code].knows(venue)
    photos, world, _ = listing(case, {COMMONS: commons})
    assert photos
    assert expected.items() <= world.seen[0].query.items()


def test_missing_files_are_left_out() -> None:
    case = Case("wikimedia_commons", venue_with(wikimedia_commons="File:Gone.jpg"), {}, "", {})
    assert listing(case, {COMMONS: commons})[0] == []


def test_a_commons_photo_downloads_from_its_thumbnail_without_another_call() -> None:
    case, thumb = (
        CASE,
        "/upload.wikimedia.org/wikipedia/commons/thumb/a/a8/T.jpg/1280px-T.jpg",
    )
    found = resolving(case, {}, "File:T.jpg", lambda url: url + thumb)
    assert found.url.endswith(thumb)
    assert found.needs_permit


def test_a_thumbnail_address_of_another_world_is_asked_for_anew() -> None:
    case = CASE
    found = resolving(case, {COMMONS: commons}, "File:T.jpg", "https://upload.wikimedia.org/thumb/T.jpg")
    assert found.url.endswith("/thumb/a/a8/T.jpg/1280px-T.jpg")
    assert (
        failure_of(lambda: resolving(case, {COMMONS: commons}, "File:Gone.jpg", None)).error_type
        is ErrorType.NOT_FOUND
    )
    assert (
        failure_of(lambda: resolving(case, {}, "File:A.jpg|File:B.jpg", None)).error_type
        is ErrorType.NOT_FOUND
    )


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            {"error": {"code": "ratelimited", "info": "You've exceeded your rate limit."}},
            ErrorType.RATE_LIMITED,
        ),
        (
            {"error": {"code": "maxlag", "info": "Waiting for a database server"}},
            ErrorType.SERVICE_UNAVAILABLE,
        ),
        ({"error": {"code": "no-such-entity", "info": "Could not find an entity"}}, ErrorType.NOT_FOUND),
        ({"error": {"code": "internal_api_error_DBQueryError"}}, ErrorType.SERVER_ERROR),
        (
            {"error": {"code": "unresolved-redirect", "info": "The given entity ID refers to a redirect"}},
            ErrorType.NOT_FOUND,
        ),
        ({"error": {"code": "unheard-of"}}, ErrorType.BAD_RESPONSE),
        ({"error": 5}, ErrorType.BAD_RESPONSE),
        (
            lambda _: web.Response(status=429, text="Use thumbnail steps listed on https://w.wiki/GHai"),
            ErrorType.HTTP_ERROR,
        ),
        (
            lambda _: web.Response(status=403, text="Please set a user-agent and respect our robot policy"),
            ErrorType.NOT_CONFIGURED,
        ),
        (lambda _: web.Response(status=429, text=TOO_MANY), ErrorType.RATE_LIMITED),
    ],
)
def test_wikimedia_errors_are_told_apart_by_what_wikimedia_says(reply: Any, expected: ErrorType) -> None:
    failure = failure_of(lambda: listing(CASE, {WIKIDATA: reply, COMMONS: reply}))
    assert failure.error_type is expected
    assert failure.detail


def test_a_limit_for_clients_without_a_contact_names_the_setting_and_passes() -> None:
    def reply(_: web.Request) -> web.Response:
        return web.Response(status=429, text=f"<html>{TOO_MANY}", headers={"Retry-After": "7"})

    failure = failure_of(lambda: listing(CASE, {WIKIDATA: reply}))
    assert failure.retry_after == 7.0
    assert "VENUE_OPS_WIKIMEDIA_CONTACT" in failure.detail


def test_an_entity_that_was_merged_into_another_is_to_be_corrected() -> None:
    reply = {"error": {"code": "unresolved-redirect", "info": "The given entity ID refers to a redirect"}}
    assert "correct" in failure_of(lambda: listing(CASE, {WIKIDATA: reply})).detail


def test_a_wait_that_wikimedia_asks_for_with_an_error_of_status_200_is_kept() -> None:
    def reply(_: web.Request) -> web.Response:
        return web.json_response({"error": {"code": "maxlag"}}, headers={"Retry-After": "5"})

    assert failure_of(lambda: listing(CASE, {WIKIDATA: reply})).retry_after == 5.0


def test_a_download_refused_for_its_thumbnail_width_is_not_retried() -> None:
    world = FakeProviders(
        {
            "/upload.wikimedia.org/t": lambda _: web.Response(
                status=429, text="Use thumbnail steps listed on x"
            )
        }
    )

    async def run() -> None:
        async with world.running() as http:
            download = await SOURCES["wikimedia_commons"].resolve(
                "File:T.jpg", f"{world.url}/upload.wikimedia.org/t", api_of(http, "wikimedia_commons")
            )
            await http.download(download)

    failure = failure_of(lambda: asyncio.run(run()))
    assert failure.error_type is ErrorType.HTTP_ERROR
    assert failure.retry_after is None


def test_wikimedia_learns_whom_to_write_to() -> None:
    _, world, _ = listing(CASE, CASE.replies, wikimedia_contact=" ops@example.org\n")
    assert world.seen[0].headers["User-Agent"].startswith("venue-image-operations/")
    assert world.seen[0].headers["User-Agent"].endswith("(ops@example.org)")


@pytest.mark.parametrize(
    "title",
    [
        "File:Standard bearer monument in Kraków.jpg",
        "File:Torch Bearer 1914.jpg",
        "File:Basic training2013.jpg",
        "File:Key West-Florida-USA-2009 (3).jpg",
        "File:Subway token Boston-2014-05-12-large(1).jpg",
        "File:\u06a9\u062a\u0627\u0628\u200c\u062e\u0627\u0646\u0647.jpg",
        "File:\u0915\u094d\u200d\u0937.jpg",
    ],
)
def test_a_title_that_any_language_may_write_is_a_title(title: str) -> None:
    case = Case("wikimedia_commons", venue_with(wikimedia_commons=title), {}, "", {})
    (found,) = listing(case, {COMMONS: lambda request: {"query": {"pages": [commons_page(request, title)]}}})[
        0
    ]
    assert found.provider_ref == title


@pytest.mark.parametrize("thumbnail", [None, "", 5, "https://example.org/thumb/x.jpg"])
def test_a_photo_without_a_thumbnail_is_taken_as_it_is(thumbnail: Any) -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        page = commons_page(request, "File:T.jpg")
        page["imageinfo"][0]["thumburl"] = thumbnail
        return {"query": {"pages": [page]}}

    case = Case("wikimedia_commons", venue_with(wikimedia_commons="File:T.jpg"), {}, "", {})
    (found,), world, _ = listing(case, {COMMONS: reply})
    assert (
        found.fetch_ref == found.show_url == f"{world.url}/upload.wikimedia.org/wikipedia/commons/a/a8/T.jpg"
    )


@pytest.mark.parametrize("title", ["File:A|B.jpg", "File:A#b", "Category:Museums|File:A.jpg", "Category:A#b"])
def test_a_title_in_no_form_of_commons_is_never_asked_for(title: str) -> None:
    case = Case("wikimedia_commons", venue_with(wikimedia_commons=title), {}, "", {})
    assert failure_of(lambda: listing(case, {})).error_type is ErrorType.NOT_FOUND


def test_a_category_in_no_form_of_commons_does_not_cost_the_picture() -> None:
    def claims(request: web.Request) -> dict[str, Any]:
        wanted = request.query["property"]
        value = {"P18": "Tour Eiffel.jpg", "P373": "Eiffel|Tower"}[wanted]
        return {"claims": {wanted: [{"mainsnak": {"datavalue": {"value": value}}, "rank": "normal"}]}}

    photos, world, _ = listing(CASE, {WIKIDATA: claims, COMMONS: commons})
    assert [photo.provider_ref for photo in photos] == ["File:Tour Eiffel.jpg"]
    assert len(world.seen) == 3


def category_in_parts(*parts: list[tuple[str, str]]) -> Any:
    """A category whose members (title, type) come part by part."""

    def reply(request: web.Request) -> dict[str, Any]:
        part = int(request.query.get("gcmcontinue", "0"))
        assert request.query.get("continue", "") == ("gcmcontinue||" if part else "")
        pages = [commons_page(request, title, mime) for title, mime in parts[part]]
        more = {"continue": {"gcmcontinue": str(part + 1), "continue": "gcmcontinue||", "action": "edit"}}
        assert request.query["action"] == "query"
        return {"query": {"pages": pages}, **(more if part + 1 < len(parts) else {})}

    return reply


CATEGORY = Case("wikimedia_commons", venue_with(wikimedia_commons="Category:A"), {}, "", {})
PLANS = [(f"File:Plan {number}.svg", "image/svg+xml") for number in range(20)]


def test_a_category_that_begins_with_drawings_is_read_on_until_there_are_photos_enough() -> None:
    photos = [(f"File:{name}.jpg", "image/jpeg") for name in "ABC"]
    found, world, permits = listing(CATEGORY, {COMMONS: category_in_parts(PLANS, photos, PLANS)}, limit=3)
    assert [photo.provider_ref for photo in found] == ["File:A.jpg", "File:B.jpg", "File:C.jpg"]
    assert [photo.position for photo in found] == [0, 1, 2]
    assert len(world.seen) == len(permits.taken) == 2


def test_a_category_of_nothing_but_drawings_is_not_read_for_ever() -> None:
    found, world, _ = listing(CATEGORY, {COMMONS: category_in_parts(*[PLANS] * 9)})
    assert found == []
    assert len(world.seen) == 3


@pytest.mark.parametrize(
    "odd", [None, 5, [], {}, {"gcmcontinue": 5}, {"gcmcontinue": "x" * 5000}, {"action": "edit"}]
)
def test_a_part_that_names_no_next_one_is_the_last(odd: Any) -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        return {"query": {"pages": [commons_page(request, "File:A.jpg")]}, "continue": odd}

    found, world, _ = listing(CATEGORY, {COMMONS: reply})
    assert len(found) == len(world.seen) == 1


def test_a_list_of_photos_whose_titles_are_odd_is_a_bad_response_rather_than_no_images() -> None:
    def reply(request: web.Request) -> dict[str, Any]:
        return {"query": {"pages": [commons_page(request, "File:A?key=leaked-secret")]}}

    case = Case("wikimedia_commons", venue_with(wikimedia_commons="Category:A"), {}, "", {})
    assert failure_of(lambda: listing(case, {COMMONS: reply})).error_type is ErrorType.BAD_RESPONSE

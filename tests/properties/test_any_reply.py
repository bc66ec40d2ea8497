"""Whatever a provider replies, a source answers with usable photos or a classified failure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_core.domain.failures import Failed, Failure
from ops_core.domain.places import PROVIDER_ID_SHAPES, Venue
from ops_core.providers import (
    foursquare,
    google_legacy,
    google_new,
    here,
    mapbox,
    unsplash,
    wikimedia_errors,
)
from ops_core.providers.registry import SOURCES
from ops_core.providers.reply import MAX_SIDE, MAX_TEXT, first_link, pixels, plain, text, web_url
from ops_core.providers.source import Classify
from ops_core.settings import Settings
from tests.support.provider_replies import CASES, SEARCHES

VOCABULARY = [
    *(
        "photos",
        "name",
        "widthPx",
        "heightPx",
        "authorAttributions",
        "displayName",
        "uri",
        "googleMapsUri",
        "id",
    ),
    *(
        "error",
        "details",
        "status",
        "message",
        "reason",
        "retryDelay",
        "metadata",
        "quota_unit",
        "code",
        "info",
    ),
    *("query", "pages", "title", "imageinfo", "mime", "thumburl", "extmetadata", "Artist", "value", "index"),
    *("LicenseUrl", "LicenseShortName", "claims", "P18", "P373", "mainsnak", "datavalue", "rank", "photoUri"),
    *("results", "fsq_photo_id", "prefix", "suffix", "width", "height", "meta", "errorDetail", "errorType"),
    *("mapbox_id", "primary_photo", "properties", "type", "url", "thumb_url", "source", "errors"),
    *("urls", "regular", "links", "html", "user", "username"),
    *("result", "photo_reference", "photoreference", "html_attributions", "error_message", "candidates"),
    *("geometry", "location", "lat", "lng", "place_id", "formatted_address", "types", "places", "latitude"),
    *("displayName", "text", "longitude", "search", "match", "entities", "labels", "en", "aliases", "globe"),
    *("P31", "P625", "P6375", "label", "descriptions"),
    *("media", "images", "items", "href", "variants", "original", "large", "supplier", "title", "cause"),
]
TELLING = [
    *(
        "places/ChIJD7fiBh9u5kcRYJSMaMOCCwQ/photos/AU1",
        "File:A.jpg",
        "image/jpeg",
        "A.jpg",
        "preferred",
        "30s",
    ),
    *(
        "//a.example.org/x",
        "https://a.example.org/\x00",
        "<![x",
        "<a href=x>",
        "RATE_LIMIT_EXCEEDED",
        "\ud800",
    ),
    *("OK", "ZERO_RESULTS", "OVER_QUERY_LIMIT", "street_address", "Q243", "ChIJD7fiBh9u5kcRYJSMaMOCCwQ"),
    *("lh3.googleusercontent.com/places/x=s1600", "lh3.googleusercontent.com/x?key=leaked"),
    *("http://127.0.0.1:1/upload.wikimedia.org/a", "File:\u202eB.jpg\x00", "RESOURCE_EXHAUSTED"),
    *("http://127.0.0.1:1/fastly.4sqi.net/img/", "/a.jpg", "/\ud800.jpg", "/a.jpg?key=1", "4b058694f964a5"),
    *("http://127.0.0.1:1/photos.mapbox.com/a?access_token=1", "http://127.0.0.1:1/a?b=[", "Feature"),
    *("http://127.0.0.1:1/images.unsplash.com/p?ixid=1", "http://127.0.0.1:1/images.unsplash.com/%00[?ixid"),
    *("http://127.0.0.1:1/media-cdn.tripadvisor.com/media/photo-s/0a/%00.jpg", "here:pds:place:616u"),
]
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(TELLING)
    | st.sampled_from([10**400, -1, 2**63, 1e308])
)  # fmt: skip
any_json = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(VOCABULARY) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=25,
)


def nested(*path: str | int) -> st.SearchStrategy[Any]:
    """Any JSON at a place where a source looks."""

    def wrap(value: Any) -> Any:
        for step in reversed(path):
            value = {step: value} if isinstance(step, str) else [value]
        return value

    return any_json.map(wrap)


UNSPLASH_PHOTO = "http://127.0.0.1:1/images.unsplash.com/photo-1?ixid=M3w"
odd_photos = st.dictionaries(
    st.sampled_from(["id", "url", "urls", "links", "user", "width", "height", "source"]), any_json, max_size=3
)
PLACE = "ChIJD7fiBh9u5kcRYJSMaMOCCwQ"
odd_entries = st.dictionaries(
    st.sampled_from(
        ["photo_reference", "html_attributions", "width", "place_id", "name", "types", "geometry"]
    )
    | st.sampled_from(["id", "displayName", "formatted_address", "formattedAddress", "location"]),
    any_json | nested("location", "lat"),
    max_size=3,
)
odd_details = st.fixed_dictionaries(
    {"status": st.sampled_from(["OK", "ZERO_RESULTS"])},
    optional={
        "result": any_json | odd_entries.map(lambda odd: {"photos": [{"photo_reference": "AU1", **odd}]}),
        "candidates": any_json | odd_entries.map(lambda odd: [{"place_id": PLACE, "name": "A", **odd}]),
    },
)
odd_places = odd_entries.map(lambda odd: {"places": [{"id": PLACE, "displayName": {"text": "A"}, **odd}]})
entities = st.fixed_dictionaries(
    {"id": st.just("Q243"), "claims": any_json | nested("P625", 0, "mainsnak", "datavalue", "value")},
    optional={"labels": nested("en", "value"), "aliases": nested("en", 0), "descriptions": nested("en")},
).map(lambda entity: {"search": [{"id": "Q243", "label": "Blue Note"}], "entities": {"Q243": entity}})

replies = (
    any_json
    | nested("places", 0) | nested("search", 0)
    | nested("photos") | nested("photos", 0) | nested("query") | nested("query", "pages")
    | nested("query", "pages", 0) | nested("query", "pages", 0, "imageinfo", 0) | nested("claims", "P18")
    | nested("error") | nested("error", "details", 0)
    | nested("properties", "metadata", "photos", 0).map(lambda reply: {"type": "Feature", **reply})
    | odd_photos.map(lambda odd: {"photos": [{"url": "http://127.0.0.1:1/photos.mapbox.com/a", **odd}]})
    | odd_photos.map(lambda odd: {"results": [{"id": "a", "urls": {"regular": UNSPLASH_PHOTO}, **odd}]})
    | nested("errors", 0)
    | nested(0) | nested("results", 0) | nested("meta")
    | nested("media", "images", "items", 0).map(lambda reply: {"id": "here:x", **reply})
)  # fmt: skip

#: Half of them come near to what Google's interfaces and the searches document.
half_documented = st.booleans().flatmap(lambda near: odd_details | odd_places | entities if near else replies)


class AnyApi:
    """Answers every call with the same reply; nothing goes over a network."""

    calls = 0

    class log:
        warning = staticmethod(lambda *_: None)

    def __init__(self, reply: Any, **settings: Any) -> None:
        self.reply = reply
        self.settings = Settings(sandbox_url="http://127.0.0.1:1", **settings)

    def base(self, host: str) -> str:
        return f"http://127.0.0.1:1/{host}"

    async def get_json(self, url: str, *, classify: Classify | None = None, **_: Any) -> Any:
        failure = classify(200, {}, self.reply) if classify else None
        if failure:
            raise Failed(failure)
        return self.reply

    async def post_json(self, url: str, body: Any, *, classify: Classify | None = None, **_: Any) -> Any:
        json.dumps(body)
        return await self.get_json(url, classify=classify)

    async def get_redirect(self, url: str, *, classify: Classify | None = None, **_: Any) -> str:
        return f"http://127.0.0.1:1/{await self.get_json(url, classify=classify)}"


@pytest.mark.parametrize("name", sorted(CASES))
@given(reply=half_documented)
def test_any_reply_ends_as_photos_that_can_be_recorded_or_as_a_failure(name: str, reply: Any) -> None:
    case = CASES[name]
    api = AnyApi(reply, **case.settings)
    try:
        photos = asyncio.run(SOURCES[case.code].list_photos(case.venue, api, limit=5))
    except Failed:
        return
    assert len(photos) <= 5
    for photo in photos:
        for field in (
            photo.provider_ref,
            photo.fetch_ref,
            photo.source_url,
            photo.attribution,
            photo.license,
            photo.license_url,
            photo.show_url,
        ):
            assert field is None or (field and "\x00" not in field)
            (field or "").encode()  # no half characters, which no database takes
        for side in (photo.width, photo.height):
            assert side is None or 1 <= side <= MAX_SIDE
        for link in (photo.source_url, photo.attribution_url):
            assert link is None or link.startswith(("http://", "https://"))


@pytest.mark.parametrize("name", sorted(CASES))
@given(reply=replies, fetch_ref=st.none() | st.text(max_size=20) | st.sampled_from(TELLING))
def test_any_reply_ends_as_an_address_or_as_a_failure(name: str, reply: Any, fetch_ref: str | None) -> None:
    case = CASES[name]
    api = AnyApi(reply, **case.settings)
    try:
        download = asyncio.run(SOURCES[case.code].resolve(case.first_ref, fetch_ref, api))
    except Failed:
        return
    assert download.url
    assert "leaked" not in download.url


@pytest.mark.parametrize("name", sorted(SEARCHES))
@given(reply=half_documented)
def test_any_reply_ends_as_places_that_can_be_judged_or_as_a_failure(name: str, reply: Any) -> None:
    case = SEARCHES[name]
    venue = Venue(name="V", address="", city="C", country="FR", latitude=50.06, longitude=19.94)
    finder = SOURCES[case.code]
    try:
        places = asyncio.run(finder.find_places(venue, AnyApi(reply, **case.settings), limit=5))
    except Failed:
        return
    assert len(places) <= 5
    for place in places:
        assert PROVIDER_ID_SHAPES[finder.id_key].fullmatch(place.place_id)
        for field in (place.name, place.address, *place.also_named):
            assert field is None or (0 < len(field) <= MAX_TEXT and "\x00" not in field)
            (field or "").encode()
        assert (place.latitude is None) == (place.longitude is None)
        assert place.latitude is None or (abs(place.latitude) <= 90 and abs(place.longitude) <= 180)


@given(
    st.sampled_from(
        [
            google_new.classify,
            google_legacy.classify,
            google_legacy.classify_photo,
            wikimedia_errors.classify,
            foursquare.classify,
            here.classify,
            here.classify_photos,
            mapbox.classify,
            unsplash.classify,
        ]
    ),
    st.sampled_from([200, 400, 403, 404, 429, 500, 503]),
    replies,
)
def test_any_error_body_is_classified_without_an_accident(classify: Classify, status: int, body: Any) -> None:
    failure = classify(status, {}, body)
    assert failure is None or (isinstance(failure, Failure) and failure.detail)
    assert failure is None or failure.retry_after is None or failure.retry_after >= 0


@given(any_json)
def test_the_small_readers_take_anything(value: Any) -> None:
    for read in (text, plain):
        line = read(value)
        assert line is None or (
            0 < len(line) <= MAX_TEXT and line == line.strip() and line.isprintable() | True
        )
    assert pixels(value) is None or 1 <= pixels(value) <= MAX_SIDE
    for link in (web_url(value), first_link(value)):
        assert link is None or link.startswith(("http://", "https://"))


@given(st.text(max_size=200))
def test_markup_of_any_kind_is_read_without_an_accident(markup: str) -> None:
    line = plain(f"<p>{markup}")
    assert line is None or not set(line) & set("\x00\r\n\t")
    json.dumps(first_link(markup))


def test_script_and_style_are_left_out_of_what_is_read() -> None:
    assert plain("<b>Anna</b><script>alert(1)</script><style>p{}</style><br>&amp; Jan") == "Anna & Jan"
    assert (
        first_link('<a href="javascript:alert(1)">x</a><a href="//example.org/u">y</a>')
        == "https://example.org/u"
    )


def test_what_joins_letters_stays_inside_a_word_and_is_no_text_alone() -> None:
    assert text(" \u0915\u094d\u200d\u0937\u200c ") == "\u0915\u094d\u200d\u0937"
    assert text("\u200d \u200c\u200d") is None
    assert text("a\u200bb\u202ec") == "a b c"

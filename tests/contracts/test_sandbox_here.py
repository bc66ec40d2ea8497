"""The sandbox speaks HERE's lookup, discover and geocode as documented, over real sockets."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from ops_core.sandbox.here import CODE, photo_ref
from tests.support.sandbox import SandboxProcess
from tests.support.sandbox_world import WORLD

LOOKUP = "/lookup.search.hereapi.com/v1/lookup"
DISCOVER = "/discover.search.hereapi.com/v1/discover"
GEOCODE = "/geocode.search.hereapi.com/v1/geocode"
SHOW = "show=tripadvisor,tripadvisorImageVariants&apiKey=sandbox-key"

_PLACES = [f"here:pds:place:616u2yhm-{number:032}" for number in range(99)]
PLACE = next(
    place for place in _PLACES if len(photos := WORLD.photos(CODE, place)) > 2 and photos[0].format == "jpeg"
)
PHOTO = WORLD.photos(CODE, PLACE)[0]
EMPTY_PLACE = next(place for place in _PLACES if not WORLD.photos(CODE, place))


def test_photos_are_media_images_with_variants_and_without_sizes(sandbox: SandboxProcess) -> None:
    place = sandbox.get(f"{LOOKUP}?id={PLACE}&{SHOW}").json
    assert place["id"] == PLACE
    assert "images" not in place
    items = place["media"]["images"]["items"]
    assert len(items) == len(WORLD.photos(CODE, PLACE))
    assert set(items[0]) == {"href", "supplier", "variants"}
    assert items[0]["supplier"] == {"id": "tripadvisor"}
    assert set(items[0]["variants"]) == {"thumbnail", "small", "medium", "large", "original"}
    original = items[0]["variants"]["original"]["href"]
    assert original == f"{sandbox.url}/media-cdn.tripadvisor.com/media/photo-o/{photo_ref(WORLD, PHOTO)}"


def test_variants_and_photos_come_only_if_they_are_asked_for(sandbox: SandboxProcess) -> None:
    plain = sandbox.get(f"{LOOKUP}?id={PLACE}&show=tripadvisor&apiKey=k").json
    assert "variants" not in plain["media"]["images"]["items"][0]
    assert "media" not in sandbox.get(f"{LOOKUP}?id={PLACE}&apiKey=k").json


def test_media_is_left_out_when_a_place_has_no_photos(sandbox: SandboxProcess) -> None:
    answer = sandbox.get(f"{LOOKUP}?id={EMPTY_PLACE}&{SHOW}")
    assert answer.status == 200
    assert {"media", "images"} & set(answer.json) == set()


@pytest.mark.parametrize(
    ("key", "words"),
    [("", "No credentials found"), ("apiKey=invalid", "apiKey invalid. apiKey not found.")],
)
@pytest.mark.parametrize("path", [f"{LOOKUP}?id={PLACE}", f"{DISCOVER}?at=50,19&q=Bar", f"{GEOCODE}?q=Bar"])
def test_a_key_that_is_missing_or_wrong_is_unauthorized(
    sandbox: SandboxProcess, path: str, key: str, words: str
) -> None:
    answer = sandbox.get(f"{path}&{key}")
    assert (answer.status, answer.json) == (401, {"error": "Unauthorized", "error_description": words})


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        (f"{LOOKUP}?id={PLACE}&show=tripadvisor&apiKey=nocontract", 403, "Forbidden"),
        (f"{LOOKUP}?id={PLACE}&show=photos&apiKey=k", 400, "Illegal input for parameter 'show'"),
        (f"{LOOKUP}?id=elsewhere&{SHOW}", 404, "Not found"),
        (f"{DISCOVER}?q=Bar&apiKey=k", 400, "Required parameter missing"),
        (f"{DISCOVER}?at=50,19&apiKey=k", 400, "Required parameter missing"),
        (f"{GEOCODE}?apiKey=k", 400, "Required parameter missing"),
        (f"{GEOCODE}?q=Bar&limit=101&apiKey=k", 400, "Illegal input for parameter 'limit'"),
    ],
)
def test_a_wrong_request_is_refused_as_documented(
    sandbox: SandboxProcess, path: str, status: int, title: str
) -> None:
    answer = sandbox.get(path)
    assert (answer.status, answer.json["status"], answer.json["title"]) == (status, status, title)
    assert {"cause", "action", "correlationId", "requestId"} < set(answer.json)
    assert sandbox.log()[0]["outcome"] == "refused"


def test_without_a_contract_a_place_is_still_described(sandbox: SandboxProcess) -> None:
    assert sandbox.get(f"{LOOKUP}?id={PLACE}&apiKey=nocontract").json["id"] == PLACE


@pytest.mark.parametrize(("word", "longest"), [("thumbnail", 50), ("small", 150), ("medium", 250)])
def test_each_variant_is_a_picture_of_its_size(sandbox: SandboxProcess, word: str, longest: int) -> None:
    item = sandbox.get(f"{LOOKUP}?id={PLACE}&{SHOW}").json["media"]["images"]["items"][0]
    answer = sandbox.get(item["variants"][word]["href"])
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    assert longest - 1 <= max(Image.open(io.BytesIO(answer.body)).size) <= longest


def test_a_photo_in_an_unknown_size_or_place_is_not_found(sandbox: SandboxProcess) -> None:
    ref = photo_ref(WORLD, PHOTO)
    for path in (f"photo-z/{ref}", f"photo-o/00/00/00/00/{ref.rpartition('/')[2]}", "photo-o/0a/1b/x.jpg"):
        assert sandbox.get(f"/media-cdn.tripadvisor.com/media/{path}").status == 404


def test_a_search_tells_places_addresses_and_towns_apart(sandbox: SandboxProcess) -> None:
    kinds = set()
    for number in range(120):
        found = sandbox.get(f"{DISCOVER}?at=50.06,19.94&q=Venue{number}&apiKey=k").json["items"]
        for item in found:
            kinds.add((item["resultType"], item["id"].split(":")[1]))
            assert set(item) == {"title", "id", "resultType", "address", "position"}
    assert kinds == {("place", "pds"), ("houseNumber", "af"), ("locality", "cm")}


def test_a_429_carries_the_wait_of_the_plan(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(outages={CODE: 429}, retry_after=2)
    answer = sandbox.get(f"{LOOKUP}?id={PLACE}&{SHOW}")
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert answer.json["cause"] == "Rate limit for this service has been reached"

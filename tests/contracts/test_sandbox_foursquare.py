"""The sandbox speaks Foursquare's two interfaces as documented, over real sockets."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from ops_core.sandbox.foursquare import CODE, photo_id
from tests.support.sandbox import SandboxProcess
from tests.support.sandbox_world import WORLD

NEW = "/places-api.foursquare.com/places"
V3 = "/api.foursquare.com/v3/places"
VERSION = {"X-Places-Api-Version": "2025-06-17"}
KEY = {"Authorization": "Bearer sandbox-key", **VERSION}
V3_KEY = {"Authorization": "fsq3sandbox-key"}

_PLACES = [f"4b058694f964a520d4b6{number:04}" for number in range(99)]
PLACE = next(
    place for place in _PLACES if len(photos := WORLD.photos(CODE, place)) > 2 and photos[0].format == "jpeg"
)
PHOTO = WORLD.photos(CODE, PLACE)[0]
EMPTY_PLACE = next(place for place in _PLACES if not WORLD.photos(CODE, place))


def test_photos_come_as_a_bare_array_in_the_documented_form(sandbox: SandboxProcess) -> None:
    photos = sandbox.get(f"{NEW}/{PLACE}/photos?limit=50&sort=popular", KEY).json
    assert len(photos) == len(WORLD.photos(CODE, PLACE))
    first = photos[0]
    assert set(first) == {
        *("fsq_photo_id", "created_at", "prefix", "suffix", "width", "height", "classifications"),
    }
    assert first["fsq_photo_id"] == photo_id(WORLD, PHOTO)
    assert (first["width"], first["height"]) == (PHOTO.width, PHOTO.height)
    assert first["prefix"] == f"{sandbox.url}/fastly.4sqi.net/img/general/"


def test_v3_names_the_same_photos_and_calls_their_ids_id(sandbox: SandboxProcess) -> None:
    new = sandbox.get(f"{NEW}/{PLACE}/photos", KEY).json
    old = sandbox.get(f"{V3}/{PLACE}/photos", V3_KEY).json
    assert [photo["id"] for photo in old] == [photo["fsq_photo_id"] for photo in new]
    assert "fsq_photo_id" not in old[0]


def test_a_place_without_photos_is_an_empty_array(sandbox: SandboxProcess) -> None:
    assert sandbox.get(f"{NEW}/{EMPTY_PLACE}/photos", KEY).json == []


@pytest.mark.parametrize(
    ("path", "headers", "status", "message"),
    [
        (f"{NEW}/{PLACE}/photos", VERSION, 401, "Invalid request token."),
        (f"{NEW}/{PLACE}/photos", {**KEY, "Authorization": "Bearer invalid"}, 401, "Invalid request token."),
        (f"{NEW}/{PLACE}/photos", {**KEY, **V3_KEY}, 401, "Invalid request token."),
        (f"{V3}/{PLACE}/photos", {"Authorization": "Bearer key"}, 401, "Invalid request token."),
        (f"{V3}/search?near=Paris", {}, 401, "Invalid request token."),
        (f"{NEW}/{PLACE}/photos", {"Authorization": "Bearer key"}, 400, "X-Places-Api-Version"),
        (f"{NEW}/search?near=Paris", {"Authorization": "Bearer key"}, 400, "X-Places-Api-Version"),
        (f"{NEW}/{PLACE}/photos?limit=51", KEY, 400, "limit"),
        (f"{NEW}/{PLACE}/photos?limit=0", KEY, 400, "limit"),
        (f"{V3}/{PLACE}/photos?limit=51", V3_KEY, 400, "limit"),
        (f"{NEW}/{PLACE}/photos?sort=BEST", KEY, 400, "sort"),
        (f"{NEW}/short/photos", KEY, 404, "Invalid venue specified"),
        (f"{NEW}/search?query=Bar", KEY, 400, "near"),
        (f"{NEW}/search?query=Bar&ll=50.06,19.94&near=Paris", KEY, 400, "near"),
        (f"{NEW}/search?query=Bar&near=Paris&limit=51", KEY, 400, "limit"),
        (f"{NEW}/{PLACE}/photos", {**KEY, "Authorization": "Bearer nocredits"}, 429, "credits"),
    ],
)
def test_a_wrong_request_is_refused_with_a_message(
    sandbox: SandboxProcess, path: str, headers: dict[str, str], status: int, message: str
) -> None:
    answer = sandbox.get(path, headers)
    assert answer.status == status
    assert message in answer.json["message"]
    assert sandbox.log()[0]["outcome"] == "refused"


def test_v2_is_gone(sandbox: SandboxProcess) -> None:
    answer = sandbox.get("/api.foursquare.com/v2/venues/1/photos", V3_KEY)
    assert (answer.status, answer.json["meta"]["code"]) == (410, 410)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("width300", (300, round(300 * PHOTO.height / PHOTO.width))),
        ("height150", (150 * PHOTO.width // PHOTO.height, 150)),
        ("200x200", None),
        ("original", None),
    ],
)
def test_a_photo_is_at_its_prefix_a_size_and_its_suffix(
    sandbox: SandboxProcess, size: str, expected: tuple[int, int] | None
) -> None:
    stated = sandbox.get(f"{NEW}/{PLACE}/photos", KEY).json[0]
    answer = sandbox.get(f"{stated['prefix']}{size}{stated['suffix'].removeprefix('/')}")
    assert answer.status == 404  # a suffix begins with a slash, and is nothing without it
    answer = sandbox.get(f"{stated['prefix']}{size}{stated['suffix']}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    picture = Image.open(io.BytesIO(answer.body))
    assert expected is None or abs(picture.width - expected[0]) + abs(picture.height - expected[1]) <= 2
    assert picture.width / picture.height == pytest.approx(PHOTO.width / PHOTO.height, rel=0.05)


@pytest.mark.parametrize("size", ["large", "width", "cap300", "12345x1"])
def test_a_size_in_no_documented_form_is_not_found(sandbox: SandboxProcess, size: str) -> None:
    stated = sandbox.get(f"{NEW}/{PLACE}/photos", KEY).json[0]
    assert sandbox.get(f"{stated['prefix']}{size}{stated['suffix']}").status == 404


def test_a_search_shows_the_fields_that_were_asked_for_in_each_interfaces_form(
    sandbox: SandboxProcess,
) -> None:
    where = "query=Blue%20Note&ll=50.06,19.94&radius=1000&limit=1"
    new = sandbox.get(f"{NEW}/search?{where}&fields=fsq_place_id,name,latitude,longitude", KEY).json
    old = sandbox.get(f"{V3}/search?{where}&fields=fsq_id,name,geocodes", V3_KEY).json
    place, same = new["results"][0], old["results"][0]
    assert set(place) == {"fsq_place_id", "name", "latitude", "longitude"}
    assert set(same) == {"fsq_id", "name", "geocodes"}
    assert (place["fsq_place_id"], place["latitude"]) == (
        same["fsq_id"],
        same["geocodes"]["main"]["latitude"],
    )


def test_a_429_and_a_503_say_how_long_to_wait(sandbox: SandboxProcess) -> None:
    for status in (429, 503):
        sandbox.set_faults(outages={CODE: status}, retry_after=6)
        answer = sandbox.get(f"{NEW}/{PLACE}/photos", KEY)
        assert (answer.status, answer.headers["retry-after"]) == (status, "6")
        assert answer.json["message"]

"""The sandbox speaks Mapbox's Places API, Search Box and photo host, over real sockets."""

from __future__ import annotations

import io
import time

import pytest
from PIL import Image

from ops_core.sandbox.mapbox import place_id
from ops_core.sandbox.places import found
from ops_core.sandbox.world import World
from tests.support.sandbox import SandboxProcess

DETAILS = "/api.mapbox.com/places/v1/details/retrieve/"
SEARCH = "/api.mapbox.com/search/searchbox/v1/forward"
TOKEN = "access_token=t"
WORLD = World(7)
PLACES = [place_id("venue", f"{number:016x}") for number in range(60)]
PLACE = next(place for place in PLACES if len(WORLD.photos("mapbox", place)) > 2)
EMPTY_PLACE = next(place for place in PLACES if not WORLD.photos("mapbox", place))
NAMES = [f"Venue {number}" for number in range(60)]


def search(sandbox: SandboxProcess, name: str, more: str = "") -> list[dict]:
    answer = sandbox.get(f"{SEARCH}?q={name.replace(' ', '%20')}&{TOKEN}{more}")
    assert answer.json["type"] == "FeatureCollection"
    return answer.json["features"]


def test_a_place_comes_as_one_flat_record_with_its_photos(sandbox: SandboxProcess) -> None:
    answer = sandbox.get(f"{DETAILS}{PLACE}?{TOKEN}")
    assert answer.json["mapbox_id"] == PLACE
    assert len(answer.json["photos"]) == len(WORLD.photos("mapbox", PLACE))
    assert all(set(photo) - {"width", "height"} == {"url"} for photo in answer.json["photos"])
    assert answer.headers["x-rate-limit-limit"] == "600"
    assert answer.headers["x-rate-limit-interval"] == "60"


def test_some_places_state_the_sizes_of_their_photos_and_some_do_not(sandbox: SandboxProcess) -> None:
    with_photos = [place for place in PLACES if WORLD.photos("mapbox", place)]
    stated = {
        "width" in sandbox.get(f"{DETAILS}{place}?{TOKEN}").json["photos"][0] for place in with_photos[:20]
    }
    assert stated == {True, False}


def test_photos_are_left_out_when_a_place_has_none(sandbox: SandboxProcess) -> None:
    assert "photos" not in sandbox.get(f"{DETAILS}{EMPTY_PLACE}?{TOKEN}").json


def test_a_photo_is_at_a_host_of_its_own_that_wants_no_token(sandbox: SandboxProcess) -> None:
    address = sandbox.get(f"{DETAILS}{PLACE}?{TOKEN}").json["photos"][0]["url"]
    assert address.startswith(f"{sandbox.url}/photos.mapbox.com/v1/")
    picture = Image.open(io.BytesIO(sandbox.get(address).body))
    first = WORLD.photos("mapbox", PLACE)[0]
    assert picture.width / picture.height == pytest.approx(first.width / first.height, abs=0.02)
    assert sandbox.get(address.replace("v1/", "v1/x")).status == 404


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        (f"{DETAILS}{PLACE}", 401, "Not Authorized - No Token"),
        (f"{DETAILS}{PLACE}?access_token=invalid", 401, "Not Authorized - Invalid Token"),
        (f"{DETAILS}place.123?{TOKEN}", 422, "Invalid mapbox_id format: place.123"),
        (
            f"{DETAILS}{place_id('address', '1' * 16)}?{TOKEN}",
            422,
            f"Invalid mapbox_id format: {place_id('address', '1' * 16)}",
        ),
        (f"{SEARCH}?q=x", 401, "Not Authorized - No Token"),
        (f"{SEARCH}?{TOKEN}", 400, "q is required"),
        (f"{SEARCH}?q=x&{TOKEN}&limit=11", 400, "limit must be between 1 and 10"),
        (f"{SEARCH}?q=x&{TOKEN}&proximity=50", 400, "proximity must be longitude,latitude"),
        (f"{SEARCH}?q=x&{TOKEN}&proximity=19,150", 400, "proximity must be longitude,latitude"),
        (f"{SEARCH}?q=x&{TOKEN}&proximity=nan,nan", 400, "proximity must be longitude,latitude"),
    ],
)
def test_a_wrong_request_is_refused_with_a_message(
    sandbox: SandboxProcess, path: str, status: int, message: str
) -> None:
    answer = sandbox.get(path)
    assert (answer.status, answer.json) == (status, {"message": message})
    assert sandbox.log()[0]["outcome"] == "refused"


def test_a_429_says_when_the_limit_begins_anew(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(script={f"listing:mapbox:{PLACE}": ["rate_limited", "ok"]}, retry_after=20)
    answer = sandbox.get(f"{DETAILS}{PLACE}?{TOKEN}")
    assert (answer.status, answer.json) == (429, {"message": "Too Many Requests"})
    assert 10 < int(answer.headers["x-rate-limit-reset"]) - time.time() <= 20
    assert "retry-after" not in answer.headers
    assert sandbox.get(f"{DETAILS}{PLACE}?{TOKEN}").status == 200


def test_a_search_finds_what_is_there_near_the_spot_that_was_asked_about(sandbox: SandboxProcess) -> None:
    name = next(name for name in NAMES if len(found(7, "mapbox", name, 50.06, 19.94)) == 3)
    features = search(sandbox, name, "&proximity=19.94,50.06")
    kinds = [each["properties"]["feature_type"] for each in features]
    assert kinds == ["poi", "poi", "address"]
    first = features[0]["properties"]
    assert first["name"] == name
    assert first["coordinates"]["latitude"] == pytest.approx(50.06, abs=0.01)
    assert features[0]["geometry"]["coordinates"] == [
        first["coordinates"]["longitude"],
        first["coordinates"]["latitude"],
    ]
    assert [each["properties"]["feature_type"] for each in search(sandbox, name, "&types=address")] == [
        "address"
    ]
    assert len(search(sandbox, name, "&limit=1")) == 1


def test_what_a_search_finds_has_photos_to_list_and_addresses_have_none(sandbox: SandboxProcess) -> None:
    name = next(name for name in NAMES if len(found(7, "mapbox", name, None, None)) == 3)
    venue, _, address = (each["properties"]["mapbox_id"] for each in search(sandbox, name))
    assert sandbox.get(f"{DETAILS}{venue}?{TOKEN}").json["mapbox_id"] == venue
    assert sandbox.get(f"{DETAILS}{address}?{TOKEN}").status == 422


def test_some_names_find_nothing(sandbox: SandboxProcess) -> None:
    name = next(name for name in NAMES if not found(7, "mapbox", name, None, None))
    assert search(sandbox, name) == []


def test_a_search_can_fail_like_any_call(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(script={"search:mapbox:Blue Note": ["service_unavailable", "ok"]}, retry_after=3)
    answer = sandbox.get(f"{SEARCH}?q=Blue%20Note&{TOKEN}")
    assert (answer.status, answer.headers["retry-after"]) == (503, "3")
    assert sandbox.get(f"{SEARCH}?q=Blue%20Note&{TOKEN}").status == 200

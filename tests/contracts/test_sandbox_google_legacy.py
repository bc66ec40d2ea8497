"""The sandbox speaks the older interface of Google Places as documented, over real sockets."""

from __future__ import annotations

import io
from urllib.parse import urlencode

import pytest
from PIL import Image

from ops_core.sandbox.google_places import lasting
from ops_core.sandbox.places import found
from ops_core.sandbox.world import AUTHORS
from tests.support.sandbox import Answer, SandboxProcess
from tests.support.sandbox_world import EMPTY_PLACE, IMAGE, PHOTO, PLACE, REF

API = "/maps.googleapis.com/maps/api/place"
FIELDS = "place_id,name,formatted_address,geometry,types"
#: A venue that is found by its name, and not alone.
NAME = next(f"Venue{n}" for n in range(99) if len(found(7, "google_places", f"Venue{n}", 50.06, 19.94)) == 3)


def details(sandbox: SandboxProcess, **words: str) -> Answer:
    return sandbox.get(f"{API}/details/json?{urlencode({'key': 'k', **words})}")


def photo(sandbox: SandboxProcess, **words: str) -> Answer:
    return sandbox.get(f"{API}/photo?{urlencode({'key': 'k', 'photo_reference': REF, **words})}")


def find(sandbox: SandboxProcess, **words: str) -> Answer:
    asked = {"key": "k", "input": f"{NAME}, Kraków", "inputtype": "textquery", "fields": FIELDS, **words}
    return sandbox.get(f"{API}/findplacefromtext/json?{urlencode(asked)}")


def test_a_places_photos_come_in_the_documented_form(sandbox: SandboxProcess) -> None:
    answer = details(sandbox, place_id=PLACE, fields="photos").json
    assert (answer["status"], answer["html_attributions"]) == ("OK", [])
    assert set(answer["result"]) == {"photos"}
    first = answer["result"]["photos"][0]
    assert lasting(first["photo_reference"]) == REF != first["photo_reference"]
    assert (first["width"], first["height"]) == (PHOTO.width, PHOTO.height)
    assert first["html_attributions"][0].startswith('<a href="https://maps.google.com/maps/contrib/')


def test_authors_are_escaped_as_html(sandbox: SandboxProcess) -> None:
    places = [f"ChIJsandbox_{number:012d}" for number in range(30)]
    listed = [details(sandbox, place_id=place, fields="photos").json["result"] for place in places]
    said = {photo["html_attributions"][0] for result in listed for photo in result.get("photos", [])}
    assert any("<3" in author for author in AUTHORS)
    assert any("&lt;3" in each for each in said)
    assert not any("<3" in each for each in said)


def test_a_place_without_photos_is_ok_with_an_empty_result(sandbox: SandboxProcess) -> None:
    answer = details(sandbox, place_id=EMPTY_PLACE, fields="photos").json
    assert answer == {"html_attributions": [], "result": {}, "status": "OK"}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"place_id": PLACE, "fields": "photos", "key": ""}, "REQUEST_DENIED"),
        ({"place_id": PLACE, "fields": "photos", "key": "invalid"}, "REQUEST_DENIED"),
        ({"place_id": "short", "fields": "photos"}, "INVALID_REQUEST"),
        ({"fields": "photos"}, "INVALID_REQUEST"),
        ({"place_id": PLACE, "fields": "pictures"}, "INVALID_REQUEST"),
    ],
)
def test_a_wrong_request_is_refused_with_http_200(
    sandbox: SandboxProcess, words: dict[str, str], status: str
) -> None:
    answer = details(sandbox, **words)
    assert (answer.status, answer.json["status"]) == (200, status)
    assert answer.json["error_message"]
    assert sandbox.log()[0]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("fault", "status"),
    [("rate_limited", "OVER_QUERY_LIMIT"), ("auth_error", "REQUEST_DENIED"), ("not_found", "NOT_FOUND")],
)
def test_a_fault_of_details_comes_with_http_200_and_passes(
    sandbox: SandboxProcess, fault: str, status: str
) -> None:
    sandbox.set_faults(script={f"listing:google_places:{PLACE}": [fault, "ok"]})
    first, second = (details(sandbox, place_id=PLACE, fields="photos") for _ in range(2))
    assert (first.status, first.json["status"], second.json["status"]) == (200, status, "OK")
    assert "retry-after" not in first.headers
    assert [entry["outcome"] for entry in sandbox.log()] == [fault, "ok"]


def test_a_server_error_is_a_status_of_the_api_or_a_page_of_the_server_before_it(
    sandbox: SandboxProcess,
) -> None:
    sandbox.set_faults(listing_rates={"server_error": 1.0})
    places = [f"ChIJsandbox_{number:012d}" for number in range(12)]
    answers = [details(sandbox, place_id=place, fields="photos") for place in places]
    assert {answer.status for answer in answers} == {200, 500}
    assert {answer.json["status"] for answer in answers if answer.status == 200} == {"UNKNOWN_ERROR"}


def test_a_photo_redirects_to_another_host_without_its_key(sandbox: SandboxProcess) -> None:
    answer = photo(sandbox, maxwidth="400")
    assert (answer.status, answer.headers["location"]) == (302, sandbox.url + IMAGE)
    assert photo(sandbox, photo_reference="", photoreference=REF, maxwidth="400").status == 302
    picture = Image.open(io.BytesIO(sandbox.get(answer.headers["location"]).body))
    assert picture.size == (400, round(400 * PHOTO.height / PHOTO.width))


def test_a_width_over_the_limit_is_clamped(sandbox: SandboxProcess) -> None:
    assert photo(sandbox, maxwidth="4800").headers["location"].endswith(f"{REF}=s1600-w1600")
    assert photo(sandbox, maxheight="300").headers["location"].endswith(f"{REF}=s300-h300")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({}, 400),
        ({"maxwidth": "0"}, 400),
        ({"maxwidth": "wide"}, 400),
        ({"maxwidth": "400", "photo_reference": "AUxxxx"}, 400),
        ({"maxwidth": "400", "key": "invalid"}, 403),
        ({"maxwidth": "400", "key": ""}, 403),
    ],
)
def test_a_wrong_request_for_a_photo_is_refused_with_a_page(
    sandbox: SandboxProcess, words: dict[str, str], status: int
) -> None:
    answer = photo(sandbox, **words)
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/")


def test_a_used_up_quota_comes_with_a_picture_and_an_expired_reference_with_400(
    sandbox: SandboxProcess,
) -> None:
    sandbox.set_faults(script={f"resolve:google_places:{REF}": ["forbidden", "stale_reference", "ok"]})
    refused, stale, good = (photo(sandbox, maxwidth="400") for _ in range(3))
    assert (refused.status, refused.headers["content-type"]) == (403, "image/png")
    assert Image.open(io.BytesIO(refused.body)).format == "PNG"
    assert (stale.status, good.status) == (400, 302)


def test_an_expired_reference_works_again_after_its_place_was_listed(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(rates={"stale_reference": 1.0})
    assert [photo(sandbox, maxwidth="400").status for _ in range(2)] == [400, 400]
    details(sandbox, place_id=PLACE, fields="photos")
    assert photo(sandbox, maxwidth="400").status == 302


def test_the_image_host_refuses_whoever_brings_the_key(sandbox: SandboxProcess) -> None:
    assert sandbox.get(IMAGE).status == 200
    assert sandbox.get(f"{IMAGE}?key=k").status == 400
    assert sandbox.get(IMAGE, {"Referer": f"{sandbox.url}{API}/photo?key=k"}).status == 400


def test_a_search_finds_candidates_with_the_fields_asked_for(sandbox: SandboxProcess) -> None:
    answer = find(sandbox, locationbias="circle:2000@50.06,19.94").json
    assert answer["status"] == "OK"
    first = answer["candidates"][0]
    assert set(first) == set(FIELDS.split(","))
    assert abs(first["geometry"]["location"]["lat"] - 50.06) < 0.01
    assert first["name"] == NAME
    bare = find(sandbox, fields="").json["candidates"]
    assert {key for each in bare for key in each} == {"place_id"}
    assert set(find(sandbox, fields="name,geometry/location").json["candidates"][0]) == {"name", "geometry"}


def test_a_found_place_has_details(sandbox: SandboxProcess) -> None:
    ids = [find(sandbox, input=f"Venue{number}").json["candidates"] for number in range(9)]
    listed = [
        details(sandbox, place_id=place["place_id"], fields="photos").json
        for places in ids
        for place in places[:1]
    ]
    assert {answer["status"] for answer in listed} == {"OK"}
    assert any(answer["result"] for answer in listed)


def test_a_search_that_finds_nothing_says_so(sandbox: SandboxProcess) -> None:
    answers = [find(sandbox, input=f"Venue{number}").json for number in range(60)]
    assert {answer["status"] for answer in answers} == {"OK", "ZERO_RESULTS"}
    assert all(bool(answer["candidates"]) == (answer["status"] == "OK") for answer in answers)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"input": " "}, "INVALID_REQUEST"),
        ({"inputtype": "phonenumber"}, "INVALID_REQUEST"),
        ({"fields": "name,opinion"}, "INVALID_REQUEST"),
        ({"key": "invalid"}, "REQUEST_DENIED"),
    ],
)
def test_a_wrong_search_is_refused_with_http_200(
    sandbox: SandboxProcess, words: dict[str, str], status: str
) -> None:
    answer = find(sandbox, **words)
    assert (answer.status, answer.json["status"], answer.json["candidates"]) == (200, status, [])

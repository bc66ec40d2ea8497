"""The sandbox speaks the text search of Google Places (New) as documented, over real sockets."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from ops_core.sandbox.places import found
from tests.support.sandbox import Answer, SandboxProcess
from tests.support.sandbox_world import GOOGLE, KEY, MASK

SEARCH = "/places.googleapis.com/v1/places:searchText"
FIELDS = ("id", "displayName", "formattedAddress", "location", "types")
#: A venue that is found by its name, and not alone.
NAME = next(f"Venue{n}" for n in range(99) if len(found(7, "google_places", f"Venue{n}", 50.06, 19.94)) == 3)
WANTED = {**KEY, "X-Goog-FieldMask": ",".join(f"places.{field}" for field in FIELDS)}


def near(latitude: float, longitude: float, radius: float = 2000.0) -> dict[str, Any]:
    center = {"latitude": latitude, "longitude": longitude}
    return {"locationBias": {"circle": {"center": center, "radius": radius}}}


def search(sandbox: SandboxProcess, headers: dict[str, str] = WANTED, **asked: Any) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    try:
        body = json.dumps({"textQuery": f"{NAME}, Kraków", **asked})
        connection.request("POST", SEARCH, body, {"Content-Type": "application/json", **headers})
        reply = connection.getresponse()
        named = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(reply.status, named, reply.read())
    finally:
        connection.close()


def test_places_are_found_near_the_centre_with_the_fields_asked_for(sandbox: SandboxProcess) -> None:
    places = search(sandbox, **near(50.06, 19.94)).json["places"]
    assert set(places[0]) == set(FIELDS)
    assert places[0]["displayName"]["text"] == NAME
    assert abs(places[0]["location"]["latitude"] - 50.06) < 0.01
    only = search(sandbox, {**KEY, "X-Goog-FieldMask": "places.id"}, **near(50.06, 19.94)).json["places"]
    assert only == [{"id": place["id"]} for place in places]


def test_a_page_is_no_longer_than_asked_for(sandbox: SandboxProcess) -> None:
    whole = search(sandbox).json["places"]
    assert len(whole) > 1
    assert search(sandbox, pageSize=1).json["places"] == whole[:1]
    assert search(sandbox, pageSize=0).json["places"] == whole


def test_a_search_that_finds_nothing_has_an_empty_object(sandbox: SandboxProcess) -> None:
    answers = [search(sandbox, textQuery=f"Venue{number}").json for number in range(60)]
    assert {} in answers
    assert sum(map(bool, answers)) > 40


def test_what_is_found_has_photos_and_a_plain_address_its_type(sandbox: SandboxProcess) -> None:
    places = [
        place
        for number in range(20)
        for place in search(sandbox, textQuery=f"Venue{number}").json.get("places", [])
    ]
    assert {tuple(place["types"]) for place in places} > {("street_address",)}
    listed = [sandbox.get(GOOGLE + place["id"], MASK).json for place in places[:12]]
    assert all(place["id"] == answer["id"] for place, answer in zip(places, listed, strict=False))
    assert any("photos" in answer for answer in listed)


@pytest.mark.parametrize(
    ("headers", "asked", "status"),
    [
        ({"X-Goog-FieldMask": "places.id"}, {}, 403),
        ({**WANTED, "X-Goog-Api-Key": "invalid"}, {}, 400),
        (KEY, {}, 400),
        ({**KEY, "X-Goog-FieldMask": "id"}, {}, 400),
        (WANTED, {"textQuery": " "}, 400),
        (WANTED, {"textQuery": None}, 400),
        (WANTED, {"pageSize": -1}, 400),
        (WANTED, {"locationBias": {"circle": {}}}, 400),
        (WANTED, near(91.0, 0.0), 400),
        (WANTED, near(50.0, 19.0, radius=50_001), 400),
    ],
)
def test_a_wrong_search_is_refused_as_documented(
    sandbox: SandboxProcess, headers: dict[str, str], asked: dict[str, Any], status: int
) -> None:
    answer = search(sandbox, headers, **asked)
    assert (answer.status, answer.json["error"]["code"]) == (status, status)
    assert sandbox.log()[0]["outcome"] == "refused"


def test_a_search_fails_at_the_rates_of_listings(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(listing_rates={"rate_limited": 1.0}, recover_tries=1, retry_after=3)
    first, second = search(sandbox), search(sandbox)
    assert (first.status, second.status) == (429, 200)
    assert first.json["error"]["details"][1]["retryDelay"] == "3s"
    assert sandbox.counts()["keys"][f"listing:google_places:search:{NAME}, Kraków"]["requests"] == 2

"""The sandbox speaks Google Places (New) as documented, over real sockets."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from ops_core.sandbox.google_places import lasting
from tests.support.sandbox import SandboxProcess
from tests.support.sandbox_world import EMPTY_PLACE, GOOGLE, IMAGE, KEY, MASK, MEDIA, PHOTO, PLACE, REF


def test_a_places_photos_come_in_the_documented_form(sandbox: SandboxProcess) -> None:
    place = sandbox.get(GOOGLE + PLACE, MASK).json
    assert set(place) == {"id", "photos"}
    photo = place["photos"][0]
    assert lasting(photo["name"]) == f"places/{PLACE}/photos/{REF}" != photo["name"]
    # on Google Maps the photo has a key that never changes
    assert f"!2s{REF}&" in photo["flagContentUri"]
    assert f"!1s{REF}!2e10" in photo["googleMapsUri"]
    assert (photo["widthPx"], photo["heightPx"]) == (PHOTO.width, PHOTO.height)
    assert photo["authorAttributions"][0]["uri"].startswith("//maps.google.com/")


def test_photos_are_left_out_when_a_place_has_none(sandbox: SandboxProcess) -> None:
    assert sandbox.get(GOOGLE + EMPTY_PLACE, MASK).json == {"id": EMPTY_PLACE}


def test_only_the_fields_that_the_mask_names_are_shown(sandbox: SandboxProcess) -> None:
    place = sandbox.get(GOOGLE + PLACE, {**KEY, "X-Goog-FieldMask": "photos.name"}).json
    assert set(place) == {"photos"}
    assert all(set(photo) == {"name"} for photo in place["photos"])


@pytest.mark.parametrize(
    ("path", "headers", "status", "word", "reason"),
    [
        (GOOGLE + PLACE, {"X-Goog-FieldMask": "id"}, 403, "PERMISSION_DENIED", None),
        (GOOGLE + PLACE + "?key=in-the-address", {"X-Goog-FieldMask": "id"}, 403, "PERMISSION_DENIED", None),
        (GOOGLE + PLACE, {"X-Goog-Api-Key": "invalid"}, 400, "INVALID_ARGUMENT", "API_KEY_INVALID"),
        (GOOGLE + PLACE, KEY, 400, "INVALID_ARGUMENT", None),
        (GOOGLE + PLACE, {**KEY, "X-Goog-FieldMask": "pictures"}, 400, "INVALID_ARGUMENT", None),
        (GOOGLE + "short", MASK, 400, "INVALID_ARGUMENT", None),
        (MEDIA, KEY, 400, "INVALID_ARGUMENT", None),
        (MEDIA + "?maxWidthPx=4801", KEY, 400, "INVALID_ARGUMENT", None),
        (MEDIA + "?maxWidthPx=0", KEY, 400, "INVALID_ARGUMENT", None),
        (MEDIA.replace(REF, "AUxxxx") + "?maxWidthPx=99", KEY, 400, "INVALID_ARGUMENT", None),
        (MEDIA.replace(PLACE, EMPTY_PLACE) + "?maxWidthPx=99", KEY, 400, "INVALID_ARGUMENT", None),
    ],
)
def test_a_wrong_request_is_refused_as_documented(
    sandbox: SandboxProcess, path: str, headers: dict[str, str], status: int, word: str, reason: str | None
) -> None:
    answer = sandbox.get(path, headers)
    error = answer.json["error"]
    assert (answer.status, error["code"], error["status"]) == (status, status, word)
    assert [detail["reason"] for detail in error.get("details", [])] == ([reason] if reason else [])
    assert sandbox.log()[0]["outcome"] == "refused"


def test_media_names_the_photo_uri_or_redirects_to_it(sandbox: SandboxProcess) -> None:
    named = sandbox.get(MEDIA + "?maxWidthPx=400&skipHttpRedirect=true", KEY).json
    moved = sandbox.get(MEDIA + "?maxWidthPx=400", KEY)
    assert named == {"name": f"places/{PLACE}/photos/{REF}/media", "photoUri": sandbox.url + IMAGE}
    assert (moved.status, moved.headers["location"]) == (302, named["photoUri"])
    picture = Image.open(io.BytesIO(sandbox.get(named["photoUri"]).body))
    assert picture.size == (400, round(400 * PHOTO.height / PHOTO.width))


def test_a_429_carries_a_retry_delay(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(script={f"resolve:google_places:{REF}": ["rate_limited"]}, retry_after=2)
    answer = sandbox.get(MEDIA + "?maxWidthPx=400", KEY)
    details = {detail["@type"].rpartition(".")[2]: detail for detail in answer.json["error"]["details"]}
    assert (answer.status, answer.json["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert details["RetryInfo"]["retryDelay"] == "2s"


def test_an_expired_name_works_again_after_its_place_was_listed(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(rates={"stale_reference": 1.0})
    path = MEDIA + "?maxWidthPx=400&skipHttpRedirect=true"
    assert [sandbox.get(path, KEY).status for _ in range(3)] == [400] * 3
    sandbox.get(GOOGLE + PLACE, MASK)
    assert sandbox.get(path, KEY).status == 200


def test_a_photos_fate_decides_whether_the_api_or_the_file_host_fails(sandbox: SandboxProcess) -> None:
    media = MEDIA + "?maxWidthPx=400"
    sandbox.set_faults(rates={"forbidden": 1.0})
    assert (sandbox.get(media, KEY).status, sandbox.get(IMAGE).status) == (403, 200)
    sandbox.set_faults(rates={"bad_gateway": 1.0})
    assert (sandbox.get(media, KEY).status, sandbox.get(IMAGE).status) == (302, 502)

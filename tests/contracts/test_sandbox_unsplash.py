"""The sandbox speaks Unsplash's search, its report of use and its picture host, over real sockets."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from ops_core.sandbox.unsplash import found_photos
from ops_core.sandbox.world import World
from tests.support.sandbox import Answer, SandboxProcess

SEARCH = "/api.unsplash.com/search/photos"
KEY = {"Authorization": "Client-ID k", "Accept-Version": "v1"}
WORLD = World(7)
SEARCHES = [f"jazz {number}" for number in range(60)]
WORDS = next(words for words in SEARCHES if len(found_photos(WORLD, words)) > 10)
NO_WORDS = next(words for words in SEARCHES if not found_photos(WORLD, words))


def search(sandbox: SandboxProcess, words: str = WORDS, more: str = "") -> Answer:
    return sandbox.get(f"{SEARCH}?query={words.replace(' ', '%20')}{more}", KEY)


def first(sandbox: SandboxProcess) -> dict[str, Any]:
    return search(sandbox).json["results"][0]


def test_photos_come_in_the_documented_form(sandbox: SandboxProcess) -> None:
    answer = search(sandbox)
    assert set(answer.json) == {"total", "total_pages", "results"}
    found = answer.json["results"][0]
    assert set(found["urls"]) == {"raw", "full", "regular", "small", "thumb"}
    assert all(
        address.startswith(f"{sandbox.url}/images.unsplash.com/photo-") and "ixid=" in address
        for address in found["urls"].values()
    )
    assert found["links"]["html"].startswith("https://unsplash.com/photos/")
    assert found["user"]["links"]["html"].startswith("https://unsplash.com/@")
    assert (found["width"], found["height"]) == (
        found_photos(WORLD, WORDS)[0].width,
        found_photos(WORLD, WORDS)[0].height,
    )


def test_a_search_has_pages(sandbox: SandboxProcess) -> None:
    pages = [search(sandbox, more=f"&per_page=4&page={page}").json for page in (1, 2, 3, 4)]
    everything = [found["id"] for page in pages for found in page["results"]]
    assert len(everything) == len(set(everything)) == pages[0]["total"] == len(found_photos(WORLD, WORDS))
    assert pages[0]["total_pages"] == -(-pages[0]["total"] // 4)
    assert len(search(sandbox).json["results"]) == 10


def test_only_photos_of_the_orientation_asked_for_are_found(sandbox: SandboxProcess) -> None:
    shapes = {}
    for shape in ("landscape", "portrait", "squarish"):
        found = [
            photo
            for words in SEARCHES[:20]
            for photo in search(sandbox, words, f"&orientation={shape}").json["results"]
        ]
        shapes[shape] = {(one["width"] > one["height"]) - (one["width"] < one["height"]) for one in found}
    assert shapes == {"landscape": {1}, "portrait": {-1}, "squarish": {0}}


def test_words_that_find_nothing_find_an_empty_list(sandbox: SandboxProcess) -> None:
    assert search(sandbox, NO_WORDS).json == {"total": 0, "total_pages": 0, "results": []}


def test_pictures_are_jpegs_of_the_width_in_their_address(sandbox: SandboxProcess) -> None:
    found = first(sandbox)
    picture = Image.open(io.BytesIO(sandbox.get(found["urls"]["thumb"]).body))
    assert (picture.format, picture.width) == ("JPEG", 200)
    assert sandbox.get("/images.unsplash.com/photo-none").status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Client-ID "},
        {"Authorization": "Client-ID invalid"},
        {"Authorization": "Bearer k"},
    ],
)
def test_a_wrong_key_is_refused_as_documented(sandbox: SandboxProcess, headers: dict[str, str]) -> None:
    answer = sandbox.get(f"{SEARCH}?query=x&client_id=in-the-address", headers)
    assert (answer.status, answer.json) == (
        401,
        {"errors": ["OAuth error: The access token is invalid"]},
    )
    assert sandbox.log()[0]["outcome"] == "refused"


def test_a_search_without_words_is_refused(sandbox: SandboxProcess) -> None:
    assert (search(sandbox, "%20").status, search(sandbox, "").json) == (
        400,
        {"errors": ["query is missing"]},
    )


def test_a_used_up_limit_is_403_and_plain_text_and_says_nothing_of_a_reset(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(script={f"listing:unsplash:{WORDS}": ["rate_limited", "ok"]}, retry_after=0)
    answer = search(sandbox)
    assert (answer.status, answer.body) == (403, b"Rate Limit Exceeded")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in answer.headers
    assert search(sandbox).status == 200


def test_the_sandboxs_own_limit_passes_sooner_and_says_so(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(script={f"listing:unsplash:{WORDS}": ["rate_limited"]}, retry_after=4)
    answer = search(sandbox)
    assert (answer.status, answer.headers["retry-after"]) == (403, "4")


def test_every_reply_says_how_many_requests_are_left_and_pictures_do_not_count(
    sandbox: SandboxProcess,
) -> None:
    left = int(search(sandbox).headers["x-ratelimit-remaining"])
    sandbox.get(first(sandbox)["urls"]["thumb"])
    answer = search(sandbox)
    assert answer.headers["x-ratelimit-limit"] == "5000"
    assert int(answer.headers["x-ratelimit-remaining"]) == left - 2


def test_the_use_of_a_photo_is_reported_at_its_download_location(sandbox: SandboxProcess) -> None:
    found = first(sandbox)
    answer = sandbox.get(found["links"]["download_location"], KEY)
    assert answer.json["url"].startswith(f"{sandbox.url}/images.unsplash.com/photo-")
    assert sandbox.counts()["keys"][f"other:unsplash:{found['id']}"]["successes"] == 1
    assert sandbox.get(found["links"]["download_location"]).status == 401
    assert sandbox.get("/api.unsplash.com/photos/none/download", KEY).json == {
        "errors": ["Couldn't find Photo"]
    }


def test_a_picture_and_the_report_of_its_use_can_fail(sandbox: SandboxProcess) -> None:
    found = first(sandbox)
    sandbox.set_faults(
        script={
            f"other:unsplash:{found['id']}": ["server_error"],
            f"image:unsplash:{found['id']}": ["forbidden"],
        }
    )
    assert sandbox.get(found["links"]["download_location"], KEY).status == 500
    assert sandbox.get(found["urls"]["regular"]).status == 403

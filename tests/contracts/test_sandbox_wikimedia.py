"""The sandbox speaks the APIs of Wikidata and Wikimedia Commons as documented, over real sockets."""

from __future__ import annotations

import io
from urllib.parse import urlencode

import pytest
from PIL import Image

from ops_core.sandbox.commons import find_file, title_of
from tests.support.sandbox import SandboxProcess
from tests.support.sandbox_world import AGENT, COMMONS, EMPTY_ENTITY, ENTITY, WIKIDATA, WORLD

PHOTOS = WORLD.photos("wikimedia_commons", f"Sandbox {ENTITY}")


def query(**words: str) -> str:
    return urlencode(words)


def test_an_entity_names_its_picture_and_its_category(sandbox: SandboxProcess) -> None:
    claims = sandbox.get(WIKIDATA + query(entity=ENTITY), AGENT).json["claims"]
    assert claims["P18"][0]["mainsnak"]["datavalue"]["value"] == title_of(PHOTOS[0]).removeprefix("File:")
    assert claims["P373"][0]["mainsnak"]["datavalue"]["value"] == f"Sandbox {ENTITY}"
    only = sandbox.get(WIKIDATA + query(entity=ENTITY, property="P18"), AGENT).json["claims"]
    assert only == {"P18": claims["P18"]}


def test_an_entity_without_photos_has_no_claim_with_a_value(sandbox: SandboxProcess) -> None:
    claims = sandbox.get(WIKIDATA + query(entity=EMPTY_ENTITY), AGENT).json["claims"]
    assert not any("datavalue" in claim["mainsnak"] for found in claims.values() for claim in found)


def test_files_are_described_and_missing_ones_marked(sandbox: SandboxProcess) -> None:
    words = query(
        prop="imageinfo",
        titles=title_of(PHOTOS[0]).replace(" ", "_") + "|File:No such file.jpg",
        iiprop="url|size|mime|extmetadata|user",
        iiurlwidth="330",
    )
    found = sandbox.get(COMMONS + words, AGENT).json["query"]
    page, missing = found["pages"]
    info = page["imageinfo"][0]
    assert found["normalized"][0]["to"] == page["title"] == title_of(PHOTOS[0])
    assert missing == {"ns": 6, "title": "File:No such file.jpg", "missing": True}
    assert (info["width"], info["height"], info["thumbwidth"]) == (PHOTOS[0].width, PHOTOS[0].height, 330)
    assert info["extmetadata"]["LicenseShortName"]["value"] == PHOTOS[0].license
    assert Image.open(io.BytesIO(sandbox.get(info["thumburl"], AGENT).body)).width == 330
    assert sandbox.get(info["url"], AGENT).status == 200


def test_the_old_form_of_pages_is_spoken_too(sandbox: SandboxProcess) -> None:
    words = query(prop="imageinfo", titles=f"{title_of(PHOTOS[0])}|File:No.jpg")
    pages = sandbox.get(COMMONS.replace("formatversion=2", "formatversion=1") + words, AGENT).json["query"][
        "pages"
    ]
    assert [page.get("missing") for page in pages.values()] == [None, ""]


def test_a_category_comes_in_parts_and_an_empty_one_without_query(sandbox: SandboxProcess) -> None:
    words = {"generator": "categorymembers", "prop": "imageinfo"}
    full, bare = f"Category:Sandbox {ENTITY}", f"Category:Sandbox {EMPTY_ENTITY}"
    first = sandbox.get(COMMONS + query(**words, gcmtitle=full, gcmlimit="2"), AGENT).json
    rest = sandbox.get(
        COMMONS + query(**words, gcmtitle=full, gcmlimit="50", **first["continue"]), AGENT
    ).json
    titles = [page["title"] for reply in (first, rest) for page in reply["query"]["pages"]]
    assert titles == [title_of(photo) for photo in PHOTOS]
    assert "continue" not in rest
    assert sandbox.get(COMMONS + query(**words, gcmtitle=bare), AGENT).json == {"batchcomplete": True}


def test_files_are_found_near_coordinates(sandbox: SandboxProcess) -> None:
    latitudes = [f"{50 + step / 100:.4f}" for step in range(99)]
    near = next(place for place in latitudes if WORLD.photos("wikimedia_commons", f"Near {place} 19.9000"))
    words = query(generator="geosearch", ggscoord=f"{near}|19.9", ggsradius="100", prop="imageinfo")
    pages = sandbox.get(COMMONS + words, AGENT).json["query"]["pages"]
    assert all(find_file(WORLD, page["title"]) for page in pages)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (WIKIDATA + query(entity="Eiffel"), "invalid-entity-id"),
        (COMMONS + query(generator="geosearch", ggscoord="91|0"), "invalid-coord"),
        (COMMONS + query(generator="geosearch", ggscoord="nan|0"), "invalid-coord"),
        (COMMONS + query(generator="geosearch", ggscoord="50|19", ggsradius="20000"), "badinteger"),
        (COMMONS + query(generator="categorymembers", gcmtitle="Paris"), "invalidcategory"),
        (COMMONS + query(titles="|".join(f"File:{n}.jpg" for n in range(51))), "toomanyvalues"),
    ],
)
def test_errors_are_http_200_with_an_error_object(sandbox: SandboxProcess, path: str, code: str) -> None:
    answer = sandbox.get(path, AGENT)
    assert (answer.status, answer.json["error"]["code"]) == (200, code)


def test_a_rate_limit_comes_as_http_429_and_as_an_error_object(sandbox: SandboxProcess) -> None:
    sandbox.set_faults(listing_rates={"rate_limited": 1.0}, recover_tries=1)
    answers = [sandbox.get(WIKIDATA + query(entity=f"Q{number}"), AGENT) for number in range(1, 20)]
    assert {answer.status for answer in answers} == {200, 429}
    assert all(answer.headers["retry-after"] == "1" for answer in answers)
    assert {answer.json["error"]["code"] for answer in answers if answer.status == 200} == {"ratelimited"}


@pytest.mark.parametrize(
    "path",
    [WIKIDATA + "entity=Q1", COMMONS + "titles=File:A", "/upload.wikimedia.org/wikipedia/commons/a/ab/A.jpg"],
)
def test_a_client_without_a_contact_is_refused(sandbox: SandboxProcess, path: str) -> None:
    assert sandbox.get(path, {"User-Agent": "python"}).status == 403


def test_thumbnails_come_in_the_standard_widths_only(sandbox: SandboxProcess) -> None:
    words = query(prop="imageinfo", titles=title_of(PHOTOS[0]), iiprop="url", iiurlwidth="250")
    pages = sandbox.get(COMMONS + words, AGENT).json["query"]["pages"]
    url = pages[0]["imageinfo"][0]["thumburl"]
    odd = sandbox.get(url.replace("/250px-", "/300px-"), AGENT)
    assert (odd.status, "retry-after" in odd.headers) == (429, False)
    assert b"Use thumbnail steps" in odd.body
    assert sandbox.get(url, AGENT).status == 200


def test_an_artist_is_a_link_or_html_with_a_script_or_nobody(sandbox: SandboxProcess) -> None:
    pages = []
    for number in range(1, 12):
        words = query(
            generator="categorymembers",
            gcmtitle=f"Category:Sandbox Q{number}",
            prop="imageinfo",
            iiprop="extmetadata",
        )
        pages += sandbox.get(COMMONS + words, AGENT).json.get("query", {}).get("pages", [])
    artists = [page["imageinfo"][0]["extmetadata"].get("Artist", {}).get("value") for page in pages]
    assert None in artists
    assert any("<script>" in artist for artist in artists if artist)
    assert any(artist.startswith("<a href=") for artist in artists if artist)

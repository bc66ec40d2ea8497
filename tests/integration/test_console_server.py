"""What the console's server answers beside its pages: health, stored images, headers."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from ops_core.ui.address import BASE
from tests.support.console import running_console
from tests.support.ports import free_port

pytestmark = pytest.mark.postgres

PHOTO = "venues/12-louvre/gp-0a1b.jpg"
JPEG = b"\xff\xd8\xff\xe0 not much of a photo \xff\xd9"


@pytest.fixture(scope="module")
def console(postgres, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("console")
    store = data_dir / "store"
    (store / PHOTO).parent.mkdir(parents=True)
    (store / PHOTO).write_bytes(JPEG)
    (store / "venues/12-louvre/page.html").write_text("<script>alert(1)</script>")
    (store / "venues/12-louvre/drawing.svg").write_text("<svg/>")
    (store / "venues/12-louvre/folder.jpg").mkdir()
    (store / "outside.jpg").write_bytes(JPEG)
    (data_dir / "secret.jpg").write_bytes(JPEG)
    (store / "venues/link.jpg").symlink_to(data_dir / "secret.jpg")
    with postgres.fresh() as url, running_console(url, data_dir) as running:
        yield running


def test_liveness_and_readiness_with_the_database_there(console):
    assert json.loads(console.ask(f"{BASE}/healthz")[1]) == {"status": "ok"}
    answer, body = console.ask(f"{BASE}/healthz/ready")
    assert (answer.status, json.loads(body)) == (200, {"status": "ok", "database": "ok"})


def test_without_the_database_the_console_lives_but_is_not_ready(tmp_path):
    with running_console(f"postgresql://someone:secret@127.0.0.1:{free_port()}/gone", tmp_path) as console:
        assert console.ask(f"{BASE}/healthz")[0].status == 200
        answer, body = console.ask(f"{BASE}/healthz/ready")
        assert answer.status == 503
        assert json.loads(body) == {"status": "unavailable", "database": "not reachable"}


def test_a_stored_photo_is_served_as_a_picture_and_nothing_else(console):
    answer, body = console.ask(f"{BASE}/media/{PHOTO}")
    assert (answer.status, body) == (200, JPEG)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"] == "inline"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cache-Control"].startswith("private")
    assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "venues/12-louvre/absent.jpg",
        "venues/12-louvre/page.html",
        "venues/12-louvre/drawing.svg",
        "venues/12-louvre/folder.jpg",
        "venues/12-louvre",
        "venues/",
        "venues/link.jpg",
        "outside.jpg",
        "venues/../outside.jpg",
        "venues/%2e%2e/outside.jpg",
        "venues/..%2foutside.jpg",
        "venues/..%5coutside.jpg",
        "venues/%2fetc/hostname.jpg",
        "venues//etc/hostname",
        "venues/12-louvre/gp-0a1b.jpg%00.png",
        "venues/" + "a" * 5000 + ".jpg",
    ],
)
def test_what_is_no_stored_photo_is_not_there(console, path):
    answer, body = console.ask(f"{BASE}/media/{path}")
    assert answer.status in (400, 404)
    assert JPEG not in body
    assert "immutable" not in answer.headers.get("Cache-Control", "")


def test_media_can_only_be_read(console):
    assert console.ask(f"{BASE}/media/{PHOTO}", "HEAD")[0].status == 200
    for method in ("POST", "PUT", "DELETE"):
        assert console.ask(f"{BASE}/media/{PHOTO}", method)[0].status == 405


@pytest.mark.parametrize(
    "path", ["/", "/operations", "/healthz", f"/media/{PHOTO}", "/_stcore/metrics", "/nowhere"]
)
def test_every_answer_carries_the_safe_headers(console, path):
    headers = console.ask(f"{BASE}{path}")[0].headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Content-Security-Policy" in headers


def test_pages_run_only_our_own_scripts_and_stand_in_no_frame(console):
    policy = console.ask(f"{BASE}/operations")[0].headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert re.fullmatch(r"'self'( 'sha256-[A-Za-z0-9+/]{43}=')+", rules["script-src"])
    assert rules["frame-ancestors"] == rules["object-src"] == "'none'"


@pytest.mark.parametrize("path", ["/operations", "/healthz", f"/media/{PHOTO}"])
def test_a_stranger_whose_host_name_leads_here_is_not_answered(console, path):
    answer, body = console.ask(f"{BASE}{path}", headers={"Host": f"stranger.example:{console.port}"})
    assert answer.status == 403
    assert body.startswith(b"The console has no sign-in")
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_the_numbers_of_the_server_are_not_for_everybody(console):
    for path in ("/_stcore/metrics", "/_stcore/agent/openapi.json"):
        assert console.ask(f"{BASE}{path}")[0].status == 404


def test_bare_addresses_redirect_to_the_console(console):
    for path in ("/", BASE):
        answer, _ = console.ask(path)
        assert answer.status in (301, 302, 307, 308)
        assert answer.headers["Location"].endswith(f"{BASE}/")
    assert console.ask("/elsewhere")[0].status == 404


def test_scripts_travel_compressed_to_browsers_that_take_it(console):
    page = console.ask(f"{BASE}/")[1].decode()
    script = re.search(r'src="\./(static/js/[^"]+\.js)"', page)
    assert script
    plain, whole = console.ask(f"{BASE}/{script[1]}")
    small, packed = console.ask(f"{BASE}/{script[1]}", headers={"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert small.headers["Content-Type"].startswith("text/javascript")
    assert "immutable" in small.headers["Cache-Control"]
    assert gzip.decompress(packed) == whole
    assert len(packed) < len(whole) / 2


def test_assets_lead_nowhere_else(console):
    for path in ("static/../index.html", "static/%2e%2e/index.html", "static/absent.js"):
        answer, body = console.ask(f"{BASE}/{path}")
        assert answer.status in (400, 404), path
        assert b"<html" not in body

"""Sign-in over plain HTTP: a real console and a real OpenID provider, looked at answer by answer."""

from __future__ import annotations

import base64
import http.client
import os
import subprocess
import sys
import time
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from ops_core.doctor import Mark, examine
from ops_core.settings import Settings
from ops_core.ui.address import BASE
from tests.support.console import running_console
from tests.support.openid import COOKIE_SECRET, openid_provider
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
ORIGIN = "https://console.example.org"
PHOTO = "venues/12-louvre/gp-0a1b.jpg"
JPEG = b"\xff\xd8\xff\xe0 not much of a photo \xff\xd9"
ANN = {"sub": "1", "email": "ann@example.org"}


@pytest.fixture(scope="module")
def provider():
    with openid_provider() as running:
        running.redirect_uris.add(f"{ORIGIN}{BASE}/oauth2callback")
        yield running


@pytest.fixture(scope="module")
def console(provider, tmp_path_factory):
    """A console behind https, listening wider than this machine."""
    data_dir = tmp_path_factory.mktemp("console")
    photo = data_dir / "store" / PHOTO
    photo.parent.mkdir(parents=True)
    photo.write_bytes(JPEG)
    with started(provider, data_dir) as running:
        yield running


def started(provider, data_dir):
    env = provider.console_env(free_port()) | {
        "VENUE_OPS_PUBLIC_URL": ORIGIN,
        "VENUE_OPS_CONSOLE_HOST": "0.0.0.0",
        "VENUE_OPS_VIEWERS": "ann@example.org",
    }
    gone = f"postgresql://127.0.0.1:{free_port()}/gone"
    return running_console(gone, data_dir, env=env)


class Visit:
    """A browser without a window: it keeps cookies, and goes where it is told."""

    def __init__(self, console):
        self.console = console
        self.jar: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def get(self, path, **headers):
        if self.jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer, body = self.console.ask(path, headers={"Host": "console.example.org"} | headers)
        for header in answer.headers.get_all("Set-Cookie") or ():
            self.set_cookies.append(header)
            for name, morsel in SimpleCookie(header).items():
                if morsel["max-age"] == "0":
                    self.jar.pop(name, None)
                else:
                    self.jar[name] = morsel.coded_value
        return answer, body

    def leave(self, page):
        """Click "Sign in" on that page; the provider's address."""
        # what the page's own button leads to
        payload = {"provider": "default", "exp": int(time.time()) + 60}
        token = jwt.encode({"alg": "HS256"}, payload, OctKey.import_key(COOKIE_SECRET))
        answer, _ = self.get(f"{BASE}/auth/login?provider={token}", Referer=f"{ORIGIN}{page}")
        return answer.headers["Location"]

    def sign_in(self, provider, person, page=f"{BASE}/operations"):
        """All of a sign-in; where it ends."""
        provider.person = person
        answer, _ = self.get(provider.approve(self.leave(page)))
        return answer.headers["Location"]


def test_a_sign_in_ends_on_the_view_it_began_on_with_cookies_that_need_https(console, provider):
    visit = Visit(console)
    view = f"{BASE}/operations?job=5&provider=x&q=caf%C3%A9+%26+bar"
    assert visit.sign_in(provider, ANN, view) == view
    assert provider.refused == []
    assert "_streamlit_user" in visit.jar
    assert "venue_ops_return_to" not in visit.jar
    assert all(header.endswith("; Secure") for header in visit.set_cookies)


def test_stored_photos_are_for_those_who_may_look(console, provider):
    visit = Visit(console)
    answer, body = visit.get(f"{BASE}/media/{PHOTO}")
    assert answer.status == 403
    assert JPEG not in body
    assert answer.headers["Cache-Control"] == "no-store"
    visit.sign_in(provider, ANN)
    answer, body = visit.get(f"{BASE}/media/{PHOTO}")
    assert (answer.status, body) == (200, JPEG)
    assert "private" in answer.headers["Cache-Control"]


def test_a_photo_that_is_not_there_is_not_told_to_strangers(console):
    assert Visit(console).get(f"{BASE}/media/venues/absent.jpg")[0].status == 403


def test_somebody_nobody_named_sees_no_photo(console, provider):
    visit = Visit(console)
    visit.sign_in(provider, {"sub": "9", "email": "eve@elsewhere.example"})
    assert "_streamlit_user" in visit.jar
    assert visit.get(f"{BASE}/media/{PHOTO}")[0].status == 403


def test_a_token_that_ran_out_opens_no_photo(console, provider):
    visit = Visit(console)
    provider.token_seconds = 1
    try:
        visit.sign_in(provider, ANN)
    finally:
        provider.token_seconds = 3600
    assert "_streamlit_user" in visit.jar
    time.sleep(1)  # the second for which the token was good
    assert visit.get(f"{BASE}/media/{PHOTO}")[0].status == 403


def test_health_and_the_sign_in_screen_are_open_to_everybody(console):
    for host in ("console.example.org", "10.1.2.3:8501", f"127.0.0.1:{console.port}"):
        assert console.ask(f"{BASE}/healthz", headers={"Host": host})[0].status == 200
        assert console.ask(f"{BASE}/operations", headers={"Host": host})[0].status == 200


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (ORIGIN, "console.example.org", 101),
        (ORIGIN, "10.1.2.3:8501", 101),
        ("https://elsewhere.example", "console.example.org", 403),
    ],
)
def test_pages_connect_from_the_public_address_even_if_a_proxy_renames_the_host(
    console, origin, host, status
):
    headers = {
        "Host": host,
        "Origin": origin,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    }
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=15)
    try:
        connection.request("GET", f"{BASE}/_stcore/stream", headers=headers)
        assert connection.getresponse().status == status
    finally:
        connection.close()


def test_a_sign_in_begun_elsewhere_does_not_lead_elsewhere(console, provider):
    visit = Visit(console)
    visit.jar["venue_ops_return_to"] = "https%3A%2F%2Felsewhere.example%2F"
    assert visit.sign_in(provider, ANN, "/elsewhere") == f"{BASE}/"


def test_a_sign_in_begun_at_one_console_ends_at_another_of_the_same_address(console, provider, tmp_path):
    visit = Visit(console)
    provider.person = ANN
    back = provider.approve(visit.leave(f"{BASE}/operations"))
    with started(provider, tmp_path) as other:
        visit.console = other
        assert visit.get(back)[0].headers["Location"] == f"{BASE}/operations"
        assert "_streamlit_user" in visit.jar


def test_a_replayed_return_signs_nobody_in(console, provider):
    visit = Visit(console)
    answer, _ = visit.get(f"{BASE}/oauth2callback?code=stolen&state=guessed")
    assert answer.headers["Location"] == f"{BASE}/"
    assert "_streamlit_user" not in visit.jar


@pytest.mark.parametrize("command", ["web", "up"])
def test_without_sign_in_a_command_that_should_listen_wider_says_why_not(tmp_path, command):
    done = subprocess.run(
        [sys.executable, "-m", "ops_core.cli", command],
        cwd=ROOT,
        env=os.environ | {"VENUE_OPS_CONSOLE_HOST": "0.0.0.0", "VENUE_OPS_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no sign-in" in line
    assert "VENUE_OPS_OIDC_METADATA_URL" in line


@pytest.mark.parametrize("command", ["web", "up"])
def test_a_sign_in_set_up_in_part_stops_the_start_and_names_what_is_missing(tmp_path, command):
    done = subprocess.run(
        [sys.executable, "-m", "ops_core.cli", command],
        cwd=ROOT,
        env=os.environ
        | {"VENUE_OPS_ADMINS": "ann@example.org", "VENUE_OPS_COOKIE_SECRET": "geheim" * 6}
        | {"VENUE_OPS_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "Sign-in is set up in part only: set VENUE_OPS_PUBLIC_URL, VENUE_OPS_OIDC_METADATA"
    )
    assert "geheim" not in line


def sign_in_findings(**settings):
    found = examine(Settings(**settings))
    return [(finding.mark, finding.text) for finding in found if finding.what == "sign-in"]


def test_doctor_looks_at_the_sign_in(provider):
    assert sign_in_findings()[0][0] is Mark.GOOD
    whole = {
        "public_url": ORIGIN,
        "oidc_metadata_url": f"{provider.url}/.well-known/openid-configuration",
        "oidc_client_id": "console",
        "oidc_client_secret": "geheim",
        "cookie_secret": "geheim" * 6,
        "admins": "ann@example.org",
    }
    ((mark, text),) = sign_in_findings(**whole)
    assert mark is Mark.GOOD
    assert f"{ORIGIN}{BASE}/oauth2callback" in text
    for wrong, said in (
        (f"{provider.url}/nowhere", "answers 404"),
        (f"{provider.url}/jwks", "does not name issuer"),
        (f"http://127.0.0.1:{free_port()}/x", "cannot be reached"),
    ):
        ((mark, text),) = sign_in_findings(**(whole | {"oidc_metadata_url": wrong}))
        assert mark is Mark.WRONG
        assert said in text
    marks = [mark for mark, _ in sign_in_findings(**(whole | {"public_url": "http://console.example.org"}))]
    assert marks == [Mark.GOOD, Mark.ODD]

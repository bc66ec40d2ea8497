"""Sign-in as a person meets it: a real console, a real OpenID provider, a real browser."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from ops_core.db.engine import make_engine
from ops_core.ui.address import BASE
from tests.support.browser import Tab
from tests.support.console import running_console
from tests.support.openid import CLIENT_SECRET, COOKIE_SECRET, openid_provider
from tests.support.ports import free_port
from tests.support.showcase import fill

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

VIEWER = {"sub": "1", "email": "Ann@Example.org", "email_verified": True}
OPERATOR = {"sub": "2", "email": "ben@example.com", "groups": ["ops"]}
STRANGER = {"sub": "3", "email": "eve@elsewhere.example", "email_verified": True}


@pytest.fixture(scope="module")
def provider():
    with openid_provider() as running:
        yield running


@pytest.fixture(scope="module")
def site(world, provider, tmp_path_factory):
    """A console at which people sign in."""
    data_dir = tmp_path_factory.mktemp("console")
    engine = make_engine(world)
    with engine.begin() as connection:
        fill(connection, data_dir / "store")
    engine.dispose()
    port = free_port()
    env = provider.console_env(port) | {
        "VENUE_OPS_VIEWERS": "@example.org",
        "VENUE_OPS_OPERATORS": "group:ops",
    }
    with running_console(world, data_dir, port=port, env=env) as running:
        yield running


@pytest.fixture(autouse=True)
def usual_provider(provider):
    provider.token_seconds, provider.refuses_codes = 3600, False


def open_signed_out(tab, site, path="/operations"):
    tab.page.goto(site.url(path))
    expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)


def sign_in(tab, site, provider, person, path="/operations"):
    provider.person = person
    open_signed_out(tab, site, path)
    tab.page.get_by_role("button", name="Sign in").click()


def photo_of(site):
    store = site.log.parent / "store"
    return next(str(path.relative_to(store)) for path in store.rglob("*.jpg") if path.parent.name != "thumbs")


def test_who_is_signed_out_sees_the_sign_in_screen_and_no_data(site, browser):
    with Tab(browser) as tab:
        open_signed_out(tab, site)
        expect(tab.page.get_by_role("heading")).to_have_text("Venue Image Operations")
        for part in ("stMetric", "stDataFrame", "stImage", "stPageLink", "stAlert"):
            expect(tab.page.get_by_test_id(part)).to_have_count(0)
        assert "Wawel" not in tab.page.content()
        assert tab.complaints == []


def test_an_operator_signs_in_from_a_link_and_lands_on_that_very_view(site, provider, browser):
    view = "/operations?job=5&provider=wikimedia_commons"
    with Tab(browser) as tab:
        sign_in(tab, site, provider, OPERATOR, view)
        expect(tab.page.get_by_role("heading", name="Operations")).to_be_visible(timeout=30_000)
        landed = urlsplit(tab.page.url)
        assert landed.path == f"{BASE}/operations"
        assert set(parse_qsl(landed.query)) == {("job", "5"), ("provider", "wikimedia_commons")}
        expect(tab.page.get_by_text("You are ben@example.com, operator")).to_be_visible()
        assert tab.complaints == []
        assert provider.refused == []


def test_a_viewer_may_look_and_sees_the_photos(site, provider, browser):
    with Tab(browser) as tab:
        sign_in(tab, site, provider, VIEWER, "/")
        expect(tab.page.get_by_role("heading", name="What needs you now")).to_be_visible(timeout=30_000)
        expect(tab.page.get_by_text("You are ann@example.org, viewer")).to_be_visible()
        expect(tab.page.get_by_test_id("stSidebar").locator("a[href^=mailto]")).to_have_count(0)
        answer = tab.page.request.get(site.url(f"/media/{photo_of(site)}"))
        assert answer.status == 200
        assert answer.headers["cache-control"].startswith("private")


def test_somebody_nobody_named_is_told_so_and_sees_nothing(site, provider, browser):
    with Tab(browser) as tab:
        sign_in(tab, site, provider, STRANGER)
        alert = tab.page.get_by_test_id("stAlert")
        expect(alert).to_contain_text("This page needs the role viewer; you are guest", timeout=30_000)
        for part in ("stMetric", "stDataFrame", "stImage"):
            expect(tab.page.get_by_test_id(part)).to_have_count(0)
        assert tab.page.request.get(site.url(f"/media/{photo_of(site)}")).status == 403
        expect(tab.page.get_by_role("button", name="Sign out")).to_be_visible()


def test_signing_out_ends_it_here_and_at_the_provider(site, provider, browser):
    with Tab(browser) as tab:
        sign_in(tab, site, provider, OPERATOR)
        tab.page.get_by_role("button", name="Sign out").click()
        expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)
        expect(tab.page.get_by_test_id("stAlert")).to_have_count(0)
        assert provider.signed_out[-1]["client_id"] == "venue-console"
        assert tab.page.request.get(site.url(f"/media/{photo_of(site)}")).status == 403
        tab.page.goto(site.url("/operations"))
        expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)


def test_a_sign_in_that_runs_out_shows_by_itself_and_goes_on_where_it_was(site, provider, browser):
    provider.token_seconds = 8
    with Tab(browser) as tab:
        sign_in(tab, site, provider, OPERATOR, "/operations?job=5")
        expect(tab.page.get_by_role("button", name="Sign out")).to_be_visible(timeout=30_000)
        expect(tab.page.get_by_text("Your sign-in ran out")).to_be_visible(timeout=30_000)
        expect(tab.page.get_by_test_id("stMetric")).to_have_count(0)
        assert tab.page.request.get(site.url(f"/media/{photo_of(site)}")).status == 403
        provider.token_seconds = 3600
        tab.page.get_by_role("button", name="Sign in").click()
        expect(tab.page.get_by_role("heading", name="Operations")).to_be_visible(timeout=30_000)
        expect(tab.page).to_have_url(re.compile(r"/operations\?job=5$"))


@pytest.mark.parametrize("way", ["the person says no", "the provider refuses the code"])
def test_a_sign_in_that_fails_comes_back_to_the_view_and_says_so(site, provider, browser, way):
    provider.refuses_codes = way == "the provider refuses the code"
    with Tab(browser) as tab:
        person = None if way == "the person says no" else OPERATOR
        sign_in(tab, site, provider, person, "/operations?job=5")
        expect(tab.page.get_by_text("The sign-in did not work")).to_be_visible(timeout=30_000)
        expect(tab.page).to_have_url(re.compile(r"/operations\?job=5$"))
        expect(tab.page.get_by_test_id("stMetric")).to_have_count(0)
    provider.refused.clear()


def test_a_forged_cookie_opens_nothing(site, provider, browser):
    with Tab(browser) as tab:
        sign_in(tab, site, provider, OPERATOR)
        expect(tab.page.get_by_role("button", name="Sign out")).to_be_visible(timeout=30_000)
        context = tab.page.context
        (cookie,) = [one for one in context.cookies() if one["name"] == "_streamlit_user"]
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"
        body, _, signature = cookie["value"].partition(".")
        other = body[:-4] + ("AAAA" if body[-4:] != "AAAA" else "BBBB")
        context.add_cookies([cookie | {"value": f"{other}.{signature}"}])
        assert tab.page.request.get(site.url(f"/media/{photo_of(site)}")).status == 403
        open_signed_out(tab, site)
        expect(tab.page.get_by_test_id("stMetric")).to_have_count(0)


def test_no_secret_reaches_the_log_or_the_browser(site, provider, browser):
    with Tab(browser) as tab:
        sign_in(tab, site, provider, OPERATOR)
        expect(tab.page.get_by_role("button", name="Sign out")).to_be_visible(timeout=30_000)
        said = site.log.read_text() + tab.page.content()
    for secret in (CLIENT_SECRET, COOKIE_SECRET, provider.tokens[-1]):
        assert secret not in said

"""Where a person lands after signing in: a page of the console, whatever they or others sent."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse, RedirectResponse

from ops_core.ui.address import BASE
from ops_core.ui.return_to import RETURN_COOKIE, ReturnTo, own_page
from tests.support.asgi import ask

ORIGIN = "https://console.example.org"
VIEW = f"{BASE}/operations?job=5&provider=x"


@pytest.mark.parametrize(
    ("target", "page"),
    [
        (BASE, f"{BASE}/"),
        (f"{BASE}/", f"{BASE}/"),
        (f"{BASE}/?a=1", f"{BASE}/?a=1"),
        (VIEW, VIEW),
        (f"{BASE}/operations/?job=5", f"{BASE}/operations?job=5"),
        (f"{BASE}/operations?q=caf%C3%A9+%26+bar&empty=", f"{BASE}/operations?q=caf%C3%A9+%26+bar&empty="),
        (f"{BASE}/operations?job=5#part", f"{BASE}/operations?job=5"),
        (f"{BASE}/operations?q=" + "x" * 3000, f"{BASE}/operations"),
        (f"{BASE}/operations?next=https://elsewhere.example", None),
    ],
)
def test_a_page_of_the_console_is_returned_to_with_its_query(target, page):
    expected = page or f"{BASE}/operations?next=https%3A%2F%2Felsewhere.example"
    assert own_page(target) == expected


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "//elsewhere.example",
        f"//elsewhere.example{BASE}/operations",
        f"https://elsewhere.example{BASE}/operations",
        f"\\\\elsewhere.example{BASE}/operations",
        f"{BASE}/operations/../../../elsewhere",
        f"{BASE}//elsewhere.example",
        f"{BASE}/oauth2callback?code=1",
        f"{BASE}/auth/logout",
        f"{BASE}/media/venues/1.jpg",
        f"{BASE}/nowhere",
        f"{BASE}/operations%0d%0aSet-Cookie:a=b",
        "javascript:alert(1)",
        "http://[::1",
    ],
)
def test_nothing_else_is_returned_to(target):
    assert own_page(target) is None


@given(st.sampled_from(["", BASE, f"{BASE}/operations", f"{BASE}/operations?", "//"]), st.text(max_size=40))
def test_whatever_is_asked_for_the_answer_is_a_path_of_ours_that_fits_a_header(start, rest):
    page = own_page(start + rest)
    if page is not None:
        assert urlsplit(page).path in (f"{BASE}/", f"{BASE}/operations")
        assert not urlsplit(page).netloc
        assert page.isascii()
        assert page.isprintable()
        assert " " not in page


PROVIDER = RedirectResponse("https://id.example.org/authorize", 302)
HOME = RedirectResponse(f"{BASE}/", 302)


def leave(referer, answer=PROVIDER):
    """What a browser gets that goes to sign in from there, if Streamlit gives that answer."""
    headers = {"referer": referer} if referer else {}
    return ask(ReturnTo(answer, origin=ORIGIN), f"{BASE}/auth/login", headers=headers)


def come_back(cookie=None, answer=HOME, query="state=s&code=c"):
    """What a browser gets that comes back from the provider, if Streamlit gives that answer."""
    headers = {"cookie": f"{RETURN_COOKIE}={cookie}"} if cookie else {}
    return ask(ReturnTo(answer, origin=ORIGIN), f"{BASE}/oauth2callback", query=query, headers=headers)


def test_the_page_that_is_left_is_kept_and_returned_to():
    gone = leave(f"{ORIGIN}{VIEW}")
    assert gone.headers["location"] == "https://id.example.org/authorize"
    (cookie,) = gone.cookies
    for part in ("HttpOnly", "SameSite=lax", "Max-Age=600", f"Path={BASE}"):
        assert part in cookie
    back = come_back(gone.cookie(RETURN_COOKIE))
    assert back.status == 303
    assert back.headers["location"] == VIEW
    assert f'{RETURN_COOKIE}=""; HttpOnly; Max-Age=0' in back.cookies[0]


@pytest.mark.parametrize(
    "referer",
    [
        None,
        "https://elsewhere.example/",
        f"https://elsewhere.example{VIEW}",
        f"{ORIGIN}.elsewhere.example{VIEW}",
        f"{ORIGIN}@elsewhere.example{VIEW}",
        f"http://console.example.org{VIEW}",
        f"{ORIGIN}//elsewhere.example{VIEW}",
        f"{ORIGIN}/elsewhere",
    ],
)
def test_a_page_that_is_not_ours_is_not_kept(referer):
    assert leave(referer).cookies == []


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", f"//elsewhere.example{VIEW}", "%", "%00%0d%0a"]
)
def test_a_cookie_that_leads_elsewhere_leads_home(target):
    assert come_back(quote(target, safe="%")).headers["location"] == f"{BASE}/"


def signed_in_answer():
    answer = RedirectResponse(f"{BASE}/", 302)
    answer.set_cookie("_streamlit_user", "signed")
    return answer


def test_coming_back_signed_in_leaves_no_mark_of_failure():
    assert "failed" not in str(come_back(answer=signed_in_answer()).cookies)


def test_coming_back_without_being_signed_in_is_marked_for_a_moment():
    refused = RedirectResponse(f"{BASE}/", 302)
    refused.delete_cookie("_streamlit_user")
    for answer in (HOME, refused):
        back = come_back(quote(VIEW, safe=""), answer, "state=s&error=access_denied")
        assert back.headers["location"] == VIEW
        assert "venue_ops_sign_in_failed=1" in str(back.cookies)


def test_coming_back_from_a_sign_out_is_no_failure():
    assert "failed" not in str(come_back(query="").cookies)


def test_a_provider_that_is_away_leads_back_with_the_mark():
    gone = leave(f"{ORIGIN}{VIEW}", PlainTextResponse("Authentication error", 400))
    assert gone.status == 303
    assert gone.headers["location"] == VIEW
    assert "venue_ops_sign_in_failed=1" in str(gone.cookies)


def test_other_addresses_are_left_alone():
    answer = ask(ReturnTo(HOME, origin=ORIGIN), f"{BASE}/operations", headers={"referer": f"{ORIGIN}{VIEW}"})
    assert (answer.status, answer.headers["location"], answer.cookies) == (302, f"{BASE}/", [])

"""Who is here, as pages and the console's own addresses find out."""

from __future__ import annotations

import json
import time

import pytest
from pydantic import ValidationError
from starlette.requests import Request
from streamlit import config
from streamlit.runtime.secrets import secrets_singleton
from streamlit.testing.v1 import AppTest
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from ops_core.domain.access import LOCAL, Role
from ops_core.settings import Settings, get_settings
from ops_core.ui.sign_in import actor_of, streamlit_secrets
from tests.support.openid import COOKIE_SECRET, OpenIdProvider

ORIGIN = "http://127.0.0.1:8501"
ANN = {"email": "ann@example.org", "is_logged_in": True, "origin": ORIGIN}


@pytest.fixture
def sign_in(monkeypatch):
    """Sign-in is set up, as in a console that was started with it."""
    for name, value in OpenIdProvider(port=1).console_env(8501).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VENUE_OPS_VIEWERS", "ann@example.org")
    get_settings.cache_clear()
    secrets = streamlit_secrets(get_settings())
    monkeypatch.setattr(secrets_singleton, "_programmatic_secrets", None)
    secrets_singleton.merge_programmatic_secrets(secrets)
    yield secrets
    secrets_singleton._reset()


def page():
    import streamlit as st

    from ops_core.ui.sign_in import visitor

    person = visitor()
    st.write(f"data for {person.name}, {person.role.word}")


def opened(user, secrets=None):
    app = AppTest.from_function(page, default_timeout=20)
    app.user = user
    if secrets:
        app.secrets["auth"] = secrets["auth"]
    return app.run()


def texts(app):
    return [element.value for element in (*app.markdown, *app.info, *app.warning, *app.error)]


def request(value=None, **cookies):
    if value is not None:
        cookies["_streamlit_user"] = value
    header = "; ".join(f"{name}={content}" for name, content in cookies.items())
    return Request({"type": "http", "headers": [(b"cookie", header.encode("latin-1"))]})


def signed(claims, *, secret=COOKIE_SECRET, name="_streamlit_user"):
    return create_signed_value(
        secret, name, claims if isinstance(claims, str) else json.dumps(claims)
    ).decode()


def test_without_sign_in_whoever_reaches_the_console_is_local():
    assert texts(opened({})) == ["data for local, admin"]
    assert actor_of(request()) is LOCAL
    assert actor_of(request("nonsense")) is LOCAL
    assert streamlit_secrets(get_settings()) is None


def test_without_sign_in_a_page_served_to_the_network_refuses():
    before = config.get_option("server.address")
    config.set_option("server.address", "0.0.0.0")
    try:
        (refusal,) = texts(opened({}))
    finally:
        config.set_option("server.address", before)
    assert "VENUE_OPS_CONSOLE_HOST=127.0.0.1" in refusal


def test_who_is_signed_out_is_asked_to_sign_in_and_sees_nothing_else(sign_in):
    app = opened({"is_logged_in": False}, sign_in)
    assert not app.exception
    assert app.title[0].value == "Venue Image Operations"
    assert texts(app) == ["Sign in to see what happened to every venue image."]
    assert [button.label for button in app.button] == ["Sign in"]


def test_who_is_signed_in_is_called_by_their_address_and_has_their_role(sign_in):
    assert texts(opened(ANN, sign_in)) == ["data for ann@example.org, viewer"]
    assert texts(opened(ANN | {"email": "eve@example.org"}, sign_in)) == ["data for eve@example.org, guest"]


def test_a_role_is_looked_up_on_every_run(sign_in, monkeypatch):
    app = opened(ANN, sign_in)
    monkeypatch.setenv("VENUE_OPS_OPERATORS", "@example.org")
    get_settings.cache_clear()
    assert texts(app.run()) == ["data for ann@example.org, operator"]


@pytest.mark.parametrize("exp", [0, "soon", None])
def test_a_sign_in_that_ran_out_is_asked_for_again(sign_in, exp):
    app = opened(ANN | {"exp": exp}, sign_in)
    assert texts(app) == ["Your sign-in ran out. Sign in again to go on where you were."]
    assert [button.label for button in app.button] == ["Sign in"]


def test_a_sign_in_may_be_set_to_outlive_its_token(sign_in, monkeypatch):
    now = time.time()
    claims = ANN | {"iat": now - 7000, "exp": now - 6700}
    assert "ran out" in texts(opened(claims, sign_in))[0]
    monkeypatch.setenv("VENUE_OPS_SIGN_IN_HOURS", "2")
    get_settings.cache_clear()
    assert texts(opened(claims, sign_in)) == ["data for ann@example.org, viewer"]
    assert "ran out" in texts(opened(claims | {"iat": now - 7300}, sign_in))[0]


@pytest.mark.parametrize("word", ["true", 1, "yes"])
def test_only_a_plain_true_is_signed_in(sign_in, word):
    assert "data" not in texts(opened(ANN | {"is_logged_in": word}, sign_in))[0]


def test_where_streamlit_knows_of_no_sign_in_nobody_is_let_in(sign_in):
    secrets_singleton._reset()
    secrets_singleton._programmatic_secrets = None
    app = opened({})
    assert "Sign-in works only" in texts(app)[0]
    assert not app.button


def test_the_cookie_that_streamlit_signed_says_who_asks(sign_in):
    actor = actor_of(request(signed(ANN)))
    assert actor is not None
    assert (actor.name, actor.role) == ("ann@example.org", Role.VIEWER)


def test_a_cookie_in_parts_is_put_together(sign_in):
    text = json.dumps(ANN | {"filler": "x" * 100})
    parts = {
        f"_streamlit_user_{number}": signed(part, name=f"_streamlit_user_{number}")
        for number, part in enumerate((text[:60], text[60:]), 1)
    }
    actor = actor_of(request(signed("chunks-2"), **parts))
    assert actor is not None
    assert actor.name == "ann@example.org"
    assert actor_of(request(signed("chunks-2"), _streamlit_user_1=parts["_streamlit_user_1"])) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "nonsense",
        "é",
        json.dumps(ANN),
        signed(ANN)[:-1],
        "x" + signed(ANN),
        signed(ANN, secret="another secret of at least 32 characters"),
        signed(ANN, name="_streamlit_user_tokens"),
        signed(ANN | {"origin": "http://elsewhere.example"}),
        signed({**ANN, "is_logged_in": False}),
        signed({key: value for key, value in ANN.items() if key != "is_logged_in"}),
        signed(ANN | {"exp": 1}),
        signed([ANN]),
        signed("chunks-3"),
        signed("not json"),
        signed("null"),
    ],
    # a signed cookie holds the time: as an id it would be another in each process that runs the tests
    ids=[
        "empty",
        "nonsense",
        "not_ascii",
        "unsigned",
        "cut_off",
        "prolonged",
        "other_secret",
        "other_name",
        "other_origin",
        "logged_out",
        "without_login",
        "expired",
        "a_list",
        "chunks_missing",
        "not_json",
        "null",
    ],
)
def test_any_other_cookie_says_nothing(sign_in, value):
    assert actor_of(request(value)) is None


def test_no_cookie_is_nobody(sign_in):
    assert actor_of(request()) is None
    assert actor_of(request(other=signed(ANN))) is None


WHOLE = {
    "public_url": "https://console.example.org",
    "oidc_metadata_url": "https://id.example.org/.well-known/openid-configuration",
    "oidc_client_id": "console",
    "oidc_client_secret": "geheim",
    "cookie_secret": "geheim" * 6,
    "admins": "ann@example.org",
}


def test_streamlit_is_told_what_is_set_up_and_nothing_of_it_is_shown_by_accident():
    settings = Settings(**WHOLE)
    auth = streamlit_secrets(settings)["auth"]
    assert auth["redirect_uri"] == "https://console.example.org/admin/venue-images/oauth2callback"
    assert auth["client_secret"] == "geheim"
    assert "geheim" not in repr(settings)


@pytest.mark.parametrize("missing", WHOLE)
def test_a_sign_in_set_up_in_part_is_refused_and_what_is_missing_is_named(missing):
    with pytest.raises(ValidationError) as refusal:
        Settings(**{name: value for name, value in WHOLE.items() if name != missing})
    (entry,) = refusal.value.errors()
    assert f"set VENUE_OPS_{missing.upper()}" in entry["msg"]
    assert all(f"VENUE_OPS_{name.upper()}" not in entry["msg"] for name in WHOLE if name != missing)
    assert "geheim" not in entry["msg"]


@pytest.mark.parametrize("alone", [*WHOLE, "default_role"])
def test_one_piece_of_sign_in_alone_is_a_sign_in_set_up_in_part(alone):
    with pytest.raises(ValidationError, match="set up in part"):
        Settings(**{alone: ({"default_role": "viewer"} | WHOLE)[alone]})


def test_a_default_role_is_enough_to_let_somebody_in():
    settings = Settings(**(WHOLE | {"admins": None, "default_role": "viewer"}))
    assert settings.role_rules.default is Role.VIEWER
    with pytest.raises(ValidationError, match="nobody could look"):
        Settings(**(WHOLE | {"admins": " , "}))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("public_url", "console.example.org", "must look like https://console"),
        ("oidc_metadata_url", "http://id.example.org/x", "must begin with https"),
        ("cookie_secret", "x" * 31, "at least 32 characters"),
        ("admins", "ann@example.org; ben", "names nobody"),
        ("viewers", "everybody", "names nobody"),
        ("default_role", "admin", "'none', 'viewer' or 'operator'"),
        ("oidc_scope", "email profile", "must contain the word openid"),
        ("sign_in_hours", 0, "greater than 0"),
    ],
)
def test_a_malformed_piece_is_refused_by_its_name(name, value, said):
    with pytest.raises(ValidationError) as refusal:
        Settings(**(WHOLE | {name: value}))
    (entry,) = refusal.value.errors()
    assert entry["loc"][0] == name
    assert said in entry["msg"]

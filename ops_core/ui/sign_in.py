"""Who is here: sign-in through Streamlit's own login (OpenID Connect), and the role a person has."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import streamlit as st
from starlette.requests import Request
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.runtime.secrets import SecretsValue
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from ops_core.domain.access import LOCAL, Actor, actor_for, is_over
from ops_core.settings import Settings, get_settings
from ops_core.ui.address import media_is_served, redirect_uri, why_not_listen

#: Cookie that stands for a few seconds after a sign-in that did not work.
FAILED_COOKIE = "venue_ops_sign_in_failed"


def streamlit_secrets(settings: Settings) -> dict[str, SecretsValue] | None:
    """What `st.login` needs, in memory alone; None if nobody signs in."""
    if not (settings.public_url and settings.oidc_client_secret and settings.cookie_secret):
        return None
    return {
        "auth": {
            "redirect_uri": redirect_uri(settings.public_url),
            "cookie_secret": settings.cookie_secret.get_secret_value(),
            "client_id": settings.oidc_client_id or "",
            "client_secret": settings.oidc_client_secret.get_secret_value(),
            "server_metadata_url": settings.oidc_metadata_url or "",
            "client_kwargs": {"scope": settings.oidc_scope},
        }
    }


def here() -> Actor | None:
    """Who is in front of this page now; None if they are not signed in, or not any more."""
    if not get_settings().sign_in:
        return LOCAL
    return _actor(st.user.to_dict())


def actor_of(request: Request) -> Actor | None:
    """Who asks for one of the console's own addresses; None if they are not signed in, or not any more."""
    settings = get_settings()
    if not settings.sign_in:
        return LOCAL
    claims = _claims_in(request.cookies)
    return _actor(claims) if claims.get("origin") == settings.public_url else None


def visitor() -> Actor:
    """Who is in front of this page; draws the sign-in screen, and stops, where nobody is."""
    settings = get_settings()
    person = here()
    if not settings.sign_in and not media_is_served():
        # started by `streamlit run`, where nothing but the page can look at where it listens
        refusal = why_not_listen(str(st.get_option("server.address") or "every address"), sign_in=False)
        if refusal:
            st.error(refusal, icon=":material/lock:")
            st.stop()
    if person is None:
        _screen(st.user.to_dict())
        st.stop()
    return person


def _screen(claims: Mapping[str, object]) -> None:
    st.title("Venue Image Operations")
    if "is_logged_in" not in claims:
        st.error("Sign-in works only where the console is started with `venue-ops web` or `venue-ops up`.")
        return
    if claims["is_logged_in"]:
        st.info("Your sign-in ran out. Sign in again to go on where you were.", icon=":material/schedule:")
    elif st.context.cookies.get(FAILED_COOKIE) == "1":
        st.warning(
            "The sign-in did not work. Try again; if it stays so, whoever runs the console finds the reason "
            "in its log.",
            icon=":material/error:",
        )
    else:
        st.write("Sign in to see what happened to every venue image.")
    st.button("Sign in", type="primary", icon=":material/login:", key="sign_in", on_click=st.login)


def _actor(claims: Mapping[str, object]) -> Actor | None:
    settings = get_settings()
    if claims.get("is_logged_in") is not True:
        return None
    if is_over(claims, now=time.time(), hours=settings.sign_in_hours):
        return None
    return actor_for(claims, settings.role_rules)


def _claims_in(cookies: Mapping[str, str]) -> Mapping[str, object]:
    """The claims in the cookie that Streamlit signed when this person came back from the provider."""

    def signed(name: str) -> bytes | None:
        return decode_signed_value(get_cookie_secret(), name, cookies.get(name, "").encode("latin-1"))

    try:
        claims = json.loads(get_cookie_with_chunks(signed, USER_COOKIE_NAME) or b"{}")
    except ValueError:  # no JSON, or a character no cookie can have
        return {}
    return claims if isinstance(claims, dict) else {}

"""The frame every page stands in: set-up, access, navigation, and what shows when the database is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError

from ops_core.db.engine import get_engine, is_unavailable, lacks_schema
from ops_core.db.health import ping
from ops_core.domain.access import Actor, Role
from ops_core.settings import NotRunning, get_settings
from ops_core.ui import sign_in, style

PRODUCT = "Venue Image Operations"
ICON = "🖼️"

#: Seconds between two looks for a database that is away.
LOOK_SECONDS = 5
_JUST_DRAWN = "away_just_drawn"

#: Every page there is: label, file, icon.
PAGES = (
    ("Home", "streamlit_app.py", ":material/home:"),
    ("Operations", "pages/operations.py", ":material/photo_library:"),
    ("Retries", "pages/retries.py", ":material/replay:"),
    ("Geocoding", "pages/geocoding.py", ":material/travel_explore:"),
    ("Picture quality", "pages/quality.py", ":material/compare:"),
    ("Admin", "pages/admin.py", ":material/settings:"),
)
#: Pages that only admins are led to; `open_page` is what keeps others out.
FOR_ADMINS = frozenset({"pages/admin.py"})


def visitor() -> Actor:
    """Who is here; draws the sign-in screen and stops where nobody is."""
    return sign_in.visitor()


@contextmanager
def open_page(title: str, *, role: Role = Role.VIEWER) -> Iterator[Actor]:
    """Begin a page: `with open_page("Operations"):` around its whole body.

    Sets the page up, has people sign in, refuses those below `role`, draws the navigation, and turns a
    database that is away into a calm screen instead of a traceback. Yields who is here, for actions.
    """
    st.set_page_config(
        page_title=f"{title} · {PRODUCT}",
        page_icon=ICON,
        layout="wide",
        menu_items={"About": f"**{PRODUCT}**: what happened to every venue image, and how to put it right."},
    )
    style.apply()
    person = visitor()
    _navigation(person)
    if person.role < role:
        st.error(
            f"This page needs the role {role.word}; you are {person.role.word}. Ask an admin for it.",
            icon=":material/lock:",
        )
        st.stop()
    with database():
        yield person


@contextmanager
def database() -> Iterator[None]:
    """Show a calm screen, and stop, where the body finds the database away or without its tables.

    `open_page` does this for the page; a fragment that reruns by itself needs it again. There it also
    brings the sign-in screen up once the sign-in has run out.
    """
    if sign_in.here() is None:
        st.rerun()
    try:
        yield
    except NotRunning as error:
        _away("No database is running", str(error))
    except SQLAlchemyError as error:
        if lacks_schema(error):
            _away(
                "The database is not prepared for this version",
                "Run `venue-ops migrate`, then try again. `venue-ops doctor` tells more.",
            )
        elif is_unavailable(error):
            _away(
                "Database not reachable",
                "Start it with `venue-ops up`, or check `DATABASE_URL`; `venue-ops doctor` tells more. "
                "Nothing is lost: work goes on by itself once the database is back.",
            )
        else:
            raise


def _away(title: str, what_to_do: str) -> None:
    st.error(what_to_do, title=title, icon=":material/database_off:")
    st.button("Try again", icon=":material/refresh:", key="try_again", on_click=st.cache_data.clear)
    st.session_state[_JUST_DRAWN] = True
    _watch()
    st.stop()


@st.fragment(run_every=f"{LOOK_SECONDS}s")
def _watch() -> None:
    """Bring the page back by itself once the database answers."""
    if st.session_state.pop(_JUST_DRAWN, False):
        return
    try:
        with get_engine().connect() as connection:
            ping(connection)
    except (SQLAlchemyError, NotRunning):
        return
    st.cache_data.clear()
    st.rerun()


def _navigation(person: Actor) -> None:
    with st.sidebar:
        st.markdown(f"### {ICON} Venue images")
        for label, file, icon in PAGES:
            if file not in FOR_ADMINS or person.role >= Role.ADMIN:
                st.page_link(file, label=label, icon=icon, width="stretch")
        # as text: Markdown makes a link of an e-mail address, escaped or not
        st.text(f"You are {person.name}, {person.role.word}")
        if get_settings().sign_in:
            st.button("Sign out", icon=":material/logout:", key="sign_out", on_click=st.logout)

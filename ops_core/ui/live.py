"""How fresh the page is: the instant its data are from, what came since, and looking again by itself.

The list is held at that instant: what ends later is announced and shown on request, so nothing moves
under a reader's eyes.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from ops_core.db.operations import NEW_LIMIT
from ops_core.domain.filters import Filters
from ops_core.ui import cached, cached_detail, place, retry_dialog
from ops_core.ui.frame import database
from ops_core.ui.markdown import plain

_AS_OF, _EVERY, _PAGE_RUN = "operations_as_of", "operations_every", "operations_page_run"

#: Seconds between two looks; 0 for never.
INTERVALS = {0: "Off", 10: "10 s", 30: "30 s", 60: "60 s"}


def as_of() -> datetime:
    """The instant that the page's data are from, by the database's clock."""
    if _AS_OF not in st.session_state:
        st.session_state[_AS_OF] = cached.server_time()
    found: datetime = st.session_state[_AS_OF]
    return found


def refresh() -> None:
    """For callbacks: bring the page to now, at its newest end."""
    st.session_state.pop(_AS_OF, None)
    cached.read_again()
    cached_detail.forget()
    place.go()


def controls() -> None:
    """Refresh, and how often to look by itself."""
    st.button("Refresh", icon=":material/refresh:", key="refresh", on_click=refresh)
    st.selectbox(
        "Look again every",
        list(INTERVALS),
        format_func=lambda seconds: f"Auto-refresh: {INTERVALS[seconds].lower()}",
        key=_EVERY,
        label_visibility="collapsed",
        width=176,
    )


def every() -> int:
    """Seconds between two looks; 0 for never."""
    chosen: int = st.session_state.get(_EVERY, 0)
    return chosen


def read_at(now: datetime, zone: str) -> str:
    """When the data are from, on the viewer's clock."""
    return f"Data from **{now.astimezone(ZoneInfo(zone)):%d %b, %H:%M:%S}** ({plain(zone)})"


def announcer(filters: Filters) -> None:
    """Says how many operations came since; while auto-refresh is on it looks again by itself."""
    seconds = every()
    st.session_state[_PAGE_RUN] = True
    st.fragment(run_every=f"{seconds}s" if seconds else None, key="announcer")(_announce)(filters)


def _announce(filters: Filters) -> None:
    since = as_of()
    if filters.until is None or filters.until >= since:
        with database():
            count = cached.newer(filters, since)
        if count and st.button(
            f"{NEW_LIMIT}+ new" if count > NEW_LIMIT else f"+{count} new",
            key="show_new",
            icon=":material/arrow_upward:",
            type="primary",
            on_click=refresh,
        ):
            # the click ran this part alone
            st.rerun()
    is_tick = not st.session_state.pop(_PAGE_RUN, False)
    # what stands in rows and cards may have changed; under an open dialog nothing is redrawn
    if is_tick and every() and not retry_dialog.is_open():
        st.rerun()

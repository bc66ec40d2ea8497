"""Ordering searches for missing ids, and what is under way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import streamlit as st

from ops_core import actions
from ops_core.actions.geocoding import NOTHING_MISSING, USUAL_LIMIT
from ops_core.db.health import COUNT_LIMIT
from ops_core.domain.retry_plan import counted
from ops_core.ui import badges, geocoding_cached, notices, retries_controls
from ops_core.ui.cards import amount
from ops_core.ui.fine_print import fine_print
from ops_core.ui.frame import database
from ops_core.ui.markdown import plain

#: Seconds between two looks at what is under way.
LOOK_SECONDS = 5

_NOTE = "geo_search_note"
_AFTER = "geo_search_after"  # the venue after which to look on


def search_button(*, names: Mapping[str, str], may_search: bool) -> None:
    """Finds ids that are missing; says first how many venues that is and what it costs."""
    box = st.popover(
        "Find missing ids",
        key="geo_search",
        icon=":material/travel_explore:",
        disabled=not may_search,
        help="Shows first what would be searched." + retries_controls.who(may_search),
        on_change="rerun",
    )
    if box.open:
        with box:
            _preview(names)


def search_note() -> None:
    """Why the last order was not carried out, if it was not."""
    if said := st.session_state.get(_NOTE):
        st.warning(plain(said), icon=":material/info:")


def _preview(names: Mapping[str, str]) -> None:
    found = geocoding_cached.missing(USUAL_LIMIT, st.session_state.get(_AFTER))
    if not found.venues:
        _nothing(found)
        return
    st.markdown(_how_many(found))
    lines = [
        f"{badges.provider_badge(code, names)} {_searches(count)}" for code, count in found.searches.items()
    ]
    st.markdown("  \n".join(lines))
    fine_print(f"About \\${found.cost_usd:,.2f}, at one call each. What is not clear waits here for you.")
    st.button(
        f"Search for {counted(len(found.venues), 'venue')}",
        key="geo_search_now",
        icon=":material/travel_explore:",
        type="primary",
        on_click=_search,
        args=(found,),  # what is shown is what is ordered
    )


def _nothing(found: actions.MissingIds) -> None:
    if found.looked_at is None:
        st.markdown(f"{NOTHING_MISSING}.")
        return
    st.markdown(f"None of the {found.looked_at:,} venues looked at lacks an id that can be searched for now.")
    st.button("Look at the next", key="geo_search_next", on_click=_look_on, args=(found.looked_to,))


def _look_on(after: int) -> None:
    st.session_state[_AFTER] = after


def _how_many(found: actions.MissingIds) -> str:
    count = len(found.venues)
    verb = "lacks" if count == 1 else "lack"
    if found.more:
        return f"**{count:,}+ venues** lack an id. This is a search for {count:,} of them."
    if found.looked_at is not None:
        return f"**{counted(count, 'venue')}** of the {found.looked_at:,} looked at {verb} an id."
    return f"**{counted(count, 'venue')}** {verb} an id."


def _search(preview: actions.MissingIds) -> None:
    for name in (_NOTE, _AFTER):
        st.session_state.pop(name, None)
    done: list[actions.SearchesQueued] = []

    def act(engine: Any, actor: Any) -> None:
        done.append(actions.find_missing_ids(engine, preview, actor=actor))

    said = retries_controls.attempt(act)
    geocoding_cached.forget()
    st.session_state["geo_search"] = False  # the popover has done its part
    if said:
        st.session_state[_NOTE] = said
    for each in done:
        notices.keep(_done(each))


def _done(queued: actions.SearchesQueued) -> str:
    made = len(queued.job_ids)
    words = [f"{_searches(made)} queued" if made else "No search queued"]
    if queued.open_ids:
        words.append(f"{len(queued.open_ids):,} ordered already")
    if queued.needless:
        words.append(f"{queued.needless:,} need none any more")
    return f"{', '.join(words)}."


def underway(as_of: datetime, on_show: Any) -> None:
    """Searches that wait and run, and how much was found since `as_of`; looks again by itself."""
    st.fragment(run_every=f"{LOOK_SECONDS}s", key="geo_underway")(_underway)(as_of, on_show)


def _underway(as_of: datetime, on_show: Any) -> None:
    with database():
        now = geocoding_cached.underway()
        found = geocoding_cached.newer(as_of)
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="geo_strip"):
            st.markdown(
                f"{badges.badge(f'{now.running:,} running', 'blue' if now.running else 'gray', 'autorenew')} "
                f"{badges.badge(f'{now.waiting:,} waiting', 'gray', 'schedule')}",
                width="content",
            )
            if found and st.button(
                f"{amount(found)} new" if found > COUNT_LIMIT else f"+{found:,} new",
                key="geo_new",
                icon=":material/arrow_upward:",
                type="primary",
                help="Results of searches that came since this page was drawn",
                on_click=on_show,
            ):
                # the click ran this part alone
                st.rerun()


def _searches(count: int) -> str:
    return "1 search" if count == 1 else f"{count:,} searches"

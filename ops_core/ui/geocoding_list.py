"""The Geocoding page: its head, figures and filters, what needs a person, and all searches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from ops_core.analytics.match_frames import STATES
from ops_core.db.match_lists import PAGE_SIZE, Page, Wanted
from ops_core.domain.matches import MatchState, id_key
from ops_core.domain.places import IDENTIFYING
from ops_core.ui import (
    geocoding_cached,
    geocoding_card,
    geocoding_place,
    geocoding_search,
    geocoding_table,
    notices,
)
from ops_core.ui.cards import amount
from ops_core.ui.geocoding_place import List

#: Searches that wait for a person, drawn at once: each is a card with its candidates.
REVIEWED_AT_ONCE = 5

_AS_OF, _STATES, _PROVIDER, _CITY = "geo_as_of", "geo_states", "geo_provider", "geo_city"
_ANY = "Any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks, and in which words."""

    names: Mapping[str, str]  #: Provider code -> name.
    zone: str
    may_decide: bool


def header(viewer: Viewer) -> None:
    """Title, purpose, the order to search, and what is under way."""
    arrived = geocoding_place.arrive(_PROVIDER)
    if arrived or _PROVIDER not in st.session_state:
        _fill_filters()
    geocoding_place.tell(arrived=arrived)
    notices.show()
    heading, corner = st.columns([3, 2], vertical_alignment="top")
    heading.title("Geocoding", anchor=False)
    heading.caption(
        "Which place at each provider a venue is. Clear finds are taken by themselves; what is not clear "
        "waits here for a person."
    )
    with corner, st.container(horizontal=True, horizontal_alignment="right"):
        geocoding_search.search_button(names=viewer.names, may_search=viewer.may_decide)
        st.button("Refresh", icon=":material/refresh:", key="refresh", on_click=refresh)
    geocoding_search.search_note()
    geocoding_search.underway(_as_of(), refresh)


def refresh() -> None:
    """For callbacks: read everything again, from the newest."""
    st.session_state.pop(_AS_OF, None)
    geocoding_card.forget_notes()
    geocoding_cached.forget()
    for which in List:
        geocoding_place.go(which)


def figures(viewer: Viewer) -> None:
    """How many searches came to what, and what they cost today."""
    today = datetime.now(ZoneInfo(viewer.zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    counts = geocoding_cached.counts(today)
    by_state = counts.by_state
    decided = by_state[MatchState.CONFIRMED] + by_state[MatchState.REJECTED]
    with st.grid(6, min_column_width=140, gap="small"):
        _card("To review", by_state[MatchState.REVIEW], "Searches that wait for a person.", "orange")
        _card("Matched", by_state[MatchState.MATCHED], "One place was clearly it: its id was taken.", "green")
        _card("Nothing found", by_state[MatchState.NONE], "No place that was found can be the venue.")
        _card("Decided", decided, "By people: confirmed or rejected. Searches leave them alone.", "blue")
        _card("Searches today", counts.searches, "Jobs that ended today; each asks several providers.")
        st.metric(
            "Cost today",
            f"\\${counts.cost_usd:,.3f}",
            help="What the providers charge for today's searches, in US dollars.",
            border=True,
            height="stretch",
        )


def filters(viewer: Viewer) -> None:
    """Which searches both lists show."""
    cities = geocoding_cached.cities()
    codes = [code for code in viewer.names if id_key(code) in IDENTIFYING]
    with st.grid(3, min_column_width=220, gap="small"):
        st.multiselect(
            "Result",
            list(MatchState),
            format_func=lambda state: STATES[MatchState(state)][0],
            key=_STATES,
            placeholder="Any result",
            on_change=_chosen,
        )
        st.selectbox(
            "Provider",
            [_ANY, *codes],
            format_func=lambda code: "Any provider" if code == _ANY else viewer.names.get(code, code),
            key=_PROVIDER,
            on_change=_chosen,
        )
        st.selectbox(
            "City",
            [0, *cities],
            format_func=lambda city: cities.get(city, "Any city"),
            key=_CITY,
            on_change=_chosen,
        )


def review(viewer: Viewer) -> None:
    """What needs a person, newest first, a card for each."""
    place = geocoding_place.here()
    wanted, turn = place.wanted, place.turns[List.REVIEW]
    if wanted.states and MatchState.REVIEW not in wanted.states:
        return
    page = geocoding_cached.page(
        Wanted(states=(MatchState.REVIEW,), provider=wanted.provider, city_id=wanted.city_id),
        turn.older_than,
        turn.newer_than,
        REVIEWED_AT_ONCE,
    )
    st.subheader("Needs a person", anchor=False)
    if not page.rows:
        _nothing_to_review(wanted, turned=turn.older_than is not None or turn.newer_than is not None)
    for row in page.rows:
        key = f"geo_review_{row.match.venue_id}_{row.match.provider}"
        with st.container(border=True, gap="xsmall", key=key):
            geocoding_card.card(row, key, names=viewer.names, zone=viewer.zone, may_decide=viewer.may_decide)
    _paging(List.REVIEW, page)


def everything(viewer: Viewer) -> None:
    """All searches that fit the filters, as a table; the opened one above it, to be corrected."""
    place = geocoding_place.here()
    turn = place.turns[List.ALL]
    page = geocoding_cached.page(place.wanted, turn.older_than, turn.newer_than, PAGE_SIZE)
    st.subheader("All searches", anchor=False)
    _opened(viewer)
    if page.rows:
        geocoding_table.table(page.rows, opened=place.opened, names=viewer.names, zone=viewer.zone)
    else:
        _nothing(place.wanted, turned=turn.older_than is not None or turn.newer_than is not None)
    _paging(List.ALL, page)


def _opened(viewer: Viewer) -> None:
    opened = geocoding_place.here().opened
    if opened is None:
        return
    row = geocoding_cached.one(*opened)
    with st.container(border=True, gap="xsmall", key="geo_opened"):
        if row is None:
            st.info(
                f"Venue {opened[0]} was not searched for there, or the link was mistyped.",
                icon=":material/search_off:",
            )
        else:
            geocoding_card.card(
                row, "geo_opened", names=viewer.names, zone=viewer.zone, may_decide=viewer.may_decide
            )
        st.button(
            "Close",
            key="geo_close",
            icon=":material/close:",
            type="tertiary",
            on_click=geocoding_place.toggle,
            args=opened,
        )


def _nothing_to_review(wanted: Wanted, *, turned: bool) -> None:
    if turned:
        _back(List.REVIEW)
    elif wanted.provider or wanted.city_id:
        st.info("Nothing that these filters choose waits for a person.", icon=":material/filter_alt:")
    else:
        st.success("No search waits for a person.", icon=":material/task_alt:")


def _nothing(wanted: Wanted, *, turned: bool) -> None:
    if turned:
        _back(List.ALL)
    elif wanted != Wanted():
        st.info("No search fits these filters.", title="Nothing here", icon=":material/filter_alt:")
        st.button("Show all searches", key="geo_clear", icon=":material/filter_alt_off:", on_click=_clear)
    else:
        with st.container(border=True, key="geo_none_yet"):
            st.markdown("#### :material/travel_explore: Nothing was searched for yet", anchors=False)
            st.markdown(
                "Venues that lack the id of a provider get no photos from it. **Find missing ids** above "
                "searches for them by name, near their coordinates; so does `venue-ops venues find-ids`."
            )


def _back(which: List) -> None:
    st.info("There is nothing on this side of the list.", icon=":material/last_page:")
    st.button(
        "To the newest",
        key=f"geo_{which}_to_newest",
        icon=":material/first_page:",
        on_click=geocoding_place.go,
        args=(which,),
    )


def _paging(which: List, page: Page) -> None:
    if not page.rows or not (page.has_newer or page.has_older):
        return
    with st.container(horizontal=True, vertical_alignment="center", key=f"geo_{which}_paging"):
        for label, icon, enabled, where in (
            ("Newest", "first_page", page.has_newer, {}),
            ("Newer", "chevron_left", page.has_newer, {"newer_than": page.rows[0].key}),
            ("Older", "chevron_right", page.has_older, {"older_than": page.rows[-1].key}),
        ):
            st.button(
                label,
                key=f"geo_{which}_{label.lower()}",
                icon=f":material/{icon}:",
                disabled=not enabled,
                on_click=geocoding_place.go,
                args=(which,),
                kwargs=where,
            )


def _as_of() -> datetime:
    if _AS_OF not in st.session_state:
        st.session_state[_AS_OF] = geocoding_cached.server_time()
    found: datetime = st.session_state[_AS_OF]
    return found


def _fill_filters() -> None:
    wanted = geocoding_place.here().wanted
    st.session_state[_STATES] = list(wanted.states)
    st.session_state[_PROVIDER] = wanted.provider or _ANY
    st.session_state[_CITY] = wanted.city_id or 0


def _chosen() -> None:
    state = st.session_state
    geocoding_card.forget_notes()
    geocoding_place.choose(
        Wanted(
            states=tuple(MatchState(each) for each in state[_STATES]),
            provider=None if state[_PROVIDER] == _ANY else state[_PROVIDER],
            city_id=state[_CITY] or None,
        )
    )


def _clear() -> None:
    geocoding_place.choose(Wanted())
    _fill_filters()


def _card(label: str, count: int, help_text: str, colour: str | None = None) -> None:
    text = amount(count)
    st.metric(
        label,
        f":{colour}[{text}]" if colour and count else text,
        help=help_text,
        border=True,
        height="stretch",
    )

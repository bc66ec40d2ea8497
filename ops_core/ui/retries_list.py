"""The list of the Retries page: its head, a card for each retry, paging, empty screens.

The list is held at what it had when the page was drawn: cards change in place, what comes later is
announced, so nothing moves under a reader's eyes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from ops_core.db.retry_lists import NEW_LIMIT, Which
from ops_core.ui import (
    notices,
    retries_cached,
    retries_card,
    retries_controls,
    retries_details,
    retries_place,
    retries_providers,
    retry_dialog,
)
from ops_core.ui.frame import database
from ops_core.ui.retries_cached import Listed, Seen

#: Seconds between two looks while something on the page is open.
LOOK_SECONDS = 2

_TAB, _PAGE_RUN = "retries_tab", "retries_page_run"
_TABS = {
    Which.OPEN: ":material/autorenew: Open",
    Which.DONE: ":material/check_circle: Done",
    Which.ALL: ":material/list: All",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks, and in which words."""

    names: Mapping[str, str]  #: Provider code -> name.
    zone: str
    may_retry: bool


def header() -> None:
    """Title, purpose, and which retries are listed."""
    arrived = retries_place.arrive(_TAB)
    if arrived or _TAB not in st.session_state:
        st.session_state[_TAB] = _TABS[retries_place.here().which]
    retries_place.tell(arrived=arrived)
    notices.show()
    heading, corner = st.columns([3, 1], vertical_alignment="top")
    heading.title("Retries", anchor=False)
    heading.caption("Every order to try failed images again: watch it, steer it, and see what it came to.")
    with corner, st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Refresh", icon=":material/refresh:", key="refresh", on_click=refresh)


def refresh() -> None:
    """For callbacks: read everything again, from the newest page."""
    retries_controls.forget_notes()
    retries_cached.forget()
    retries_place.go()


def retries(*, names: Mapping[str, str], zone: str, may_retry: bool) -> None:
    """The providers with work, the tabs, and the list with the opened retries in their places."""
    viewer = Viewer(names=names, zone=zone, may_retry=may_retry)
    retries_providers.providers_now(names=names, zone=zone, may_retry=may_retry)
    st.tabs(list(_TABS.values()), key=_TAB, on_change=_changed)
    place = retries_place.here()
    page = retries_cached.listed(place.which, place.older_than, place.newer_than)
    seen = retries_cached.seen(_shown(page))
    going = any(request.finished_at is None for request in seen.requests.values())
    st.session_state[_PAGE_RUN] = True
    st.fragment(run_every=f"{LOOK_SECONDS}s" if going else None, key="retries_list")(_draw)(
        page, viewer, going
    )


def _changed() -> None:
    chosen = next((which for which, label in _TABS.items() if label == st.session_state[_TAB]), Which.OPEN)
    retries_controls.forget_notes()
    retries_place.show(chosen)


def _shown(page: Listed) -> tuple[int, ...]:
    """Ids of what is drawn: opened retries that the page does not have come first."""
    opened = retries_place.here().opened
    return tuple(each for each in reversed(opened) if each not in page.ids) + page.ids


def _draw(page: Listed, viewer: Viewer, going: bool) -> None:
    with database():
        is_page_run = st.session_state.pop(_PAGE_RUN, False)
        if not is_page_run:
            retries_place.tell_from_part()
        seen = retries_cached.seen(_shown(page))
        retries_controls.other_notes(_shown(page))
        elsewhere = [each for each in reversed(retries_place.here().opened) if each not in page.ids]
        for request_id in elsewhere:
            _card(request_id, seen, viewer)
        if elsewhere and page.ids:
            st.divider()
        _news(page)
        if not page.ids:
            _nothing(elsewhere=bool(elsewhere))
        for request_id in page.ids:
            _card(request_id, seen, viewer)
        if page.has_newer or page.has_older:
            _paging(page)
        still = any(request.finished_at is None for request in seen.requests.values())
        # how often to look is settled by the page; under an open dialog nothing is redrawn
        if not is_page_run and still != going and not retry_dialog.is_open():
            st.rerun()


def _card(request_id: int, seen: Seen, viewer: Viewer) -> None:
    request = seen.requests.get(request_id)
    opened = request_id in retries_place.here().opened
    with st.container(border=True, gap="xsmall", key=f"retry_{request_id}"):
        if request is None:
            retries_card.missing(request_id)
            return
        retries_card.card(
            request,
            seen,
            names=viewer.names,
            zone=viewer.zone,
            may_retry=viewer.may_retry,
            opened=opened,
        )
        if opened:
            retries_details.details(request, seen, names=viewer.names, zone=viewer.zone)


def _news(page: Listed) -> None:
    """How many came since the newest page was drawn."""
    place = retries_place.here()
    if not page.ids or place.older_than or place.newer_than or place.which is Which.DONE:
        return
    count = retries_cached.newer(place.which, page.ids[0])
    if count and st.button(
        f"{NEW_LIMIT}+ new" if count > NEW_LIMIT else f"+{count} new",
        key="retries_new",
        icon=":material/arrow_upward:",
        type="primary",
        on_click=refresh,
    ):
        # the click ran this part alone
        st.rerun()


def _nothing(*, elsewhere: bool) -> None:
    place = retries_place.here()
    if place.older_than or place.newer_than:
        st.info("There are no retries on this side of the list.", icon=":material/last_page:")
        if st.button(
            "To the newest", key="to_newest", icon=":material/first_page:", on_click=retries_place.go
        ):
            st.rerun()
        return
    if place.which is Which.OPEN and retries_cached.listed(Which.ALL, None, None).ids:
        st.info(
            "No retry is waiting or running now. The tab Done has those that ended.",
            title="No other retry is open" if elsewhere else "Nothing is open",
            icon=":material/task_alt:",
        )
        return
    with st.container(border=True, key="no_retries"):
        title = "No retry has ended yet" if place.which is Which.DONE else "No retries yet"
        st.markdown(f"#### :material/replay: {title}", anchors=False)
        st.markdown(
            "Operations list what failed. Tick some, filter, or open one, and choose Retry: you see first "
            "what will be tried and what it costs, and then watch it here. On the command line, "
            "`venue-ops retry` does the same."
        )
        st.page_link("pages/operations.py", label="To the operations", icon=":material/arrow_forward:")


def _paging(page: Listed) -> None:
    clicked = []
    with st.container(horizontal=True, vertical_alignment="center", key="retries_paging"):
        for label, icon, enabled, where in (
            ("Newest", "first_page", page.has_newer, {}),
            ("Newer", "chevron_left", page.has_newer, {"newer_than": page.ids[0] if page.ids else None}),
            ("Older", "chevron_right", page.has_older, {"older_than": page.ids[-1] if page.ids else None}),
        ):
            clicked.append(
                st.button(
                    label,
                    key=f"retries_{label.lower()}",
                    icon=f":material/{icon}:",
                    disabled=not enabled,
                    on_click=retries_place.go,
                    kwargs=where,
                )
            )
        if page.ids:
            st.caption(f"Retries {page.ids[-1]} to {page.ids[0]}", width="content")
    if any(clicked):
        st.rerun()

"""Where a person is on the Retries page: list, page, opened retries; and its address.

As on the Operations page, the address tells what the session holds, so that a link shows the same view.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from ops_core.db.retry_lists import Which
from ops_core.domain.filters import as_id

#: Retries that one address can open; each loads its own details.
MOST_OPEN = 5

_WHICH, _OPEN, _OLDER, _NEWER, _WRITTEN, _MOVED = (
    "retries_place_which",
    "retries_place_open",
    "retries_place_older",
    "retries_place_newer",
    "retries_place_written",
    "retries_place_moved",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the page shows; ids are those of retry requests."""

    which: Which
    opened: tuple[int, ...]  #: In the order they were opened.
    older_than: int | None
    newer_than: int | None


def arrive(widget: str) -> bool:
    """Bring the address into the session if it says something else than we wrote; whether it did.

    `widget` is the key of one that the page always draws.
    """
    params = {name: st.query_params.get_all(name) for name in st.query_params}
    state = st.session_state
    if state.pop(_MOVED, False) or params == state.get(_WRITTEN):
        # a click moved us, and the browser may not have heard of it yet; or nothing is new
        return False
    if not params and _WHICH in state and widget not in state:
        # the link back from another page says nothing
        return True
    word = (params.get("show") or [Which.OPEN.value])[-1]
    state[_WHICH] = Which(word) if word in list(Which) else Which.OPEN
    ids = [number for word in params.get("retry", []) if (number := as_id(word)) is not None]
    state[_OPEN] = tuple(dict.fromkeys(ids))[-MOST_OPEN:]
    state[_OLDER], state[_NEWER] = (as_id((params.get(name) or [""])[-1]) for name in ("before", "after"))
    if state[_OLDER]:
        state[_NEWER] = None
    return True


def here() -> Place:
    """What the session holds now."""
    state = st.session_state
    return Place(which=state[_WHICH], opened=state[_OPEN], older_than=state[_OLDER], newer_than=state[_NEWER])


def tell(*, arrived: bool = False) -> None:
    """Write the session's place into the address."""
    place = here()
    params: dict[str, list[str]] = {}
    if place.which is not Which.OPEN:
        params["show"] = [place.which.value]
    if place.opened:
        params["retry"] = [str(request_id) for request_id in place.opened]
    for name, key in (("before", place.older_than), ("after", place.newer_than)):
        if key:
            params[name] = [str(key)]
    if arrived or params != st.session_state.get(_WRITTEN):
        st.query_params.from_dict(params)
    st.session_state[_WRITTEN] = params


def tell_from_part() -> None:
    """As `tell`, in a run of a part of the page: the next run of all of it finds nothing to take up."""
    st.session_state.pop(_MOVED, None)
    tell()


def show(which: Which) -> None:
    """For callbacks: another list, from its newest page; what is open stays open."""
    st.session_state[_WHICH] = which
    go()


def go(*, older_than: int | None = None, newer_than: int | None = None) -> None:
    """For callbacks: the page next to an id; without one, the newest."""
    st.session_state[_OLDER], st.session_state[_NEWER] = older_than, newer_than
    st.session_state[_MOVED] = True


def toggle(request_id: int) -> None:
    """For callbacks: open a retry's details, or close them; the first gives way to one too many."""
    opened: tuple[int, ...] = st.session_state[_OPEN]
    if request_id in opened:
        st.session_state[_OPEN] = tuple(other for other in opened if other != request_id)
    else:
        st.session_state[_OPEN] = (*opened, request_id)[-MOST_OPEN:]
    st.session_state[_MOVED] = True

"""Where a person is on the Retries page: list, page, opened retries; and its address.

As on the Operations page, the address tells what the session holds, so that a link shows the same view.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from ops_core.db.retry_lists import Which
from ops_core.domain.filters import as_id
from ops_core.ui.address_filters import Params, last_word
from ops_core.ui.page_address import PageAddress, opened_in, toggled

_WHICH, _OPEN, _OLDER, _NEWER = (
    "retries_place_which",
    "retries_place_open",
    "retries_place_older",
    "retries_place_newer",
)
_ADDRESS = PageAddress("retries_place", holds=_WHICH)


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
    return _ADDRESS.arrive(widget, _take_up)


def here() -> Place:
    """What the session holds now."""
    state = st.session_state
    return Place(which=state[_WHICH], opened=state[_OPEN], older_than=state[_OLDER], newer_than=state[_NEWER])


def tell(*, arrived: bool = False) -> None:
    """Write the session's place into the address."""
    place = here()
    params = {
        "show": [place.which.value] if place.which is not Which.OPEN else [],
        "retry": [str(request_id) for request_id in place.opened],
        "before": [str(place.older_than)] if place.older_than else [],
        "after": [str(place.newer_than)] if place.newer_than else [],
    }
    _ADDRESS.write(params, arrived=arrived)


def tell_from_part() -> None:
    """As `tell`, in a run of a part of the page: the next run of all of it finds nothing to take up."""
    _ADDRESS.forget_move()
    tell()


def show(which: Which) -> None:
    """For callbacks: another list, from its newest page; what is open stays open."""
    st.session_state[_WHICH] = which
    go()


def go(*, older_than: int | None = None, newer_than: int | None = None) -> None:
    """For callbacks: the page next to an id; without one, the newest."""
    st.session_state[_OLDER], st.session_state[_NEWER] = older_than, newer_than
    _ADDRESS.moved()


def toggle(request_id: int) -> None:
    """For callbacks: open a retry's details, or close them; the first gives way to one too many."""
    st.session_state[_OPEN] = toggled(st.session_state[_OPEN], request_id)
    _ADDRESS.moved()


def _take_up(params: Params) -> None:
    state = st.session_state
    word = last_word(params, "show")
    state[_WHICH] = Which(word) if word in list(Which) else Which.OPEN
    state[_OPEN] = opened_in(params, "retry")
    state[_OLDER], state[_NEWER] = (as_id(last_word(params, name)) for name in ("before", "after"))
    if state[_OLDER]:
        state[_NEWER] = None
